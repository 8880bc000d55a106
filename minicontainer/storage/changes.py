"""What a container changed: its writable layer compared with the layers below.

Both drivers are one walk.  A folder of the upper side stands over a *stack* of folders, one of each
lower layer that has it, the topmost first; a look-up takes the first layer that knows the name::

    upper   /etc  ─┐
    layer 3 /etc   ├ stack      name in upper, not in the stack       A(dded)
    layer 1 /etc  ─┘            name in both                          C(hanged)
                                whiteout in upper, name in the stack  D(eleted)

With overlay the upper side has only what was touched, whiteouts for what was deleted, and marks a
folder *opaque* when nothing of the stack shows through.  With vfs the upper side is a whole copy:
every folder counts as opaque, and a file that still equals its original is no change.

A folder above a change is reported as changed, as `docker diff` does, the root never; folders come
before their content, sorted by name, so that a layer made of this is the same every time.
"""

from __future__ import annotations

import errno
import os
import stat

from minicontainer.linux import openat2
from minicontainer.storage.tree import marks, xattrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

ADDED, CHANGED, DELETED = "A", "C", "D"
# Removed, or made something else, since it was seen: the container is running.
GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EAGAIN)


class Change:
    """One line of ``diff``: ``kind`` A, C or D, ``path`` absolute as the container sees it.

    ``source`` is the file on the host and ``status`` its lstat; both None if it was deleted.
    """

    __slots__ = ("kind", "overlay", "path", "source", "status")

    def __init__(
        self, kind: str, path: bytes, source: bytes | None, status: os.stat_result | None, overlay: bool
    ) -> None:
        self.kind = kind
        self.path = path
        self.source = source
        self.status = status
        self.overlay = overlay

    def xattrs(self) -> dict[str, bytes]:
        """The file's extended attributes, without the driver's own marks."""
        return xattrs(self.source, overlay=self.overlay) if self.source is not None else {}

    @property
    def is_folder(self) -> bool:
        """Whether it is one now."""
        return self.status is not None and stat.S_ISDIR(self.status.st_mode)

    @property
    def owner(self) -> tuple[int, int]:
        """Its uid and gid, as an archive has them."""
        assert self.status is not None
        return self.status.st_uid, self.status.st_gid

    def readlink(self) -> bytes:
        """What a symbolic link says.  OSError ELOOP if a link has come in its way."""
        assert self.source is not None
        flags = os.O_PATH | os.O_NOFOLLOW
        fd = open_beneath(self.source.removesuffix(self.path), self.path, flags)
        try:
            return os.readlink(b"", dir_fd=fd)
        finally:
            os.close(fd)

    def open(self) -> int:
        """A descriptor of the file's content.  OSError ELOOP if a link has come in its way."""
        assert self.source is not None
        # A FIFO, if it has become one, is not waited for.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        return open_beneath(self.source.removesuffix(self.path), self.path, flags)

    def __repr__(self) -> str:
        return f"{self.kind} {os.fsdecode(self.path)}"


def open_beneath(root: bytes, path: bytes, flags: int) -> int:
    """A descriptor of ``path`` below ``root`` when no component is a link: the container may run, and
    exchange a folder for a link to one of the host's (CVE-2018-15664, CVE-2023-0778).
    """
    if not path.strip(b"/"):
        return os.open(root, flags | os.O_CLOEXEC)
    top = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        stay = openat2.RESOLVE_BENEATH | openat2.RESOLVE_NO_SYMLINKS
        return openat2.openat2(top, path.lstrip(b"/"), flags | os.O_CLOEXEC, stay)
    finally:
        os.close(top)


class _Folder:
    """A folder of the upper side under way: names still to visit, and the folders below it."""

    __slots__ = ("change", "names", "path", "stack", "upper")

    def __init__(
        self, path: bytes, upper: bytes, stack: list[bytes], names: list[bytes], change: Change | None
    ) -> None:
        self.path = path
        self.upper = upper
        self.stack = stack
        self.names = names
        self.change = change  # its own line, not yet reported


def is_whiteout(status: os.stat_result) -> bool:
    """Overlay's mark for a deleted name: a character device 0/0 (overlayfs.rst)."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(path: bytes) -> bool:
    """Overlay's mark for a folder through which nothing shows."""
    try:
        return os.getxattr(path, marks() + "opaque", follow_symlinks=False) == b"y"
    except OSError:  # ENODATA, or a file system without such attributes
        return False


def find_changes(upper: bytes, lowers: list[bytes], *, overlay: bool) -> Iterator[Change]:
    """The changes of ``upper`` over ``lowers`` (topmost first).

    What vanishes while a running container is read is left out.
    """
    folders = [_enter(b"", upper, lowers, None, opaque=not overlay, overlay=overlay)]
    while folders:
        folder = folders[-1]
        if not folder.names:
            folders.pop()
            continue
        name = folder.names.pop()
        change, inside = _compare(folder, name, overlay)
        if change is not None:
            for above in folders:
                if above.change is not None:
                    yield above.change
                    above.change = None
            yield change
        if inside is not None:
            folders.append(inside)


def _enter(
    path: bytes, upper: bytes, stack: list[bytes], change: Change | None, *, opaque: bool, overlay: bool
) -> _Folder:
    try:
        fd = open_beneath(upper.removesuffix(path), path, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in GONE:
            raise
        names = set()
    else:
        try:
            names = {os.fsencode(name) for name in os.listdir(fd)}
        finally:
            os.close(fd)
    if opaque:
        names |= _names_below(stack, overlay)
    return _Folder(path, upper, stack, sorted(names, reverse=True), change)


def _compare(folder: _Folder, name: bytes, overlay: bool) -> tuple[Change | None, _Folder | None]:
    """The change of one name, and the folder to look into (which then may hold the change back)."""
    path = folder.path + b"/" + name
    source = folder.upper + b"/" + name
    below, stack = look_up(folder.stack, name, overlay=overlay)
    try:
        status = os.lstat(source)
    except FileNotFoundError:
        status = None
    if status is None or (overlay and is_whiteout(status)):
        return (Change(DELETED, path, None, None, overlay) if below is not None else None), None
    kind = ADDED if below is None else CHANGED
    change = Change(kind, path, source, status, overlay)
    if not stat.S_ISDIR(status.st_mode):
        return (None if not overlay and _same(change, below, stack) else change), None
    opaque = not overlay or is_opaque(source)
    if not stack or not _same(change, below, stack):
        return change, _enter(path, source, stack, None, opaque=opaque, overlay=overlay)
    return None, _enter(path, source, stack, change, opaque=opaque, overlay=overlay)


def look_up(stack: list[bytes], name: bytes, *, overlay: bool) -> tuple[os.stat_result | None, list[bytes]]:
    """The lstat of ``name`` in the merged stack or None; if a folder, its own stack."""
    found: os.stat_result | None = None
    deeper: list[bytes] = []
    for folder in stack:
        path = folder + b"/" + name
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if overlay and is_whiteout(status):
            break
        if not stat.S_ISDIR(status.st_mode):
            return (found, deeper) if found else (status, [path])
        found = found or status
        deeper.append(path)
        if overlay and is_opaque(path):
            break
    return found, deeper


def _names_below(stack: list[bytes], overlay: bool) -> set[bytes]:
    names: set[bytes] = set()
    for folder in stack:
        if os.path.isdir(folder) and not os.path.islink(folder):
            names.update(os.listdir(folder))
    return {name for name in names if look_up(stack, name, overlay=overlay)[0] is not None}


def _same(change: Change, below: os.stat_result | None, stack: list[bytes]) -> bool:
    """Whether a file still is what the layers below have: the fields that copying preserves."""
    now = change.status
    if now is None or below is None:
        return False
    same = (now.st_mode, now.st_uid, now.st_gid, now.st_rdev, now.st_mtime_ns) == (
        below.st_mode, below.st_uid, below.st_gid, below.st_rdev, below.st_mtime_ns,
    )  # fmt: skip
    if same and not stat.S_ISDIR(now.st_mode):
        same = now.st_size == below.st_size
    return same and change.xattrs() == xattrs(stack[0], overlay=change.overlay)
