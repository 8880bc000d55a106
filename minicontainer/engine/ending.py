"""``stop`` and ``kill``: the end of a program that runs.

::

    stop a b c      stop signal ──► each      (let go, if it is paused)
                    wait for all of them, each until its own timeout
                    SIGKILL ──► those that are left; wait

Several are stopped at once: the longest wait is the whole wait.  As a program ends its monitor does, so
what is waited for are the monitors.  A restart policy does not hold for what is stopped (restart_policy.py):
of a container that waits to be restarted only the wait is ended.
"""

from __future__ import annotations

import time

from minicontainer.engine import events, pausing, restart_policy
from minicontainer.errors import Conflict, MinicontainerError, NotFound
from minicontainer.linux import signals
from minicontainer.util.suppress import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.engine.engine import Engine, Found
    from minicontainer.engine.records import Container

TIMEOUT = 10.0  # seconds between the stop signal and SIGKILL, as docker stop
LOOK = 0.5  # seconds between two looks at one that was killed: is it frozen?


def stop(engine: Engine, text: str, timeout: float | None = None, number: int | None = None) -> None:
    """Ask a container's program to end, and kill it after ``timeout`` seconds (< 0: never).

    Without a timeout or signal, the container's own.  One that does not run is no error.
    """
    stop_all(engine, [text], timeout, number)[0].tell()


def stop_all(
    engine: Engine,
    names: list[str],
    timeout: float | None = None,
    number: int | None = None,
    marks: tuple[str, ...] = (restart_policy.STOPPED, restart_policy.CANCELED),
) -> list[Stopping]:
    """Stop several at once; one result for each name, in their order.

    ``marks``: what it means to their restart policies.
    """
    under_way = [Stopping(engine, name, timeout, number, marks) for name in names]
    for one in under_way:
        one.attempt(one.ask)
    for one in sorted(under_way, key=lambda each: each.deadline):
        one.attempt(one.wait)
    for one in under_way:
        one.attempt(one.finish)
    return under_way


class Stopping:
    """One container that is being stopped.  ``error`` is what went wrong, ``tell`` raises it."""

    def __init__(
        self, engine: Engine, name: str, timeout: float | None, number: int | None, marks: tuple[str, ...]
    ) -> None:
        self.engine = engine
        self.name = name
        self.timeout = timeout
        self.number = number
        self.marks = marks
        self.found: Found | None = None
        self.deadline = float("inf")
        self.killed = False
        self.error: MinicontainerError | OSError | None = None

    def tell(self) -> None:
        """Raise what went wrong, if anything did."""
        if self.error is not None:
            raise self.error

    def attempt(self, part: Callable[[], None]) -> None:
        """Do a part, unless an earlier one failed."""
        if self.error is None:
            try:
                part()
            except (MinicontainerError, OSError) as error:
                self.error = error

    def ask(self) -> None:
        """Send the signal."""
        found = self.engine.find(self.name)
        if found.running or found.restarting:
            restart_policy.mark(self.engine.folders, found.container, *self.marks)
            found = awake(self.engine, found)
            self.found = found
        if not found.running:
            return
        timeout = patience(found.container) if self.timeout is None else self.timeout
        if timeout >= 0:
            self.deadline = time.monotonic() + timeout
        end(self.engine, found, self.number or stop_signal(found.container))

    def wait(self) -> None:
        """Until it has ended, or its time is up: then it is killed."""
        if self.found is None or not self.found.running:
            return
        left = self.deadline - time.monotonic()
        if not self.engine.wait(self.found, -1 if left == float("inf") else max(left, 0)):
            end(self.engine, self.found, signals.SIGKILL)

    def finish(self) -> None:
        """Until the killed ones are cleaned up, too."""
        if self.found is not None:
            _gone(self.engine, self.found, float("inf"))
            events.of_container(self.engine.folders, self.found.container, "stop")


def kill(engine: Engine, text: str, number: int) -> None:
    """Signal a container's program; with SIGKILL, wait until it is gone.

    Raises NotFound, Conflict.  A signal that is to end a paused one lets it go (moby: daemon/kill.go).
    """
    try:
        found = engine.find(text)
        if not found.running and not found.restarting:
            raise Conflict(f"container {found.container.id} is not running")
    except (NotFound, Conflict) as error:
        raise type(error)(f"Cannot kill container: {text}: {error}") from None
    restart_policy.mark_signal(engine.folders, found.container, number)
    ends = restart_policy.cancels(found.container, number)
    if ends:
        found = awake(engine, found)
    if not found.running:
        return
    if ends:
        end(engine, found, number)
    else:
        engine.ask_to_end(found.container, number)
    if number == signals.SIGKILL:
        _gone(engine, found, TIMEOUT)


def awake(engine: Engine, found: Found) -> Found:
    """A container that is marked to end: it runs, or has ended, and does not wait to be restarted."""
    if found.container.host.auto_remove:
        return found  # it has no policy, and may be gone
    found = engine.load(found.container.id)
    while found.restarting:
        from minicontainer.engine import relaunch

        relaunch.interrupt(engine, found.container.id)
        found = relaunch.settled(engine, engine.load(found.container.id))
    return found


def end(engine: Engine, found: Found, number: int) -> None:
    """Signal a container that may be frozen: the signal first, so that it comes before all else."""
    engine.ask_to_end(found.container, number)
    _let_go(engine, found)


def _let_go(engine: Engine, found: Found) -> None:
    # The kernel is asked again: it may have been paused since it was found.
    if pausing.frozen(found.container.id):
        with suppress(NotFound):  # it has ended, and --rm removed it
            pausing.let_go(engine, found.container.id)


def _gone(engine: Engine, found: Found, patience: float) -> None:
    """Until one that was killed is cleaned up, or ``patience`` seconds; who pauses it delays that only."""
    until = time.monotonic() + patience
    while not engine.wait(found, LOOK) and time.monotonic() < until:
        _let_go(engine, found)


def stop_signal(container: Container) -> int:
    """The number of the signal that asks this container to end: its image's, --stop-signal's or SIGTERM."""
    # An image may say anything; what is no signal is none (moby: container.StopSignal).
    return signals.number(container.config.stop_signal) or signals.SIGTERM


def patience(container: Container) -> float:
    """Seconds that it is given to end: --stop-timeout's, or 10."""
    own = container.config.stop_timeout
    return TIMEOUT if own is None else float(own)
