"""Files and folders under way: made under a temporary name, locked while their maker lives.

::

    .tmp-NAME   exists, flock held      somebody is writing it
    .tmp-NAME   exists, flock free      its maker was killed: `sweep` removes it
    NAME        (after rename)          complete

Between making one and locking it a sweeper may take it for abandoned; the maker sees then that its
link count fell to 0 and makes another.
"""

from __future__ import annotations

import errno
import os

from minicontainer.storage.tree import remove_tree
from minicontainer.util.files import PREFIX

_count = 0


def _path(folder: str) -> str:
    global _count
    _count += 1
    return os.path.join(folder, f"{PREFIX}{os.getpid()}-{_count}")


def _claimed(fd: int) -> bool:
    import fcntl

    fcntl.flock(fd, fcntl.LOCK_EX)
    return os.fstat(fd).st_nlink > 0


def new_file(folder: str) -> tuple[str, int]:
    """Path and descriptor (read and write) of a new locked file in ``folder``."""
    while True:
        path = _path(folder)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:  # left by a process of the same number
            continue
        if _claimed(fd):
            return path, fd
        os.close(fd)


def new_folder(folder: str) -> tuple[str, int]:
    """Path and descriptor of a new locked folder in ``folder``; the descriptor holds the lock.

    Raises FileNotFoundError if ``folder`` does not exist.
    """
    while True:
        path = _path(folder)
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:  # left by a process of the same number
            continue
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:  # swept before it was claimed
            continue
        if _claimed(fd):
            return path, fd
        os.close(fd)


def take_away(path: str) -> tuple[str, int]:
    """Give folder ``path`` a temporary name beside it, locked: it is to be removed.  Path and descriptor.

    A rename takes no room, so this works on a full disk.  Raises FileNotFoundError.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _claimed(fd)
        while True:
            away = _path(os.path.dirname(path))
            try:
                os.rename(path, away)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                continue  # left by a process of the same number
            return away, fd
    except BaseException:
        os.close(fd)
        raise


def sweep(folder: str) -> list[str]:
    """Remove what killed processes left under way in ``folder``; the paths that were removed."""
    import fcntl

    removed = []
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    for name in names:
        if not name.startswith(PREFIX):
            continue
        path = os.path.join(folder, name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:  # finished meanwhile
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(path)
            removed.append(path)
        except BlockingIOError:
            continue
        finally:
            os.close(fd)
    return removed
