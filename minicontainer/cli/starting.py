"""What `run` and `exec` share before a program runs: is there a terminal, has it started?"""

from __future__ import annotations

import os

from minicontainer.errors import UsageError

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
    from minicontainer.engine.waiting import until_started

    until_started(connection)
