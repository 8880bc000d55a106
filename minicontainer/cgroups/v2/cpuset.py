"""v2 cpuset controller: which processors and memory nodes; empty means those of the group above."""

from __future__ import annotations

from minicontainer.cgroups.setting import Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import CPU


def settings(cpu: CPU) -> list[Setting]:
    """``cpus`` and ``mems``: lists like ``0-3,7``."""
    wanted = [("cpu.cpus", "cpuset.cpus", cpu.cpus), ("cpu.mems", "cpuset.mems", cpu.mems)]
    return [Setting("cpuset", file, value, name) for name, file, value in wanted if value]
