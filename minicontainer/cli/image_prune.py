"""``minicontainer image prune``: remove images that no container uses."""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.pruning import FILTERS, ask, prune_options, report, wanted_of

DANGLING = "WARNING! This will remove all dangling images."
EVERY = "WARNING! This will remove all images without at least one container associated to them."


@verb("prune", usage="[OPTIONS]", help="Remove unused images")
@flag("-a", "--all", help="Remove all unused images, not just dangling ones")
@prune_options
@click.pass_context
def command(ctx: click.Context, /, filters: tuple[tuple[str, str], ...], force: bool, **flags: bool) -> None:
    """Ask, remove, and say what was removed and how much room it gave."""
    from minicontainer.engine import imagelist, pruning

    wanted = wanted_of(filters, (*FILTERS, "dangling"))
    every = flags["all"] or not imagelist.is_true(wanted, "dangling", True)
    ask(EVERY if every else DANGLING, force=force)
    report({"Images": pruning.images(engine_of(ctx), wanted, every=every)})
