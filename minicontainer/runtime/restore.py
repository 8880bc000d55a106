"""restore: a container from the image files of a checkpoint, running as it was.

Its id is new: the checkpoint has given up the old one.  With --detach it is left to run, else it is
attended to its end like one of run's.
"""

from __future__ import annotations

import os

from minicontainer.libcontainer.container import Container
from minicontainer.libcontainer.restore import Restoration
from minicontainer.linux import signals
from minicontainer.runtime import create
from minicontainer.runtime.checkpoint import SHARED_FLAGS, USAGE, asked
from minicontainer.runtime.flags import Flag
from minicontainer.runtime.run import attend, forwarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.runtime.main import Context

__all__ = ["FLAGS", "USAGE", "main"]

OF_CREATE = ("bundle", "console-socket", "pid-file", "no-pivot")
FLAGS = [
    *(flag for flag in create.FLAGS if flag.names[0] in OF_CREATE),
    *SHARED_FLAGS,
    Flag("detach d", "switch", "leave the container running, and end"),
    Flag("no-subreaper", "switch", "accepted; nothing but init is waited for"),
    Flag("lsm-profile", "text", "TYPE:NAME of the security profile to restore with"),
    Flag("lsm-mount-context", "text", "the SELinux context of mounts to restore with"),
]


def main(context: Context) -> int:
    """The program's exit code; 0 with --detach."""
    if context.flags["detach"]:
        _restored(context, None)
        return 0
    masters: list[int] = []
    passed = forwarded()
    signals.block([*passed, signals.SIGCHLD, signals.SIGWINCH])
    container = _restored(context, masters)
    code = attend(container.record.pid, masters[0] if masters else -1, passed)
    container.forget()
    container.delete()
    return code


def _restored(context: Context, masters: list[int] | None) -> Container:
    """Raises what `Restoration` raises, UsageError, Unsupported without criu."""
    flags = context.flags
    create.refuse_systemd(context)
    options = asked(context)
    for name in ("lsm_profile", "lsm_mount_context"):
        if flags[name]:
            options.passed[name] = flags[name]
    restoration = Restoration(context.container_id(), flags["bundle"] or os.getcwd(), context.root, options)
    restoration.asked.on_console = _console(flags["console_socket"], masters)
    container = Container(context.root, *restoration.run())
    create.write_pid(flags["pid_file"], container)
    return container


def _console(path: str, masters: list[int] | None) -> Callable[[int], None]:
    """What takes the master of the container's terminal."""
    if path:
        from minicontainer.runtime import console

        connection = console.connect(path)
        return lambda master: console.send(connection, master)
    return masters.append if masters is not None else create.nobody
