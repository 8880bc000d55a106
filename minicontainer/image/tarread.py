"""Reading tar archives in one pass: ustar, pax and GNU (tar(5), POSIX pax, GNU tar's manual).

::

    header 512 bytes │ content, padded to 512 │ header ... │ two blocks of zeros

    0 name 100 │ mode 8 │ uid 8 │ gid 8 │ size 12 │ mtime 12 │ checksum 8 │ kind 1 │ linkname 100
    257 "ustar" │ 265 uname │ 297 gname │ 329 major 8 │ minor 8 │ 345 prefix 155

Numbers are octal text, or base 256 when the first bit is set.  A member of kind ``x`` holds records
``LENGTH KEY=VALUE\\n`` for the next member (``g``: for all that follow); ``L`` and ``K`` hold its
long name and link name (GNU).  Sparse files come in four dialects, all read here.

Unlike Python's tarfile, which is made to salvage, this reader refuses what does not fit, with the
member's name; and it is about five times as fast.
"""

from __future__ import annotations

import os

from minicontainer.errors import CorruptData

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minicontainer.image.source import Source

BLOCK = 512
MAX_HEADER = 1 << 20  # bytes of pax records or of a long name
XATTR = b"SCHILY.xattr."

FILE, LINK, SYMLINK, CHARACTER, DEVICE, FOLDER, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"
_CONTIGUOUS, _V7, _SPARSE = b"7", b"\0", b"S"
KINDS = (FILE, LINK, SYMLINK, CHARACTER, DEVICE, FOLDER, FIFO)


class Member:
    """One member; times in nanoseconds since 1970, sizes in bytes, names as they stand."""

    __slots__ = (
        "extents", "gid", "kind", "linkname", "major", "minor", "mode", "mtime", "name", "size", "uid",
        "xattrs",
    )  # fmt: skip

    def __init__(self) -> None:
        self.kind = FILE
        self.name = self.linkname = b""
        self.mode = self.uid = self.gid = self.mtime = self.size = self.major = self.minor = 0
        self.xattrs: dict[str, bytes] = {}
        self.extents: list[tuple[int, int]] | None = None  # (offset, length) of a sparse file's data

    def shown(self) -> str:
        """The name for a message: one line whatever it holds."""
        return ascii(os.fsdecode(self.name))


class TarReader:
    """Iterates over members; between two of them the content can be taken with `copy`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = 0  # of the current member's content
        self._padding = 0
        self._globals: dict[bytes, bytes] = {}
        self._last = ""

    def __iter__(self) -> Iterator[Member]:
        while (member := self._member()) is not None:
            self._last = f" after {member.shown()}"
            yield member

    def copy(self, member: Member, fd: int) -> None:
        """Write the member's content to the empty file ``fd``; what was not stored becomes holes."""
        for offset, length in member.extents if member.extents is not None else [(0, member.size)]:
            os.lseek(fd, offset, os.SEEK_SET)
            if self._source.copy(fd, length) != length:
                raise CorruptData(f"member {member.shown()}: the archive ends in the middle of it")
            self._left -= length
        os.ftruncate(fd, member.size)

    def _member(self) -> Member | None:
        records: list[tuple[bytes, bytes]] = []
        long: dict[bytes, bytes] = {}
        while True:
            header = self._header()
            if header is None:
                if records or long:
                    raise CorruptData(f"the archive ends inside a header{self._last}")
                return None
            kind = header[156:157]
            if kind in (b"x", b"X", b"g"):
                found = _records(self._text(header), self._last)
                if kind == b"g":
                    self._globals.update(found)
                else:
                    records += found
            elif kind in (b"L", b"K"):
                long[kind] = self._text(header).partition(b"\0")[0]
            else:
                return self._build(header, records, long)

    def _header(self) -> bytes | None:
        """The next header, or None at the end."""
        if self._source.skip(self._left + self._padding) < self._left:
            raise CorruptData(f"the archive is cut off{self._last}")
        self._left = self._padding = 0
        header = self._source.read(BLOCK)
        if not header or not header.strip(b"\0"):
            return None
        if len(header) < BLOCK:
            raise CorruptData(f"the archive is cut off{self._last}")
        stated = self._number(header[148:156])
        if stated != sum(header[:148]) + sum(header[156:]) + 8 * 0x20:
            what = f"bad header checksum{self._last}" if self._last else "not a tar archive"
            raise CorruptData(what)
        return header

    def _number(self, field: bytes) -> int:
        if field[0] & 0x80:
            value = int.from_bytes(field, "big") & ((1 << (8 * len(field) - 1)) - 1)
            bits = 8 * len(field) - 2
            return value - (1 << (bits + 1)) if value >> bits else value
        text = field.partition(b"\0")[0].strip()
        try:
            return int(text, 8) if text else 0
        except ValueError:
            what = f"bad number in a header{self._last}" if self._last else "not a tar archive"
            raise CorruptData(what) from None

    def _text(self, header: bytes) -> bytes:
        """The content of a member that describes the next one."""
        size = self._number(header[124:136])
        if not 0 <= size <= MAX_HEADER:
            raise CorruptData(f"an extended header of {size} bytes{self._last}")
        data = self._source.read(size + -size % BLOCK)
        if len(data) < size:
            raise CorruptData(f"the archive is cut off{self._last}")
        return data[:size]

    def _build(self, header: bytes, records: list[tuple[bytes, bytes]], long: dict[bytes, bytes]) -> Member:
        member = Member()
        member.name = header[:100].partition(b"\0")[0]
        if header[257:263] == b"ustar\0" and (prefix := header[345:500].partition(b"\0")[0]):
            member.name = prefix + b"/" + member.name
        member.linkname = header[157:257].partition(b"\0")[0]
        member.name = long.get(b"L", member.name)
        member.linkname = long.get(b"K", member.linkname)
        member.mode = self._number(header[100:108])
        member.uid = self._number(header[108:116])
        member.gid = self._number(header[116:124])
        member.size = self._number(header[124:136])
        member.mtime = self._number(header[136:148]) * 1_000_000_000
        kind = header[156:157]
        member.kind = FILE if kind in (_CONTIGUOUS, _V7, _SPARSE) else kind
        if member.kind in (CHARACTER, DEVICE):
            member.major = self._number(header[329:337])
            member.minor = self._number(header[337:345])
        sparse = _apply(member, [*self._globals.items(), *records])
        if kind == _V7 and member.name.endswith(b"/"):
            member.kind = FOLDER
        if member.kind not in KINDS:
            raise CorruptData(
                f"member {member.shown()} is of kind {kind.decode('latin-1')!a}, which no layer has"
            )
        if member.kind != FILE:
            member.size = 0  # some writers state a link's size; none has content
        if member.size < 0:
            raise CorruptData(f"member {member.shown()} states a negative size")
        self._left, self._padding = member.size, -member.size % BLOCK
        if kind == _SPARSE:
            self._old_sparse(member, header)
        elif sparse and member.kind == FILE:
            self._pax_sparse(member, sparse)
        return member

    def _old_sparse(self, member: Member, header: bytes) -> None:
        """GNU tar's first format: the map stands in the header and in blocks behind it."""
        extents = self._entries(header[386:482])
        more = header[482]
        while more:
            block = self._source.read(BLOCK)
            if len(block) < BLOCK:
                raise CorruptData(f"member {member.shown()}: the archive ends in the middle of it")
            extents += self._entries(block[:504])
            more = block[504]
        self._set_extents(member, extents, self._number(header[483:495]))

    def _entries(self, area: bytes) -> list[tuple[int, int]]:
        pairs = [area[i : i + 24] for i in range(0, len(area), 24)]
        return [(self._number(p[:12]), self._number(p[12:])) for p in pairs if p.strip(b"\0")]

    def _pax_sparse(self, member: Member, sparse: dict[bytes, list[bytes]]) -> None:
        """GNU.sparse 0.0 (a record each), 0.1 (one record) and 1.0 (the map precedes the content)."""
        try:
            size = int((sparse.get(b"realsize") or sparse.get(b"size") or [b"-1"])[-1])
            if b"major" in sparse:
                numbers = self._sparse_map(member)
            elif b"map" in sparse:
                numbers = [int(n) for n in sparse[b"map"][-1].split(b",") if n]
            else:
                offsets, lengths = sparse.get(b"offset", []), sparse.get(b"numbytes", [])
                numbers = [int(n) for pair in zip(offsets, lengths, strict=True) for n in pair]
            extents = list(zip(numbers[::2], numbers[1::2], strict=True))
        except ValueError:
            raise CorruptData(f"member {member.shown()}: bad map of a sparse file") from None
        self._set_extents(member, extents, size)

    def _sparse_map(self, member: Member) -> list[int]:
        text = b""
        wanted = 1
        while text.count(b"\n") < wanted:
            block = self._source.read(BLOCK)
            self._left -= BLOCK
            if len(block) < BLOCK or self._left < 0:
                raise CorruptData(f"member {member.shown()}: bad map of a sparse file")
            text += block
            if wanted == 1 and b"\n" in text:
                wanted += 2 * int(text.partition(b"\n")[0])
            if len(text) > MAX_HEADER:
                raise CorruptData(f"member {member.shown()}: the map of a sparse file is too long")
        return [int(n) for n in text.split(b"\n")[1:wanted]]

    def _set_extents(self, member: Member, extents: list[tuple[int, int]], size: int) -> None:
        end = 0
        for offset, length in extents:
            if offset < end or length < 0:
                raise CorruptData(f"member {member.shown()}: bad map of a sparse file")
            end = offset + length
        if end > size or sum(length for _, length in extents) != self._left:
            raise CorruptData(f"member {member.shown()}: bad map of a sparse file")
        member.size, member.extents = size, extents


def _records(data: bytes, last: str) -> list[tuple[bytes, bytes]]:
    """The ``LENGTH KEY=VALUE\\n`` records of a pax header."""
    found = []
    while data and data.strip(b"\0"):
        text, space, _ = data[:20].partition(b" ")
        if not space or not text.isdigit():
            raise CorruptData(f"bad pax header{last}")
        record, data = data[: int(text)], data[int(text) :]
        key, equals, value = record[len(text) + 1 : -1].partition(b"=")
        if not equals or len(record) != int(text) or not record.endswith(b"\n"):
            raise CorruptData(f"bad pax header{last}")
        found.append((key, value))
    return found


def _apply(member: Member, records: list[tuple[bytes, bytes]]) -> dict[bytes, list[bytes]]:
    """Let pax records override the header's fields; the GNU.sparse ones are returned."""
    sparse: dict[bytes, list[bytes]] = {}
    try:
        for key, value in records:
            if key == b"path":
                member.name = value
            elif key == b"linkpath":
                member.linkname = value
            elif key in (b"size", b"uid", b"gid"):
                setattr(member, key.decode(), int(value))
            elif key == b"mtime":
                member.mtime = _nanoseconds(value)
            elif key.startswith(XATTR):
                member.xattrs[os.fsdecode(key[len(XATTR) :])] = value
            elif key.startswith(b"GNU.sparse."):
                sparse.setdefault(key[11:], []).append(value)
    except ValueError:
        raise CorruptData(f"member {member.shown()}: bad value of {key.decode('latin-1')!a}") from None
    if b"name" in sparse:
        member.name = sparse[b"name"][-1]
    return sparse


def _nanoseconds(text: bytes) -> int:
    """Decimal seconds, exactly."""
    whole, _, fraction = text.partition(b".")
    nanoseconds = int((fraction + b"000000000")[:9])
    seconds = int(whole or b"0")
    return seconds * 1_000_000_000 + (-nanoseconds if text.startswith(b"-") else nanoseconds)
