"""Failing or dying at a chosen step: for tests, switched on by the environment.

``MINICONTAINER_FAULT`` is a list of orders, separated by commas:

::

    init:12:EPERM       the 12th step of the process named init fails with EPERM
    monitor:3:kill      the monitor dies of SIGKILL before its 3rd step
    mount#2:ENOSPC      in every process, its second mount fails
    init:mount:EIO      the first mount of init
    list:/tmp/steps     one line a step is appended to the file: ``init:12 mount#3 init:mount#3``

    order   = [process ":"] which ":" action    |    "list:" path
    which   = number from 1 | step's name ["#" number from 1]
    action  = an errno's name | "kill"

A process counts its own steps under its own name (door.i_am), so a line of a good run's list is
what makes the same run fail there; steps are counted before they are tried.
"""

from __future__ import annotations

import errno
import os
import signal

from minicontainer.linux import door

ENVIRONMENT = "MINICONTAINER_FAULT"


class Fault:
    """One order: which step, and what happens there (``code`` is an errno, 0 is death)."""

    __slots__ = ("code", "name", "number", "process")

    def __init__(self, process: str, name: str, number: int, code: int) -> None:
        self.process = process
        self.name = name
        self.number = number
        self.code = code

    def fits(self, process: str, name: str, steps: int, calls: int) -> bool:
        """Whether the order is for this step: the ``steps``-th of ``process``, its ``calls``-th ``name``."""
        if self.process not in ("", process) or self.name not in ("", name):
            return False
        return self.number == (calls if self.name else steps)


class Injector:
    """The listener (linux/door.py) that counts, lists and fails."""

    def __init__(self, faults: list[Fault], list_path: str = "") -> None:
        self._faults = faults
        self._counts: dict[tuple[str, str], int] = {}
        # Opened now: init will not find the path after it has changed its root.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._list = os.open(list_path, flags, 0o600) if list_path else -1

    def before(self, call: door.Call) -> None:
        """Count the step, list it, and do what is ordered for it."""
        process, name = call.process, call.step.name
        steps, calls = self._count(process, ""), self._count(process, name)
        if self._list >= 0:
            os.write(self._list, f"{process}:{steps} {name}#{calls} {process}:{name}#{calls}\n".encode())
        for fault in self._faults:
            if fault.fits(process, name, steps, calls):
                strike(fault.code)

    def after(self, call: door.Call) -> None:
        """Nothing: faults strike before the call."""

    def _count(self, process: str, name: str) -> int:
        self._counts[process, name] = count = self._counts.get((process, name), 0) + 1
        return count


def strike(code: int) -> None:
    """Raise the OSError, or die at once without any clean-up if ``code`` is 0."""
    if code:
        raise OSError(code, os.strerror(code))
    os.kill(os.getpid(), signal.SIGKILL)
    # The init of a pid namespace is immune to its own signals (pid_namespaces(7)).
    os._exit(128 + signal.SIGKILL)


def parse(text: str) -> tuple[list[Fault], str]:
    """The orders in ``text`` and the path to list steps in, "" for none.  ValueError names a bad order."""
    faults, path = [], ""
    for order in filter(None, text.split(",")):
        if order.startswith("list:"):
            path = order[5:]
        else:
            faults.append(_fault(order))
    return faults, path


def _fault(order: str) -> Fault:
    head, _, action = order.rpartition(":")
    process, _, which = head.rpartition(":")
    name, mark, number = ("", "#", which) if which.isdigit() else which.partition("#")
    code = 0 if action == "kill" else getattr(errno, action, -1)
    if not which or code < 0 or (mark and not number.isdigit()):
        raise ValueError(f"{ENVIRONMENT}: {order!r} is not [PROCESS:]NUMBER|NAME[#NUMBER]:ERRNO|kill")
    return Fault(process, name, int(number or 1), code)


def install_from_environment() -> None:
    """Listen at the door if the environment says so; once per command, before its first step."""
    text = os.environ.get(ENVIRONMENT)
    if text:
        door.listeners.append(Injector(*parse(text)))
