"""Handing controllers down (cgroup-v2.rst, "Top-down Constraint", "No Internal Process Constraint").

A group has the files of a controller when the group above lists it in cgroup.subtree_control, and a
group with processes of its own may not list any.  The true root is exempt; the root of a cgroup
namespace is not, and inside a container it is where all our processes are::

    /sys/fs/cgroup                  /sys/fs/cgroup            subtree_control: memory pids io
      processes: sh, minicontainer    ├── init                processes: sh, minicontainer
                              ──►     └── minicontainer       subtree_control: memory pids io
                                            └── <id>          the container

So everything is moved to a leaf named ``init``, as Docker-in-Docker, podman and systemd do.  It is
left there: moving back would need the controllers to be taken away again.
"""

from __future__ import annotations

import errno
import os

from minicontainer.cgroups import tree
from minicontainer.errors import Unsupported
from minicontainer.linux.control import write_control
from minicontainer.linux.door import because

LEAF = "init"


def enable(root: str, path: str, controllers: set[str]) -> None:
    """Have ``controllers`` in the group at ``path``: enable them in every group above it.

    Groups that miss none are only read.
    """
    folder = root
    for name in path.strip("/").split("/"):
        missing = controllers.difference(tree.text(f"{folder}/cgroup.subtree_control").split())
        if missing:
            _hand_down(root, folder, " ".join(f"+{controller}" for controller in sorted(missing)))
        folder = f"{folder}/{name}"


def _hand_down(root: str, folder: str, change: str) -> None:
    because("groups below get a controller's files only if this group hands it down")
    try:
        write_control(f"{folder}/cgroup.subtree_control", change)
    except OSError as error:
        # Every group but the true root has cgroup.type.
        if error.errno != errno.EBUSY or folder != root or not os.path.exists(f"{root}/cgroup.type"):
            raise
        move_to_leaf(root)
        because("the group has no processes of its own any more")
        write_control(f"{folder}/cgroup.subtree_control", change)


def move_to_leaf(root: str) -> None:
    """Move every process of the group ``root`` into ``root/init``.  Raises Unsupported."""
    tree.make(root, f"/{LEAF}")
    while pids := tree.own_processes(root):
        if 0 in pids:
            raise Unsupported(
                f"{root} holds processes of outside this container, so no controller can be enabled in it; "
                "start the outer container with a cgroup namespace of its own (docker: --cgroupns=private)"
            )
        for pid in pids:
            because("a group with processes may not hand controllers down")
            try:
                write_control(f"{root}/{LEAF}/cgroup.procs", str(pid))
            except ProcessLookupError:
                continue


def entry(folder: str) -> str:
    """The group below which a new process of the container can be put: itself, unless it hands down.

    A container that runs systemd or an engine has moved its own processes to a leaf, and the group
    that we made takes no process any more (EBUSY): a new one then joins those (runc #2356), the leaf's
    first, for other groups may be containers of its own.
    """
    if not tree.text(f"{folder}/cgroup.subtree_control"):
        return folder
    candidates = [f"{folder}/{LEAF}", *tree.groups(folder)[1:]]
    return next((group for group in candidates if tree.own_processes(group)), folder)
