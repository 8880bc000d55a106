"""``minicontainer system df``: what images and containers take on the disk.

Docker's table, with two rows for what there is none of yet: volumes and a build cache.  RECLAIMABLE is
what `system prune -a` would give back.  With ``-v`` each image and container has a line, and a template
gets all lists at once (``{{range .Images}}``).
"""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.table import listing, tabulate
from minicontainer.cli.units import exact_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.engine.sizes import DiskUsage, Sizes

HEADERS = {
    "Type": "TYPE",
    "TotalCount": "TOTAL",
    "Active": "ACTIVE",
    "Size": "SIZE",
    "Reclaimable": "RECLAIMABLE",
}
IMAGE_COLUMNS = {
    "Repository": "REPOSITORY",
    "Tag": "TAG",
    "ID": "IMAGE ID",
    "CreatedSince": "CREATED",
    "Size": "SIZE",
    "SharedSize": "SHARED SIZE",
    "UniqueSize": "UNIQUE SIZE",
    "Containers": "CONTAINERS",
}
CONTAINER_COLUMNS = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "LocalVolumes": "LOCAL VOLUMES",
    "Size": "SIZE",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "Names": "NAMES",
}
VOLUME_HEADERS = ["VOLUME NAME", "LINKS", "SIZE"]
CACHE_HEADERS = ["CACHE ID", "CACHE TYPE", "SIZE", "CREATED", "LAST USED", "USAGE", "SHARED"]


@verb("df", usage="[OPTIONS]", help="Show disk usage")
@option("--format", "form", metavar="string", default=None, help="A Go template, table TEMPLATE, or json")
@flag("-v", "--verbose", help="Show each image and container")
@click.pass_context
def command(ctx: click.Context, form: str | None, verbose: bool) -> None:
    """Measure everything, and print the sums or all of it."""
    from minicontainer.engine.sizes import DiskUsage, Sizes

    engine = engine_of(ctx)
    used = DiskUsage(engine)
    for line in (*engine.images.damaged, *engine.damaged):
        click.echo(f"minicontainer: {line}", err=True)
    if not verbose:
        click.echo(listing(_sums(used), HEADERS, tuple(HEADERS), form), nl=False)
    elif form in (None, "", "table"):
        click.echo(_details(used, Sizes(engine)), nl=False)
    else:
        click.echo(_templated(used, Sizes(engine), form or ""))


def _sums(used: DiskUsage) -> list[dict[str, str]]:
    from minicontainer.engine.sizes import active

    working = sum(active(found) for found, _ in used.containers)
    images = sum(use.containers > 0 for use in used.images)
    return [
        _sum("Images", len(used.images), images, used.image_bytes, used.unused_image_bytes),
        _sum("Containers", len(used.containers), working, used.container_bytes, used.stopped_bytes),
        _sum("Local Volumes", 0, 0, 0, 0),
        _sum("Build Cache", 0, 0, 0, 0),
    ]


def _sum(kind: str, count: int, active: int, size: int, unused: int) -> dict[str, str]:
    share = f" ({unused * 100 // size}%)" if size else ""
    return {
        "Type": kind,
        "TotalCount": str(count),
        "Active": str(active),
        "Size": exact_size(size),
        "Reclaimable": f"{exact_size(unused)}{share}",
    }


def _images(used: DiskUsage, *, whole: bool) -> list[dict[str, Any]]:
    from minicontainer.cli.images import rows_of

    return [
        {
            **rows_of(use.image, whole=whole)[0],
            "SharedSize": exact_size(use.shared),
            "UniqueSize": exact_size(use.unique),
            "Containers": str(use.containers),
        }
        for use in used.images
    ]


def _containers(used: DiskUsage, sizes: Sizes, *, whole: bool) -> list[dict[str, Any]]:
    from minicontainer.cli.ps import row_of
    from minicontainer.cli.units import human_size

    rows = [row_of(sizes, found, whole) | {"Size": human_size(size)} for found, size in used.containers]
    return [{name: value for name, value in row.items() if not callable(value)} for row in rows]


def _details(used: DiskUsage, sizes: Sizes) -> str:
    images = listing(_images(used, whole=False), IMAGE_COLUMNS, tuple(IMAGE_COLUMNS))
    containers = listing(_containers(used, sizes, whole=False), CONTAINER_COLUMNS, tuple(CONTAINER_COLUMNS))
    return (
        f"Images space usage:\n\n{images}\nContainers space usage:\n\n{containers}\n"
        f"Local Volumes space usage:\n\n{tabulate([VOLUME_HEADERS])}\n"
        f"Build cache usage: 0B\n\n{tabulate([CACHE_HEADERS])}"
    )


def _templated(used: DiskUsage, sizes: Sizes, form: str) -> str:
    from minicontainer.cli.template import Template

    lists = {
        "Images": _images(used, whole=True),
        "Containers": _containers(used, sizes, whole=True),
        "Volumes": [],
        "BuildCache": [],
    }
    return Template("{{json .}}" if form == "json" else form).render(lists)
