"""Between two runs of a container with a restart policy: its monitor waits, and launches it again.

::

    the program ends ─► given back: network, control group, mounts ─► "restarting" in status.json
                                                                          │ clients are told the exit code
    Monitor (fresh) ◄── lock, marks? ◄── Python ◄── launcher.c in poll(2) ◄┘ execve, for the delay

The process stays: its id, its mount namespace without the container's mounts, and its listening socket, at
which new clients wait for the next run.  All else begins anew, so that the thousandth run starts from
what the first one did, and memory cannot grow.  Where the launcher cannot be used (rest.py), the same is
done without execve.

In the pipe that the launcher passes on: {"id", "root", "run", "storage", "listener", "due"}, ``due`` on
the monotonic clock.

Who stops a container that waits holds its lock and kills the monitor, which has nothing to lose then:
to go on it needs that lock.
"""

from __future__ import annotations

import gc
import os
import time

from minicontainer.engine import records, rest, restart_policy
from minicontainer.errors import CorruptData
from minicontainer.linux import pidfd, signals
from minicontainer.linux.door import because
from minicontainer.util import sockets
from minicontainer.util.suppress import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.engine.engine import Engine, Found
    from minicontainer.engine.monitor import Monitor
    from minicontainer.util.sockets import Socket

INTERVAL = 0.02  # seconds between two looks at a start that is under way


# -- the monitor's side


def following(monitor: Monitor) -> Monitor | None:
    """Wait for the delay; the monitor of the next run, or None if there is to be none.

    Does not return where the launcher can wait in this process's place.
    """
    engine = monitor.engine
    monitor.session.leave()
    reap()
    listener = monitor.session.listener
    assert listener is not None
    due = time.monotonic() + monitor.status.delay
    _rest(engine, monitor.container.id, listener, due)
    gc.collect()  # else that is as rare as the start of a command wants it (cli/main.py)
    return _after(engine, monitor.container.id, listener, due)


def _rest(engine: Engine, container_id: str, listener: Socket, due: float) -> None:
    way = rest.Rest.of(engine, container_id, -1)
    if not way.possible:
        return
    facts = {name: way.facts[name] for name in ("id", "root", "run", "storage")}
    fd = listener.fileno()
    milliseconds = max(0, round((due - time.monotonic()) * 1000))
    why = "until the container is restarted: wait without Python, and begin anew"
    with suppress(OSError):
        # Of the socket nothing is waited for: clients are served when the program runs.
        rest.become(way.launcher, why, {**facts, "listener": fd, "due": due}, milliseconds, {fd: 0}, [fd])


def woken(state: dict[str, Any]) -> Monitor | None:
    """`following`, in the process that was the launcher; ``state`` is what the pipe held."""
    from minicontainer.engine.engine import Engine

    os.set_inheritable(state["listener"], False)
    engine = Engine(state["root"], state["run"], state["storage"])
    return _after(engine, state["id"], sockets.adopt(state["listener"]), state["due"])


def _after(engine: Engine, container_id: str, listener: Socket, due: float) -> Monitor | None:
    from minicontainer.engine.monitor import Monitor

    time.sleep(max(0.0, due - time.monotonic()))
    folder = engine.folders.container(container_id)
    lock = engine.folders.container_lock(container_id)
    lock.acquire()
    try:
        container, status = records.load_container(folder), records.load_status(folder)
    except (FileNotFoundError, CorruptData):
        return None  # the lock goes with this process
    if status.monitor != os.getpid() or status.state != "restarting":
        return None
    marks = restart_policy.marks(engine.folders, container_id)
    if restart_policy.CANCELED in marks:
        ended = records.without_monitor(status)
        ended.stopped = restart_policy.STOPPED in marks
        records.save(f"{folder}/status.json", ended)
        return None
    monitor = Monitor(engine, container, None, lock)
    monitor.status = status
    monitor.session.listener = listener
    return monitor


def reap() -> None:
    """Take leave of children that stayed for slow clients (session.py)."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue


# -- the commands' side


def interrupt(engine: Engine, container_id: str) -> bool:
    """End the wait of a container that is to be restarted: it has ended then.

    False if it does not wait.  Raises NotFound.
    """
    with engine.folders.container_lock(container_id):
        found = engine.load_locked(container_id)
        if found.status.state != "restarting":
            return False
        because("it waits to be restarted, and has nothing to lose")
        _kill(engine, found)
        engine.load_locked(container_id)
        return True


def _kill(engine: Engine, found: Found) -> None:
    try:
        fd = pidfd.pidfd_open(found.status.monitor)
    except ProcessLookupError:
        return
    try:
        if records.monitored(found.status):
            pidfd.pidfd_send_signal(fd, signals.SIGKILL)
            engine.wait(found, -1)
    except ProcessLookupError:
        return
    finally:
        os.close(fd)


def settled(engine: Engine, found: Found) -> Found:
    """The container, once it is not just being restarted.  Raises NotFound."""
    while found.restarting and found.status.state == "starting":
        engine.wait(found, INTERVAL)
        found = engine.load(found.container.id)
    return found
