"""The small init of ``--init``: PID 1 that passes signals on and waits for orphans.

A program that runs as PID 1 has no default signal actions (pid_namespaces(7)) and is the parent of
every orphan; most programs are not written for that.  This one is: it starts the program as its
child, forwards every signal that it gets, waits for every process that ends, and ends as the
program did.
"""

from __future__ import annotations

import os
import signal

from minicontainer.linux import prctl, process, terminal
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Raised by the kernel for a fault of the process itself: not to be held back or passed on.
FAULTS = {
    signal.SIGFPE,
    signal.SIGILL,
    signal.SIGSEGV,
    signal.SIGBUS,
    signal.SIGABRT,
    signal.SIGTRAP,
    signal.SIGSYS,
}


def run(become: Callable[[], None], detach: Callable[[], None]) -> None:
    """Fork: the child calls ``become``, which does not return; the parent calls ``detach`` and reaps.

    ``detach`` closes this process's copies of what must close when the program starts.  Never
    returns in the parent: exits as the child did.
    """
    watched = signal.valid_signals() - FAULTS
    signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    because("the program is a child of the small init, which stays PID 1")
    child = process.fork()
    if child == 0:
        if os.isatty(0):
            _lead_terminal()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
        become()
        return
    prctl.set_name("minicontainer-i")
    detach()
    null = os.open("/dev/null", os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    # No execve closes them here: the other end of the program's own pipes is among them.
    os.closerange(3, 1 << 20)
    while True:
        received = signal.sigwait(watched)
        if received == signal.SIGCHLD:
            _reap(child)
        else:
            _forward(child, received)


def _lead_terminal() -> None:
    process.setpgid(0, 0)
    # A background process group that takes the terminal gets SIGTTOU, which is blocked here.
    terminal.set_foreground(0, os.getpid())


def _forward(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        # It ended a moment ago; SIGCHLD is on its way.
        return


def _reap(child: int) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
