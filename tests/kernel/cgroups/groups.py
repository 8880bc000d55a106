"""Groups and processes for the tests of this folder; what is made here is gone after each test."""

from __future__ import annotations

import itertools
import os
import signal
import time

from minicontainer.cgroups import manager
from minicontainer.oci.runtime import Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.cgroups.manager import Manager

_number = itertools.count()


def make(resources: Resources | None = None) -> Manager:
    """A new group with these limits, through the driver that this host needs."""
    group = manager(f"/minicontainer/test-{os.getpid()}-{next(_number)}")
    wanted = resources or Resources()
    group.check(wanted)
    group.create()
    group.apply(wanted)
    return group


def start(group: Manager, work: Callable[[], object]) -> int:
    """A child that joins the group and does ``work``; 0 is a good end, an OSError ends with its errno.

    It is in the group of every hierarchy, or could not join, when this returns.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        return pid
    code = 255
    try:
        group.add(0)
        os.close(writer)
        work()
        code = 0
    except OSError as error:
        code = error.errno or 254
    finally:
        os._exit(code)


def outcome(pid: int) -> int:
    """The exit code of a child, or minus the signal that ended it."""
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def result(group: Manager, work: Callable[[], object]) -> int:
    """`start` and `outcome`."""
    return outcome(start(group, work))


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for ``condition`` to be true; the test fails if that takes too long."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "that took too long"
        time.sleep(0.01)


def wait_until_empty(group: Manager) -> None:
    """Wait for every process of the group to be gone."""
    wait_until(lambda: not group.pids())


def spin() -> None:
    """Use the processor for ever."""
    while True:
        pass


def sleep() -> None:
    """Wait for ever."""
    while True:
        signal.pause()


def fork_bomb() -> None:
    """Fork for ever, in every generation; what cannot fork tries again."""
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.001)


def reap_all() -> None:
    """Collect children that were made by accident of a test (of ours only: waitpid knows no others)."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
