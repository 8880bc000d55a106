"""``minicontainer images``: list images."""

from __future__ import annotations

import time

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.table import listing, short_id
from minicontainer.cli.units import ago, human_size, seconds_of

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
@flag("--digests", help="Show digests")
@option("--format", "form", metavar="string", default=None, help="A Go template, table TEMPLATE, or json")
@flag("--no-trunc", help="Do not cut ids")
@flag("-q", "--quiet", help="Show only ids")
@click.argument("repository", required=False)
@click.pass_context
def command(ctx: click.Context, /, repository: str | None, form: str | None, **flags: bool) -> None:
    """Print a line for each reference, the newest image first."""
    whole = flags["no_trunc"]
    store = engine_of(ctx).images
    rows = [
        row
        for image in store.images()
        for row in _rows(image, whole)
        if repository in (None, row["Repository"], f"{row['Repository']}:{row['Tag']}")
    ]
    for line in store.damaged:
        click.echo(f"minicontainer: {line}", err=True)
    if flags["quiet"]:
        for number in dict.fromkeys(row["ID"] for row in rows):
            click.echo(number)
        return
    default = ("Repository", "Tag", "Digest", *DEFAULT[2:]) if flags["digests"] else DEFAULT
    click.echo(listing(rows, HEADERS, default, form), nl=False)


def _rows(image: Image, whole: bool) -> list[dict[str, Any]]:
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
