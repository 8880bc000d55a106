"""openat2(2) (Linux 5.6): opening a path that somebody else wrote, without leaving a folder.

It only opens, so it is no step.  Where the call is missing (a seccomp filter on us that is older than
it), `open_in_root` walks by itself, one component at a time, each opened without following it::

    at = root;  each component:  ".."    the folder before this one, never above the root
                                 link    what it says goes in front of the rest; absolute: from root
                                 other   openat(at, name, O_PATH | O_NOFOLLOW)
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

from minicontainer.linux import held, libc

AT_FDCWD = -100
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
    resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
    while True:
        try:
            return openat2(root, os.fsencode(path), flags | os.O_CLOEXEC, resolve)
        except BlockingIOError:
            # EAGAIN: a rename elsewhere in the system; the kernel asks to try again.
            continue
        except OSError as error:
            if error.errno != errno.ENOSYS:
                raise
            return walk_in_root(root, path, flags)


MOST_LINKS = 40  # path_resolution(7)


def walk_in_root(root: int, path: str, flags: int) -> int:
    """`open_in_root` without openat2(2).  The last link is followed too, unless O_NOFOLLOW is given."""
    rest = path.split("/")[::-1]
    trail = [os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)]
    links = 0
    try:
        while rest:
            name = rest.pop()
            if name == "..":
                if len(trail) > 1:
                    os.close(trail.pop())
                continue
            if name in ("", "."):
                continue
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=trail[-1])
            trail.append(fd)
            if not stat.S_ISLNK(os.fstat(fd).st_mode) or (not rest and flags & os.O_NOFOLLOW):
                continue
            links += 1
            target = _link(fd)
            if links > MOST_LINKS or target is None:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            os.close(trail.pop())
            rest += target.split("/")[::-1]
            while target.startswith("/") and len(trail) > 1:
                os.close(trail.pop())
        return _reopen(trail[-1], flags)
    except OSError as error:
        error.filename = path
        raise
    finally:
        for fd in trail:
            os.close(fd)


def _link(fd: int) -> str | None:
    """What the link at ``fd`` says; None for a magic link of /proc, which may lead anywhere."""
    target = os.readlink("", dir_fd=fd)
    # Magic links have no length of their own, or 64 (proc(5)); an ordinary link has its text's.
    return target if os.fstat(fd).st_size == len(os.fsencode(target)) else None


def _reopen(fd: int, flags: int) -> int:
    """The file at O_PATH descriptor ``fd``, opened for ``flags``: what was walked to, not its name again."""
    if flags & os.O_PATH:
        return os.dup(fd)
    if flags & os.O_DIRECTORY:
        return os.open(".", flags | os.O_CLOEXEC, dir_fd=fd)
    return os.open(f"/proc/self/fd/{fd}", (flags & ~os.O_NOFOLLOW) | os.O_CLOEXEC)


def reach(path: str, *, follow: bool = False) -> int:
    """An O_PATH descriptor of ``path``, remembered under that name (linux/held.py).

    With ``follow``, links are followed but for the magic ones of /proc; otherwise any link on the way
    is refused, one that was put there a moment ago too.  OSError ELOOP.
    """
    resolve = RESOLVE_NO_MAGICLINKS if follow else RESOLVE_NO_SYMLINKS
    try:
        fd = openat2(AT_FDCWD, os.fsencode(path), os.O_PATH | os.O_CLOEXEC, resolve)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC) if follow else _walk_without_links(path)
    return held.hold(fd, held.Held(path))


def _walk_without_links(path: str) -> int:
    at = os.open("/" if path.startswith("/") else ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in filter(None, path.split("/")):
            fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=at)
            os.close(at)
            at = fd
            if stat.S_ISLNK(os.fstat(at).st_mode):
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        return os.dup(at)
    finally:
        os.close(at)
