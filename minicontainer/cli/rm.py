"""``minicontainer rm``: remove containers."""

from __future__ import annotations

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.several import each
from minicontainer.errors import NotFound


@verb("rm", usage="[OPTIONS] CONTAINER [CONTAINER...]", help="Remove one or more containers")
@flag("-f", "--force", help="Kill a running container first; a missing one is no error")
@flag("-l", "--link", help="Remove a link between containers: there are none here")
@flag("-v", "--volumes", help="Remove its anonymous volumes, too: no container has any yet")
@click.argument("containers", nargs=-1, required=True)
@click.pass_context
def command(ctx: click.Context, containers: tuple[str, ...], force: bool, link: bool, volumes: bool) -> None:
    """Remove each, and print its name."""
    if link:
        raise NotFound(f"Cannot get parent / for name {containers[0]}: containers have no links")
    engine = engine_of(ctx)

    def remove(name: str) -> bool:
        try:
            engine.remove(name, force=force)
        except NotFound as error:
            # Docker reports it, and the exit status stays 0 with --force.
            if not force or not name:
                raise
            click.echo(f"minicontainer: {error}", err=True)
            return False
        return True

    each(containers, remove)
