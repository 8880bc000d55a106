"""``minicontainer run``: make a container of an image and start it."""

from __future__ import annotations

import os

from minicontainer.cli import types
from minicontainer.cli.command import argument, flag, option, pass_context
from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.creating import IdFile, container_of, container_options
from minicontainer.cli.echo import echo
from minicontainer.cli.explaining import Explained, explain_option
from minicontainer.cli.starting import check_terminal
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minicontainer.cli.attach import Outcome
    from minicontainer.cli.context import Context
    from minicontainer.util.sockets import Socket


class ConflictingStreamsError(UsageError):
    """--attach and --detach."""

    exit_code = 1  # Docker's command line's own, before the daemon hears of it


@verb(
    "run",
    usage="[OPTIONS] IMAGE [COMMAND] [ARG...]",
    leave_rest=True,
    help="Create and run a new container from an image",
)
@flag("-d", "--detach", help="Run in the background and print the container id")
@option(
    "--detach-keys", metavar="string", type=types.DETACH_KEYS, default=b"\x10\x11",
    help="The keys that detach (ctrl-p,ctrl-q)",
)  # fmt: skip
@explain_option
@option(
    "--sig-proxy",
    metavar="bool",
    default=True,
    type=types.BOOLEAN,
    bare="true",
    help="Pass signals on (true)",
)
@container_options
@argument("image")
@argument("words", nargs=-1)
@pass_context
def command(ctx: Context, /, image: str, words: tuple[str, ...], **flags: Any) -> None:
    """Create, start, and stay until the program ends, unless detached."""
    check_terminal(flags)
    with Explained(flags["explain"], whole=not flags["detach"]):
        status = _run(ctx, image, words, flags)
    raise SystemExit(status)


def _run(ctx: Context, image: str, words: tuple[str, ...], flags: dict[str, Any]) -> int:
    from minicontainer.engine import events, waiting

    if flags["attach"] and flags["detach"]:
        raise ConflictingStreamsError("conflicting options: cannot specify both --attach and --detach")
    engine = engine_of(ctx)
    asked = container_of(image, words, flags)
    with IdFile(flags["cidfile"]) as file:
        container = engine.create(engine.images.resolve(image), asked)
        file.write(container.id)
    if not flags["detach"]:
        events.of_container(engine.folders, container, "attach")
    silent = bool(flags["attach"]) and not {"stdout", "stderr"} & set(flags["attach"])
    if flags["detach"] or (silent and not flags["interactive"]):
        try:
            waiting.start(engine, container.id)
        finally:
            echo(container.id)  # it exists, whether its program started or not
        return 0
    connection = waiting.join(engine, container.id)
    if silent:
        echo(container.id)
    outcome = _attach(connection, flags, lambda number: engine.pass_on(container, number))
    if outcome.kind == "detached":
        events.of_container(engine.folders, container, "detach")
    return outcome.status if outcome.kind == "exited" else 0


def _attach(connection: Socket, flags: dict[str, Any], kill: Callable[[int], None]) -> Outcome:
    from minicontainer.cli.attach import attach

    shown = set(flags["attach"]) or {"stdout", "stderr"}
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    return attach(
        connection.fileno(),
        stdout_fd=1 if "stdout" in shown else nowhere,
        stderr_fd=2 if "stderr" in shown else nowhere,
        stays=bool(shown & {"stdout", "stderr"}),
        tty=flags["tty"],
        stdin_open=flags["interactive"],
        sig_proxy=flags["sig_proxy"],
        detach_keys=flags["detach_keys"],
        kill=kill,
    )
