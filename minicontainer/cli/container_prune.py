"""``minicontainer container prune``: remove all containers that do not run."""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.pruning import ask, prune_options, report, wanted_of

WARNING = "WARNING! This will remove all stopped containers."


@verb("prune", usage="[OPTIONS]", help="Remove all stopped containers")
@prune_options
@click.pass_context
def command(ctx: click.Context, filters: tuple[tuple[str, str], ...], force: bool) -> None:
    """Ask, remove, and say what was removed and how much room it gave."""
    from minicontainer.engine import pruning

    wanted = wanted_of(filters)
    ask(WARNING, force=force)
    report({"Containers": pruning.containers(engine_of(ctx), wanted)})
