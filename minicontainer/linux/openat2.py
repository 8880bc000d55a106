"""openat2(2) (Linux 5.6): opening a path that somebody else wrote, without leaving a folder.

It only opens, so it is no step.
"""

from __future__ import annotations

import ctypes

from minicontainer.linux import libc

RESOLVE_NO_XDEV = 0x01
RESOLVE_NO_MAGICLINKS = 0x02
RESOLVE_NO_SYMLINKS = 0x04
RESOLVE_BENEATH = 0x08
RESOLVE_IN_ROOT = 0x10


class _OpenHow(ctypes.Structure):
    """struct open_how (linux/openat2.h)."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def openat2(dirfd: int, path: bytes, flags: int, resolve: int, mode: int = 0) -> int:
    """A descriptor for ``path`` below ``dirfd``, its links and ``..`` resolved as ``resolve`` says.

    EAGAIN when something was renamed meanwhile and ``..`` could not be trusted.
    """
    how = _OpenHow(flags, mode, resolve)
    return libc.syscall(libc.SYS_OPENAT2, dirfd, path, ctypes.byref(how), ctypes.sizeof(how), path=path)


def open_in_root(root: int, path: str, flags: int) -> int:
    """A descriptor of ``path`` as a process whose root folder is ``root`` would open it.

    Links, absolute ones too, and ``..`` stay inside; magic links of /proc are refused (ELOOP).
    """
    import os

    resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
    while True:
        try:
            return openat2(root, os.fsencode(path), flags | os.O_CLOEXEC, resolve)
        except BlockingIOError:
            # EAGAIN: a rename elsewhere in the system; the kernel asks to try again.
            continue
