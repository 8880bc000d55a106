"""Where a tar archive is read from: a stream that passes once, or a blob that is a file.

::

    stream ─► blob file (hashed: digest) ─► gunzip / unzstd (hashed: diff id) ─► StreamSource ─► tar
    blob file, plain tar ───────────────────── read by the kernel's hand ──────► FileSource   ─► tar

Both give the tar reader the same three verbs: ``read`` what it wants to look at, ``skip``, and
``copy`` the content of a member into a file.  Long runs of zeros become holes.
"""

from __future__ import annotations

import os

from minicontainer.errors import CorruptData, Unsupported
from minicontainer.storage.tree import data_extents
from minicontainer.util.files import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    class Source(Protocol):
        """Bytes in order."""

        def read(self, size: int) -> bytes:
            """The next ``size`` bytes, fewer only at the end."""

        def skip(self, size: int) -> int:
            """Pass over bytes; how many there were."""

        def copy(self, fd: int, size: int) -> int:
            """Write the next ``size`` bytes at ``fd``'s position; how many there were."""


CHUNK = 1 << 20
_HOLE = 1 << 16
_ZEROS = bytes(_HOLE)
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_OTHERS = {b"BZh": "bzip2", b"\xfd7zXZ": "xz", b"PK\x03\x04": "zip"}


class StreamSource:
    """Chunks of bytes that pass once."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def _next(self, size: int) -> memoryview:
        """Up to ``size`` bytes, empty only at the end."""
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return self._rest
            self._rest = memoryview(chunk)
        part, self._rest = self._rest[:size], self._rest[size:]
        return part

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""
        part = self._next(size)
        if len(part) == size or not part:
            return bytes(part)
        parts = [part]
        size -= len(part)
        while size and (part := self._next(size)):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def skip(self, size: int) -> int:
        """Pass over bytes; how many there were."""
        left = size
        while left and (part := self._next(left)):
            left -= len(part)
        return size - left

    def copy(self, fd: int, size: int) -> int:
        """Write the next ``size`` bytes at ``fd``'s position; how many there were."""
        left = size
        while left and (part := self._next(left)):
            left -= len(part)
            write_sparse(fd, part)
        return size - left

    def drain(self) -> None:
        """Read to the end, so that what feeds the chunks sees it all."""
        while self._next(CHUNK):
            pass


class FileSource:
    """A file read by offset; members are copied inside the kernel, holes stay holes."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._status = os.fstat(fd)
        self._position = 0
        self._window = b""
        self._start = 0  # offset of the window in the file

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, fewer only at the end."""
        offset = self._position - self._start
        if not 0 <= offset <= len(self._window) - size:
            self._window = os.pread(self._fd, max(size, _HOLE), self._position)
            self._start, offset = self._position, 0
        data = self._window[offset : offset + size]
        self._position += len(data)
        return data

    def skip(self, size: int) -> int:
        """Pass over bytes; how many there were."""
        size = min(size, self._status.st_size - self._position)
        self._position += size
        return size

    def copy(self, fd: int, size: int) -> int:
        """Write the next ``size`` bytes at ``fd``'s position; how many there were."""
        size = min(size, self._status.st_size - self._position)
        if size <= _HOLE:
            data = self.read(size)
            write_all(fd, data)
            return len(data)
        start, end = self._position, self._position + size
        at = os.lseek(fd, 0, os.SEEK_CUR)
        for offset, length in self._extents(start, end):
            os.lseek(fd, at + offset - start, os.SEEK_SET)
            while length and (done := os.sendfile(fd, self._fd, offset, length)):
                offset, length = offset + done, length - done
        os.lseek(fd, at + size, os.SEEK_SET)
        self._position = end
        return size

    def _extents(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        if self._status.st_blocks * 512 >= self._status.st_size:
            yield start, end - start
            return
        for offset, length in data_extents(self._fd, self._status):
            first, last = max(offset, start), min(offset + length, end)
            if first < last:
                yield first, last - first


def write_sparse(fd: int, data: memoryview) -> None:
    """Write ``data``, passing over runs of 64 KiB of zeros; the caller sets the size at the end."""
    while data:
        part, data = data[:_HOLE], data[_HOLE:]
        if len(part) == _HOLE and not part[0] and bytes(part) == _ZEROS:
            os.lseek(fd, _HOLE, os.SEEK_CUR)
        else:
            write_all(fd, part)  # type: ignore[arg-type]


def compression(start: bytes) -> str:
    """``""``, ``gzip`` or ``zstd`` by the first bytes; Unsupported for others that are known."""
    if start.startswith(GZIP):
        return "gzip"
    if start.startswith(ZSTD):
        return "zstd"
    for magic, name in _OTHERS.items():
        if start.startswith(magic):
            raise Unsupported(f"the archive is packed with {name}; plain tar, gzip and zstd are read")
    return ""


def plain(chunks: Iterator[bytes], kind: str) -> Iterator[bytes]:
    """The chunks unpacked from ``kind`` of compression; CorruptData when they break off or do not fit."""
    if kind == "gzip":
        return _gunzip(chunks)
    if kind == "zstd":
        return _unzstd(chunks)
    return chunks


def _gunzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    import zlib

    unpack = zlib.decompressobj(wbits=31)
    try:
        for chunk in chunks:
            data = chunk
            while data:
                if unpack.eof:  # gzip(1): members may follow each other; zeros may pad the last
                    if not data.lstrip(b"\0"):
                        break
                    unpack = zlib.decompressobj(wbits=31)
                if plain_bytes := unpack.decompress(data, CHUNK):
                    yield plain_bytes
                data = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
    except zlib.error as error:
        raise CorruptData(f"bad gzip data: {error}") from None
    if not unpack.eof:
        raise CorruptData("the gzip data is cut off")


class _Reader:
    """A file object over chunks, for zstandard."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._source = StreamSource(chunks)

    def read(self, size: int) -> bytes:
        return self._source.read(size)


def _unzstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError:
        raise Unsupported("the archive is packed with zstd: install the Python package zstandard") from None

    # Windows up to 128 MiB, as zstd --long makes them.
    unpack = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    file: Any = _Reader(chunks)  # it asks for no more of a file object than this
    reader = unpack.stream_reader(file, read_across_frames=True, read_size=CHUNK)
    try:
        while data := reader.read(CHUNK):
            yield data
    except zstandard.ZstdError as error:
        raise CorruptData(f"bad zstd data: {error}") from None
