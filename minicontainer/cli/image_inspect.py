"""``minicontainer image inspect``: `inspect` that takes no name for a container's."""

from __future__ import annotations

import click

from minicontainer.cli import inspect
from minicontainer.cli.command import command as verb
from minicontainer.cli.command import option


@verb("inspect", usage="[OPTIONS] IMAGE [IMAGE...]", help="Show what is known of images")
@option("-f", "--format", "form", metavar="string", default=None, help="A Go template, or json")
@click.argument("names", nargs=-1, required=True)
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], form: str | None) -> None:
    """Print an array with a document for each, or what a template makes of each."""
    ctx.invoke(inspect.command.built(), names=names, form=form, kind="image", size=False)
