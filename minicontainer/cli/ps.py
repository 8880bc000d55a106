"""``minicontainer ps``: list containers."""

from __future__ import annotations

import time

import click

from minicontainer.cli import types
from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.table import command_text, listing, short_id
from minicontainer.cli.units import ago
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from minicontainer.engine.engine import Engine, Found

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
    "Mounts": "MOUNTS",
    "Networks": "NETWORKS",
    "Size": "SIZE",
}
DEFAULT = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")
FILTERS = ("id", "name", "status", "label", "ancestor", "exited", "network")
STATES = {"created", "restarting", "running", "removing", "paused", "exited", "dead"}  # Docker's
# A name or id matches a filter when it contains the value, as with Docker.


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
@flag("--no-trunc", help="Do not cut ids and commands")
@flag("-q", "--quiet", help="Show only ids")
@click.pass_context
def command(
    ctx: click.Context, /, filters: tuple[tuple[str, str], ...], form: str | None, **flags: bool
) -> None:
    """Print the containers that match, the newest first."""
    from minicontainer.cli.values import group_filters

    engine = engine_of(ctx)
    wanted = group_filters(filters, FILTERS)
    images = _image_ids(engine, wanted.get("ancestor", []))
    for state in set(wanted.get("status", [])) - STATES:
        raise UsageError(f"Invalid filter 'status={state}'")
    shown_all = flags["all"] or "status" in wanted or "exited" in wanted
    found = [f for f in engine.containers() if (f.running or shown_all) and _matches(f, wanted, images)]
    for line in engine.damaged:
        click.echo(f"minicontainer: {line}", err=True)
    whole = flags["no_trunc"]
    if flags["quiet"]:
        for one in found:
            click.echo(one.container.id if whole else short_id(one.container.id))
        return
    click.echo(listing([_row(engine, one, whole) for one in found], HEADERS, DEFAULT, form), nl=False)


def _image_ids(engine: Engine, names: list[str]) -> set[str]:
    return {engine.images.resolve(name).id for name in names}


def _matches(found: Found, wanted: Mapping[str, list[str]], images: set[str]) -> bool:
    container, status = found.container, found.status
    labels = container.config.labels
    tests: dict[str, Callable[[str], bool]] = {
        "id": lambda value: container.id.startswith(value),
        "name": lambda value: value.lstrip("/") in container.name,
        "status": lambda value: found.state == value,
        "exited": lambda value: found.state == "exited" and str(status.exit_code) == value,
        "network": lambda value: container.host.network_mode == value,
        "ancestor": lambda value: container.image_id in images,
        "label": lambda value: value in labels or value in {f"{k}={v}" for k, v in labels.items()},
    }
    return all(any(tests[key](value) for value in values) for key, values in wanted.items())


def state_text(found: Found, now: float) -> str:
    """``Up 2 minutes``, ``Exited (0) 3 hours ago``, ``Created``."""
    status = found.status
    if found.running:
        return f"Up {ago(now - status.started)}"
    if found.state == "exited":
        return f"Exited ({status.exit_code}) {ago(now - status.finished)} ago"
    return found.state.capitalize()


def _row(engine: Engine, found: Found, whole: bool) -> dict[str, Any]:
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
        "Mounts": ",".join(bind.source for bind in container.host.mounts if bind.source),
        "Networks": container.host.network_mode,
        "Size": lambda: "",
    }
