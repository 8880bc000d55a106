"""``restart``: stop, then start.  Name, id, configuration and log stay; the address too, if it is free.

One with ``--rm`` would be gone between the two.  Its monitor, at its end, waits for the container's lock
before it removes it::

    restart            lock ─► signal ............... sees "released" ─► a new monitor ─► unlock
    old monitor        ........... gives back ─► "released" ─► waits for the lock ─► it is another's: goes

If the restart is killed meanwhile, the kernel gives its lock back, and the old monitor removes the container.
Of two restarts at once the second finds the first one's monitor at work, and waits for it.
"""

from __future__ import annotations

import time

from minicontainer.engine import ending, events, monitor, waiting
from minicontainer.linux import signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.engine import Engine, Found
    from minicontainer.util.sockets import Socket

INTERVAL = 0.005  # seconds


def restart(engine: Engine, text: str, timeout: float | None = None, number: int | None = None) -> None:
    """Restart a container, or start it if it does not run; ``timeout`` and ``number`` as for stop.

    Raises NotFound, and what keeps its program from starting.
    """
    found = engine.find(text)
    container_id = found.container.id
    if found.container.host.auto_remove and found.running:
        connection = _restart_kept(engine, container_id, timeout, number)
        if connection is not None:
            waiting.until_started(connection)
        else:
            waiting.start(engine, container_id)
    else:
        ending.stop(engine, container_id, timeout, number)
        waiting.start(engine, container_id)
    events.of_container(engine.folders, found.container, "restart")


def _restart_kept(
    engine: Engine, container_id: str, timeout: float | None, number: int | None
) -> Socket | None:
    """A client's socket of the new monitor; None where another restart's is at work already."""
    with engine.folders.container_lock(container_id) as lock:
        found = engine.load_locked(container_id)
        container = found.container
        if found.status.state == "starting":
            return None
        if found.running:
            engine.ask_to_end(container, number or ending.stop_signal(container))
            if found.paused:
                engine.runtime(found).resume()
            patience = ending.patience(container) if timeout is None else timeout
            if not _released(engine, found, patience):
                engine.ask_to_end(container, signals.SIGKILL)
                _released(engine, found, -1)
        return monitor.launch(engine, container, lock)[1]


def _released(engine: Engine, found: Found, patience: float) -> bool:
    """Until the old monitor waits for our lock; False after ``patience`` seconds (< 0: never).

    Raises NotFound if that monitor was killed: then the container goes, as with any --rm.
    """
    until = time.monotonic() + patience
    while not engine.load_locked(found.container.id).status.released:
        if patience >= 0 and time.monotonic() > until:
            return False
        engine.wait(found, INTERVAL)
    return True
