"""A mount of type cgroup: the container's own groups, in /sys/fs/cgroup.

::

    v2                    that hierarchy
    v1, hybrid            tmpfs ─┬─ memory       each of the host's, as a cgroup namespace shows it;
                                 └─ cpu,cpuacct  without one, the container's own group alone
"""

from __future__ import annotations

import os

from minicontainer.libcontainer import mounting, mounts
from minicontainer.libcontainer.mounting import COPY
from minicontainer.linux import file, openat2
from minicontainer.linux import mount as m
from minicontainer.linux import mountfd as fd
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cgroups.manager import Manager
    from minicontainer.libcontainer.mounts import Options
    from minicontainer.oci.runtime import Linux

WHY = "the container can see its own limits"


class CgroupMount:
    """One hierarchy to show in /sys/fs/cgroup: its folder's name there, file system, options; the
    host's folder of the only group to show, or "" for all that the cgroup namespace lets see."""

    __slots__ = ("fstype", "held", "name", "options", "shown", "source")

    def __init__(self, name: str, fstype: str, options: str, source: str = "") -> None:
        self.name = name
        self.fstype = fstype
        self.options = options
        self.source = source
        self.held = -1
        self.shown = ""  # where the container has it already


def of(manager: Manager, linux: Linux) -> list[CgroupMount]:
    """What a mount of type cgroup shows: every hierarchy that the container has a group in.

    Of a v1 hierarchy without a cgroup namespace, that group alone, as runc and crun do: programs look
    for their limits at its top.
    """
    host = manager.hierarchies
    if host.version == "v2":
        return [CgroupMount("cgroup2", "cgroup2", "")]
    whole = any(namespace.type == "cgroup" for namespace in linux.namespaces)
    folders: dict[str, list[str]] = {}
    for controller, folder in host.bound.items():
        if os.path.isdir(folder + manager.path):
            folders.setdefault(folder, []).append(controller)
    return [
        CgroupMount(
            os.path.basename(folder), "cgroup", ",".join(controllers), "" if whole else folder + manager.path
        )
        for folder, controllers in folders.items()
    ]


def hold(hierarchies: list[CgroupMount]) -> None:
    """Take hold of the single groups, while they can be reached."""
    for hierarchy in hierarchies:
        if hierarchy.source:
            because("hold the container's own group before the host's tree goes out of reach")
            hierarchy.held = fd.open_tree(fd.AT_FDCWD, hierarchy.source, COPY)


def mount(hierarchies: list[CgroupMount], target: str, options: Options) -> None:
    """Mount them on the folder ``target``, or below it."""
    mounting.make_folder(target)
    if len(hierarchies) == 1 and hierarchies[0].fstype == "cgroup2":
        because(WHY)
        mounting.mount_on(target, "cgroup", "cgroup2", options.flags)
        return
    because("a folder for each of the host's cgroup hierarchies")
    mounting.mount_on(target, "tmpfs", "tmpfs", options.flags & ~m.MS_RDONLY, "mode=755")
    for hierarchy in hierarchies:
        folder = f"{target}/{hierarchy.name}"
        file.mkdir(folder)
        _show(hierarchy, folder, options)
    if options.flags & m.MS_RDONLY:
        because("the container may read its limits, not change them")
        mounting.mount_on(target, None, None, m.MS_REMOUNT | m.MS_BIND | options.flags)


def _show(hierarchy: CgroupMount, folder: str, options: Options) -> None:
    if hierarchy.shown:
        because("what one cgroup mount shows, another shows as well")
        held = fd.open_tree(fd.AT_FDCWD, hierarchy.shown, COPY)
        mounting.attach(held, openat2.reach(folder))
    elif hierarchy.held >= 0:
        hierarchy.shown = folder
        attributes, _ = mounts.attributes(options.flags, 0)
        because(WHY)
        fd.mount_setattr(hierarchy.held, "", fd.AT_EMPTY_PATH, attributes, 0, m.MS_PRIVATE)
        mounting.attach(hierarchy.held, openat2.reach(folder))
    else:
        because(WHY)
        mounting.mount_on(folder, "cgroup", hierarchy.fstype, options.flags, hierarchy.options)
