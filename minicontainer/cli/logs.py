"""``minicontainer logs``: what a container's program wrote."""

from __future__ import annotations

import os

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option
from minicontainer.cli.context import engine as engine_of
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.logs import Entry


@verb("logs", usage="[OPTIONS] CONTAINER", help="Fetch the logs of a container")
@flag("-f", "--follow", help="Go on until the container ends")
@option("-n", "--tail", metavar="string", default="all", help="Only the last lines (all)")
@flag("-t", "--timestamps", help="Show when each line was written")
@click.argument("container")
@click.pass_context
def command(ctx: click.Context, container: str, follow: bool, tail: str, timestamps: bool) -> None:
    """Standard output and error, each to its own."""
    from minicontainer.engine import logs

    count = _count(tail)
    engine = engine_of(ctx)
    found = engine.find(container)
    path = f"{engine.folders.container(found.container.id)}/log.json"
    if not os.path.exists(path):
        return  # it has never been started
    if not follow:
        entries = logs.read(path, tail=count)
    else:
        entries = logs.follow(path, tail=count, running=lambda: engine.runs(found.container.id))
    for entry in entries:
        _write(entry, timestamps)


def _count(text: str) -> int | None:
    if text == "all":
        return None
    if text.lstrip("-").isdigit():
        return int(text) if int(text) >= 0 else None
    raise UsageError(f"invalid value {text!r} for --tail: give a number or all")


def _write(entry: Entry, timestamps: bool) -> None:
    text = f"{entry.time} {entry.log}" if timestamps else entry.log
    click.echo(text, nl=False, err=entry.stream == "stderr")
