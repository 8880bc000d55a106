"""``minicontainer ps``: list containers."""

from __future__ import annotations

import time

from minicontainer.cli import types
from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option, pass_context
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.echo import echo
from minicontainer.cli.table import command_text, ellipsis, listing, short_id
from minicontainer.cli.units import ago, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.cli.context import Context
    from minicontainer.engine.engine import Found
    from minicontainer.engine.sizes import Sizes

HEADERS: dict[str, Any] = {
    "ID": "CONTAINER ID",
    "Image": "IMAGE",
    "Command": "COMMAND",
    "CreatedAt": "CREATED AT",
    "RunningFor": "CREATED",
    "Status": "STATUS",
    "State": "STATE",
    "Ports": "PORTS",
    "Names": "NAMES",
    "Labels": "LABELS",
    "Label": lambda name: name,
    "LocalVolumes": "LOCAL VOLUMES",
    "Mounts": "MOUNTS",
    "Networks": "NETWORKS",
    "Size": "SIZE",
}
MOUNT_WIDTH = 15  # characters, Docker's
DEFAULT = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")


@verb("ps", usage="[OPTIONS]", help="List containers")
@flag("-a", "--all", help="Show all containers, not only running ones")
@option(
    "-f",
    "--filter",
    "filters",
    metavar="filter",
    type=types.FILTER,
    multiple=True,
    help="Filter by KEY=VALUE",
)
@option("--format", "form", metavar="string", default=None, help="A Go template, table TEMPLATE, or json")
@option(
    "-n", "--last", metavar="int", type=types.INTEGER, default=-1, help="Show the newest N containers, of all"
)
@flag("-l", "--latest", help="Show the newest container, of all")
@flag("--no-trunc", help="Do not cut ids and commands")
@flag("-q", "--quiet", help="Show only ids")
@flag("-s", "--size", help="Show sizes: of what it wrote, and with its image")
@pass_context
def command(
    ctx: Context, /, filters: tuple[tuple[str, str], ...], form: str | None, last: int, **flags: bool
) -> None:
    """Print the containers that match, the newest first."""
    from minicontainer.cli.values import group_filters
    from minicontainer.engine import listing as containers
    from minicontainer.engine.sizes import Sizes

    engine = engine_of(ctx)
    wanted = group_filters(filters, containers.FILTERS)
    found = containers.select(engine, wanted, every=flags["all"], last=1 if flags["latest"] else last)
    for line in engine.damaged:
        echo(f"minicontainer: {line}", err=True)
    whole = flags["no_trunc"]
    if flags["quiet"]:
        for one in found:
            echo(one.container.id if whole else short_id(one.container.id))
        return
    columns = (*DEFAULT, "Size") if flags["size"] else DEFAULT
    measure = Sizes(engine)
    rows = [row_of(measure, one, whole) for one in found]
    for row in rows:
        if flags["size"]:
            row["Size"] = row["Size"]()
        elif form is not None and ".Size" not in form:
            row["Size"] = "0B"  # as Docker in its JSON, where nobody asked for it
    echo(listing(rows, HEADERS, columns, form), nl=False)


def state_text(found: Found, now: float) -> str:
    """``Up 2 minutes``, ``Up 2 minutes (Paused)``, ``Exited (0) 3 hours ago``, ``Created``."""
    status = found.status
    if found.running:
        return f"Up {ago(now - status.started)}{_remark(found)}"
    if found.state in ("exited", "restarting"):
        return f"{found.state.capitalize()} ({status.exit_code}) {ago(now - status.finished)} ago"
    return found.state.capitalize()


def _remark(found: Found) -> str:
    if found.paused:
        return " (Paused)"
    told = {"none": "", "starting": " (health: starting)"}
    return told.get(found.health_status, f" ({found.health_status})")


def row_of(sizes: Sizes, found: Found, whole: bool) -> dict[str, Any]:
    """Its fields by their names in templates; ``Size`` is a function, since measuring takes time."""
    container = found.container
    labels = container.config.labels
    now = time.time()
    return {
        "ID": container.id if whole else short_id(container.id),
        "Image": container.config.image,
        "Command": command_text([*(container.config.entrypoint or []), *container.config.cmd], whole=whole),
        "CreatedAt": time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(container.created)),
        "RunningFor": f"{ago(now - container.created)} ago",
        "Status": state_text(found, now),
        "State": found.state,
        "Ports": "",
        "Names": container.name,
        "Labels": ",".join(f"{key}={value}" for key, value in labels.items()),
        "Label": lambda name: labels.get(name, ""),
        "LocalVolumes": "0",
        "Mounts": ",".join(
            bind.source if whole else ellipsis(bind.source, MOUNT_WIDTH)
            for bind in container.host.mounts
            if bind.source
        ),
        "Networks": container.host.network_mode,
        "Size": lambda: _size(sizes, found),
    }


def _size(sizes: Sizes, found: Found) -> str:
    """``4.1kB (virtual 2MB)``: what the container wrote; with its image's layers."""
    own = sizes.written(found.container)
    return f"{human_size(own)} (virtual {human_size(own + sizes.image(found.container.image_id))})"
