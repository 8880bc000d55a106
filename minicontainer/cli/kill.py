"""``minicontainer kill``: signal containers."""

from __future__ import annotations

import signal

import click

from minicontainer.cli import types
from minicontainer.cli.command import command as verb
from minicontainer.cli.command import option
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.several import each


@verb("kill", usage="[OPTIONS] CONTAINER [CONTAINER...]", help="Kill one or more running containers")
@option(
    "-s", "--signal", "number", metavar="string", type=types.SIGNAL, default=int(signal.SIGKILL),
    help="The signal to send (KILL)",
)  # fmt: skip
@click.argument("containers", nargs=-1, required=True)
@click.pass_context
def command(ctx: click.Context, containers: tuple[str, ...], number: int) -> None:
    """Signal each, and print its name."""
    engine = engine_of(ctx)
    each(containers, lambda name: engine.kill(name, number))
