"""``minicontainer images``: list images."""

from __future__ import annotations

import time

import click

from minicontainer.cli import types
from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.table import listing, short_id
from minicontainer.cli.units import ago, human_size
from minicontainer.util.moment import seconds_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.image.model import Image

HEADERS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "Digest": "DIGEST",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "CreatedAt": "CREATED AT",
    "Size": "SIZE",
    "Containers": "CONTAINERS",
    "VirtualSize": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
}
UNKNOWN = ("Containers", "SharedSize", "UniqueSize")  # `system df` counts them
DEFAULT = ("Repository", "Tag", "ID", "CreatedSince", "Size")


@verb("images", usage="[OPTIONS] [REPOSITORY[:TAG]]", help="List images")
@flag("-a", "--all", help="Show all images; there are none that are hidden without it")
@flag("--digests", help="Show digests")
@option(
    "-f", "--filter", "filters", metavar="filter", type=types.FILTER, multiple=True,
    help="Filter by KEY=VALUE: reference, dangling, label, before, since, until",
)  # fmt: skip
@option("--format", "form", metavar="string", default=None, help="A Go template, table TEMPLATE, or json")
@flag("--no-trunc", help="Do not cut ids")
@flag("-q", "--quiet", help="Show only ids")
@click.argument("repository", required=False)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    repository: str | None,
    filters: tuple[tuple[str, str], ...],
    form: str | None,
    **flags: bool,
) -> None:
    """Print a line for each reference, the newest image first."""
    from minicontainer.cli.pruning import wanted_of
    from minicontainer.engine import imagelist

    store = engine_of(ctx).images
    given = (*filters, ("reference", repository)) if repository is not None else filters
    found = imagelist.select(store, wanted_of(given, imagelist.FILTERS))
    rows = [row for image in found for row in rows_of(image, whole=flags["no_trunc"])]
    for line in store.damaged:
        click.echo(f"minicontainer: {line}", err=True)
    if flags["quiet"]:
        for number in dict.fromkeys(row["ID"] for row in rows):
            click.echo(number)
        return
    default = ("Repository", "Tag", "Digest", *DEFAULT[2:]) if flags["digests"] else DEFAULT
    click.echo(listing(rows, HEADERS, default, form), nl=False)


def rows_of(image: Image, *, whole: bool) -> list[dict[str, Any]]:
    """A row for each of its references; one if it has none."""
    created = seconds_of(image.created)
    names = [name.rpartition(":") for name in image.references] or [("<none>", ":", "<none>")]
    return [
        {
            "Repository": repository,
            "Tag": tag,
            "Digest": image.manifest_digest,
            "ID": image.id if whole else short_id(image.id),
            "CreatedSince": f"{ago(time.time() - created)} ago" if created else "N/A",
            "CreatedAt": time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(created))
            if created
            else "N/A",
            "Size": human_size(image.size),
            "VirtualSize": human_size(image.size),
            **dict.fromkeys(UNKNOWN, "N/A"),
        }
        for repository, _, tag in names
    ]
