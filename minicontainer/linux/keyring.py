"""keyctl(2): the session keyring, which a process inherits (session-keyring(7))."""

from __future__ import annotations

from minicontainer.linux import libc
from minicontainer.linux.door import step

KEYCTL_JOIN_SESSION_KEYRING = 1


@step(
    "keyctl(2)",
    why="the keys of whoever started this are not the container's",
    shell=lambda a: "keyctl session",
)
def join_session_keyring() -> None:
    """Leave the session keyring for a new empty one.  ENOSYS in a kernel without keys."""
    libc.syscall(libc.number("keyctl"), KEYCTL_JOIN_SESSION_KEYRING, None)
