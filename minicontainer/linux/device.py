"""mknod(2): device nodes."""

from __future__ import annotations

import os
import stat

from minicontainer.linux.door import quote, step

TYPES = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


def _letter(mode: int) -> str:
    return "b" if stat.S_ISBLK(mode) else "p" if stat.S_ISFIFO(mode) else "c"


@step(
    "mknod(2)",
    why="a device node that the container may use",
    shell=lambda a: (
        f"mknod -m {stat.S_IMODE(a['mode']):04o} {quote(a['path'])} {_letter(a['mode'])}"
        + ("" if stat.S_ISFIFO(a["mode"]) else f" {a['major']} {a['minor']}")
    ),
    show={"mode": lambda value: f"{stat.S_IMODE(value):04o} {_letter(value)}"},
)
def mknod(path: str | bytes, mode: int, major: int = 0, minor: int = 0, dir_fd: int | None = None) -> None:
    """Make a node of the type and permissions in ``mode``, less the umask."""
    os.mknod(path, mode, os.makedev(major, minor), dir_fd=dir_fd)
