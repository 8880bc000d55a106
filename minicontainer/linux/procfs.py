"""Writing to the real procfs, whatever a container or its mounts put where /proc should be.

::

    before the container's tree:   /proc ──O_PATH──► a descriptor, verified: procfs, and its root
                                                         │
    inside the container's tree:   openat2(descriptor, "sys/net/...", no link, no mount, no "..")

A write that a link or a mount leads elsewhere changes nothing where it should, and something where
it should not: a label written into a file of the image leaves the process without its label, and a
setting written into /proc/sysrq-trigger stops the machine (CVE-2019-16884, CVE-2019-19921,
CVE-2023-28642, CVE-2025-52881).
"""

from __future__ import annotations

import ctypes
import errno
import os

from minicontainer.linux import libc, openat2
from minicontainer.linux.door import quote, step

PROC_SUPER_MAGIC = 0x9FA0  # linux/magic.h
ROOT_INODE = 1  # PROC_ROOT_INO of linux/proc_ns.h
_STAY = openat2.RESOLVE_BENEATH | openat2.RESOLVE_NO_XDEV | openat2.RESOLVE_NO_SYMLINKS

_fstatfs = libc.function("fstatfs", ctypes.c_int, ctypes.c_char_p)


def is_procfs(fd: int) -> bool:
    """Whether ``fd`` is open on a procfs (statfs(2), f_type)."""
    found = ctypes.create_string_buffer(256)  # struct statfs has 120 bytes on 64-bit machines
    libc.check(_fstatfs(fd, found))
    return bool(ctypes.cast(found, ctypes.POINTER(ctypes.c_long))[0] == PROC_SUPER_MAGIC)


def hold(path: str = "/proc") -> int:
    """An O_PATH descriptor of the procfs at ``path``.  OSError EXDEV if something else is there."""
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    if is_procfs(fd) and os.fstat(fd).st_ino == ROOT_INODE:
        return fd
    os.close(fd)
    raise OSError(errno.EXDEV, "not the root of a procfs", path)


def own(proc: int, name: str) -> str:
    """The path below ``proc`` of this process's file ``name``: ``123/attr/exec``.

    By number: ``self`` is a link, and getpid(2) counts in another pid namespace.
    """
    return f"{os.readlink('self', dir_fd=proc)}/{name}"


@step(
    "write(2)",
    why="tell the kernel through a file of its own /proc",
    shell=lambda a: f"echo {quote(a['data'])} > /proc/{quote(a['path'])}",
    watch=lambda a: [("file", f"/proc/{a['path']}")],
)
def write_procfs(proc: int, path: str, data: str) -> None:
    """Write ``data`` to ``path`` below the procfs held by ``proc``, in a single write(2).

    EXDEV when a mount covers it, ELOOP when a link is on the way.
    """
    fd = openat2.openat2(proc, os.fsencode(path), os.O_WRONLY | os.O_CLOEXEC, _STAY)
    try:
        os.write(fd, data.encode())
    except OSError as error:
        error.filename = f"/proc/{path}"
        raise
    finally:
        os.close(fd)
