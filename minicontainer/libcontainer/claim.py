"""What a creator has made before state.json tells of it, for `delete --force` after its death.

::

    ROOT/ID/claim       control group ("" for none)
                        "made" once it is: there was no process in it then, so that all later ones are ours
                        how many mounts there were at the next line's path before it was borrowed
                        the root that is borrowed (borrowing.py), or ""
"""

from __future__ import annotations

import os

from minicontainer.util import files

NAME = "claim"
MADE = "made"


def write(folder: str, cgroup: str, made: str = "", borrows: str = "") -> None:
    """Before the group is made, after that, and before ``borrows`` is mounted."""
    lines = (cgroup, made, str(_mounts(borrows) if borrows else 0), borrows)
    files.write_atomic(f"{folder}/{NAME}", os.fsencode("\n".join(lines)), sync=False)


def forget(folder: str) -> None:
    """State.json tells of all now."""
    os.unlink(f"{folder}/{NAME}")


def take_back(folder: str) -> None:
    """End and remove what is there."""
    try:
        cgroup, made, before, borrowed = os.fsdecode(files.read(f"{folder}/{NAME}")).split("\n", 3)
    except FileNotFoundError:
        return
    if cgroup:
        from minicontainer import cgroups

        manager = cgroups.manager(cgroup)
        if made:
            manager.kill()
        if not manager.pids():
            manager.delete()
    if borrowed and _mounts(borrowed) > int(before):
        from minicontainer.libcontainer import borrowing

        borrowing.give_back(borrowed)


def _mounts(path: str) -> int:
    """How many are on top of each other there (proc_pid_mountinfo(5))."""
    shown = os.fsencode(path)
    for byte in b"\\ \t\n":
        shown = shown.replace(b"%c" % byte, b"\\%03o" % byte)
    return sum(line.split(b" ")[4] == shown for line in files.read("/proc/self/mountinfo").splitlines())
