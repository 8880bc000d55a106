"""``minicontainer diff``: what a container changed."""

from __future__ import annotations

import os

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of


@verb("diff", usage="CONTAINER", help="Show what changed in a container's file system")
@click.argument("container")
@click.pass_context
def command(ctx: click.Context, container: str) -> None:
    """Print ``A``, ``C`` or ``D`` and the path of each file that was added, changed, deleted."""
    from minicontainer.engine.diff import diff

    for change in diff(engine_of(ctx), container):
        click.echo(f"{change.kind} {os.fsdecode(change.path)}")
