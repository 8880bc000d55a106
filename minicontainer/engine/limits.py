"""Limits that contradict each other, or that no container can have: moby's checks (daemon_unix.go).

Whether this host can enforce them is another question (spec.check_limits).
"""

from __future__ import annotations

from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.records import HostConfig

RT_PERIOD = 1_000_000  # microseconds, the kernel's (sched-rt-group.rst)


def check(host: HostConfig) -> None:
    """Raise UsageError for what is wrong with a container's limits on any host; 0 is no limit."""
    check_cpu(host.cpu_period, host.cpu_quota, host.nano_cpus)
    check_memory(host.memory, host.memory_swap, host.memory_reservation)
    if host.blkio_weight and not 10 <= host.blkio_weight <= 1000:
        raise UsageError("Range of blkio weight is from 10 to 1000")
    if not -1 <= host.memory_swappiness <= 100:
        raise UsageError(f"invalid value: {host.memory_swappiness}. Valid memory swappiness range is 0-100")
    if host.cpu_rt_runtime > (host.cpu_rt_period or RT_PERIOD):
        raise UsageError("cpu real-time runtime cannot be higher than cpu real-time period")


def check_cpu(period: int, quota: int, nano: int) -> None:
    """Raise UsageError for what the kernel's scheduler does not take, or for two answers to one question."""
    for name, value in (("Period", period), ("Quota", quota)):
        if nano and value:
            raise UsageError(f"Conflicting options: Nano CPUs and CPU {name} cannot both be set")
    if period and not 1000 <= period <= 1_000_000:
        raise UsageError(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if 0 < quota < 1000:
        raise UsageError("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def check_memory(limit: int, swap: int, reservation: int) -> None:
    """Raise UsageError for limits of memory that contradict each other; 0 is none, swap -1 no limit."""
    if swap > 0 and not limit:
        raise UsageError("You should always set the Memory limit when using Memoryswap limit, see usage")
    if 0 < swap < limit:
        raise UsageError("Minimum memoryswap limit should be larger than memory limit, see usage")
    if 0 < limit < reservation:
        raise UsageError("Minimum memory limit can not be less than memory reservation limit, see usage")
