"""``minicontainer wait``: until containers have ended, and how they did."""

from __future__ import annotations

from minicontainer.cli.command import argument, pass_context
from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.several import each
from minicontainer.engine import waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cli.context import Context


@verb(
    "wait",
    usage="CONTAINER [CONTAINER...]",
    help="Block until one or more containers stop, then print their exit codes",
)
@argument("containers", nargs=-1, required=True)
@pass_context
def command(ctx: Context, containers: tuple[str, ...]) -> None:
    """Print the exit status of each, as it ends."""
    engine = engine_of(ctx)
    codes: dict[str, int] = {}
    each(
        containers,
        lambda name: codes.update({name: waiting.exit_code(engine, name)}),
        lambda name: codes[name],
    )
