"""``minicontainer container prune``: remove all containers that do not run."""

from __future__ import annotations

import click

from minicontainer.cli import types
from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.several import tell
from minicontainer.cli.units import human_size

WARNING = "WARNING! This will remove all stopped containers."


@verb("prune", usage="[OPTIONS]", help="Remove all stopped containers")
@option(
    "--filter", "filters", metavar="filter", type=types.FILTER, multiple=True,
    help="Only those of until=MOMENT, label=KEY[=VALUE], label!=KEY[=VALUE]",
)  # fmt: skip
@flag("-f", "--force", help="Do not prompt for confirmation")
@click.pass_context
def command(ctx: click.Context, filters: tuple[tuple[str, str], ...], force: bool) -> None:
    """Ask, remove, and say what was removed and how much room it gave."""
    from minicontainer.engine import pruning

    if not force and not confirmed(WARNING):
        raise click.exceptions.Exit(0)
    removed = pruning.prune(engine_of(ctx), _wanted(filters))
    for error in removed.errors:
        tell(error)
    if removed.ids:
        click.echo("Deleted Containers:\n" + "\n".join(removed.ids) + "\n")
    click.echo(f"Total reclaimed space: {human_size(removed.size)}")
    if removed.errors:
        raise click.exceptions.Exit(1)


def confirmed(warning: str) -> bool:
    """Whether the user types y."""
    click.echo(f"{warning}\nAre you sure you want to continue? [y/N] ", nl=False)
    with open(0, closefd=False) as answers:
        return answers.readline().strip().lower() == "y"


def _wanted(filters: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    from minicontainer.cli.units import parse_moment
    from minicontainer.cli.values import group_filters

    wanted = dict(group_filters(filters, ("until", "label", "label!")))
    if "until" in wanted:
        import time

        wanted["until"] = [str(min(parse_moment(text, time.time()) for text in wanted["until"]))]
    return wanted
