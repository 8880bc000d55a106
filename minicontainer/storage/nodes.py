"""A tree of files read through descriptors, while whoever owns it may rename and replace what he likes.

::

    top  ──openat2(BENEATH, NO_SYMLINKS, O_PATH)──►  one file's descriptor
                                                       ├─ fstat, readlinkat, getxattr
                                                       └─ /proc/self/fd/N: open for reading

Every file is opened once, from the top, through folders only, and all that is told of it is told of that
descriptor.  A folder that becomes a link to one of the host's is no folder any more and so not entered
(CVE-2018-15664, CVE-2023-0778).

A `Node` has what image/tarwrite.py asks of a storage.changes.Change.
"""

from __future__ import annotations

import errno
import os
import stat

from minicontainer.linux import openat2
from minicontainer.storage.changes import GONE
from minicontainer.storage.tree import xattrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Owner = Callable[[os.stat_result], tuple[int, int]]

_STAY = openat2.RESOLVE_BENEATH | openat2.RESOLVE_NO_SYMLINKS
_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def as_it_is(status: os.stat_result) -> tuple[int, int]:
    """A file's owner as this process sees it."""
    return status.st_uid, status.st_gid


class Node:
    """A file held by an O_PATH descriptor; ``path`` and ``owner`` (uid, gid) are those in an archive."""

    __slots__ = ("fd", "owner", "path", "status")

    def __init__(self, fd: int, path: bytes, owner: Owner = as_it_is) -> None:
        self.fd = fd
        self.path = path
        self.status: os.stat_result = os.fstat(fd)
        self.owner = owner(self.status)

    @property
    def is_folder(self) -> bool:
        """Whether it is one."""
        return stat.S_ISDIR(self.status.st_mode)

    def xattrs(self) -> dict[str, bytes]:
        """The file's extended attributes, without the host's labels."""
        return xattrs(b"/proc/self/fd/%d" % self.fd, overlay=False, follow=True)

    def readlink(self) -> bytes:
        """What a symbolic link says."""
        return os.readlink(b"", dir_fd=self.fd)

    def open(self) -> int:
        """A new descriptor of the file's content."""
        # Known to be a regular file: opening it has no effect, and does not wait.
        return os.open(f"/proc/self/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC)


def walk(top: int, name: bytes, owner: Owner = as_it_is) -> Iterator[Node]:
    """The file ``top`` (an O_PATH descriptor) as ``name``, and all below it as ``name/...``.

    Folders come before their content, sorted by name.  A node's descriptor is closed when the next is
    asked for.  What vanishes meanwhile is left out.
    """
    yield from _one(os.dup(top), name, owner)
    if not stat.S_ISDIR(os.fstat(top).st_mode):
        return
    waiting = _inside(top, b"")
    while waiting:
        path = waiting.pop()
        try:
            fd = openat2.openat2(top, path, _HOLD, _STAY)
        except OSError as error:
            if error.errno not in GONE and error.errno != errno.EXDEV:
                raise
            continue
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            waiting += _inside(fd, path + b"/")
        yield from _one(fd, name + b"/" + path, owner)


def _one(fd: int, path: bytes, owner: Owner) -> Iterator[Node]:
    try:
        yield Node(fd, path, owner)
    finally:
        os.close(fd)


def _inside(folder: int, prefix: bytes) -> list[bytes]:
    """The names in a folder, the last first."""
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        return [prefix + name for name in sorted(map(os.fsencode, os.listdir(fd)), reverse=True)]
    finally:
        os.close(fd)
