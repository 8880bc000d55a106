"""Blobs on their way in: written under a temporary name and hashed behind the writing hand.

::

    write, copy, hole ──► .tmp-* file ◄── pread ── thread: sha256      (hashlib frees the lock)
    finish: fsync, digest          install: rename to blobs/sha256/HEX (under the index lock)

What is hashed is what the file holds, read back from the page cache by a second thread, so content
can be copied inside the kernel without passing through Python.  Nothing is visible until `install`,
and a writer that dies leaves a file that `temporary.sweep` removes.
"""

from __future__ import annotations

import os

from minicontainer.storage import temporary
from minicontainer.util.files import sync_folder, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_BUFFER = 1 << 16
_STEP = 1 << 22  # bytes the kernel copies between two words to the hashing thread
_READ = 1 << 18


class Hasher:
    """sha256 of what passes, in a thread of its own; at most a few chunks wait."""

    def __init__(self) -> None:
        import hashlib
        import queue
        import threading

        self._hash = hashlib.sha256()
        self._queue: queue.Queue[bytes | None] = queue.Queue(8)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (chunk := self._queue.get()) is not None:
            self._hash.update(chunk)

    def update(self, chunk: bytes) -> None:
        """Add ``chunk``, which must not change any more."""
        self._queue.put(chunk)

    def through(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same chunks, added as they pass."""
        for chunk in chunks:
            self.update(chunk)
            yield chunk

    def digest(self) -> str:
        """``sha256:HEX`` of all that was added; the last call."""
        self._queue.put(None)
        self._thread.join()
        return f"sha256:{self._hash.hexdigest()}"


class _Follower:
    """sha256 of a file that grows, up to the offsets it is told."""

    def __init__(self, fd: int) -> None:
        import hashlib
        import queue
        import threading

        self._fd = fd
        self._hash = hashlib.sha256()
        self._error: OSError | None = None
        self._ends: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        buffer = memoryview(bytearray(_READ))
        position = 0
        try:
            while (end := self._ends.get()) is not None:
                while position < end:
                    done = os.preadv(self._fd, [buffer[: end - position]], position)
                    self._hash.update(buffer[:done])
                    position += done
        except OSError as error:
            self._error = error

    def reach(self, end: int) -> None:
        self._ends.put(end)

    def stop(self) -> str:
        self._ends.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        return f"sha256:{self._hash.hexdigest()}"


class BlobWriter:
    """One new blob, inside ``with``; gone at its end unless `install` was called.

    ``progress`` is told of each amount of bytes that is written.
    """

    def __init__(self, folder: str, progress: Callable[[int], None] | None = None) -> None:
        self._progress = progress
        self._folder = folder
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self._path, self._fd = temporary.new_file(folder)
        self._follower: _Follower | None = _Follower(self._fd)
        self._buffer: list[bytes] = []
        self._buffered = 0
        self.size = 0
        self.digest = ""
        self._installed = False

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._follower is not None:
                self._follower.stop()
        finally:
            if not self._installed:
                os.unlink(self._path)
            os.close(self._fd)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        self._buffer.append(data)
        self._buffered += len(data)
        if self._buffered >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        if self._buffered:
            write_all(self._fd, b"".join(self._buffer))
            self._advance(self._buffered)
            self._buffer, self._buffered = [], 0

    def _advance(self, size: int) -> None:
        self.size += size
        if self._follower is not None:
            self._follower.reach(self.size)
        if self._progress is not None:
            self._progress(size)

    def copy(self, fd: int, start: int, length: int) -> None:
        """Append a range of another file, inside the kernel; zeros for what it lacks by now."""
        self._flush()
        end = start + length
        while start < end:
            done = os.sendfile(self._fd, fd, start, min(end - start, _STEP))
            if not done:
                self.hole(end - start)
                return
            start += done
            self._advance(done)

    def hole(self, length: int) -> None:
        """Append zeros that take no room."""
        if length:
            self._flush()
            os.ftruncate(self._fd, self.size + length)
            os.lseek(self._fd, 0, os.SEEK_END)
            self._advance(length)

    def finish(self) -> str:
        """The blob's digest; its content is on the disk."""
        self._flush()
        os.fsync(self._fd)
        follower, self._follower = self._follower, None
        assert follower is not None
        self.digest = follower.stop()
        return self.digest

    def install(self) -> None:
        """Give the finished blob its name.  Call with the index lock held."""
        os.rename(self._path, os.path.join(self._folder, self.digest.removeprefix("sha256:")))
        self._installed = True
        sync_folder(self._folder)


def hash_file(fd: int) -> _Follower:
    """Start hashing a whole file in a thread; call ``stop()`` on the result for the digest."""
    follower = _Follower(fd)
    follower.reach(os.fstat(fd).st_size)
    return follower
