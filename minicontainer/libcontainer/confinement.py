"""What confines a process: a compiled seccomp program, and how exec finds it again.

::

    create   seccomp.py makes it of linux.seccomp ──► init installs it
               └─► <state root>/<id>/seccomp      {"flags": n, "listener": path, "metadata": text}\\n program
    exec     reads it, without the compiler ──► its process installs it
"""

from __future__ import annotations

import os

from minicontainer.libcontainer.state import SECCOMP
from minicontainer.linux import seccomp
from minicontainer.oci import jsontext
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import State


class Confinement:
    """A profile ready to be installed.

    ``program`` and ``flags`` are seccomp(2)'s; with a listener, ``listener_path`` is the socket of
    the agent that gets it, and ``metadata`` what it is told with it.  ``sets``: the capability sets
    (effective, permitted, inheritable) of a process that was lent CAP_SYS_ADMIN for it (process.py).
    """

    __slots__ = ("flags", "listener_path", "metadata", "program", "sets")

    def __init__(self, program: bytes, flags: int, listener_path: str = "", metadata: str = "") -> None:
        self.program = program
        self.flags = flags
        self.listener_path = listener_path
        self.metadata = metadata
        self.sets: tuple[int, int, int] | None = None
        if self.notifies:
            # Inside the container, where the listener is handed over, it could not be imported.
            from minicontainer.libcontainer import seccomp_listener  # noqa: F401

    def announce(self, process: int, number: int, pid: int, state: State) -> None:
        """In the parent: give the agent the listener, descriptor ``number`` of the process that the
        pidfd ``process`` is of; ``pid`` is its id."""
        from minicontainer.libcontainer import seccomp_listener

        listener = seccomp_listener.take(process, number)
        try:
            seccomp_listener.send_to_agent(self.listener_path, listener, pid, self.metadata, state)
        finally:
            os.close(listener)

    @property
    def notifies(self) -> bool:
        """Whether installing it makes a listener."""
        return bool(self.flags & seccomp.SECCOMP_FILTER_FLAG_NEW_LISTENER)


def save(folder: str, confined: Confinement) -> None:
    """Keep it for exec, in a container's state folder: a line of JSON, then the program."""
    about = {"flags": confined.flags, "listener": confined.listener_path, "metadata": confined.metadata}
    data = jsontext.dumps(about).encode() + b"\n" + confined.program
    files.write_atomic(f"{folder}/{SECCOMP}", data, sync=False)


def saved(folder: str) -> Confinement | None:
    """What the container in this state folder was confined with; None for one without a profile."""
    try:
        data = files.read(f"{folder}/{SECCOMP}")
    except FileNotFoundError:
        return None
    line, _, program = data.partition(b"\n")
    about = jsontext.loads(line)
    return Confinement(program, about["flags"], about["listener"], about["metadata"])
