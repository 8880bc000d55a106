"""What `run` and `exec` share before a program runs: is there a terminal, has it started?"""

from __future__ import annotations

import os

from minicontainer.errors import MinicontainerError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.util.sockets import Socket


class NoTerminalError(UsageError):
    """``-it`` without one."""

    exit_code = 1  # Docker's command line's own, before the daemon hears of it


def check_terminal(flags: dict[str, Any]) -> None:
    """Raise NoTerminalError if one is wanted and standard input is none."""
    if flags["tty"] and flags["interactive"] and not flags["detach"] and not os.isatty(0):
        raise NoTerminalError("the input device is not a TTY")


def await_start(connection: Socket) -> None:
    """Until the program runs.  Raises what kept it from starting."""
    from minicontainer import errors
    from minicontainer.engine import attach as protocol

    decoder = protocol.Decoder()
    while not decoder.ended:
        for kind, payload in decoder.receive(connection.fileno()):
            if kind == protocol.STARTED:
                connection.close()
                return
            if kind == protocol.ERROR:
                raise errors.from_wire(protocol.read_document(bytes(payload)))
    raise MinicontainerError("the container's monitor was killed before the program started")
