"""setuid(2), setgid(2), setgroups(2), umask(2): who a process is (credentials(7))."""

from __future__ import annotations

import os

from minicontainer.linux.door import step


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
    shell=lambda a: f"chown {a['uid']}:{a['gid']} /proc/self/fd/{a['fd']}",
)
def fchown(fd: int, uid: int, gid: int) -> None:
    """Change the owner of an open file; -1 leaves one as it is."""
    os.fchown(fd, uid, gid)
