"""What a process that outlives its command lets go of."""

from __future__ import annotations

import os

from minicontainer.linux import mount, process, signals
from minicontainer.linux.door import because
from minicontainer.util.suppress import suppress


def leave_caller() -> None:
    """Let go of what this process has of whoever forked it: terminal, folder, signals, open files.

    What our own code opened is close-on-exec, always (PEP 446); what is not came from the caller's
    caller, who may wait for it to close.  The standard streams stay, for errors until all is set up.
    """
    process.setsid()
    because("the folder it was started in may be unmounted or removed")
    mount.chdir("/")
    signals.ignore((signals.SIGINT, signals.SIGTERM, signals.SIGHUP, signals.SIGQUIT))
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        with suppress(OSError):  # the one that lists the folder is closed by now
            if fd > 2 and os.get_inheritable(fd):
                os.close(fd)
