"""sched_setattr(2), sched_setaffinity(2), ioprio_set(2): when a process runs, and reads (sched(7))."""

from __future__ import annotations

import ctypes
import os

from minicontainer.linux.door import constant, flags, step
from minicontainer.linux.libc import number, syscall

SCHED_OTHER = 0
SCHED_FIFO = 1
SCHED_RR = 2
SCHED_BATCH = 3
SCHED_IDLE = 5
SCHED_DEADLINE = 6

SCHED_FLAG_RESET_ON_FORK = 0x01
SCHED_FLAG_RECLAIM = 0x02
SCHED_FLAG_DL_OVERRUN = 0x04
SCHED_FLAG_KEEP_POLICY = 0x08
SCHED_FLAG_KEEP_PARAMS = 0x10
SCHED_FLAG_UTIL_CLAMP_MIN = 0x20
SCHED_FLAG_UTIL_CLAMP_MAX = 0x40

IOPRIO_CLASS_RT = 1
IOPRIO_CLASS_BE = 2
IOPRIO_CLASS_IDLE = 3
IOPRIO_WHO_PROCESS = 1
IOPRIO_CLASS_SHIFT = 13

_CHRT = {
    SCHED_OTHER: "--other", SCHED_FIFO: "--fifo", SCHED_RR: "--rr", SCHED_BATCH: "--batch",
    SCHED_IDLE: "--idle", SCHED_DEADLINE: "--deadline",
}  # fmt: skip


def _policy(value: int) -> str:
    # The flags' names begin with the same word, and their numbers are the same.
    return f"SCHED_{_CHRT[value][2:].upper()}" if value in _CHRT else str(value)


class _SchedAttr(ctypes.Structure):
    """struct sched_attr (linux/sched/types.h, SCHED_ATTR_SIZE_VER1: Linux 5.3)."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("sched_policy", ctypes.c_uint32),
        ("sched_flags", ctypes.c_uint64),
        ("sched_nice", ctypes.c_int32),
        ("sched_priority", ctypes.c_uint32),
        ("sched_runtime", ctypes.c_uint64),
        ("sched_deadline", ctypes.c_uint64),
        ("sched_period", ctypes.c_uint64),
        ("sched_util_min", ctypes.c_uint32),
        ("sched_util_max", ctypes.c_uint32),
    )


@step(
    "sched_setattr(2)",
    why="how this process competes for processors with others",
    shell=lambda a: f"chrt {_CHRT.get(a['policy'], a['policy'])} -p {a['priority']} $$",
    show={"policy": lambda value: _policy(value), "flags": flags("SCHED_FLAG_", __name__)},
)
def sched_setattr(
    policy: int,
    flags: int = 0,
    nice: int = 0,
    priority: int = 0,
    runtime: int = 0,
    deadline: int = 0,
    period: int = 0,
) -> None:
    """Scheduling policy and parameters of this process; the last three in nanoseconds.

    EPERM without CAP_SYS_NICE, or real time in a v1 cpu group that was given none.
    """
    attributes = _SchedAttr(
        size=ctypes.sizeof(_SchedAttr),
        sched_policy=policy,
        sched_flags=flags,
        sched_nice=nice,
        sched_priority=priority,
        sched_runtime=runtime,
        sched_deadline=deadline,
        sched_period=period,
    )
    syscall(number("sched_setattr"), 0, ctypes.byref(attributes), 0)


@step(
    "sched_setaffinity(2)",
    why="which processors this process may run on",
    shell=lambda a: f"taskset -pc {','.join(map(str, sorted(a['cpus'])))} $$",
    show={"cpus": lambda value: ",".join(map(str, sorted(value)))},
)
def sched_setaffinity(cpus: set[int]) -> None:
    """Restrict this process to ``cpus``.  EINVAL if none of them is there and in its cpuset."""
    os.sched_setaffinity(0, cpus)


@step(
    "ioprio_set(2)",
    why="how this process competes for disks with others",
    shell=lambda a: f"ionice -c {a['io_class']} -n {a['priority']} -p $$",
    show={"io_class": constant("IOPRIO_CLASS_", __name__)},
)
def ioprio_set(io_class: int, priority: int) -> None:
    """I/O scheduling class and priority (0 is the first, 7 the last) of this process."""
    value = io_class << IOPRIO_CLASS_SHIFT | priority
    syscall(number("ioprio_set"), IOPRIO_WHO_PROCESS, 0, value)
