"""pidfd_open(2), pidfd_send_signal(2), pidfd_getfd(2): a process by a descriptor, which no other can inherit.

A process id may be given to another process once its owner was waited for; a pidfd may not.
"""

from __future__ import annotations

import os

from minicontainer.linux import signals
from minicontainer.linux.door import step


def pid_of(fd: int) -> int | None:
    """The process that a pidfd is of, -1 when it has ended; None for another kind of descriptor."""
    try:
        with open(f"/proc/self/fdinfo/{fd}") as file:
            for line in file:
                if line.startswith("Pid:"):
                    return int(line[4:])
    except OSError:  # no such descriptor, or no /proc of ours here
        return None
    return None


def _kill_command(fd: int, number: int) -> str:
    pid = pid_of(fd)
    return f"kill -s {signals.name(number).removeprefix('SIG')} {fd if pid is None else pid}"


def pidfd_open(pid: int) -> int:
    """A descriptor of process ``pid`` that becomes readable when it ends (Linux 5.3); ESRCH.

    Opening changes nothing in the kernel, so this is no step.
    """
    return os.pidfd_open(pid)


@step(
    "pidfd_send_signal(2)",
    why="signal a process",
    shell=lambda a: _kill_command(a["pidfd"], a["number"]),
    show={"number": signals.name},
)
def pidfd_send_signal(pidfd: int, number: int) -> None:
    """Send signal ``number`` (Linux 5.1); ESRCH when the process has ended."""
    signals.send(pidfd, number)


def pidfd_getfd(pidfd: int, number: int) -> int:
    """A copy (close-on-exec) of descriptor ``number`` of that process (Linux 5.6); needs the right to
    trace it (ptrace(2), PTRACE_MODE_ATTACH_REALCREDS).

    The process does nothing for it and does not change, so this is no step.
    """
    from minicontainer.linux import libc

    return libc.syscall(libc.SYS_PIDFD_GETFD, pidfd, number, 0)
