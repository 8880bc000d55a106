"""``system resume`` and ``system suspend``: what a restart policy means when the machine comes back, or goes.

::

    boot      resume: those whose policy says so (restart_policy.resumed), the oldest first, several at
              once; who joins another's namespaces comes after it
    shutdown  suspend: all that run are stopped, and no policy takes it for a user's wish

`resume` waits for each until its program runs.  It asks the status, and keeps no socket: those who are
started later would inherit it.
"""

from __future__ import annotations

import time

from minicontainer.engine import ending, isolation, relaunch, restart_policy
from minicontainer.engine.engine import AlreadyRunning
from minicontainer.errors import MinicontainerError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.engine import Engine, Found
    from minicontainer.engine.records import HostConfig

AT_ONCE = 8  # starts under way


class Resumed:
    """One container that was to be started.  ``error`` is what went wrong, ``tell`` raises it."""

    __slots__ = ("error", "id", "joins", "name")

    def __init__(self, found: Found) -> None:
        self.id = found.container.id
        self.name = found.container.name
        self.joins = _joined(found.container.host)
        self.error: MinicontainerError | OSError | None = None

    def tell(self) -> None:
        """Raise what went wrong, if anything did."""
        if self.error is not None:
            raise self.error


def _joined(host: HostConfig) -> set[str]:
    """The ids of containers that must run before it does."""
    modes = (host.userns_mode, host.ipc_mode, host.uts_mode, host.pid_mode)
    return {mode.removeprefix(isolation.SHARED) for mode in modes if mode.startswith(isolation.SHARED)}


def resume(engine: Engine) -> list[Resumed]:
    """Start what is to run and does not; one result for each, the oldest container first.

    Containers whose files are damaged are in ``engine.damaged`` afterwards.
    """
    found = [
        Resumed(one)
        for one in reversed(engine.containers())
        if one.state in ("exited", "created") and restart_policy.resumed(one.container.host, one.status)
    ]
    waiting = list(found)
    under_way: list[Resumed] = []
    while waiting or under_way:
        under_way = [one for one in under_way if not _begun(engine, one)]
        pending = {one.id for one in (*waiting, *under_way)}
        ready = [one for one in waiting if not one.joins & pending - {one.id}]
        for one in (ready or waiting)[: AT_ONCE - len(under_way)]:
            if ready or not under_way:  # those that join each other in a circle fail, and say why
                waiting.remove(one)
                _start(engine, one)
                under_way.append(one)
        if under_way:
            time.sleep(relaunch.INTERVAL)
    return found


def _start(engine: Engine, one: Resumed) -> None:
    try:
        engine.start(one.id)[1].close()
    except (AlreadyRunning, NotFound):
        return  # a user was faster
    except (MinicontainerError, OSError) as error:
        one.error = _of(one, str(error))


def _begun(engine: Engine, one: Resumed) -> bool:
    """Whether its program runs, or has run, or cannot: then with an error."""
    if one.error is not None:
        return True
    try:
        # Its monitor has the lock until it has written that it starts.
        with engine.folders.container_lock(one.id):
            status = engine.load_locked(one.id).status
    except NotFound:
        return True
    except (MinicontainerError, OSError) as error:
        one.error = _of(one, str(error))
        return True
    if status.state == "created":
        one.error = _of(one, status.error)
    return status.state != "starting"


def _of(one: Resumed, told: str) -> MinicontainerError:
    return MinicontainerError(f"{one.name}: {told}")


def suspend(engine: Engine) -> list[ending.Stopping]:
    """Stop all that run, at once, as `resume` will not take for a user's wish; one result for each."""
    names = [one.container.name for one in engine.containers() if one.running or one.restarting]
    return ending.stop_all(engine, names, marks=(restart_policy.CANCELED,))
