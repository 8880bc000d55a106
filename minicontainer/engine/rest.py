"""A monitor that has nothing to do rests: it becomes a program that waits without Python.

::

    monitor (Python, 16 MB) ── nothing to do for QUIET seconds ─► execve: launcher.c in poll(2), 60 kB
         ▲                                                              │ a descriptor is ready
         └── the session goes on; finishing loads the engine again ◄────┘ execveat: Python

It stays the same process: its id, its child (init, which dies with it), its mount namespace and its
open descriptors.  What Python knew is either on disk (container.json, status.json, libcontainer's
state) or in a pipe, as JSON (relaunch.py has another, for a container that waits to be restarted):

    {"id", "root", "run", "storage", "pidfd",
     "session": Session.keep(), "log": logs.Writer.keep(), "watch": healthwatch.Watch.facts}

A monitor does not rest while somebody listens at the door, while a client is behind, or where it was
not started by the launcher (sys._xoptions["launcher"]) and so knows no way back, nor when that file is
not the same any more.  What a later release finds in the pipe was written by this one.

A monitor that woke up has no more modules than a session needs: the others come when the program
has ended.  One whose program never falls silent goes the same way once, after `YOUNG` seconds.  One that
only woke up to probe its container's health rests as soon as that is done; where the next probe is nearer
than `QUIET`, it stays awake.
"""

from __future__ import annotations

import os
import sys
import time

from minicontainer.linux import door
from minicontainer.linux.door import because
from minicontainer.oci import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from minicontainer.engine.engine import Engine
    from minicontainer.engine.healthwatch import Watch
    from minicontainer.engine.monitor import Monitor
    from minicontainer.engine.session import Session

QUIET = 2.0  # seconds
YOUNG = 5.0
MOST_KEPT = 32 << 10  # bytes, half of what a pipe holds
LONGEST = 2**31 - 1  # of poll(2), milliseconds
NAME = "minicontainer-monitor"


class Rest:
    """What a session calls when nothing has happened for a while."""

    quiet_ms = QUIET * 1000

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.launcher = str(sys._xoptions.get("launcher", ""))
        self.file = _file(self.launcher)
        self.deadline = 0.0  # of its first life, whose process still has all of the command line in it

    @classmethod
    def of(cls, engine: Engine, container_id: str, pidfd: int) -> Rest:
        """For a monitor whose container runs."""
        folders = engine.folders
        facts = {"id": container_id, "root": folders.root, "run": folders.run, "storage": engine.storage}
        made = cls({**facts, "pidfd": pidfd})
        made.deadline = time.monotonic() + YOUNG
        return made

    @property
    def possible(self) -> bool:
        """Whether there is a way back."""
        return bool(self.file) and not door.listeners

    @property
    def overdue(self) -> bool:
        """Whether it should no longer wait for silence."""
        return bool(self.deadline) and time.monotonic() > self.deadline and self.possible

    def __call__(self, session: Session) -> None:
        """Rest, and never return; or return, where something is under way or execve fails."""
        if _file(self.launcher) != self.file:
            self.file = ()  # stay awake
        kept = session.keep()
        if kept is None or not self.file:
            return
        log = session.log.keep() if session.log else None
        watch = session.watch.facts if session.watch is not None else None
        state = {**self.facts, "session": kept, "log": log, "watch": watch}
        wanted = session.wanted(self.facts["pidfd"])
        kept_open = [self.facts["pidfd"], *session.descriptors()]
        why = "nothing happens: wait without Python, in a hundredth of its memory"
        try:
            become(self.launcher, why, state, _timeout(session), wanted, kept_open)
        except OSError:
            self.file = ()  # stay awake


def become(
    launcher: str,
    why: str,
    state: dict[str, Any],
    milliseconds: int,
    wanted: dict[int, int],
    kept: list[int],
) -> None:
    """Wait without Python until a descriptor is ``wanted`` or the time is over; then go on with `main`.

    ``state`` is what that finds in its pipe, ``kept`` are the descriptors that it goes on with.  Returns
    only if there is too much in ``state``; raises OSError where the launcher cannot be executed.
    """
    from minicontainer.linux import process

    text = jsontext.dumps(state).encode()
    if len(text) > MOST_KEPT:
        return
    reading, writing = os.pipe2(os.O_CLOEXEC)
    os.write(writing, text)
    os.close(writing)
    events = [f"{fd}:{bits}" for fd, bits in wanted.items()]
    _pass_on([reading, *kept], True)
    try:
        because(why)
        process.execve(
            launcher, [NAME, state["id"], str(reading), str(milliseconds), *events], dict(os.environ)
        )
    finally:
        _pass_on(kept, False)
        os.close(reading)


def _timeout(session: Session) -> int:
    """What poll(2) is given: milliseconds until a probe is due, -1 for none."""
    due = session.watch.due_ms if session.watch is not None else None
    return -1 if due is None else min(int(due) + 1, LONGEST)


def _file(path: str) -> tuple[int, ...]:
    """Which file has this name: another release may have come in its place."""
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _pass_on(fds: list[int], inheritable: bool) -> None:
    for fd in fds:
        os.set_inheritable(fd, inheritable)


def main() -> NoReturn:
    """Go on: ``sys.argv`` is [NAME, id, descriptor of the state, ...]."""
    try:
        with open(int(sys.argv[2]), "rb") as file:
            state = jsontext.loads(file.read())
        door.i_am("monitor")
        following = _launch_again(state) if "due" in state else _go_on(state)
        if following is not None:
            following.run()
    finally:
        os._exit(0)


def _go_on(state: dict[str, Any]) -> Monitor | None:
    from minicontainer.engine import logs
    from minicontainer.engine.session import Session

    session = Session(
        lambda number: _monitor(state, session).signal(number),
        lambda rows, columns: _tell_size(state, rows, columns),
    )
    session.restore(state["session"])
    if state.get("watch") is not None:  # another release may have had none
        session.watch = _watch(state)
    _pass_on([state["pidfd"], *session.descriptors()], False)
    if state["log"] is not None:
        session.log = logs.Writer.resumed(state["log"])
    session.rest = Rest({name: state[name] for name in ("id", "root", "run", "storage", "pidfd")})
    fault = session.attempt(state["pidfd"])
    return _monitor(state, session).over(fault)


def _launch_again(state: dict[str, Any]) -> Monitor | None:
    from minicontainer.engine import relaunch

    return relaunch.woken(state)


def _watch(state: dict[str, Any]) -> Watch:
    from minicontainer.engine.healthwatch import Watch
    from minicontainer.engine.records import Folders

    return Watch(Folders(state["root"], state["run"]), state["id"], state["watch"])


def _tell_size(state: dict[str, Any], rows: int, columns: int) -> None:
    """As `Monitor.resized`, without the engine's modules."""
    from minicontainer.engine import events, records

    folders = records.Folders(state["root"], state["run"])
    container = records.load_container(folders.container(state["id"]))
    events.of_resizing(folders, container, rows, columns)


def _monitor(state: dict[str, Any], session: Session) -> Monitor:
    """The engine's modules are imported only here."""
    from minicontainer.engine.engine import Engine
    from minicontainer.engine.monitor import Monitor

    return Monitor.awake(Engine(state["root"], state["run"], state["storage"]), state["id"], session)
