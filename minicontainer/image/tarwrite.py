"""Writing a layer: the changes of a container as a tar archive (tarread.py draws the format).

Whole trees are written the same way, for ``export`` and ``cp``.

ustar headers, with pax records in front for what does not fit: names over 100 bytes, numbers over
their field, extended attributes (``SCHILY.xattr.``).  Times are whole seconds and owners have no
names, as in Docker's layers.  Deletions are ``.wh.NAME`` files, parents precede what is in them, and
hard links refer to the first name in the archive: one set of changes gives one archive.

The image specification advises against tar's sparse formats, so holes are written as zeros; but
they are holes in the blob too (`BlobWriter.hole`), and unpacking finds them there.
"""

from __future__ import annotations

import os
import stat

from minicontainer.image.tarread import CHARACTER, DEVICE, FIFO, FILE, FOLDER, LINK, SYMLINK, XATTR
from minicontainer.image.unpack import WHITEOUT
from minicontainer.storage.changes import GONE
from minicontainer.storage.tree import data_extents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Protocol

    class File(Protocol):
        """A file to be written, or a deletion (``status`` is None): Change, or storage.nodes.Node."""

        @property
        def path(self) -> bytes:
            """Its name, absolute or not."""

        @property
        def status(self) -> os.stat_result | None:
            """Its lstat."""

        @property
        def owner(self) -> tuple[int, int]:
            """uid and gid, as the archive is to have them."""

        def xattrs(self) -> dict[str, bytes]:
            """Its extended attributes."""

        def readlink(self) -> bytes:
            """A symbolic link's text."""

        def open(self) -> int:
            """A descriptor of its content."""

    class Sink(Protocol):
        """Where an archive goes: a blob, or a stream (export.py)."""

        def write(self, data: bytes) -> None:
            """Append bytes."""

        def copy(self, fd: int, start: int, length: int) -> None:
            """Append a range of a file; zeros for what it lacks by now."""

        def hole(self, length: int) -> None:
            """Append zeros."""


_BLOCK = 512
_SMALL = 1 << 16  # read and written with its header; larger files are copied by the kernel
_KINDS = {
    stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: SYMLINK, stat.S_IFCHR: CHARACTER,
    stat.S_IFBLK: DEVICE, stat.S_IFIFO: FIFO,
}  # fmt: skip


class _Entry:
    """What stands in one header."""

    __slots__ = ("device", "gid", "kind", "linkname", "mode", "mtime", "name", "size", "uid", "xattrs")

    def __init__(self, name: bytes, kind: bytes) -> None:
        self.name = name
        self.kind = kind
        self.linkname = b""
        self.mode = self.uid = self.gid = self.size = self.mtime = self.device = 0
        self.xattrs: dict[str, bytes] = {}


def write_layer(changes: Iterable[File], blob: Sink) -> tuple[int, int]:
    """Write the archive; the number of changes in it and the bytes of its files.

    Sockets are left out: they mean nothing without the process that listens.  A file that shrinks
    while it is read is filled up with zeros.
    """
    links: dict[tuple[int, int], bytes] = {}
    count = total = 0
    for change in changes:
        name = change.path.lstrip(b"/")
        if change.status is None:
            parent, _, last = name.rpartition(b"/")
            whiteout = _Entry(parent + b"/" + WHITEOUT + last if parent else WHITEOUT + last, FILE)
            blob.write(header(whiteout))
            count += 1
            continue
        kind = _KINDS.get(stat.S_IFMT(change.status.st_mode))
        if kind is None:
            continue
        try:
            total += _write_one(change, change.status, name, kind, links, blob)
        except OSError as error:
            if error.errno not in GONE:
                raise
            continue
        count += 1
    if count:
        blob.write(bytes(2 * _BLOCK))
    return count, total


def _write_one(
    change: File,
    status: os.stat_result,
    name: bytes,
    kind: bytes,
    links: dict[tuple[int, int], bytes],
    blob: Sink,
) -> int:
    entry = _entry(change, status, name, kind)
    if kind != FOLDER and status.st_nlink > 1:
        first = links.setdefault((status.st_dev, status.st_ino), name)
        if first != name:
            entry.kind, entry.linkname, entry.size = LINK, first, 0
            blob.write(header(entry))
            return 0
    if kind != FILE:
        blob.write(header(entry))
        return len(entry.linkname)
    fd = change.open()
    try:
        _write_file(entry, fd, os.fstat(fd), blob)
    finally:
        os.close(fd)
    return entry.size


def _entry(change: File, status: os.stat_result, name: bytes, kind: bytes) -> _Entry:
    entry = _Entry(name + b"/" if kind == FOLDER else name, kind)
    entry.mode = stat.S_IMODE(status.st_mode)
    entry.uid, entry.gid = change.owner
    entry.mtime = status.st_mtime_ns // 1_000_000_000
    entry.device = status.st_rdev
    entry.xattrs = change.xattrs()
    if kind == SYMLINK:
        entry.linkname = change.readlink()
    return entry


def _write_file(entry: _Entry, fd: int, status: os.stat_result, blob: Sink) -> None:
    entry.size = status.st_size
    if status.st_size <= _SMALL:
        data = os.pread(fd, status.st_size, 0)
        entry.size = len(data)
        blob.write(header(entry) + data + bytes(-len(data) % _BLOCK))
        return
    blob.write(header(entry))
    position = 0
    for start, length in data_extents(fd, status):
        blob.hole(start - position)
        blob.copy(fd, start, length)
        position = start + length
    blob.hole(status.st_size - position)
    blob.write(bytes(-status.st_size % _BLOCK))


def header(entry: _Entry) -> bytes:
    """The header blocks of one entry."""
    records = [(XATTR + os.fsencode(name), value) for name, value in entry.xattrs.items()]
    for key, value in ((b"path", entry.name), (b"linkpath", entry.linkname)):
        if len(value) > 100:
            records.append((key, value))
    numbers = {}
    fields = (
        (b"size", entry.size, 12),
        (b"uid", entry.uid, 8),
        (b"gid", entry.gid, 8),
        (b"mtime", entry.mtime, 12),
    )
    for key, number, width in fields:
        fits = 0 <= number < 8 ** (width - 1)
        numbers[key] = b"%0*o\0" % (width - 1, number if fits else 0)
        if not fits:
            records.append((key, b"%d" % number))
    return _pax(records) + _ustar(entry, numbers)


def _ustar(entry: _Entry, numbers: dict[bytes, bytes]) -> bytes:
    fields = (
        entry.name[:100].ljust(100, b"\0"),
        b"%07o\0" % entry.mode,
        numbers[b"uid"],
        numbers[b"gid"],
        numbers[b"size"],
        numbers[b"mtime"],
        b" " * 8,
        entry.kind,
        entry.linkname[:100].ljust(100, b"\0"),
        b"ustar\x0000",
        bytes(64),
        b"%07o\0%07o\0" % (os.major(entry.device), os.minor(entry.device)),
        bytes(167),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _pax(records: list[tuple[bytes, bytes]]) -> bytes:
    if not records:
        return b""
    if any(not _is_text(value) for key, value in records if key in (b"path", b"linkpath")):
        records.insert(0, (b"hdrcharset", b"BINARY"))  # POSIX pax: what follows is not UTF-8
    content = b"".join(_record(key, value) for key, value in records)
    extended = _Entry(b"PaxHeaders/0", b"x")
    extended.mode, extended.size = 0o644, len(content)
    return header(extended) + content + bytes(-len(content) % _BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """``LENGTH KEY=VALUE\\n``, where the length counts its own digits."""
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest) + len(str(len(rest)))
    length = len(rest) + len(str(length))
    return b"%d" % length + rest


def _is_text(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
