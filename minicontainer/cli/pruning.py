"""What ``container prune``, ``image prune`` and ``system prune`` share: filters, the question, the report."""

from __future__ import annotations

import click

from minicontainer.cli import types
from minicontainer.cli.command import flag, option
from minicontainer.cli.several import tell
from minicontainer.cli.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from minicontainer.engine.pruning import Removed

FILTERS = ("until", "label", "label!")


def prune_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: ``filters`` and ``force``."""
    add_filters = option(
        "--filter", "filters", metavar="filter", type=types.FILTER, multiple=True,
        help="Only those of until=MOMENT, label=KEY[=VALUE], label!=KEY[=VALUE]",
    )  # fmt: skip
    return add_filters(flag("-f", "--force", help="Do not prompt for confirmation")(function))


def wanted_of(
    filters: tuple[tuple[str, str], ...], allowed: tuple[str, ...] = FILTERS
) -> Mapping[str, list[str]]:
    """The values of each filter; ``until`` in seconds since the epoch.  Raises UsageError."""
    from minicontainer.cli.units import parse_moment
    from minicontainer.cli.values import group_filters

    wanted = dict(group_filters(filters, allowed))
    if "until" in wanted:
        import time

        wanted["until"] = [str(min(parse_moment(text, time.time()) for text in wanted["until"]))]
    return wanted


def ask(warning: str, *, force: bool) -> None:
    """Go on only if the user types y, or has said so before."""
    if force:
        return
    click.echo(f"{warning}\nAre you sure you want to continue? [y/N] ", nl=False)
    with open(0, closefd=False) as answers:
        if answers.readline().strip().lower() != "y":
            raise click.exceptions.Exit(0)


def report(parts: dict[str, Removed]) -> None:
    """What was removed, by kind (``Containers``), and how much room it gave; exit status 1 for an error."""
    errors = [error for removed in parts.values() for error in removed.errors]
    for error in errors:
        tell(error)
    for kind, removed in parts.items():
        if removed.lines:
            click.echo(f"Deleted {kind}:\n" + "\n".join(removed.lines) + "\n")
    click.echo(f"Total reclaimed space: {human_size(sum(removed.size for removed in parts.values()))}")
    if errors:
        raise click.exceptions.Exit(1)
