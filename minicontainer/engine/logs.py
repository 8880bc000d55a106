"""The log of a container: Docker's json-file format, one object a line.

    {"log":"hello\\n","stream":"stdout","time":"2026-01-31T12:00:00.123456789Z"}

``log`` ends with a newline except for a piece of a line that was longer than `LINE_LIMIT` or that
the program had not finished.  Bytes that are not UTF-8 become U+FFFD, as in Docker.
"""

from __future__ import annotations

import os
import time

import msgspec

from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ_AT_ONCE = 1 << 16
FOLLOW_INTERVAL = 0.1  # seconds
LINE_LIMIT = 16 * 1024  # Docker's: longer lines are several entries


class Entry(msgspec.Struct):
    """One line of the file."""

    log: str
    stream: str
    time: str


def timestamp(nanoseconds: int) -> str:
    """RFC 3339 with nanoseconds, UTC."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


class Writer:
    """Appends what the program writes; a line that is not finished waits for its end.

    Lines that the disk does not take are counted in ``lost``, and ``reason`` says why: the program
    goes on without its log.
    """

    def __init__(self, path: str) -> None:
        self.lost = 0
        self.reason = ""
        self.fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        self.partial = {"stdout": b"", "stderr": b""}

    def write(self, stream: str, data: bytes) -> None:
        """Log ``data``, all its whole lines in one write(2)."""
        lines = _split(self.partial[stream] + data)
        last = lines.pop() if lines and not lines[-1].endswith(b"\n") else b""
        while len(last) >= LINE_LIMIT:
            lines.append(last[:LINE_LIMIT])
            last = last[LINE_LIMIT:]
        self.partial[stream] = last
        self._append(stream, lines)

    def flush(self) -> None:
        """Log what no newline has ended; for the end of the program."""
        for stream, rest in self.partial.items():
            if rest:
                self._append(stream, [rest])
            self.partial[stream] = b""

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        os.close(self.fd)

    def _append(self, stream: str, lines: list[bytes]) -> None:
        if not lines:
            return
        now = timestamp(time.time_ns())
        encoded = [
            msgspec.json.encode(Entry(piece.decode(errors="replace"), stream, now))
            for line in lines
            for piece in _pieces(line)
        ]
        try:
            files.write_all(self.fd, b"\n".join(encoded) + b"\n")
        except OSError as error:
            self.lost += len(encoded)
            self.reason = error.strerror or str(error)


def _split(data: bytes) -> list[bytes]:
    """Lines with their newline; only "\\n" ends one (bytes.splitlines would split at "\\r" as well)."""
    lines = data.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _pieces(line: bytes) -> list[bytes]:
    if len(line) <= LINE_LIMIT:
        return [line]
    return [line[start : start + LINE_LIMIT] for start in range(0, len(line), LINE_LIMIT)]


def read(path: str, *, tail: int | None = None) -> Iterator[Entry]:
    """The entries of a log, or its last ``tail``.  A line cut short by a crash is passed over."""
    decoder = msgspec.json.Decoder(Entry)
    with open(path, "rb") as file:
        if tail is not None:
            file.seek(_tail_offset(file.fileno(), tail))
        for line in file:
            entry = _decode(decoder, line)
            if entry is not None:
                yield entry


def _decode(decoder: msgspec.json.Decoder[Entry], line: bytes) -> Entry | None:
    try:
        return decoder.decode(line)
    except msgspec.DecodeError:
        return None


def follow(path: str, *, tail: int | None, running: Callable[[], bool]) -> Iterator[Entry]:
    """The entries of a log as they come, until ``running()`` is false and nothing is left."""
    decoder = msgspec.json.Decoder(Entry)
    with open(path, "rb") as file:
        if tail is not None:
            file.seek(_tail_offset(file.fileno(), tail))
        rest = b""
        ended = False
        while True:
            data = file.read(READ_AT_ONCE)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                entry = _decode(decoder, line)
                if entry is not None:
                    yield entry
            if not data:
                if ended:
                    return
                ended = not running()  # what was written before is still to be read
                if not ended:
                    time.sleep(FOLLOW_INTERVAL)


def _tail_offset(fd: int, count: int) -> int:
    """Where the last ``count`` lines begin, read from the end in blocks."""
    position = os.fstat(fd).st_size
    if count == 0:
        return position
    wanted = count + 1  # the newline before the first wanted line
    while position > 0:
        size = min(65536, position)
        position -= size
        block = os.pread(fd, size, position)
        found = block.count(b"\n")
        if found >= wanted:
            index = len(block)
            for _ in range(wanted):
                index = block.rindex(b"\n", 0, index)
            return position + index + 1
        wanted -= found
    return 0
