"""create: everything but the start of the program; nothing stays but init."""

from __future__ import annotations

import os

from minicontainer.errors import UsageError
from minicontainer.libcontainer.container import Container
from minicontainer.libcontainer.options import Options
from minicontainer.runtime.flags import Flag
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.runtime.main import Context

USAGE = "[FLAGS] CONTAINER-ID"
FLAGS = [
    Flag("bundle b", "text", "the folder with config.json (the current one)"),
    Flag("console-socket", "text", "an AF_UNIX socket that is sent the terminal's master"),
    Flag("pid-file", "text", "a file for init's process id"),
    Flag("no-pivot", "switch", "the host runs from its initramfs: cover its root instead of moving it"),
    Flag("no-new-keyring", "switch", "leave the container the caller's session keyring"),
    Flag("preserve-fds", "number", "pass so many descriptors after the standard streams"),
]


def main(context: Context) -> int:
    """0."""
    make(context, detached=True)
    return 0


def make(context: Context, *, detached: bool, on_console: Callable[[int], None] | None = None) -> Container:
    """The container, created; its process id is in --pid-file.

    ``on_console`` takes the terminal's master where there is no console socket.  Raises what
    `Container.create` raises, and UsageError.
    """
    flags = context.flags
    refuse_systemd(context)
    console = flags["console_socket"]
    if console:
        from minicontainer.runtime import console as consoles

        socket = consoles.connect(console)
        on_console = lambda master: consoles.send(socket, master)  # noqa: E731
    elif detached:
        on_console = nobody
    asked = Options(
        on_console=on_console,
        console_expected=bool(console),
        preserve_fds=preserved(flags["preserve_fds"]),
        listen_fds=listening(),
        new_keyring=not flags["no_new_keyring"],
        pivots=not flags["no_pivot"],
        warn=lambda text: context.log.write("warning", text),
        rootless={"true": True, "false": False}.get(context.options["rootless"]),
    )
    container = Container.create(context.container_id(), flags["bundle"] or os.getcwd(), context.root, asked)
    write_pid(flags["pid_file"], container)
    return container


def write_pid(path: str, container: Container) -> None:
    """--pid-file; a container whose number could not be told is deleted."""
    if path:
        try:
            files.write_atomic(path, str(container.record.pid).encode(), mode=0o644, sync=False)
        except BaseException:
            container.delete(force=True)
            raise


def refuse_systemd(context: Context) -> None:
    """Raises UsageError for --systemd-cgroup, runc's way where there is no systemd."""
    if context.options["systemd_cgroup"]:
        runs = os.path.isdir("/run/systemd/system")
        why = "is not supported" if runs else "passed, but systemd is not running"
        raise UsageError(f"--systemd-cgroup {why}: use cgroupfs")


def preserved(count: int) -> int:
    """How many descriptors from 3 on go to the program: those of socket activation first
    (sd_listen_fds(3)).  Raises UsageError for one that is not open."""
    if count < 0:
        raise UsageError(f"--preserve-fds: {count} is below 0")
    total = count + listening()
    for fd in range(3, 3 + total):
        if not os.path.lexists(f"/proc/self/fd/{fd}"):
            raise UsageError(f"--preserve-fds: descriptor {fd} is not open")
    return total


def listening() -> int:
    """How many sockets this very process was given to listen at (sd_listen_fds(3)).  Raises UsageError."""
    count, pid = os.environ.get("LISTEN_FDS", ""), os.environ.get("LISTEN_PID", "")
    if not count or pid != str(os.getpid()):
        return 0
    if not (count.isascii() and count.isdigit()):
        raise UsageError(f"LISTEN_FDS: {count!r} is not a number")
    return int(count)


def nobody(master: int) -> None:
    """Takes the terminal of a detached container: there must be none."""
    os.close(master)
    raise UsageError("cannot allocate tty if the container is detached without --console-socket")
