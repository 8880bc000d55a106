"""``minicontainer restart``: stop containers, and start them again."""

from __future__ import annotations

from minicontainer.cli.command import argument, pass_context
from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.several import each
from minicontainer.cli.stop import SIGNAL, TIMEOUT
from minicontainer.cli.values import parse_signal
from minicontainer.engine.restarting import restart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cli.context import Context


@verb("restart", usage="[OPTIONS] CONTAINER [CONTAINER...]", help="Restart one or more containers")
@SIGNAL
@TIMEOUT
@argument("containers", nargs=-1, required=True)
@pass_context
def command(ctx: Context, containers: tuple[str, ...], name: str | None, timeout: int | None) -> None:
    """Restart each, and print its name."""
    number = parse_signal(name) if name else None
    engine = engine_of(ctx)
    each(containers, lambda container: restart(engine, container, timeout, number))
