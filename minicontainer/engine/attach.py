"""What a monitor and an attached client say to each other, over one AF_UNIX stream socket.

::

    client                                               monitor (of one container)
      │                                                     │
      │ ◄────────────────────── STARTED {json} ──────────── │  the program runs
      │ ── RESIZE rows columns ───────────────────────────► │  the window; sends SIGWINCH inside
      │ ── STDIN bytes ───────────────────────────────────► │  ─► the terminal, or the program's 0
      │ ◄─────────────────────────────────── STDOUT bytes ─ │  the terminal, or the program's 1
      │ ◄─────────────────────────────────── STDERR bytes ─ │  the program's 2; never with a terminal
      │ ── SIGNAL n ──────────────────────────────────────► │  kill(2) the program
      │ ── STDIN_EOF ─────────────────────────────────────► │  closes the program's 0
      │ ── DETACH ────────────────────────────────────────► │  the client leaves, the program stays
      │ ── QUIET ─────────────────────────────────────────► │  it wants no output, only the last frame
      │                                                     │
      │ ◄──────────────── EXIT status, or ERROR {json} ──── │  the last frame, then the socket closes

    a frame:   ┌──────┬───────────┬──────────────────────┬────────────────────
               │ kind │ 0   0   0 │ length, big-endian   │ length bytes
               └──────┴───────────┴──────────────────────┴────────────────────
                  1         3               4              RESIZE: two u16   SIGNAL: one u32
                                                           EXIT: one i32     (all big-endian)

Kinds 0, 1 and 2 and the header are those of Docker's multiplexed streams (Engine API, "Attach to a
container").  A socket that closes without EXIT or ERROR means that the monitor died.

Gigabytes pass here.  A `Decoder` hands out pieces of the buffer it received into, and does not wait
for whole STDIN, STDOUT and STDERR frames: their bytes come in as many pieces as recv(2) made of
them.  A `Sender` keeps what the socket did not take, and never blocks.
"""

from __future__ import annotations

import os
from struct import Struct

from minicontainer.errors import CorruptData
from minicontainer.oci import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STDIN, STDOUT, STDERR, STDIN_EOF, RESIZE, SIGNAL, DETACH, STARTED, ERROR, EXIT, QUIET = range(11)

CHUNK = 64 * 1024  # what the two sides read at once from a pipe or terminal; a pipe holds as much
LONGEST_MESSAGE = 1 << 20  # of the frames that are collected whole

HEADER = Struct(">B3xI")
_U16S, _U32, _I32 = Struct(">HH"), Struct(">I"), Struct(">i")
_IOV = 64  # buffers per writev(2); the kernel's limit is 1024


def frame(kind: int, payload: bytes = b"") -> bytes:
    """A whole frame, for the small ones."""
    return HEADER.pack(kind, len(payload)) + payload


def resize(rows: int, columns: int) -> bytes:
    """A RESIZE frame; both are cut to 16 bits, as in the kernel's struct winsize."""
    return frame(RESIZE, _U16S.pack(rows & 0xFFFF, columns & 0xFFFF))


def signal(number: int) -> bytes:
    """A SIGNAL frame."""
    return frame(SIGNAL, _U32.pack(number))


def exited(status: int) -> bytes:
    """An EXIT frame; 128 + n for a program that died of signal n."""
    return frame(EXIT, _I32.pack(status))


def started(facts: dict[str, Any]) -> bytes:
    """A STARTED frame."""
    return _document(STARTED, facts)


def failed(wire: dict[str, Any]) -> bytes:
    """An ERROR frame from what errors.to_wire gave."""
    return _document(ERROR, wire)


def read_resize(payload: bytes) -> tuple[int, int]:
    """(rows, columns).  CorruptData if the payload is no RESIZE's; so for the other readers."""
    rows, columns = _unpack(_U16S, payload)
    return rows, columns


def read_signal(payload: bytes) -> int:
    """The signal's number."""
    return int(_unpack(_U32, payload)[0])


def read_exited(payload: bytes) -> int:
    """The exit status."""
    return int(_unpack(_I32, payload)[0])


def read_document(payload: bytes) -> dict[str, Any]:
    """The dictionary in a STARTED or ERROR frame."""
    try:
        found = jsontext.loads(payload)
    except ValueError as error:
        raise CorruptData(f"attach: a message that is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise CorruptData("attach: a message that is no JSON object")
    return found


def _document(kind: int, value: dict[str, Any]) -> bytes:
    return frame(kind, jsontext.dumps(value).encode())


def _unpack(form: Struct, payload: bytes) -> tuple[int, ...]:
    if len(payload) != form.size:
        raise CorruptData(f"attach: a frame of {len(payload)} bytes where {form.size} belong")
    return form.unpack(payload)


class Decoder:
    """Frames out of a stream, without copying what STDIN, STDOUT and STDERR carry."""

    __slots__ = ("_buffer", "_kind", "_left", "_partial", "_view", "ended")

    def __init__(self, size: int = 4 * CHUNK) -> None:
        self._buffer = bytearray(size)
        self._view = memoryview(self._buffer)
        self._partial = bytearray()  # of a header, or of a frame that is collected whole
        self._kind = -1  # no frame is open
        self._left = 0
        self.ended = False

    @property
    def half(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._kind >= 0 or bool(self._partial)

    def receive(self, fd: int) -> list[tuple[int, memoryview | bytes]]:
        """Read once from a socket: (kind, payload) of each frame or, of streams, piece of a frame.

        The payloads of streams are valid until the next call.  An empty list means either that
        no frame is complete or that the other side closed; then ``ended`` is true.  Raises
        BlockingIOError when nothing is there, CorruptData for what is no frame.
        """
        count = os.readv(fd, [self._buffer])
        if count == 0:
            self.ended = True
            return []
        return self._split(self._view[:count])

    def feed(self, data: bytes) -> list[tuple[int, memoryview | bytes]]:
        """The same for bytes that were read already."""
        return self._split(memoryview(data))

    def _split(self, data: memoryview) -> list[tuple[int, memoryview | bytes]]:
        found: list[tuple[int, memoryview | bytes]] = []
        position = 0
        while True:
            if self._kind < 0:
                position = self._open_frame(data, position)
                if self._kind < 0:
                    return found
            piece = data[position : position + self._left]
            position += len(piece)
            self._left -= len(piece)
            if self._kind <= STDERR:
                if piece:
                    found.append((self._kind, piece))
            else:
                self._partial += piece
                if not self._left:
                    found.append((self._kind, bytes(self._partial)))
                    self._partial.clear()
            if self._left:
                return found
            self._kind = -1

    def _open_frame(self, data: memoryview, position: int) -> int:
        """Read a header, which may arrive in parts; the position behind it."""
        missing = HEADER.size - len(self._partial)
        self._partial += data[position : position + missing]
        if len(self._partial) == HEADER.size:
            kind, length = HEADER.unpack(self._partial)
            if kind > QUIET or (kind > STDERR and length > LONGEST_MESSAGE):
                raise CorruptData(f"attach: a frame of kind {kind} with {length} bytes")
            self._kind, self._left = kind, length
            self._partial.clear()
        return position + missing


class Sender:
    """Frames into a non-blocking socket; what it does not take at once waits here.

    Whoever reads a source should stop while ``pending`` is large, so that a slow reader slows the
    writer instead of filling memory.
    """

    __slots__ = ("_fd", "_queue", "pending")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._queue: list[bytes | memoryview] = []
        self.pending = 0  # bytes

    def put(self, kind: int, payload: bytes) -> None:
        """Queue a frame around ``payload`` without copying it."""
        self.put_frame(HEADER.pack(kind, len(payload)))
        if payload:
            self.put_frame(payload)

    def put_frame(self, data: bytes) -> None:
        """Queue bytes that are framed already."""
        self._queue.append(data)
        self.pending += len(data)

    def flush(self) -> bool:
        """Send what the socket takes now; true if nothing is left.

        Raises BrokenPipeError or ConnectionResetError when the other side is gone.
        """
        while self._queue:
            try:
                count = os.writev(self._fd, self._queue[:_IOV])
            except BlockingIOError:
                return False
            self.pending -= count
            self._drop(count)
        return True

    def _drop(self, count: int) -> None:
        done = 0
        for data in self._queue:
            if len(data) > count:
                break
            count -= len(data)
            done += 1
        del self._queue[:done]
        if count:
            self._queue[0] = memoryview(self._queue[0])[count:]
