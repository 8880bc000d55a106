"""Control groups: what a container may use, what it has used, and everything that runs in it.

::

    manager("/minicontainer/<id>")
        │ hierarchies()  host.py      which controller is where: /proc/self/mountinfo, /proc/cgroups
        ├─ v2/driver.py               one tree; memory cpu cpuset io pids hugetlb, devices by BPF
        └─ v1/driver.py               a tree per controller; also on hybrid hosts
              each: one file per controller, turning OCI resources into settings (setting.py)

The path is an absolute one below each hierarchy's mount point, as the OCI specification asks
(config-linux.md, cgroupsPath), not below the group that the caller happens to run in: a group of a
login session or a service would take the container down with it.  Inside a container with its own
cgroup namespace the mount point *is* that container's group, so nothing is escaped there.

The v1 driver is taken where the freezer is bound to v1, for without it nothing can be killed for
certain on v1; elsewhere the v2 driver.  (Not: where any controller is bound to v1; one net_cls that
a VPN client mounts does not make a v1 host.)

Without a writable one, in an ordinary user's namespace, a container has no group (none.py).

Our groups have one parent, ``/minicontainer``, which the last of them takes with it when it goes.
"""

from __future__ import annotations

import os

from minicontainer.cgroups import host
from minicontainer.errors import InvalidConfig, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cgroups.host import Hierarchies
    from minicontainer.cgroups.manager import Manager

__all__ = ["PARENT", "manager", "no_manager"]

PARENT = "/minicontainer"


def manager(path: str, hierarchies: Hierarchies | None = None, *, rootless: bool | None = None) -> Manager:
    """The manager of the group at ``path``, whether it exists yet or not; touches nothing.

    A relative path goes below ``/minicontainer``.  ``rootless``: whether to do without a group where
    none may be made; None: if the caller is not the host's root.  Raises InvalidConfig for a path that
    climbs, and Unsupported on a host without a cgroup file system.
    """
    names = [name for name in path.split("/") if name not in ("", ".")]
    if not names or ".." in names:
        raise InvalidConfig(f"cgroup path {path!r} must name a group below the root, without '..'")
    clean = "/" + "/".join(names) if path.startswith("/") else "/".join([PARENT, *names])
    found = hierarchies or host.hierarchies()
    place = found.bound.get("freezer") or found.unified
    may = hierarchies is not None or (place is not None and os.access(place, os.W_OK))
    if not may and (_is_ordinary() if rootless is None else rootless):
        return no_manager(clean, found)
    if "freezer" in found.bound:
        from minicontainer.cgroups.v1.driver import V1Manager

        return V1Manager(clean, found)
    if found.unified is not None:
        from minicontainer.cgroups.v2.driver import V2Manager

        return V2Manager(clean, found)
    raise Unsupported(
        "no usable cgroup file system is mounted (cgroup2 on /sys/fs/cgroup, or v1 with the freezer)"
    )


def no_manager(path: str, hierarchies: Hierarchies | None = None) -> Manager:
    """The manager of a container that has no group."""
    from minicontainer.cgroups.none import NoManager

    return NoManager(path, hierarchies or host.hierarchies())


def _is_ordinary() -> bool:
    """Whether this process is not the host's root, if only that of a user namespace (user_namespaces(7))."""
    from minicontainer.util import files

    return os.geteuid() != 0 or files.read("/proc/self/uid_map").split() != [b"0", b"0", b"4294967295"]
