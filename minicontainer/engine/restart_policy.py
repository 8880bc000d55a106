"""When a container is started again without anybody asking: ``--restart``, by Docker's rules.

::

    no                  never
    always              whenever it ends
    unless-stopped      whenever it ends, if no user has signalled it since it was started
    on-failure[:MAX]    when it ends with another code than 0; at most MAX times in a row

The first restart comes after 100 ms, each further one after twice the time, up to a minute; a run of 10
seconds begins anew.  The delay grows, and the restarts count, until a user starts the container
(moby: daemon/internal/restartmanager).

``stop``, ``rm -f`` and a ``kill`` that is to end the program cancel the policy for this run, whatever it
is; any signal of a user's counts as a stop for ``unless-stopped`` (moby: daemon/kill.go).  The monitor
must know, and nobody waits for anybody::

    who signals                                the monitor, when the program has ended
    writes a mark (empty files in RUN)         writes "restarting"
    reads the status                           looks for marks

so that at least one of the two sees the other.  Who finds "restarting" takes the container's lock and ends
the wait (relaunch.py).  A start that a user asked for removes the marks.

After a reboot, or when a monitor was killed, nothing is restarted but by ``system resume``: a killed
monitor is no end of the program that a policy would speak of, and what finds it may be a mere ``ps``, which
starts nothing.  There, as when Docker's daemon starts (moby: daemon/daemon.go, restore), ``always`` holds
even for what was stopped by hand, and who has never run is left alone.
"""

from __future__ import annotations

import os

from minicontainer.linux import signals
from minicontainer.util.suppress import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.records import Container, Folders, HostConfig, Status

FIRST, LONGEST = 0.1, 60.0  # seconds of delay
LONG_RUN = 10.0  # seconds, after which the delay begins anew
STOPPED, CANCELED = "stopped", "canceled"  # the marks


def delay_after(last: float, lasted: float) -> float:
    """Seconds to wait, after a delay of ``last`` (0: none yet) and a run that ``lasted`` seconds."""
    if lasted >= LONG_RUN or not last:
        return FIRST
    return min(2 * last, LONGEST)


def wanted(host: HostConfig, status: Status, marks: set[str]) -> bool:
    """Whether a container that has ended is to be restarted."""
    return CANCELED not in marks and _holds(host, status, stopped=STOPPED in marks)


def resumed(host: HostConfig, status: Status) -> bool:
    """Whether a container that does not run is one that `system resume` starts."""
    return status.ran and _holds(host, status, stopped=status.stopped)


def _holds(host: HostConfig, status: Status, *, stopped: bool) -> bool:
    if host.restart_policy == "on-failure":
        left = not host.restart_retries or status.restarts < host.restart_retries
        return status.exit_code != 0 and left
    return host.restart_policy == "always" or (host.restart_policy == "unless-stopped" and not stopped)


def count(status: Status) -> None:
    """Count one more restart, and say how long to wait for it."""
    status.delay = delay_after(status.delay, status.finished - status.started)
    status.restarts += 1


def cancels(container: Container, number: int) -> bool:
    """Whether this signal of a user's means that the container is to end, and to stay so."""
    own = container.config.stop_signal
    return not own or number in (signals.SIGKILL, signals.number(own) or signals.SIGTERM)


def mark(folders: Folders, container: Container, *marks: str) -> None:
    """Tell the monitor, before the program is signalled.  With --rm there is no policy to tell of."""
    if container.host.auto_remove:
        return
    for name in marks:
        # No folder: it was removed just now, or never started.
        with suppress(FileNotFoundError):
            path = f"{folders.monitors}/{container.id}/{name}"
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def mark_signal(folders: Folders, container: Container, number: int) -> None:
    """The marks of a signal that a user sends."""
    mark(folders, container, STOPPED, *([CANCELED] if cancels(container, number) else []))


def marks(folders: Folders, container_id: str) -> set[str]:
    """What users have told since the container was started."""
    folder = f"{folders.monitors}/{container_id}"
    return {name for name in (STOPPED, CANCELED) if os.path.lexists(f"{folder}/{name}")}


def unmark(folders: Folders, container_id: str) -> None:
    """Forget it: a user starts the container."""
    for name in marks(folders, container_id):
        os.unlink(f"{folders.monitors}/{container_id}/{name}")
