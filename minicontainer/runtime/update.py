"""update: other limits for a container that exists.

Single flags, or all of linux.resources as JSON (--resources FILE, - for standard input); what is not
named stays as it is.
"""

from __future__ import annotations

import os

from minicontainer.errors import UsageError
from minicontainer.libcontainer.container import Container
from minicontainer.oci.document import load
from minicontainer.oci.runtime import CPU, BlockIO, Memory, Pids, Resources
from minicontainer.runtime.flags import Flag
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.runtime.main import Context

USAGE = "[FLAGS] CONTAINER-ID"
# flag -> (part of linux.resources, attribute); numbers but for the sets, as the specification has them
LIMITS = {
    "blkio-weight": ("block_io", "weight", "block IO weight, 10 to 1000"),
    "cpu-period": ("cpu", "period", "period of the CPU quota in microseconds"),
    "cpu-quota": ("cpu", "quota", "CPU time in each period in microseconds"),
    "cpu-burst": ("cpu", "burst", "CPU time that may be saved up, in microseconds"),
    "cpu-share": ("cpu", "shares", "CPU shares (relative weight)"),
    "cpu-rt-period": ("cpu", "realtime_period", "period of realtime scheduling in microseconds"),
    "cpu-rt-runtime": ("cpu", "realtime_runtime", "realtime CPU time in each period in microseconds"),
    "cpu-idle": ("cpu", "idle", "1: run only when nothing else would (SCHED_IDLE)"),
    "cpuset-cpus": ("cpu", "cpus", "the CPUs to use"),
    "cpuset-mems": ("cpu", "mems", "the memory nodes to use"),
    "memory": ("memory", "limit", "memory limit in bytes"),
    "memory-reservation": ("memory", "reservation", "soft memory limit in bytes"),
    "memory-swap": ("memory", "swap", "memory and swap together; -1: no limit"),
    "pids-limit": ("pids", "limit", "most processes and threads; -1: no limit"),
}
KERNEL_MEMORY = ("kernel-memory", "kernel-memory-tcp")
PARTS = {"block_io": BlockIO, "cpu": CPU, "memory": Memory, "pids": Pids}
FLAGS = [
    Flag(
        "resources r",
        "text",
        "a file with linux.resources (-: standard input); other flags are ignored",
    ),
    *(Flag(name, "text", what) for name, (_, _, what) in LIMITS.items()),
    *(Flag(name, "text", "ignored: no kernel since 5.16 has it") for name in KERNEL_MEMORY),
    Flag("l3-cache-schema", "text", "refused: no Intel RDT"),
    Flag("mem-bw-schema", "text", "refused: no Intel RDT"),
]


def main(context: Context) -> int:
    """0."""
    container = Container.load(context.container_id(), context.root)
    flags = context.flags
    if any(flags[name.replace("-", "_")] for name in KERNEL_MEMORY):
        context.log.write("warning", "kernel memory limits are ignored, as runc ignores them")
    container.update(_read(flags["resources"]) if flags["resources"] else from_flags(flags))
    return 0


def _read(name: str) -> Resources:
    if name != "-":
        return load(Resources, files.read(name), name)
    parts = []
    while part := os.read(0, 1 << 16):
        parts.append(part)
    return load(Resources, b"".join(parts), "standard input")


def from_flags(flags: dict[str, Any]) -> Resources:
    """linux.resources with what the flags name.  Raises UsageError."""
    if flags["l3_cache_schema"] or flags["mem_bw_schema"]:
        raise UsageError("Intel RDT is not supported")
    found = Resources()
    for flag, (part, attribute, _) in LIMITS.items():
        word = flags[flag.replace("-", "_")]
        if word:
            limits = found.__dict__.setdefault(part, PARTS[part]())
            setattr(limits, attribute, word if flag.startswith("cpuset-") else number(word, flag))
    return found


def number(word: str, flag: str) -> int:
    """A number, or one of bytes with a unit (k, m, g, t of 1024).  Raises UsageError."""
    text = word.lower().removesuffix("b")
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}.get(text[-1:])
    try:
        value = int(text[:-1] if factor else text, 10)
    except ValueError:
        raise UsageError(f"flag --{flag}: {word!r} is not a number") from None
    return value * (factor or 1)
