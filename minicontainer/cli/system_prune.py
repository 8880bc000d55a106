"""``minicontainer system prune``: remove what nobody uses, of every kind that there is."""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.pruning import ask, prune_options, report, wanted_of
from minicontainer.errors import UsageError


@verb("prune", usage="[OPTIONS]", help="Remove unused data")
@flag("-a", "--all", help="Remove all unused images, not just dangling ones")
@flag("--volumes", help="Remove anonymous volumes, too; there are none yet")
@prune_options
@click.pass_context
def command(ctx: click.Context, /, filters: tuple[tuple[str, str], ...], force: bool, **flags: bool) -> None:
    """Ask, remove containers, then the images that these kept, and say how much room it gave."""
    from minicontainer.engine import pruning

    wanted = wanted_of(filters)
    if flags["volumes"] and "until" in wanted:
        raise UsageError('The "until" filter is not supported with "--volumes"')
    ask(_warning(filters, every=flags["all"]), force=force)
    engine = engine_of(ctx)
    containers = pruning.containers(engine, wanted)
    report({"Containers": containers, "Images": pruning.images(engine, wanted, every=flags["all"])})


def _warning(filters: tuple[tuple[str, str], ...], *, every: bool) -> str:
    images = (
        "all images without at least one container associated to them" if every else "all dangling images"
    )
    lines = ["WARNING! This will remove:", "  - all stopped containers", f"  - {images}"]
    if filters:
        lines += ["", "  Items to be pruned will be filtered with:"]
        lines += [f"  - {key}={value}" for key, value in sorted(filters)]
    return "\n".join(lines) + "\n"
