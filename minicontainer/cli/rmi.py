"""``minicontainer rmi``: remove images."""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag
from minicontainer.cli.context import engine as engine_of
from minicontainer.errors import MinicontainerError


@verb("rmi", usage="[OPTIONS] IMAGE [IMAGE...]", help="Remove one or more images")
@flag("-f", "--force", help="Also untag an image that stopped containers use")
@flag("--no-prune", help="Keep untagged parents; there are none that an image would take along")
@click.argument("images", nargs=-1, required=True)
@click.pass_context
def command(ctx: click.Context, images: tuple[str, ...], force: bool, no_prune: bool) -> None:
    """Untag or remove each, and print what was done."""
    from minicontainer.engine import images as removal

    engine = engine_of(ctx)
    failed = False
    for name in images:
        try:
            lines = removal.remove(engine, name, force=force)
        except MinicontainerError as error:
            failed = True
            click.echo(f"minicontainer: {error}", err=True)
        else:
            click.echo("\n".join(lines))
    if failed:
        raise click.exceptions.Exit(1)
