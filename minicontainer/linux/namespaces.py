"""Entering and leaving namespaces: unshare(2), setns(2), and how namespaces(7) are named."""

from __future__ import annotations

import ctypes
import os

from minicontainer.linux import process
from minicontainer.linux.door import flags, step
from minicontainer.linux.libc import check, function
from minicontainer.linux.pidfd import pid_of
from minicontainer.linux.process import (
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWTIME,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
)

# config-linux.md's names, in the order in which they are joined: user first, since it gives the
# right to the others; mount last, since it takes away the paths.
FLAGS = {
    "user": CLONE_NEWUSER,
    "cgroup": CLONE_NEWCGROUP,
    "ipc": CLONE_NEWIPC,
    "uts": CLONE_NEWUTS,
    "network": CLONE_NEWNET,
    "pid": CLONE_NEWPID,
    "time": CLONE_NEWTIME,
    "mount": CLONE_NEWNS,
}
# ... and the names of /proc/PID/ns.
FILES = {
    "user": "user",
    "cgroup": "cgroup",
    "ipc": "ipc",
    "uts": "uts",
    "network": "net",
    "pid": "pid",
    "time": "time",
    "mount": "mnt",
}

_unshare = function("unshare", ctypes.c_int)
_setns = function("setns", ctypes.c_int, ctypes.c_int)


@step(
    "unshare(2)",
    why="leave the namespaces that this process shares with others",
    shell=lambda a: process.unshare_command(a["flags"]),
    show={"flags": flags("CLONE_NEW", __name__)},
    watch=lambda a: [("namespaces", "self")],
)
def unshare(flags: int) -> None:
    """Move this process into new namespaces (pid and time: its future children)."""
    check(_unshare(flags))


def _enter_command(fd: int, nstype: int) -> str:
    """nsenter(1), for a namespace's descriptor or a process's."""
    pid = pid_of(fd)
    where = f"/proc/self/fd/{fd}" if pid is None else ""
    options = [o for bit, o in process.UNSHARE_OPTIONS.items() if nstype & bit] or ["--all"]
    if pid is not None:
        return " ".join(["nsenter", f"--target {pid}", *options])
    return " ".join(["nsenter", *(f"{option}={where}" for option in options)])


@step(
    "setns(2)",
    why="join namespaces that exist",
    shell=lambda a: _enter_command(a["fd"], a["nstype"]),
    show={"nstype": flags("CLONE_NEW", __name__)},
    watch=lambda a: [("namespaces", "self")],
)
def setns(fd: int, nstype: int = 0) -> None:
    """Join the namespace that ``fd`` refers to, or those of a pidfd's process (Linux 5.8)."""
    check(_setns(fd, nstype))


def path(pid: int | str, kind: str) -> str:
    """The file in /proc that is namespace ``kind`` (config-linux.md's name) of process ``pid``."""
    return f"/proc/{pid}/ns/{FILES[kind]}"


def supported(kind: str) -> bool:
    """Whether this kernel has namespaces of this kind."""
    return os.path.exists(path("self", kind))
