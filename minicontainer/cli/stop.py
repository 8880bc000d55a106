"""``minicontainer stop``: ask containers to end, then kill them."""

from __future__ import annotations

from minicontainer.cli import types
from minicontainer.cli.command import argument, option, pass_context
from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.several import each
from minicontainer.cli.values import parse_signal
from minicontainer.engine import ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cli.context import Context


SIGNAL = option("-s", "--signal", "name", metavar="string", default=None, help="The signal to send")
TIMEOUT = option(
    "-t", "--time", "--timeout", "timeout", metavar="int", type=types.INTEGER, default=None,
    help="Seconds to wait before killing it (the container's own, or 10); -1: for ever",
)  # fmt: skip


@verb("stop", usage="[OPTIONS] CONTAINER [CONTAINER...]", help="Stop one or more running containers")
@SIGNAL
@TIMEOUT
@argument("containers", nargs=-1, required=True)
@pass_context
def command(ctx: Context, containers: tuple[str, ...], name: str | None, timeout: int | None) -> None:
    """Stop all at once, and print their names."""
    number = parse_signal(name) if name else None
    stopped = ending.stop_all(engine_of(ctx), list(containers), timeout, number)
    each(stopped, lambda one: one.tell(), lambda one: one.name)
