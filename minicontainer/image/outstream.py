"""A tar archive written to a descriptor that may be a pipe: what `BlobWriter` is for blobs."""

from __future__ import annotations

import errno
import os

from minicontainer.util.files import write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_BUFFER = 1 << 16
_STEP = 1 << 20
_ZEROS = bytes(_BUFFER)
# What sendfile(2) says of a target that it cannot write to: one opened to append, a terminal.
_CANNOT = (errno.EINVAL, errno.ENOSYS)


class OutStream:
    """tarwrite.Sink on a descriptor; ``told`` hears of each amount that was written.

    Call `finish` at the end.
    """

    def __init__(self, fd: int, told: Callable[[int], None] = lambda amount: None) -> None:
        self._fd = fd
        self._told = told
        self._buffer: list[bytes] = []
        self._buffered = 0

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._buffer.append(data)
        self._buffered += len(data)
        if self._buffered >= _BUFFER:
            self.finish()

    def finish(self) -> None:
        """Write what still waits."""
        write_all(self._fd, b"".join(self._buffer))
        self._told(self._buffered)
        self._buffer, self._buffered = [], 0

    def copy(self, fd: int, start: int, length: int) -> None:
        """Append a range of a file, inside the kernel; zeros for what it lacks by now."""
        self.finish()
        end = start + length
        while start < end:
            done = self._pass_on(fd, start, min(end - start, _STEP))
            if not done:
                self.hole(end - start)
                return
            start += done
            self._told(done)

    def _pass_on(self, fd: int, start: int, length: int) -> int:
        try:
            return os.sendfile(self._fd, fd, start, length)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
        data = os.pread(fd, length, start)
        write_all(self._fd, data)
        return len(data)

    def hole(self, length: int) -> None:
        """Append zeros."""
        while length:
            part = min(length, _BUFFER)
            self.write(_ZEROS[:part])
            length -= part
