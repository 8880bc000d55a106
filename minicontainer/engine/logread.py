"""Reading a container's log (logs.py), from any line of it on, while it grows and is rotated.

::

    log.json.2.gz  log.json.1  log.json    all opened at once: a rotation meanwhile is seen by the
         │           │          │          inode numbers, and they are opened again
         └───────────┴──────────┴─► lines ─► [the last --tail] ─► [--since ... --until]

A follower keeps the youngest file open.  When its name belongs to another file, the old one is read
to its end, then those that came after it.  The last lines are found from the end, in blocks.  What was
compressed is unpacked, into memory, when its turn comes.
"""

from __future__ import annotations

import os
import time

from minicontainer.engine import logzip
from minicontainer.oci import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ_AT_ONCE = 1 << 18
BLOCK = 1 << 16


class Entry:
    """One line of the file: ``log`` is what was written, ``attrs`` what --log-opt added."""

    __slots__ = ("attrs", "log", "stream", "time")

    def __init__(
        self, log: str, stream: str, time: str, attrs: dict[str, str] | None = None, **_: object
    ) -> None:
        self.log = log
        self.stream = stream
        self.time = time
        self.attrs = attrs or {}


class Span:
    """Which entries are wanted: the last ``tail`` (None: all), of those the ones that were written at
    ``since`` or later and not after ``until`` (texts as in the file; "" for no bound)."""

    __slots__ = ("since", "tail", "until")

    def __init__(self, tail: int | None = None, since: str = "", until: str = "") -> None:
        self.tail = tail
        self.since = since
        self.until = until


def read(path: str, span: Span) -> Iterator[list[Entry]]:
    """The entries that are there, in batches."""
    with Files(path) as files:
        files.seek(span.tail)
        yield from _within(files.batches(), span)


def follow(
    path: str, span: Span, running: Callable[[], bool], wait: Callable[[float], None]
) -> Iterator[list[Entry]]:
    """The same, and those that come, until ``running()`` is false and nothing is left.

    ``wait`` returns when something may have changed, or after that many seconds.
    """
    with Files(path) as files:
        files.seek(span.tail)
        while True:
            goes_on = running()  # asked first: what was written before is read below
            yield from _within(files.batches(), span)
            if not goes_on or (span.until and _now() > span.until):
                return
            wait(1.0)


def _now() -> str:
    from minicontainer.engine.logs import timestamp

    return timestamp(time.time_ns())


def _within(batches: Iterator[list[bytes]], span: Span) -> Iterator[list[Entry]]:
    for lines in batches:
        entries = [entry for line in lines if (entry := _decode(line)) is not None]
        if span.since:
            entries = [entry for entry in entries if entry.time >= span.since]
        if span.until:
            entries = [entry for entry in entries if entry.time <= span.until]
        if entries:
            yield entries


def _decode(line: bytes) -> Entry | None:
    """None for what was cut short."""
    try:
        entry = Entry(**jsontext.loads(line))
    except (ValueError, TypeError):
        return None
    return entry if isinstance(entry.log, str) and isinstance(entry.time, str) else None


class Files:
    """The files of one log, the oldest first, and a place in them."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.fds = _open_all(path)
        self.rest = b""

    def __enter__(self) -> Files:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self.fds:
            os.close(fd)

    def seek(self, tail: int | None) -> None:
        """Go to where the last ``tail`` lines begin."""
        if tail is None:
            return
        missing = tail
        for index in range(len(self.fds) - 1, -1, -1):
            self.fds[index] = logzip.plain(self.fds[index])
            offset, missing = tail_offset(self.fds[index], missing)
            if missing == 0:
                os.lseek(self.fds[index], offset, os.SEEK_SET)
                for fd in self.fds[:index]:
                    os.close(fd)
                del self.fds[:index]
                return

    def batches(self) -> Iterator[list[bytes]]:
        """Whole lines, from the place where it is to the end of the youngest file."""
        self.fds = self.fds or _open_all(self.path)
        while self.fds:
            rotated = len(self.fds) > 1 or self._rotated()
            self.fds[0] = logzip.plain(self.fds[0])
            while data := os.read(self.fds[0], READ_AT_ONCE):
                *lines, self.rest = (self.rest + data).split(b"\n")
                yield lines
            if not rotated:
                return
            self._next()

    def _rotated(self) -> bool:
        try:
            return not _same(os.stat(self.path), os.fstat(self.fds[0]))
        except FileNotFoundError:
            return False  # it is being rotated just now, or the container was removed

    def _next(self) -> None:
        """Leave the first file for the one that came after it."""
        self.rest = b""
        if len(self.fds) == 1:
            found = _open_all(self.path)
            mine = logzip.identity(self.fds[0])
            # The youngest of that number: an older one may have had it, and been compressed.
            place = max((n for n, fd in enumerate(found) if logzip.identity(fd) == mine), default=-1)
            for fd in found[: place + 1]:
                os.close(fd)
            self.fds += found[place + 1 :]
        os.close(self.fds.pop(0))


def _same(one: os.stat_result, other: os.stat_result) -> bool:
    return (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)


def _open_all(path: str) -> list[int]:
    """Descriptors of the files that there are, the oldest first, of one moment between two renames."""
    while True:
        names = _names(path)
        fds: list[int] = []
        try:
            for name in names:
                fds.append(os.open(name, os.O_RDONLY | os.O_CLOEXEC))
            if _names(path) == names and all(map(_still, names, fds)):
                return fds
        except FileNotFoundError:  # renamed since the folder was listed
            names.clear()
        for fd in fds:
            os.close(fd)


def _still(name: str, fd: int) -> bool:
    return _same(os.stat(name), os.fstat(fd))


def _names(path: str) -> list[str]:
    folder, name = os.path.split(path)
    found = os.listdir(folder)
    older = {_number(n, name): n for n in sorted(found, reverse=True) if _is_older(n, name)}
    return [
        *(f"{folder}/{older[number]}" for number in sorted(older, reverse=True)),
        *([path] if name in found else []),
    ]


def _is_older(found: str, name: str) -> bool:
    return found.startswith(f"{name}.") and found.removesuffix(logzip.COMPRESSED)[len(name) + 1 :].isdigit()


def _number(found: str, name: str) -> int:
    return int(found.removesuffix(logzip.COMPRESSED)[len(name) + 1 :])


def tail_offset(fd: int, count: int) -> tuple[int, int]:
    """Where the last ``count`` lines begin, and how many of them are not in this file."""
    position = os.fstat(fd).st_size
    if count == 0:
        return position, 0
    found = 0
    wanted = count + 1  # with the newline before the first wanted line
    while position > 0:
        size = min(BLOCK, position)
        position -= size
        block = os.pread(fd, size, position)
        here = block.count(b"\n")
        if found + here >= wanted:
            index = len(block)
            for _ in range(wanted - found):
                index = block.rindex(b"\n", 0, index)
            return position + index + 1, 0
        found += here
    return 0, max(0, count - found)
