"""``minicontainer rm``: remove containers."""

from __future__ import annotations

from minicontainer.cli.command import argument, flag, pass_context
from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.echo import echo
from minicontainer.cli.several import each
from minicontainer.errors import NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cli.context import Context


@verb("rm", usage="[OPTIONS] CONTAINER [CONTAINER...]", help="Remove one or more containers")
@flag("-f", "--force", help="Kill a running container first; a missing one is no error")
@flag("-l", "--link", help="Remove a link between containers: there are none here")
@flag("-v", "--volumes", help="Remove its anonymous volumes, too: no container has any yet")
@argument("containers", nargs=-1, required=True)
@pass_context
def command(ctx: Context, containers: tuple[str, ...], force: bool, link: bool, volumes: bool) -> None:
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
            echo(f"minicontainer: {error}", err=True)
            return False
        return True

    each(containers, remove)
