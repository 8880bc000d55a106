"""A container's terminal: its master goes over a socket to who asked, or is relayed to our terminal.

The console socket's protocol is runc's (docs/terminals.md): one message whose data is the terminal's
name and whose ancillary data is one descriptor, the master.
"""

from __future__ import annotations

import _socket
import os
import select
import struct

from minicontainer.linux import terminal
from minicontainer.util import files
from minicontainer.util.sockets import SOCK_STREAM, Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minicontainer.linux.signals import Descriptor

CHUNK = 65536


def connect(path: str) -> Socket:
    """A connection to the console socket.  Raises OSError with the path."""
    made = Socket(_socket.AF_UNIX, SOCK_STREAM)
    try:
        made.connect(path)
    except OSError as error:
        made.close()
        raise OSError(error.errno, f"console socket: {error.strerror}", path) from None
    return made


def send(connection: Socket, master: int) -> None:
    """Hand the master over; both are closed here."""
    name = os.readlink(f"/proc/self/fd/{master}").encode()
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack("i", master))
    with connection:
        connection.sendmsg([name], [rights])
    os.close(master)


class Relay:
    """Our terminal (0 and 1) and the container's, until the container's is closed.

    Ours is raw meanwhile: what is typed is the container's line discipline's to read.
    """

    def __init__(self, master: int) -> None:
        self.master = master
        self.saved: list[Any] | None = None

    def __enter__(self) -> Relay:
        if os.isatty(0):
            self.saved = terminal.raw(0)
        self.resize()
        return self

    def __exit__(self, *_: object) -> None:
        if self.saved is not None:
            terminal.restore(0, self.saved)

    def resize(self) -> None:
        """Give the container's terminal the size of ours."""
        if os.isatty(0):
            rows, columns = terminal.get_size(0)
            terminal.set_size(self.master, rows, columns)

    def run(self, waking: Descriptor, signalled: Callable[[int], None]) -> None:
        """Relay until the container's side is closed; ``signalled`` is told each signal that comes."""
        inputs = [0, self.master, waking.fd]
        while True:
            ready, _, _ = select.select(inputs, [], [])
            if waking.fd in ready:
                for number in waking.read():
                    signalled(number)
            if 0 in ready and not self._typed():
                inputs.remove(0)
            if self.master in ready and not self._shown():
                return

    def _typed(self) -> bool:
        data = os.read(0, CHUNK)
        files.write_all(self.master, data or b"\4")  # end of file, as a terminal says it
        return bool(data)

    def _shown(self) -> bool:
        try:
            data = os.read(self.master, CHUNK)
        except OSError:  # EIO: the last process that had it open is gone
            return False
        files.write_all(1, data)
        return bool(data)
