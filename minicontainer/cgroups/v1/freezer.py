"""v1 freezer controller (Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst).

::

    THAWED ──FROZEN written──► FREEZING ──every task stopped──► FROZEN ──THAWED written──► THAWED

FREEZING can last: a process that was forked meanwhile, or a parent that waits in vfork(2).  Writing
again tries again, and letting go for a moment gets it through (runc #2791: failures from 40 a minute
to none); reading the state is what makes the kernel look.
"""

from __future__ import annotations

import errno
import os
import time

from minicontainer.cgroups import tree
from minicontainer.linux.control import write_control
from minicontainer.linux.door import because

PATIENCE = 10.0  # a process that waits for a slow disk stops when that has answered
TRIES_BEFORE_THAW = 25


def freeze(folder: str, patience: float = PATIENCE) -> None:
    """Stop everything.  Raises TimeoutError, with the group thawed."""
    until = time.monotonic() + patience
    tries = 0
    while True:
        tries += 1
        if tries % TRIES_BEFORE_THAW == 0:
            thaw(folder)
            time.sleep(0.001)
        because("stop every process of the group" if tries == 1 else "it is still FREEZING: try again")
        write_control(f"{folder}/freezer.state", "FROZEN")
        if state(folder) == "FROZEN":
            return
        if time.monotonic() > until:
            thaw(folder)
            path = f"{folder}/freezer.state"
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), path)
        time.sleep(0.0005)


def thaw(folder: str) -> None:
    """Let everything go on."""
    because("let the group's processes go on")
    write_control(f"{folder}/freezer.state", "THAWED")


def state(folder: str) -> str:
    """THAWED, FREEZING or FROZEN; also FROZEN below a frozen group."""
    return tree.text(f"{folder}/freezer.state")
