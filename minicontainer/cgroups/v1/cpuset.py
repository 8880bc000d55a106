"""v1 cpuset controller: which processors and memory nodes (cpuset(7)).

A new group has neither, and a process that joins it then gets ENOSPC: each missing one is filled
from the group above, from the top down, before anything else is done.
"""

from __future__ import annotations

from minicontainer.cgroups import tree
from minicontainer.cgroups.setting import Setting
from minicontainer.linux.control import write_control
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import CPU

FILES = ("cpuset.cpus", "cpuset.mems")


def settings(cpu: CPU) -> list[Setting]:
    """``cpus`` and ``mems``: lists like ``0-3,7``."""
    wanted = [("cpu.cpus", FILES[0], cpu.cpus), ("cpu.mems", FILES[1], cpu.mems)]
    return [Setting("cpuset", file, value, name) for name, file, value in wanted if value]


def fill(mount: str, path: str) -> None:
    """Give the group at ``path``, and those above it, what the group above each has."""
    above = mount
    for name in path.strip("/").split("/"):
        folder = f"{above}/{name}"
        for file in FILES:
            if not tree.text(f"{folder}/{file}"):
                because("on v1 a group without processors or memory nodes takes no process")
                write_control(f"{folder}/{file}", tree.text(f"{above}/{file}"))
        above = folder
