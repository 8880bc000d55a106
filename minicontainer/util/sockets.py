"""AF_UNIX sockets at paths of any length.

``sun_path`` holds 108 bytes, and an id alone has 64.  Through the folder's descriptor in
/proc/self/fd every path is short.
"""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def listen(folder: str, name: str, kind: int, backlog: int = 16) -> socket.socket:
    """A listening socket at ``folder/name``, in place of one that a killed process left there.

    ``kind`` is SOCK_STREAM or SOCK_SEQPACKET.
    """
    listener = _at(folder, name, kind, _bind)
    listener.listen(backlog)
    return listener


def connect(folder: str, name: str, kind: int) -> socket.socket:
    """A connection to who listens there; ConnectionRefusedError, FileNotFoundError if nobody does."""
    return _at(folder, name, kind, socket.socket.connect)


def _at(folder: str, name: str, kind: int, operation: Callable[[socket.socket, str], None]) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, kind)
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


def _bind(made: socket.socket, path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)
    made.bind(path)
