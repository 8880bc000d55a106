"""set_mempolicy(2): on which nodes of a NUMA machine a process gets its memory (numa(7))."""

from __future__ import annotations

import ctypes

from minicontainer.linux.door import constant, flags, step
from minicontainer.linux.libc import number, syscall

MPOL_DEFAULT = 0
MPOL_PREFERRED = 1
MPOL_BIND = 2
MPOL_INTERLEAVE = 3
MPOL_LOCAL = 4
MPOL_PREFERRED_MANY = 5
MPOL_WEIGHTED_INTERLEAVE = 6

MPOL_F_NUMA_BALANCING = 1 << 13
MPOL_F_RELATIVE_NODES = 1 << 14
MPOL_F_STATIC_NODES = 1 << 15
MODE_FLAGS = MPOL_F_NUMA_BALANCING | MPOL_F_RELATIVE_NODES | MPOL_F_STATIC_NODES

WORD = 64  # bits of an unsigned long on the machines that libc.py knows
_OPTIONS = {
    MPOL_DEFAULT: "--localalloc", MPOL_PREFERRED: "--preferred", MPOL_BIND: "--membind",
    MPOL_INTERLEAVE: "--interleave", MPOL_LOCAL: "--localalloc", MPOL_PREFERRED_MANY: "--preferred-many",
    MPOL_WEIGHTED_INTERLEAVE: "--weighted-interleave",
}  # fmt: skip


def _mode(value: int) -> str:
    name = constant("MPOL_", __name__)(value & ~MODE_FLAGS)
    return f"{name}|{flags('MPOL_F_', __name__)(value & MODE_FLAGS)}" if value & MODE_FLAGS else name


def _nodes(value: set[int]) -> str:
    return ",".join(map(str, sorted(value)))


@step(
    "set_mempolicy(2)",
    why="on which nodes this process and its children get their memory",
    shell=lambda a: f"numactl {_OPTIONS.get(a['mode'] & ~MODE_FLAGS, '')} {_nodes(a['nodes'])}",
    show={"mode": _mode, "nodes": _nodes},
)
def set_mempolicy(mode: int, nodes: set[int]) -> None:
    """The memory policy, kept across execve(2).  ``mode`` is MPOL_* and MPOL_F_* bits.

    EINVAL for nodes that are not there, or that the mode does not take.  ENOSYS without CONFIG_NUMA.
    """
    if not nodes:
        syscall(number("set_mempolicy"), mode, None, 0)
        return
    words = max(nodes) // WORD + 1
    mask = (ctypes.c_uint64 * words)()
    for node in nodes:
        mask[node // WORD] |= 1 << node % WORD
    # The kernel reads one bit less than it is told (set_mempolicy(2), maxnode).
    syscall(number("set_mempolicy"), mode, mask, words * WORD + 1)
