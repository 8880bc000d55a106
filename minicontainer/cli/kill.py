"""``minicontainer kill``: signal containers."""

from __future__ import annotations

from minicontainer.cli.command import argument, option, pass_context
from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.several import each
from minicontainer.cli.values import parse_signal
from minicontainer.engine import ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cli.context import Context


@verb("kill", usage="[OPTIONS] CONTAINER [CONTAINER...]", help="Kill one or more running containers")
@option(
    "-s", "--signal", "name", metavar="string", default="KILL",
    help="The signal to send (KILL)",
)  # fmt: skip
@argument("containers", nargs=-1, required=True)
@pass_context
def command(ctx: Context, containers: tuple[str, ...], name: str) -> None:
    """Signal each, and print its name."""
    number = parse_signal(name)
    engine = engine_of(ctx)
    each(containers, lambda container: ending.kill(engine, container, number))
