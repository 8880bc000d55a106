"""``linux.resources.unified``: cgroup v2 files by name, written as they are, after everything else.

::

    {"memory.high": "536870912", "io.max": "8:0 rbps=1048576\\n8:16 rbps=max"}
"""

from __future__ import annotations

from minicontainer.cgroups.setting import Setting
from minicontainer.errors import InvalidConfig


def settings(unified: dict[str, str]) -> list[Setting]:
    """The controller is the word before the first dot; ``cgroup`` is every group's."""
    found = []
    for file, value in unified.items():
        controller, dot, _ = file.partition(".")
        if "/" in file or not dot or not controller:
            raise InvalidConfig(f"linux.resources.unified: {file!r} is not the name of a control file")
        found.append(Setting(controller, file, value, f"unified {file}"))
    return found
