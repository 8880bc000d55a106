"""v1 cpuacct controller: processor time used (Documentation/admin-guide/cgroup-v1/cpuacct.rst)."""

from __future__ import annotations

import os

from minicontainer.cgroups import tree
from minicontainer.cgroups.stats import CPUStats


def stats(folder: str) -> CPUStats:
    """The total is in nanoseconds; user and system in clock ticks, so their sum differs from it."""
    tick_us = 1_000_000 // os.sysconf("SC_CLK_TCK")
    parts = tree.table(f"{folder}/cpuacct.stat")
    return CPUStats(
        usage_us=(tree.number(f"{folder}/cpuacct.usage") or 0) // 1000,
        user_us=parts.get("user", 0) * tick_us,
        system_us=parts.get("system", 0) * tick_us,
    )
