"""``minicontainer system suspend``: stop all containers, for ``system resume`` to start them again."""

from __future__ import annotations

import click

from minicontainer.cli import command as verbs
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.several import each


@verbs.command(
    "suspend",
    usage="",
    help="""Stop all running containers, for `system resume` to start again

For use at a shutdown.  To their restart policies it is no stop by a user: each is started again by the next
`system resume` whose policy says so.""",
)
@click.pass_context
def command(context: click.Context) -> None:
    """Stop all at once, and print their names."""
    from minicontainer.engine.resuming import suspend

    each(suspend(engine_of(context)), lambda one: one.tell(), lambda one: one.name)
