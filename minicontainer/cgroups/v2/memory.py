"""v2 memory controller (Documentation/admin-guide/cgroup-v2.rst, "Memory").

::

    limit        memory.max        the kernel reclaims, then kills
    reservation  memory.low        protected from reclaim while others have more (as runc and crun do;
                                   memory.high, which throttles, comes from ``unified`` only)
    swap         memory.swap.max   swap alone, so: swap - limit

No counterpart: swappiness, disableOOMKiller, kernelTCP.
"""

from __future__ import annotations

from minicontainer.cgroups import tree
from minicontainer.cgroups.setting import Setting, check_memory, limit_or, refuse
from minicontainer.cgroups.stats import MemoryStats
from minicontainer.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Memory


def settings(memory: Memory) -> list[Setting]:
    """Memory's part of the resources."""
    check_memory(memory)
    _refuse_what_v2_lacks(memory)
    found = []
    if memory.limit:
        found.append(Setting("memory", "memory.max", limit_or(memory.limit, "max"), "memory.limit"))
    if memory.reservation:
        low = limit_or(memory.reservation, "max")
        found.append(Setting("memory", "memory.low", low, "memory.reservation"))
    swap = swap_alone(memory)
    if swap is not None:
        found.append(Setting("memory", "memory.swap.max", swap, "memory.swap", needs="CONFIG_SWAP"))
    return found


def swap_alone(memory: Memory) -> str | None:
    """The OCI value, memory and swap together, as memory.swap.max; None if it says nothing."""
    if memory.swap:
        if memory.swap < 0:
            return "max"
        if not memory.limit or memory.limit < 0:
            raise InvalidConfig("memory.swap is memory and swap together: on cgroup v2 it needs memory.limit")
        return str(memory.swap - memory.limit)
    # An update that lifts the memory limit lifts that of both, as it does on v1.
    return "max" if memory.limit == -1 else None


def _refuse_what_v2_lacks(memory: Memory) -> None:
    why = "cgroup v2 has nothing like it"
    if memory.swappiness is not None:
        raise refuse("memory.swappiness", why)
    if memory.disable_oom_killer:
        raise refuse("memory.disableOOMKiller", why)
    if (memory.kernel_tcp or 0) > 0:
        raise refuse("memory.kernelTCP", why)


def stats(folder: str) -> MemoryStats:
    """Events are counted for the group and those below it."""
    events = tree.table(f"{folder}/memory.events")
    return MemoryStats(
        usage=tree.number(f"{folder}/memory.current") or 0,
        limit=tree.number(f"{folder}/memory.max"),
        peak=tree.number_or(f"{folder}/memory.peak", None),  # Linux 5.19
        swap=tree.number_or(f"{folder}/memory.swap.current", None),
        inactive_file=tree.table(f"{folder}/memory.stat").get("inactive_file", 0),
        limit_hits=events.get("max", 0),
        oom_kills=events.get("oom_kill", 0),
    )
