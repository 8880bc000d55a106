"""What a runtime remembers of a container, and the states it can be in.

``<state root>/<id>/`` on a file system that a reboot empties::

    state.json     Record: what must survive the process that made the container
    start.sock     init waits here until the container is started
    seccomp        the program that confines it, for exec (seccomp.py)

::

              create              start                (its program ends)
    (nothing) ──────► created ──────────► running ─────────────────────► stopped ──────► (nothing)
                         │                  │  ▲                            ▲     delete
                         │             pause│  │resume                      │
                         │                  ▼  │                            │
                         │                 paused ──────────────────────────┤
                         └──────────────────────────────────────────────────┘  kill

The status is never stored: it is read from the kernel each time (is the process there, is it the
same one, does it still wait at start.sock, is its cgroup frozen).
"""

from __future__ import annotations

import os

from minicontainer.errors import Conflict, CorruptData, InvalidConfig, NotFound
from minicontainer.oci import document
from minicontainer.oci.document import Number
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import State

SECCOMP = "seccomp"
START_SOCKET = "start.sock"
ID_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-.")

# operation -> the states in which it is allowed (runtime.md, Operations)
ALLOWED = {
    "start": ("created",),
    "exec": ("created", "running"),
    "events": ("created", "running", "paused"),
    "update": ("created", "running", "paused"),
    "checkpoint": ("running", "paused"),
    "pause": ("running", "created"),
    "resume": ("paused",),
    "kill": ("created", "running", "paused"),
    "delete": ("stopped",),
}


class Record(document.Document):
    """state.json.  ``start_time`` is field 22 of /proc/PID/stat (clock ticks after boot): with the
    pid it names a process for ever.  ``borrowed`` is the root of a container in
    its creator's mount namespace, mounted there; "" in one that it has joined by a path.  ``linux`` has
    the fields of that name in config.json that are for processes of exec too: personality, memoryPolicy."""

    id: str
    pid: int
    start_time: int
    bundle: str
    cgroup: str
    created: Number
    rootfs: str = ""
    owner: int = 0  # uid of who created it
    oci_version: str = "1.0.0"
    freezer: str = ""  # the file that tells whether the control group is frozen
    hooks: object | None = None  # config.json may be gone when they are due
    annotations: dict[str, str] = {}
    borrowed: str | None = None
    linux: object | None = None


def require(container_id: str, operation: str, status: str) -> None:
    """Raises Conflict when ``operation`` is not allowed in ``status``."""
    if status not in ALLOWED[operation]:
        # containerd's shim looks for these very words, to know that there is nothing left to kill.
        known = " (container not running)" if operation == "kill" else ""
        raise Conflict(f"cannot {operation} container {container_id}: it is {status}{known}")


def start_time(pid: int) -> int | None:
    """When process ``pid`` started, in clock ticks after boot; None if it is gone or a zombie."""
    try:
        data = files.read(f"/proc/{pid}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the name in parentheses, and may itself contain both.
    fields = data[data.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def alive(record: Record) -> bool:
    """Whether the container's first process still runs, and is not another with its number."""
    return start_time(record.pid) == record.start_time


def frozen(record: Record) -> bool:
    """Whether the container's control group is frozen: v1's freezer.state, or v2's cgroup.events."""
    try:
        text = files.read(record.freezer) if record.freezer else b""
    except FileNotFoundError:
        return False
    return text == b"FROZEN\n" or b"frozen 1\n" in text


def save(folder: str, record: Record) -> None:
    """Write state.json."""
    files.write_atomic(f"{folder}/state.json", document.dump(record), sync=False)


def check_id(container_id: str) -> None:
    """Raises InvalidConfig for an id that runc would not take, or that could be a file of ours."""
    if container_id.startswith("."):
        raise InvalidConfig(f"container id {container_id!r} begins with a dot")
    if not container_id or not ID_ALPHABET.issuperset(container_id):
        raise InvalidConfig(f"container id {container_id!r} is not made of letters, digits, _ + - and .")


def load(root: str, container_id: str) -> Record:
    """The record of a container.  Raises NotFound, CorruptData for a file cut short, InvalidConfig for
    what can be no id."""
    check_id(container_id)
    path = os.path.join(root, container_id, "state.json")
    try:
        data = files.read(path)
    except FileNotFoundError:
        raise NotFound(f"container {container_id!r} does not exist") from None
    try:
        return document.load(Record, data, f"{path} is damaged")
    except InvalidConfig as error:
        raise CorruptData(str(error)) from None


def describe(record: Record, status: str) -> State:
    """The state as the specification has it (runtime.md, State)."""
    from minicontainer.oci.runtime import State

    return State(
        oci_version=record.oci_version,
        id=record.id,
        status=status,
        pid=0 if status == "stopped" else record.pid,
        bundle=record.bundle,
        annotations=record.annotations,
    )


def remove(folder: str) -> bool:
    """Remove a container's state folder; its own files only, so that nothing else is ever lost.

    Of several who do it at once (a run whose container ends by a checkpoint), one is told True.
    """
    try:
        for name in os.listdir(folder):
            try:
                os.unlink(os.path.join(folder, name))
            except FileNotFoundError:
                continue
        os.rmdir(folder)
    except FileNotFoundError:
        return False
    return True
