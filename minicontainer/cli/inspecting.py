"""``minicontainer container inspect``: `inspect` that takes no name for an image's."""

from __future__ import annotations

import click

from minicontainer.cli import inspect
from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option


@verb("inspect", usage="[OPTIONS] CONTAINER [CONTAINER...]", help="Show what is known of containers")
@option("-f", "--format", "form", metavar="string", default=None, help="A Go template, or json")
@flag("-s", "--size", help="Show their sizes")
@click.argument("names", nargs=-1, required=True)
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], form: str | None, size: bool) -> None:
    """Print an array with a document for each, or what a template makes of each."""
    ctx.invoke(inspect.command.built(), names=names, form=form, kind="container", size=size)
