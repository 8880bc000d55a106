"""``minicontainer start``: start containers that were created or have ended."""

from __future__ import annotations

from minicontainer.cli import types
from minicontainer.cli.command import argument, flag, option, pass_context
from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.echo import echo
from minicontainer.cli.several import tell
from minicontainer.errors import MinicontainerError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cli.attach import Outcome
    from minicontainer.cli.context import Context
    from minicontainer.engine.engine import Engine


@verb("start", usage="[OPTIONS] CONTAINER [CONTAINER...]", help="Start one or more stopped containers")
@flag("-a", "--attach", help="Attach to its output and pass signals on; its exit status")
@option(
    "--detach-keys", metavar="string", type=types.DETACH_KEYS, default=b"\x10\x11",
    help="The keys that detach (ctrl-p,ctrl-q)",
)  # fmt: skip
@flag("-i", "--interactive", help="Attach to its standard input")
@argument("containers", nargs=-1, required=True)
@pass_context
def command(
    ctx: Context, containers: tuple[str, ...], attach: bool, detach_keys: bytes, interactive: bool
) -> None:
    """Start each, and print its name; or start one, and stay until it ends."""
    engine = engine_of(ctx)
    if not attach and not interactive:
        _start_all(engine, containers)
        return
    if len(containers) > 1:
        raise UsageError("you cannot start and attach multiple containers at once")
    try:
        outcome = _start_attached(engine, containers[0], interactive, detach_keys)
    except (MinicontainerError, OSError) as error:
        error.exit_code = 1  # type: ignore[union-attr]  # 127 would be the program's own
        raise
    raise SystemExit(outcome.status if outcome.kind == "exited" else 0)


def _start_all(engine: Engine, names: tuple[str, ...]) -> None:
    from minicontainer.engine import waiting

    failed = []
    for name in names:
        try:
            waiting.start(engine, engine.find(name).container.id)
        except (MinicontainerError, OSError) as error:
            failed.append(name)
            tell(error)
        else:
            echo(name)
    if failed:
        raise MinicontainerError(f"failed to start containers: {', '.join(failed)}")


def _start_attached(engine: Engine, name: str, interactive: bool, detach_keys: bytes) -> Outcome:
    from minicontainer.cli.attach import attach
    from minicontainer.engine import events, waiting

    found = engine.find(name)
    if found.restarting:
        found.require_running()
    container = found.container
    events.of_container(engine.folders, container, "attach")
    stdin = interactive and container.config.open_stdin
    connection = waiting.join(engine, container.id)
    return attach(
        connection.fileno(),
        tty=container.config.tty,
        stdin_open=stdin,
        sig_proxy=not container.config.tty,
        detach_keys=detach_keys,
        kill=lambda number: engine.pass_on(container, number),
    )
