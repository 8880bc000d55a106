"""run: create, start, wait, delete; or with --detach only the first two."""

from __future__ import annotations

import os

from minicontainer.errors import UsageError
from minicontainer.linux import process, signals
from minicontainer.runtime import create
from minicontainer.runtime.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.libcontainer.container import Container
    from minicontainer.runtime.main import Context

USAGE = "[FLAGS] CONTAINER-ID"
FLAGS = [
    *create.FLAGS,
    Flag("detach d", "switch", "leave the container running, and end"),
    Flag("keep", "switch", "do not delete the container when it ends"),
    Flag("no-subreaper", "switch", "accepted; nothing but init is waited for"),
]
# Those that are not the container's: of this process's children, and of faults of its own.
OURS = {"SIGCHLD", "SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGSYS", "SIGABRT",
        "SIGKILL", "SIGSTOP", "SIGURG", "SIGWINCH"}  # fmt: skip


def main(context: Context) -> int:
    """The program's exit code; 0 with --detach."""
    if context.flags["detach"]:
        _started(context, create.make(context, detached=True))
        return 0
    if context.flags["console_socket"]:
        raise UsageError("cannot use --console-socket if the container is not detached")
    masters: list[int] = []
    passed = forwarded()
    signals.block([*passed, signals.SIGCHLD, signals.SIGWINCH])
    container = create.make(context, detached=False, on_console=masters.append)
    _started(context, container)
    code = attend(container.record.pid, masters[0] if masters else -1, passed)
    container.forget()
    if not context.flags["keep"]:
        container.delete()
    return code


def _started(context: Context, container: Container) -> None:
    try:
        container.start()
    except BaseException:
        container.delete(force=True)
        raise


def forwarded() -> list[int]:
    """The signals that go to the container's process in our place."""
    return [number for name, number in signals.table().items() if name not in OURS and number < 32]


def attend(pid: int, master: int, passed: list[int]) -> int:
    """Pass signals on, and relay the terminal if there is one, until child ``pid`` ends: its exit code."""
    if master >= 0:
        return _relay(pid, master, passed)
    while True:
        number, _ = signals.wait_info([*passed, signals.SIGCHLD])
        if number == signals.SIGCHLD:
            code = process.ended(pid)
            if code is not None:
                return code
        else:
            _pass_on(pid, number)


def _pass_on(pid: int, number: int) -> None:
    try:
        process.kill(pid, number)
    except ProcessLookupError:
        # It ended a moment ago; SIGCHLD is on its way.
        return


def _relay(pid: int, master: int, passed: list[int]) -> int:
    from minicontainer.linux.signals import Descriptor
    from minicontainer.runtime.console import Relay

    def signalled(number: int) -> None:
        if number == signals.SIGWINCH:
            relay.resize()
        else:
            _pass_on(pid, number)

    with Descriptor([*passed, signals.SIGWINCH]) as waking, Relay(master) as relay:
        relay.run(waking, signalled)
    os.close(master)
    return process.wait(pid)
