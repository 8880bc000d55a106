"""process.scheduler, ioPriority and execCPUAffinity, linux.memoryPolicy: the specification's words for
what sched(7) and numa(7) call by numbers.

======================  ==============================  ===========================================
field                   call                            when
======================  ==============================  ===========================================
process.scheduler       sched_setattr(2)                while the process may still ask for anything
process.ioPriority      ioprio_set(2)                   the same
linux.memoryPolicy      set_mempolicy(2)                the same; init only
execCPUAffinity         sched_setaffinity(2)            exec only: ``initial`` before the process joins
                                                        its control group, ``final`` after
======================  ==============================  ===========================================
"""

from __future__ import annotations

from minicontainer.errors import InvalidConfig, field
from minicontainer.linux import numa, scheduling
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minicontainer.oci.runtime import ExecCPUAffinity, IOPriority, MemoryPolicy, Scheduler

# SCHED_ISO is in the specification's list, and in no kernel.
POLICIES = {name: getattr(scheduling, name) for name in (
    "SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_IDLE", "SCHED_DEADLINE")}  # fmt: skip
FLAGS = {name: getattr(scheduling, name) for name in (
    "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY",
    "SCHED_FLAG_KEEP_PARAMS", "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX")}  # fmt: skip
IO_CLASSES = {name: getattr(scheduling, name) for name in (
    "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE")}  # fmt: skip
MEMORY_MODES = {name: getattr(numa, name) for name in (
    "MPOL_DEFAULT", "MPOL_PREFERRED", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED_MANY",
    "MPOL_WEIGHTED_INTERLEAVE")}  # fmt: skip
MEMORY_FLAGS = {name: getattr(numa, name) for name in (
    "MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES")}  # fmt: skip
MOST_CPUS = 8192  # the largest CONFIG_NR_CPUS; nodes are fewer
REAL_TIME = ("SCHED_FIFO", "SCHED_RR")


def schedule(asked: Scheduler) -> None:
    """process.scheduler.  Raises InvalidConfig, or OSError as the kernel gives it."""
    policy = _known(asked.policy, POLICIES, "process.scheduler.policy")
    bits = _bits(asked.flags, FLAGS, "process.scheduler.flags")
    if asked.policy not in ("SCHED_OTHER", "SCHED_BATCH") and asked.nice:
        raise InvalidConfig(f"config.json: process.scheduler.nice: {asked.policy} has no nice value")
    if asked.policy not in REAL_TIME and asked.priority:
        raise InvalidConfig(f"config.json: process.scheduler.priority: {asked.policy} has no priority")
    if not -20 <= asked.nice <= 19:
        # The kernel clamps it without a word.
        raise InvalidConfig(f"config.json: process.scheduler.nice: {asked.nice} is not in -20..19")
    if asked.policy != "SCHED_DEADLINE" and (asked.runtime or asked.deadline or asked.period):
        raise InvalidConfig(f"config.json: process.scheduler: {asked.policy} has no runtime or deadline")
    with field("process.scheduler"):
        scheduling.sched_setattr(
            policy, bits, asked.nice, asked.priority, asked.runtime, asked.deadline, asked.period
        )


def prioritize_io(asked: IOPriority) -> None:
    """process.ioPriority.  Raises InvalidConfig, or OSError as the kernel gives it."""
    io_class = _known(asked.io_class, IO_CLASSES, "process.ioPriority.class")
    if not 0 <= asked.priority <= 7:
        raise InvalidConfig(f"config.json: process.ioPriority.priority: {asked.priority} is not in 0..7")
    with field("process.ioPriority"):
        scheduling.ioprio_set(io_class, asked.priority)


def place_memory(asked: MemoryPolicy) -> None:
    """linux.memoryPolicy.  Raises InvalidConfig, or OSError as the kernel gives it."""
    mode = _known(asked.mode, MEMORY_MODES, "linux.memoryPolicy.mode")
    bits = _bits(asked.flags, MEMORY_FLAGS, "linux.memoryPolicy.flags")
    nodes = numbers(asked.nodes or "", "linux.memoryPolicy.nodes")
    with field("linux.memoryPolicy"):
        numa.set_mempolicy(mode | bits, nodes)


def place_before_cgroup(asked: ExecCPUAffinity | None) -> None:
    """execCPUAffinity.initial: where a process runs until its control group says where it may."""
    if asked is not None and asked.initial:
        _run_on(asked.initial, "initial", "until it is in the container's control group")


def place_in_cgroup(asked: ExecCPUAffinity | None) -> None:
    """execCPUAffinity.final."""
    if asked is not None and asked.final:
        _run_on(asked.final, "final", "in the container's control group")


def _run_on(cpus: str, name: str, when: str) -> None:
    with field(f"process.execCPUAffinity.{name} ({cpus})"):
        found = numbers(cpus, f"process.execCPUAffinity.{name}")
        because(f"which processors this process may run on {when}")
        scheduling.sched_setaffinity(found)


def numbers(text: str, name: str) -> set[int]:
    """The numbers of a list such as ``0-3,7`` (cpuset(7), List format); raises InvalidConfig."""
    found: set[int] = set()
    for part in filter(None, text.replace(" ", "").split(",")):
        first, dash, last = part.partition("-")
        low, high = _number(first), _number(last) if dash else _number(first)
        if low is None or high is None or not low <= high < MOST_CPUS:
            raise InvalidConfig(f"config.json: {name}: {text!r} is not a list of numbers such as 0-3,7")
        found.update(range(low, high + 1))
    return found


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else None


def _known(value: str, values: Mapping[str, int], name: str) -> int:
    if value not in values:
        raise InvalidConfig(f"config.json: {name}: unknown value {value!r}")
    return values[value]


def _bits(found: list[str], values: Mapping[str, int], name: str) -> int:
    bits = 0
    for index, flag in enumerate(found):
        bits |= _known(flag, values, f"{name}[{index}]")
    return bits
