"""The exception tree, and how an exception crosses from one process to another.

::

    OSError                    what a system call refused; raised by ``linux/`` as it is, and
                               carrying ``.step`` (see linux/door.py) when it came through the door
    MinicontainerError         ours: one readable line, and the exit code the command ends with
    ├── UsageError             a flag or argument that contradicts itself         125
    ├── NotFound               no such container, image, user, ...                125
    ├── Conflict               a name in use, a container in the wrong state      125
    ├── InvalidConfig          config.json or an image document; names the field  125
    ├── Unsupported            this host or this version cannot do it             125
    ├── CorruptData            a blob, manifest or state file that lies           125
    ├── CommandNotFound        the program is missing inside the container        127
    └── CommandNotExecutable   it is there and cannot be run                      126

125, 126 and 127 are Docker's (docker-run(1), "Exit Status").

``.context`` of any of them is the field of config.json that asked for what failed (`field`).

An error of a child process reaches its parent as the same exception: ``to_wire`` makes a plain
dictionary of it, ``from_wire`` makes the exception again.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any


class MinicontainerError(Exception):
    """An error with a message for people; ``exit_code`` is what the command ends with."""

    exit_code = 125
    step: dict[str, Any] | None = None  # the kernel call behind it, as an OSError's (linux/door.py)


class UsageError(MinicontainerError):
    """A flag or an argument that cannot be used as it was given."""


class NotFound(MinicontainerError):
    """A container, image, user or group that does not exist."""


class Conflict(MinicontainerError):
    """A name that is taken, or a container whose state forbids the operation."""


class InvalidConfig(MinicontainerError):
    """A document with a field that is missing or wrong; the message names the field."""


class Unsupported(MinicontainerError):
    """Something that this host, or this version, cannot do; the message says why."""


class CorruptData(MinicontainerError):
    """A blob, archive or state file whose content is not what it claims to be."""


class CommandNotFound(MinicontainerError):
    """The program to run does not exist inside the container."""

    exit_code = 127


class CommandNotExecutable(MinicontainerError):
    """The program to run exists inside the container and cannot be executed."""

    exit_code = 126


class field:  # noqa: N801 - used as `with field("mounts[2]"):`
    """Errors from inside are marked with the field of config.json that asked for the operation."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not hasattr(error, "context"):
            error.context = self.name  # type: ignore[attr-defined]


def to_wire(error: BaseException) -> dict[str, Any]:
    """A dictionary of JSON values from which `from_wire` makes the exception again."""
    step = getattr(error, "step", None)
    if isinstance(error, OSError):
        # Not every OSError has an errno (socket.timeout); EIO would be a lie, so the text is kept.
        wire: dict[str, Any] = {
            "type": "OSError",
            "errno": error.errno,
            "text": error.strerror or str(error),
            "path": os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else None,
        }
    else:
        wire = {"type": type(error).__name__, "text": str(error)}
    if step is not None:
        wire["step"] = step
    context = getattr(error, "context", None)
    if context:
        wire["context"] = context
    return wire


def from_wire(wire: dict[str, Any]) -> Exception:
    """The exception that `to_wire` described; an unknown type becomes a MinicontainerError."""
    error: Exception
    if wire["type"] == "OSError":
        error = OSError(wire["errno"], wire["text"], wire["path"])
    else:
        found = globals().get(wire["type"])
        known = isinstance(found, type) and issubclass(found, MinicontainerError)
        text = wire["text"] if known else f"{wire['type']}: {wire['text']}"
        error = found(text) if known and found is not None else MinicontainerError(text)
    for name in ("step", "context"):
        if name in wire:
            setattr(error, name, wire[name])
    return error
