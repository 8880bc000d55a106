"""``minicontainer system suspend``: stop all containers, for ``system resume`` to start them again."""

from __future__ import annotations

import click

from minicontainer.cli import command as verbs
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.several import each


@verbs.command("suspend", usage="[OPTIONS]", help="Stop all containers, for a later resume")
@click.pass_context
def command(context: click.Context) -> None:
    """Stop all at once, and print their names.

    For use at a shutdown.  To their restart policies it is no stop by a user: the next resume starts each
    again whose policy says so.
    """
    from minicontainer.engine.resuming import suspend

    each(suspend(engine_of(context)), lambda one: one.tell(), lambda one: one.name)
