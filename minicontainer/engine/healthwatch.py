"""The monitor's side of a health check: when a probe is due, and what its result means.

A session (session.py) asks `due_ms` how long it may wait, has `pipe` among the descriptors that it waits
for, and calls `attend` when it woke up.  Nothing here waits for a probe.  What a `Watch` knows fits into the
state of a monitor that rests (rest.py): `facts`.

It alone writes health.json, between a start and the end of the container.  On a full disk a result is
lost, and the probe after it tried again.
"""

from __future__ import annotations

import os
import time

from minicontainer.engine import health, records
from minicontainer.errors import CorruptData
from minicontainer.linux import door, process, signals
from minicontainer.linux.door import because
from minicontainer.oci import document, jsontext
from minicontainer.util.suppress import suppress

PAUSED = b"{}"  # what a prober says that found the container paused: nothing counts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.engine.health import Health, Healthcheck, Result


class Watch:
    """The probes of a container that runs.

    Moments are seconds of CLOCK_MONOTONIC, which no change of the clock touches: ``born`` is the
    container's start, ``next`` when a probe is due, ``began`` when the one that runs did; ``pipe`` and
    ``prober`` are that one's, or -1.
    """

    def __init__(self, folders: records.Folders, container_id: str, facts: dict[str, Any]) -> None:
        self.folders = folders
        self.id = container_id
        self.asked: Healthcheck = document.convert(health.Healthcheck, facts["asked"], "health check")
        self.born: float = facts["born"]
        self.next: float = facts["next"]
        self.began: float = facts["began"]
        self.pipe: int = facts["pipe"]
        self.prober: int = facts["prober"]
        self.said = b""

    @classmethod
    def begin(cls, folders: records.Folders, container: records.Container) -> Watch | None:
        """For a container that is started now; None for one without a health check."""
        asked = container.config.healthcheck
        if asked is None or not health.command(asked):
            return None
        folder = folders.container(container.id)
        now = health.begin(records.known_health(folder))
        records.save(f"{folder}/{records.HEALTH}", now, sync=False)
        born = time.monotonic()
        first = born + health.delay(asked, now, 0) / health.SECOND
        facts = {"born": born, "next": first, "began": born, "pipe": -1, "prober": -1}
        return cls(folders, container.id, {**facts, "asked": document.to_builtins(asked)})

    @property
    def facts(self) -> dict[str, Any]:
        """What another one needs to go on, unless a result has come in part (``said``)."""
        names = ("born", "next", "began", "pipe", "prober")
        return {**{name: getattr(self, name) for name in names}, "asked": document.to_builtins(self.asked)}

    @property
    def due_ms(self) -> float | None:
        """Milliseconds until a probe is due; None while one runs."""
        return None if self.pipe >= 0 else max(0.0, (self.next - time.monotonic()) * 1000)

    def attend(self, ready: dict[int, int], others: list[int]) -> None:
        """Begin a probe that is due, or read what one says, which is then no more in ``ready``.

        ``others`` are descriptors of this process that a probe does not need.
        """
        if self.pipe < 0:
            if time.monotonic() >= self.next:
                self._begin(others)
        elif ready.pop(self.pipe, None) is not None:
            data = os.read(self.pipe, 1 << 16)
            self.said += data
            if not data:
                self._reap()
                self._judge()

    def stop(self) -> None:
        """The container has ended: what runs of a probe ends too, and counts no more."""
        if self.pipe >= 0:
            because("there is nothing left to probe")
            process.kill(self.prober, signals.SIGKILL)
            self._reap()

    def _begin(self, others: list[int]) -> None:
        self.began = time.monotonic()
        monitor = os.getpid()
        try:
            self.pipe, writing = os.pipe2(os.O_CLOEXEC)
            because("a process that probes the container's health, while this one serves its clients")
            self.prober = process.fork()
        except OSError as error:  # no descriptor, or no process, to be had
            self._close()
            self._judge(str(error))
            return
        if self.prober == 0:
            door.i_am("prober")
            # A program's standard input ends, and a client's socket closes, when the last one does.
            for fd in (self.pipe, *others):
                os.close(fd)
            from minicontainer.engine import probing

            probing.live(self.folders, self.id, writing, monitor)
        os.close(writing)

    def _close(self) -> None:
        if self.pipe >= 0:
            os.close(self.pipe)
        self.pipe = -1

    def _reap(self) -> None:
        self._close()
        process.wait(self.prober)
        self.prober = -1

    def _judge(self, fault: str = "the process that ran the health check was killed") -> None:
        """What the prober said counts; where it said nothing, ``fault``."""
        said, self.said = self.said, b""
        folder = self.folders.container(self.id)
        before = after = records.known_health(folder)
        if said != PAUSED:
            result = self._result(said, fault)
            after = health.judge(self.asked, before, result, _nanoseconds(self.began - self.born))
            with suppress(OSError):
                records.save(f"{folder}/{records.HEALTH}", after, sync=False)
            if after.status != before.status:
                self._tell(folder, after)
        now = time.monotonic()
        delay = health.delay(self.asked, after, _nanoseconds(now - self.born))
        self.next = now + delay / health.SECOND

    def _result(self, said: bytes, fault: str) -> Result:
        if said:
            return document.convert(health.Result, jsontext.loads(said), "a probe's result")
        end = time.time_ns()
        lasted = _nanoseconds(time.monotonic() - self.began)
        return health.Result(start=end - lasted, end=end, exit_code=-1, output=fault)

    def _tell(self, folder: str, now: Health) -> None:
        from minicontainer.engine import events

        with suppress(CorruptData, FileNotFoundError):  # removed by force, this instant
            container = records.load_container(folder)
            events.of_container(self.folders, container, f"health_status: {now.status}")


def _nanoseconds(seconds: float) -> int:
    return int(seconds * health.SECOND)
