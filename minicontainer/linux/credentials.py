"""setuid(2), setgid(2), setgroups(2), setfsuid(2), umask(2): who a process is (credentials(7))."""

from __future__ import annotations

import ctypes
import errno
import os

from minicontainer.linux.door import step
from minicontainer.linux.libc import function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = -1  # changes nothing
_setfsuid = function("setfsuid", ctypes.c_uint)
_setfsgid = function("setfsgid", ctypes.c_uint)


@step(
    "setgroups(2)",
    why="drop the supplementary groups of whoever started the container",
    shell=lambda a: f"setpriv --groups {','.join(map(str, a['gids'])) or '-'}",
    watch=lambda a: [("ids", "Groups")],
)
def setgroups(gids: list[int]) -> None:
    """Replace the supplementary groups."""
    os.setgroups(gids)


@step(
    "setresgid(2)",
    why="become the container's group",
    shell=lambda a: f"setpriv --regid {a['gid']}",
    watch=lambda a: [("ids", "Gid")],
)
def setresgid(gid: int) -> None:
    """Set the real, effective and saved group."""
    os.setresgid(gid, gid, gid)


@step(
    "setresuid(2)",
    why="become the container's user",
    shell=lambda a: f"setpriv --reuid {a['uid']}",
    watch=lambda a: [("ids", "Uid")],
)
def setresuid(uid: int) -> None:
    """Set the real, effective and saved user; capabilities go unless PR_SET_KEEPCAPS is on."""
    os.setresuid(uid, uid, uid)


@step(
    "umask(2)",
    why="the permissions that new files do not get",
    shell=lambda a: f"umask {a['mask']:04o}",
    show={"mask": lambda value: f"{value:04o}", "return": lambda value: f"{value:04o}"},
)
def umask(mask: int) -> int:
    """Set the file mode creation mask; what it was."""
    return os.umask(mask)


@step(
    "chown(2)",
    why="the container's user may open its own standard streams again",
    shell=lambda a: "chown {}{} /proc/self/fd/{}".format(
        a["uid"], "" if a["gid"] < 0 else f":{a['gid']}", a["fd"]
    ),
)
def fchown(fd: int, uid: int, gid: int) -> None:
    """Change the owner of an open file; -1 leaves one as it is."""
    os.fchown(fd, uid, gid)


@step(
    "setfsuid(2)",
    why="files made from here on belong to this user",
    shell=lambda a: f"# setfsuid({a['uid']})",
)
def setfsuid(uid: int) -> None:
    """Set the user that this process is to file systems alone."""
    _set_for_files(_setfsuid, uid)


@step(
    "setfsgid(2)",
    why="files made from here on belong to this group",
    shell=lambda a: f"# setfsgid({a['gid']})",
)
def setfsgid(gid: int) -> None:
    """Set the group that this process is to file systems alone."""
    _set_for_files(_setfsgid, gid)


def _set_for_files(call: Callable[[int], int], number: int) -> None:
    """These two calls never fail: they say who it was, and whether it changed is asked once more."""
    call(number)
    if call(NOBODY) & 0xFFFFFFFF != number:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
