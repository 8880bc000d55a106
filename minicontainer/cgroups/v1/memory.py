"""v1 memory controller (Documentation/admin-guide/cgroup-v1/memory.rst).

::

    limit        memory.limit_in_bytes           the kernel reclaims, then kills
    reservation  memory.soft_limit_in_bytes      what is kept when the host is short
    swap         memory.memsw.limit_in_bytes     memory and swap together, as in the OCI document
    kernelTCP    memory.kmem.tcp.limit_in_bytes
    swappiness   memory.swappiness
    disableOOMKiller  memory.oom_control         out of memory waits instead of dying
"""

from __future__ import annotations

from minicontainer.cgroups import tree
from minicontainer.cgroups.setting import Setting, check_memory
from minicontainer.cgroups.stats import MemoryStats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Memory

# "No limit" reads as the biggest number of pages, in bytes, which depends on the page size.
UNLIMITED = 1 << 62
# Where both limits are equal, the second is the one that is hit; Linux 6.18 does not count that any
# more, so a kill, which is a hit too, is taken as the least.
FAILURES = ("memory.failcnt", "memory.memsw.failcnt")


def settings(memory: Memory) -> list[Setting]:
    """Memory's part of the resources."""
    check_memory(memory)
    swap = memory.swap
    if memory.limit == -1 and not swap:
        swap = -1  # memory without a limit above memory+swap with one would be refused
    wanted = [
        ("memory.limit", "memory.limit_in_bytes", memory.limit, ""),
        ("memory.reservation", "memory.soft_limit_in_bytes", memory.reservation, ""),
        ("memory.swap", "memory.memsw.limit_in_bytes", swap, "swap accounting: boot with swapaccount=1"),
        ("memory.kernelTCP", "memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp, ""),
    ]
    found = [
        Setting("memory", file, value, name, needs=needs) for name, file, value, needs in wanted if value
    ]
    if memory.swappiness is not None:
        found.append(Setting("memory", "memory.swappiness", memory.swappiness, "memory.swappiness"))
    if memory.disable_oom_killer:
        found.append(Setting("memory", "memory.oom_control", 1, "memory.disableOOMKiller"))
    # use_hierarchy is not a limit: v1 is hierarchical whether asked or not since Linux 5.11.
    return found


def stats(folder: str) -> MemoryStats:
    """Swap is memsw minus memory, which are read one after the other: never below 0."""
    usage = tree.number(f"{folder}/memory.usage_in_bytes") or 0
    both = tree.number_or(f"{folder}/memory.memsw.usage_in_bytes", None)
    limit = tree.number(f"{folder}/memory.limit_in_bytes")
    detail = tree.table(f"{folder}/memory.stat")
    oom_kills = tree.table(f"{folder}/memory.oom_control").get("oom_kill", 0)
    return MemoryStats(
        usage=usage,
        limit=limit if limit is not None and limit < UNLIMITED else None,
        peak=tree.number_or(f"{folder}/memory.max_usage_in_bytes", None),
        swap=None if both is None else max(both - usage, 0),
        inactive_file=detail.get("total_inactive_file", 0),
        limit_hits=max(sum(tree.number_or(f"{folder}/{file}", 0) or 0 for file in FAILURES), oom_kills),
        oom_kills=oom_kills,
    )
