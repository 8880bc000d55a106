"""v1 cpu controller (Documentation/scheduler/sched-bwc.rst, sched-rt-group.rst).

::

    shares   cpu.shares          2..262144, relative to the sibling groups
    quota    cpu.cfs_quota_us    microseconds of processor time per period, -1 for no limit
    period   cpu.cfs_period_us
    burst    cpu.cfs_burst_us    unused quota that may be saved up (Linux 5.14)
    idle     cpu.idle            1: only when nobody else wants to run (Linux 5.15)
"""

from __future__ import annotations

from minicontainer.cgroups import tree
from minicontainer.cgroups.setting import Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cgroups.stats import CPUStats
    from minicontainer.oci.runtime import CPU


def settings(cpu: CPU) -> list[Setting]:
    """The cpu controller's part of the resources (cpus and mems are cpuset's)."""
    wanted = [
        ("cpu.shares", "cpu.shares", cpu.shares or None, ""),
        ("cpu.period", "cpu.cfs_period_us", cpu.period or None, "CONFIG_CFS_BANDWIDTH"),
        ("cpu.quota", "cpu.cfs_quota_us", cpu.quota or None, "CONFIG_CFS_BANDWIDTH"),
        ("cpu.burst", "cpu.cfs_burst_us", cpu.burst, "Linux 5.14"),
        ("cpu.idle", "cpu.idle", cpu.idle, "Linux 5.15"),
        ("cpu.realtimePeriod", "cpu.rt_period_us", cpu.realtime_period or None, "CONFIG_RT_GROUP_SCHED"),
        ("cpu.realtimeRuntime", "cpu.rt_runtime_us", cpu.realtime_runtime or None, "CONFIG_RT_GROUP_SCHED"),
    ]
    return [
        Setting("cpu", file, value, name, needs=needs)
        for name, file, value, needs in wanted
        if value is not None
    ]


def add_stats(folder: str, stats: CPUStats) -> None:
    """Throttling; v1 counts it in nanoseconds."""
    counted = tree.table(f"{folder}/cpu.stat")
    stats.periods = counted.get("nr_periods", 0)
    stats.throttled_periods = counted.get("nr_throttled", 0)
    stats.throttled_us = counted.get("throttled_time", 0) // 1000
