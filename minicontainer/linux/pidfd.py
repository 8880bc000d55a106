"""pidfd_open(2), pidfd_send_signal(2): a process by a descriptor, which no other can inherit.

A process id may be given to another process once its owner was waited for; a pidfd may not.
"""

from __future__ import annotations

import os

from minicontainer.linux import libc
from minicontainer.linux.door import step
from minicontainer.linux.process import signal_name


def pidfd_open(pid: int) -> int:
    """A descriptor of process ``pid`` that becomes readable when it ends (Linux 5.3); ESRCH.

    Opening changes nothing in the kernel, so this is no step.
    """
    return os.pidfd_open(pid)


@step(
    "pidfd_send_signal(2)",
    why="signal a process",
    shell=lambda a: f"kill -{signal_name(a['number'])} # pidfd {a['pidfd']}",
    show={"number": signal_name},
)
def pidfd_send_signal(pidfd: int, number: int) -> None:
    """Send signal ``number`` (Linux 5.1); ESRCH when the process has ended."""
    libc.syscall(libc.SYS_PIDFD_SEND_SIGNAL, pidfd, number, None, 0)
