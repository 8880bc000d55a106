"""What `run`, `exec` and `attach` share before a program runs: is there a terminal?"""

from __future__ import annotations

import os

from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class NoTerminalError(UsageError):
    """``-it`` without one."""

    exit_code = 1  # Docker's command line's own, before the daemon hears of it


def check_terminal(flags: dict[str, Any]) -> None:
    """Raise NoTerminalError if one is wanted and standard input is none."""
    if flags["tty"] and flags["interactive"] and not flags["detach"] and not os.isatty(0):
        raise NoTerminalError("the input device is not a TTY")
