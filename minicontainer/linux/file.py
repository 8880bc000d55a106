"""mkdir(2), symlink(2), open(2) with O_CREAT, chown(2): what a mount point or a link in /dev is made of."""

from __future__ import annotations

import os

from minicontainer.linux.door import quote, step


@step(
    "mkdir(2)",
    why="a folder to mount on",
    shell=lambda a: f"mkdir -m {a['mode']:04o} {quote(a['path'])}",
    show={"mode": lambda value: f"{value:04o}"},
)
def mkdir(path: str, mode: int = 0o755) -> None:
    """Make a folder; ``mode`` less the umask."""
    os.mkdir(path, mode)


@step(
    "open(2)",
    why="a file to mount on",
    shell=lambda a: f"touch {quote(a['path'])}",
    show={"mode": lambda value: f"{value:04o}"},
)
def create(path: str, mode: int = 0o644) -> None:
    """Make an empty file where there is none; ``mode`` less the umask.  ELOOP if a link is there."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOCTTY | os.O_NOFOLLOW | os.O_CLOEXEC, mode))


@step(
    "symlink(2)",
    why="a name that programs expect",
    shell=lambda a: f"ln -s {quote(a['target'])} {quote(a['path'])}",
)
def symlink(target: str, path: str) -> None:
    """Make ``path`` a symbolic link to ``target``."""
    os.symlink(target, path)


@step(
    "chown(2)",
    why="who may use it",
    shell=lambda a: f"chown -h {a['uid']}:{a['gid']} {quote(a['path'])}",
)
def chown(path: str, uid: int, gid: int) -> None:
    """Change the owner, of a link itself if ``path`` is one; -1 leaves one as it is."""
    os.chown(path, uid, gid, follow_symlinks=False)
