"""``minicontainer attach``: this terminal, or these pipes, at a container that runs."""

from __future__ import annotations

import os

import click

from minicontainer.cli import types
from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.starting import NoTerminalError
from minicontainer.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.engine import Found


@verb(
    "attach",
    usage="[OPTIONS] CONTAINER",
    help="Attach local standard input, output, and error streams to a running container",
)
@option(
    "--detach-keys", metavar="string", type=types.DETACH_KEYS, default=b"\x10\x11",
    help="The keys that detach (ctrl-p,ctrl-q)",
)  # fmt: skip
@flag("--no-stdin", help="Do not attach standard input")
@option("--sig-proxy", metavar="bool", default=True, type=bool, bare="true", help="Pass signals on (true)")
@click.argument("container")
@click.pass_context
def command(ctx: click.Context, container: str, detach_keys: bytes, no_stdin: bool, sig_proxy: bool) -> None:
    """Stay until the program ends, with its exit status, or until the user detaches."""
    from minicontainer.cli.attach import DETACHED, EXITED, attach
    from minicontainer.engine import events

    engine = engine_of(ctx)
    found = engine.find(container)
    _refuse_state(found)
    config = found.container.config
    if config.tty and not no_stdin and not os.isatty(0):
        raise NoTerminalError("the input device is not a TTY")
    connection = engine.connect(found.container.id)
    events.of_container(engine.folders, found.container, "attach")
    outcome = attach(
        connection.fileno(),
        tty=config.tty,
        stdin_open=config.open_stdin and not no_stdin,
        sig_proxy=sig_proxy and not config.tty,
        detach_keys=detach_keys,
        kill=lambda number: engine.pass_on(found.container, number),
    )
    if outcome.kind == DETACHED:
        events.of_container(engine.folders, found.container, "detach")
        click.echo("read escape sequence", err=True)
    raise click.exceptions.Exit(outcome.status if outcome.kind == EXITED else 1)


def _refuse_state(found: Found) -> None:
    if found.restarting:
        raise Conflict("You cannot attach to a restarting container, wait until it is running")
    if not found.running:
        raise Conflict("You cannot attach to a stopped container, start it first")
    if found.paused:
        raise Conflict("You cannot attach to a paused container, unpause it first")
