"""``minicontainer tag``: one more name for an image."""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of


@verb(
    "tag",
    usage="SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
    help="Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
)
@click.argument("source")
@click.argument("target")
@click.pass_context
def command(ctx: click.Context, source: str, target: str) -> None:
    """Name it; whoever had the name loses it."""
    from minicontainer.engine import images

    images.tag(engine_of(ctx), source, target)
