"""``minicontainer history``: the steps that made an image."""

from __future__ import annotations

import time

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.table import ellipsis, listing, short_id
from minicontainer.cli.units import ago, human_size
from minicontainer.util.moment import seconds_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.image.model import HistoryEntry

HEADERS = {
    "ID": "IMAGE",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "CreatedBy": "CREATED BY",
    "Size": "SIZE",
    "Comment": "COMMENT",
}
DEFAULT = ("ID", "CreatedSince", "CreatedBy", "Size", "Comment")
EXACT = ("ID", "CreatedAt", "CreatedBy", "Size", "Comment")
COMMAND_WIDTH, MISSING = 45, "<missing>"


@verb("history", usage="[OPTIONS] IMAGE", help="Show the history of an image")
@option("--format", "form", metavar="string", default=None, help="A Go template, table TEMPLATE, or json")
@option(
    "-H", "--human", metavar="bool", default=True, type=bool, bare="true",
    help="Sizes and dates for people (true)",
)  # fmt: skip
@flag("--no-trunc", help="Do not cut ids and commands")
@flag("-q", "--quiet", help="Show only ids")
@click.argument("image")
@click.pass_context
def command(ctx: click.Context, /, image: str, form: str | None, human: bool, **flags: bool) -> None:
    """Print a line for each step, the newest first."""
    store = engine_of(ctx).images
    rows = [_row(entry, human, flags["no_trunc"]) for entry in store.history(store.resolve(image))]
    if flags["quiet"]:
        for row in rows:
            click.echo(row["ID"])
        return
    click.echo(listing(rows, HEADERS, DEFAULT if human else EXACT, form), nl=False)


def _row(entry: HistoryEntry, human: bool, whole: bool) -> dict[str, Any]:
    created = seconds_of(entry.created)
    since = f"{ago(time.time() - created)} ago" if created else "N/A"
    made_by = entry.created_by.replace("\t", " ")
    image_id = entry.id or MISSING
    return {
        "ID": image_id if whole else short_id(image_id),
        "CreatedSince": since if human else entry.created,
        "CreatedAt": entry.created,
        "CreatedBy": made_by if whole else ellipsis(made_by, COMMAND_WIDTH),
        "Size": human_size(entry.size) if human else str(entry.size),
        "Comment": entry.comment,
    }
