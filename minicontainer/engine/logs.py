"""The log of a container: Docker's json-file format, one object a line.

    {"log":"hello\\n","stream":"stdout","time":"2026-01-31T12:00:00.123456789Z"}

``log`` ends with a newline except for a piece of a line that was longer than `LINE_LIMIT` or that
the program had not finished.  Bytes that are not UTF-8 become U+FFFD, as in Docker.

::

    containers/<id>/log.json         written to
                    log.json.1       with --log-opt max-size: the one before, up to max-file - 1 of them
                    log.json.2.gz    by Docker's rules: a file that has reached max-size gets no more;
                                     compressed (logzip.py) with compress=true

Lines are in the file before a client is sent them, so that what anybody has seen survives the monitor.
What a killed monitor, or a full disk, cut short inside write(2), the next writer ends with a newline;
readers (logread.py) pass over it.  A line that the program itself had only begun goes with the
monitor.

A program may write gigabytes: a batch is encoded as a whole, by a few passes of bytes.replace() in
which nothing happens for each line.
"""

from __future__ import annotations

import os
import time

from minicontainer.engine.logzip import COMPRESSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FILE = "log.json"
DRIVERS = ("json-file", "none")
LINE_LIMIT = 16 * 1024  # Docker's: longer lines are several entries
STREAMS = ("stdout", "stderr")

_HEAD = b'{"log":"'
# RFC 8259, section 7: what a string may not hold as it is.
_ESCAPES = {code: b"\\u%04x" % code for code in range(32)}
_ESCAPES |= {8: b"\\b", 9: b"\\t", 12: b"\\f", 13: b"\\r", 34: b'\\"', 92: b"\\\\"}
_HARMLESS = b"\n" + bytes(code for code in range(32, 128) if code not in _ESCAPES)


def timestamp(nanoseconds: int) -> str:
    """RFC 3339 with nanoseconds, UTC: texts of equal length, which sort as the moments do."""
    seconds, rest = divmod(nanoseconds, 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


class Writer:
    """Appends what the program writes; a line that is not finished waits for its end.

    Lines that the disk does not take are counted in ``lost``, and ``reason`` says why: the program
    goes on without its log.  ``limit``, ``files`` and ``compress`` are options (logoptions.py).
    """

    def __init__(
        self,
        path: str,
        limit: int = 0,
        files: int = 1,
        compress: bool = False,
        attrs: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path
        self.limit = limit
        self.files = files
        self.compress = compress
        self.attrs = dict(attrs or {})
        self.lost = 0
        self.reason = ""
        self.partial = dict.fromkeys(STREAMS, b"")
        self._middle = {stream: self._between(stream) for stream in STREAMS}
        self.fd = -1
        self._open()

    def _between(self, stream: str) -> bytes:
        from minicontainer.oci import jsontext

        attrs = f',"attrs":{jsontext.dumps(self.attrs)}' if self.attrs else ""
        return f'","stream":"{stream}"{attrs},"time":"'.encode()

    def _open(self) -> None:
        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = fd
        self.size = os.fstat(fd).st_size
        self.torn = self.size > 0 and os.pread(fd, 1, self.size - 1) != b"\n"

    # -- for a monitor that rests (rest.py)

    def keep(self) -> dict[str, Any]:
        """What `resumed` needs."""
        partial = {stream: rest.decode("latin-1") for stream, rest in self.partial.items()}
        names = ("path", "limit", "files", "compress", "attrs")
        arguments = {name: getattr(self, name) for name in names}
        return {"arguments": arguments, "partial": partial, "lost": self.lost, "reason": self.reason}

    @classmethod
    def resumed(cls, kept: dict[str, Any]) -> Writer:
        """The writer that `keep` was called on."""
        writer = cls(**kept["arguments"])
        writer.partial = {stream: rest.encode("latin-1") for stream, rest in kept["partial"].items()}
        writer.lost, writer.reason = kept["lost"], kept["reason"]
        return writer

    # -- writing

    def write(self, stream: str, data: bytes) -> None:
        """Log ``data``: all its whole lines, in as few write(2) as rotation allows."""
        end = data.rfind(b"\n") + 1
        if end:
            whole = self.partial[stream] + data[:end] if self.partial[stream] else data[:end]
            self._store(encode(whole, self._tail(stream)))
            rest = data[end:]
        else:
            rest = self.partial[stream] + data
        while len(rest) >= LINE_LIMIT:
            self._store(encode(rest[:LINE_LIMIT], self._tail(stream)))
            rest = rest[LINE_LIMIT:]
        self.partial[stream] = rest

    def flush(self) -> None:
        """Log what no newline has ended; for the end of the program."""
        for stream, rest in self.partial.items():
            if rest:
                self._store(encode(rest, self._tail(stream)))
            self.partial[stream] = b""

    def close(self) -> None:
        """Flush and close."""
        self.flush()
        os.close(self.fd)

    def _tail(self, stream: str) -> bytes:
        return self._middle[stream] + timestamp(time.time_ns()).encode() + b'"}\n'

    def _store(self, encoded: bytes) -> None:
        while encoded:
            cut = len(encoded)
            if self.limit:
                if self.size >= self.limit:
                    self._rotate()
                # To the end of the line that reaches the limit.
                cut = encoded.find(b"\n", max(0, self.limit - self.size - 1)) + 1 or cut
            self._append(encoded if cut == len(encoded) else encoded[:cut])
            encoded = encoded[cut:]

    def _append(self, encoded: bytes) -> None:
        rest = memoryview(b"\n" + encoded if self.torn else encoded)
        try:
            while rest:
                count = os.write(self.fd, rest)
                self.size += count
                rest = rest[count:]
            self.torn = False
        except OSError as error:
            self.torn = self.torn or len(rest) < len(encoded)
            self.lost += bytes(rest).count(b"\n")
            self.reason = error.strerror or str(error)

    def _rotate(self) -> None:
        """Killed between two of these renames, it leaves a gap in the numbers, and no line is lost."""
        try:
            for number in range(self.files - 1, 1, -1):
                for kind in ("", COMPRESSED):
                    self._move(f"{self.path}.{number - 1}{kind}", f"{self.path}.{number}", kind)
            if self.files == 1:
                os.unlink(self.path)
            else:
                self._move(self.path, f"{self.path}.1", "")
            self._open()
            if self.compress:
                from minicontainer.engine import logzip

                logzip.compress(f"{self.path}.1", f"{self.path}.1{COMPRESSED}")
        except OSError as error:
            self.size = 0  # the file that is open goes on
            self.reason = error.strerror or str(error)

    @staticmethod
    def _move(source: str, target: str, kind: str) -> None:
        """Rename, if it is there; of the two kinds a file may be of, one is left."""
        if os.path.lexists(source):
            os.rename(source, f"{target}{kind}")
            other = f"{target}{'' if kind else COMPRESSED}"
            if os.path.lexists(other):
                os.unlink(other)


def encode(data: bytes, tail: bytes) -> bytes:
    """Lines, or the beginning of one, as entries; ``tail`` is what follows the text in each."""
    if _may_have_long_lines(data):
        return b"".join(_HEAD + _entry(piece) + tail for line in _split(data) for piece in _pieces(line))
    if not data.endswith(b"\n"):
        return _HEAD + _entry(data) + tail
    return _HEAD + escape(data[:-1]).replace(b"\n", b"\\n" + tail + _HEAD) + b"\\n" + tail


def _entry(piece: bytes) -> bytes:
    return escape(piece).replace(b"\n", b"\\n")


def escape(data: bytes) -> bytes:
    """The text as JSON strings have it, in UTF-8; newlines are left as they are."""
    rare = data.translate(None, _HARMLESS)
    if not rare:
        return data
    if not rare.isascii():
        data = data.decode(errors="replace").encode()
    if 92 in rare:  # before those that are written with it
        data = data.replace(b"\\", _ESCAPES[92])
    for code in set(rare) - {92}:
        if code in _ESCAPES:
            data = data.replace(bytes([code]), _ESCAPES[code])
    return data


def _may_have_long_lines(data: bytes) -> bool:
    """False if every half of `LINE_LIMIT` has a newline: no line is longer than it then."""
    half = LINE_LIMIT // 2
    return any(data.find(b"\n", at, at + half) < 0 for at in range(0, len(data) - half, half))


def _split(data: bytes) -> list[bytes]:
    """Lines with their newline; only "\\n" ends one (bytes.splitlines would split at "\\r" as well)."""
    lines = data.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _pieces(line: bytes) -> list[bytes]:
    if len(line) <= LINE_LIMIT:
        return [line]
    return [line[start : start + LINE_LIMIT] for start in range(0, len(line), LINE_LIMIT)]
