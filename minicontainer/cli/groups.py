"""A verb that is a group of verbs: ``system df``, ``image prune``."""

from __future__ import annotations

import click

from minicontainer.cli.context import settings
from minicontainer.cli.onclick import Verbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from minicontainer.cli.command import Verb


def group(name: str, help: str, table: Sequence[Verb]) -> Verbs:
    """The group; called alone, it shows its help."""
    return click.command(name, cls=Verbs, table={verb.name: verb for verb in table}, help=help)(_show_help)


@click.pass_context
def _show_help(ctx: click.Context) -> None:
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
    settings(ctx).verb = ctx.invoked_subcommand
