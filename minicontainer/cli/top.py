"""``minicontainer top``: the processes of a container."""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of

COLUMN = 20  # characters at least, Docker's for this verb


@verb(
    "top",
    usage="CONTAINER [ps OPTIONS]",
    leave_rest=True,
    help="Show the running processes of a container",
)
@click.argument("container")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, container: str, options: tuple[str, ...]) -> None:
    """Print what the host's ps(1) says of them."""
    from minicontainer.cli.table import tabulate
    from minicontainer.engine.top import top

    click.echo(tabulate(top(engine_of(ctx), container, list(options)), COLUMN), nl=False)
