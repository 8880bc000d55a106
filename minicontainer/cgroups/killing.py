"""Killing a group that forks, on kernels without cgroup.kill: stop everything, signal, let go.

::

    freeze ──► nothing forks ──► SIGKILL to each ──► thaw ──► each dies before its next instruction

A list of processes that is read while they run is old when it is used; of frozen ones it is
complete.  Freezing can fail (a parent in vfork(2) cannot be stopped): then it goes in rounds.
"""

from __future__ import annotations

import signal
import time

from minicontainer.linux.door import because
from minicontainer.linux.process import kill

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 20


def kill_frozen(freeze: Callable[[], None], thaw: Callable[[], None], pids: Callable[[], list[int]]) -> None:
    """SIGKILL for everything that ``pids`` lists, however it forks."""
    for round_number in range(ROUNDS):
        stopped = True
        try:
            freeze()
        except TimeoutError:
            stopped = False
        try:
            _signal_all(pids())
        finally:
            thaw()
        if stopped or not pids():
            return
        time.sleep(0.001 * round_number)


def _signal_all(pids: list[int]) -> None:
    for pid in pids:
        if pid == 0:
            continue  # outside our PID namespace: cannot be named
        because("everything in the group ends, and while frozen nothing can fork away")
        try:
            kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
