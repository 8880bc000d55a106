"""v2 cpu controller (Documentation/admin-guide/cgroup-v2.rst, "CPU").

::

    shares         cpu.weight       1..10000, see `weight`
    quota, period  cpu.max          "50000 100000": microseconds per period; "max 100000"
    burst          cpu.max.burst    Linux 5.14
    idle           cpu.idle         Linux 5.15; a group that is idle has no weight

No counterpart: realtimeRuntime, realtimePeriod.
"""

from __future__ import annotations

import math

from minicontainer.cgroups import tree
from minicontainer.cgroups.setting import Setting, limit_or, refuse
from minicontainer.cgroups.stats import CPUStats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import CPU


def weight(shares: int) -> int:
    """v1's 2..262144 with the default 1024 to v2's 1..10000 with the default 100.

    The linear formula that runc used until 1.3.2 made 39 of 1024, so that a container with the
    default got less than a group that nobody had touched (runc #4772).  The one that replaced it, in
    runc and crun, is the parabola through all three pairs on logarithmic scales.
    """
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    log = math.log2(shares)
    return math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))


def settings(cpu: CPU) -> list[Setting]:
    """The cpu controller's part of the resources (cpus and mems are cpuset's)."""
    if cpu.realtime_runtime or cpu.realtime_period:
        raise refuse("cpu.realtimeRuntime", "cgroup v2 does not control real-time processes")
    found = []
    if cpu.shares and not cpu.idle:
        found.append(Setting("cpu", "cpu.weight", weight(cpu.shares), "cpu.shares"))
    if cpu.quota or cpu.period:
        # A quota alone leaves the period as it is, at first 100 ms.
        words = [limit_or(cpu.quota or -1, "max")] + ([str(cpu.period)] if cpu.period else [])
        found.append(Setting("cpu", "cpu.max", " ".join(words), "cpu.quota", needs="CONFIG_CFS_BANDWIDTH"))
    if cpu.burst is not None:
        found.append(Setting("cpu", "cpu.max.burst", cpu.burst, "cpu.burst", needs="Linux 5.14"))
    if cpu.idle is not None:
        found.append(Setting("cpu", "cpu.idle", cpu.idle, "cpu.idle", needs="Linux 5.15"))
    return found


def stats(folder: str) -> CPUStats:
    """Time used is counted in every group; throttling where the controller is enabled."""
    counted = tree.table(f"{folder}/cpu.stat")
    return CPUStats(
        usage_us=counted.get("usage_usec", 0),
        user_us=counted.get("user_usec", 0),
        system_us=counted.get("system_usec", 0),
        periods=counted.get("nr_periods", 0),
        throttled_periods=counted.get("nr_throttled", 0),
        throttled_us=counted.get("throttled_usec", 0),
    )
