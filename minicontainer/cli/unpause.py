"""``minicontainer unpause``: let paused containers go on."""

from __future__ import annotations

from minicontainer.cli.command import argument, pass_context
from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.several import each
from minicontainer.engine import pausing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cli.context import Context


@verb("unpause", usage="CONTAINER [CONTAINER...]", help="Unpause all processes within one or more containers")
@argument("containers", nargs=-1, required=True)
@pass_context
def command(ctx: Context, containers: tuple[str, ...]) -> None:
    """Thaw each, and print its name."""
    engine = engine_of(ctx)
    each(containers, lambda container: pausing.unpause(engine, container))
