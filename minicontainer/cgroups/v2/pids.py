"""v2 pids controller: how many threads; pids.events counts the forks that were refused."""

from __future__ import annotations

from minicontainer.cgroups import tree
from minicontainer.cgroups.setting import Setting, limit_or
from minicontainer.cgroups.stats import PidsStats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Pids


def settings(pids: Pids) -> list[Setting]:
    """0 and below is no limit."""
    return [Setting("pids", "pids.max", limit_or(pids.limit or -1, "max"), "pids.limit")]


def stats(folder: str) -> PidsStats:
    """``limit_hits`` is 0 before Linux 4.5."""
    return PidsStats(
        current=tree.number(f"{folder}/pids.current") or 0,
        limit=tree.number(f"{folder}/pids.max"),
        limit_hits=tree.table(f"{folder}/pids.events").get("max", 0),
    )
