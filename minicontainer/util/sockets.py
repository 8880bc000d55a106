"""AF_UNIX sockets at paths of any length.

``sun_path`` holds 108 bytes, and an id alone has 64.  Through the folder's descriptor in
/proc/self/fd every path is short.

A `Socket` is the C half of Python's socket: the other half is enumerations and selectors, whose import
takes as long as half of Python's start, and this runs with every container.
"""

from __future__ import annotations

import _socket
import os
from _socket import AF_UNIX, SHUT_RD, SOCK_SEQPACKET, SOCK_STREAM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class Socket(_socket.socket):
    """A socket with what its C half lacks: `accept`, and ``with``."""

    __slots__ = ()

    def __enter__(self) -> Socket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def accept(self) -> tuple[Socket, object]:
        """A connection, close-on-exec, and the address of its other end."""
        fd, address = self._accept()  # type: ignore[attr-defined]
        return Socket(self.family, self.type, self.proto, fd), address


def pair(kind: int) -> tuple[Socket, Socket]:
    """Two connected AF_UNIX sockets, close-on-exec."""
    first, second = _socket.socketpair(AF_UNIX, kind)
    return tuple(Socket(AF_UNIX, kind, 0, end.detach()) for end in (first, second))  # type: ignore[return-value]


def adopt(fd: int) -> Socket:
    """An AF_UNIX stream socket of a descriptor that this process has inherited."""
    return Socket(AF_UNIX, SOCK_STREAM, 0, fd)


def listen(folder: str, name: str, kind: int, backlog: int = 16) -> Socket:
    """A listening socket at ``folder/name``, in place of one that a killed process left there.

    ``kind`` is SOCK_STREAM or SOCK_SEQPACKET.
    """
    listener = _at(folder, name, kind, _bind)
    listener.listen(backlog)
    return listener


def connect(folder: str, name: str, kind: int) -> Socket:
    """A connection to who listens there; ConnectionRefusedError, FileNotFoundError if nobody does."""
    return _at(folder, name, kind, Socket.connect)


def _at(folder: str, name: str, kind: int, operation: Callable[[Socket, str], None]) -> Socket:
    made = Socket(AF_UNIX, kind)
    try:
        fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            operation(made, f"/proc/self/fd/{fd}/{name}")
        finally:
            os.close(fd)
    except BaseException:
        made.close()
        raise
    return made


def _bind(made: Socket, path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)
    made.bind(path)


__all__ = ["SHUT_RD", "SOCK_SEQPACKET", "SOCK_STREAM", "Socket", "connect", "listen", "pair"]
