"""Atomic files and locks.

A file is written under a temporary name, synced, and renamed: a reader sees the old content or the
new, and a crash leaves at most one ``.tmp-*`` file.

Locks are flock(2): the kernel gives them back when the holder dies, whatever killed it.  The order
in which the engine takes them is written in engine/records.py.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

PREFIX = ".tmp-"


def write_atomic(path: str, data: bytes, *, mode: int = 0o600, sync: bool = True) -> None:
    """Replace ``path`` with ``data``.  ``sync=False`` for what a reboot may forget.

    Raises OSError; the old file is then still there.
    """
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f"{PREFIX}{name}-{os.getpid()}")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        try:
            write_all(fd, data)
            if sync:
                os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    if sync:
        sync_folder(folder)


def write_all(fd: int, data: bytes) -> None:
    """Write all of ``data``; write(2) may take less."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(path: str) -> None:
    """Make renames inside ``path`` durable (fsync(2) of the directory)."""
    fd = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read(path: str) -> bytes:
    """The whole content of ``path``."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = []
        while part := os.read(fd, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(fd)


class Lock:
    """An flock(2) on a file, held inside ``with``; made where it is missing, never removed by it."""

    def __init__(self, path: str, *, shared: bool = False) -> None:
        self.path = path
        self.shared = shared
        self.fd = -1

    def __enter__(self) -> Lock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def acquire(self, *, wait: bool = True) -> bool:
        """Take the lock; False if ``wait`` is false and another process has it."""
        import fcntl

        fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        operation = fcntl.LOCK_SH if self.shared else fcntl.LOCK_EX
        try:
            fcntl.flock(fd, operation if wait else operation | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return False
        except BaseException:
            os.close(fd)
            raise
        self.fd = fd
        return True

    def release(self) -> None:
        """Give the lock back; once is enough."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)
