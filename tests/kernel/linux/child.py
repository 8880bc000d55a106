"""Work in a forked child, whose namespaces, user and limits end with it.

value = in_child(work)      what ``work`` returned there (JSON values), or the OSError it raised
"""

from __future__ import annotations

import json
import os
import traceback

from minicontainer.linux import mount, namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Died(Exception):
    """The child ended without an answer: its wait status, or what it raised that is no OSError."""


def in_child(work: Callable[[], Any]) -> Any:
    """What ``work()`` returns in a child process.  Raises its OSError, or Died."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _answer(work, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        data = answer.read()
    _, status = os.waitpid(pid, 0)
    if not data:
        raise Died(f"wait status {status}")
    kind, *rest = json.loads(data)
    if kind == "value":
        return rest[0]
    if kind == "OSError":
        error = OSError(*rest[0])
        error.step = rest[1]  # type: ignore[attr-defined]
        raise error
    raise Died(rest[0])


def _answer(work: Callable[[], Any], writer: int) -> None:
    try:
        answer: list[Any] = ["value", work()]
    except OSError as error:
        path = os.fsdecode(error.filename) if isinstance(error.filename, bytes) else error.filename
        answer = ["OSError", [error.errno, error.strerror, path], getattr(error, "step", None)]
    except BaseException:
        answer = ["Died", traceback.format_exc()]
    os.write(writer, json.dumps(answer).encode())
    os._exit(0)


def children() -> set[str]:
    """The processes that this one has made and not collected, by their numbers."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return set(file.read().split())


def own_mounts() -> None:
    """A mount namespace of this process's own, from which nothing reaches the host."""
    namespaces.unshare(namespaces.FLAGS["mount"])
    mount.mount(None, "/", None, mount.MS_REC | mount.MS_PRIVATE)


class Mounted:
    """A line of /proc/PID/mountinfo (proc_pid_mountinfo(5))."""

    __slots__ = ("fields", "fstype", "options", "parent", "point", "root", "source", "super_options")

    def __init__(self, line: str) -> None:
        before, _, after = line.partition(" - ")
        _, self.parent, _, self.root, self.point, options, *self.fields = before.split()
        self.options = options.split(",")
        self.fstype, self.source, super_options = after.split(" ", 2)
        self.super_options = super_options.split(",")

    @property
    def propagation(self) -> str:
        """private, shared, slave, shared+slave or unbindable."""
        names = [name for name, word in (("shared", "shared:"), ("slave", "master:"), ("unbindable", "unb"))
                 if any(field.startswith(word) for field in self.fields)]  # fmt: skip
        return "+".join(names) or "private"


def mounted(path: str, pid: int | str = "self") -> Mounted | None:
    """The uppermost mount whose mount point is ``path``, as process ``pid`` sees it."""
    with open(f"/proc/{pid}/mountinfo") as table:
        found = [Mounted(line.rstrip("\n")) for line in table]
    return next((line for line in reversed(found) if line.point == path), None)


def status(key: str, pid: int | str = "self") -> str:
    """One line of /proc/PID/status (proc_pid_status(5))."""
    with open(f"/proc/{pid}/status") as table:
        return next(line.partition(":")[2].strip() for line in table if line.startswith(f"{key}:"))
