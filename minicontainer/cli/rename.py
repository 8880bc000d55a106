"""``minicontainer rename``: give a container another name."""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.values import parse_container_name
from minicontainer.engine.renaming import rename
from minicontainer.errors import UsageError


@verb("rename", usage="CONTAINER NEW_NAME", help="Rename a container")
@click.argument("container")
@click.argument("name")
@click.pass_context
def command(ctx: click.Context, container: str, name: str) -> None:
    """Rename it; nothing is printed."""
    if not container.strip() or not name.strip():
        raise UsageError("Neither old nor new names may be empty")
    rename(engine_of(ctx), container, parse_container_name(name))
