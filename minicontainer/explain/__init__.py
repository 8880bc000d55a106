"""The story of a run, told while it happens, and errors that say what usually causes them.

::

    caller ──┬── recorder ──┐
    monitor ─┼── recorder ──┼─ one datagram a step ─► narrator ──► standard error, or a file
    init ────┴── recorder ──┘   (SOCK_SEQPACKET)      (a process)

Each process of a run has a recorder at the door (linux/door.py), inherited across fork.  It reads
what the step watches before and after the call (observe.py), and sends the step as a record
(record.py).  The kernel keeps the datagrams in order, and so gives all processes' steps one order.
The narrator (narrator.py) puts each process after the step that made it (story.py), numbers the
steps and writes them in one of four forms (render.py).

Explaining never breaks a run and never blocks it: a recorder that cannot send takes itself away.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.explain.narrator import Narration

ENVIRONMENT = "MINICONTAINER_EXPLAIN"
MODES = ("brief", "full", "sh", "json")


def from_option(value: str | None) -> str | None:
    """The mode that ``--explain`` or the environment asks for, or None for silence.

    ``value`` is None without the option, "" for a bare ``--explain``.  Raises UsageError.
    """
    given = os.environ.get(ENVIRONMENT) if value is None else value or "brief"
    if given is None or given.lower() in ("", "0", "no", "off", "false", "none"):
        return None
    mode = "brief" if given.lower() in ("1", "yes", "on", "true") else given
    if mode in MODES:
        return mode
    from minicontainer.errors import UsageError

    source = "--explain" if value is not None else ENVIRONMENT
    raise UsageError(f"{source}: {given!r} is not one of {', '.join(MODES)}")


def start(mode: str, stream_fd: int = 2) -> Narration:
    """Tell the story of this process and its children from now on; see narrator.start."""
    from minicontainer.explain import narrator

    return narrator.start(mode, stream_fd)


def describe(error: OSError) -> str:
    """One line for people: what was refused, the usual cause, how to check; see hints.describe."""
    from minicontainer.explain import hints

    return hints.describe(error)
