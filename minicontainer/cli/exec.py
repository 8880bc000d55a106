"""``minicontainer exec``: run one more command in a running container."""

from __future__ import annotations

from minicontainer.cli import types
from minicontainer.cli.command import argument, flag, option, pass_context
from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.explaining import Explained, explain_option
from minicontainer.cli.starting import check_terminal
from minicontainer.errors import Conflict, MinicontainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.cli.context import Context
    from minicontainer.engine.engine import Engine, Found
    from minicontainer.engine.exec import Options


@verb(
    "exec",
    usage="[OPTIONS] CONTAINER COMMAND [ARG...]",
    leave_rest=True,
    help="Execute a command in a running container",
)
@flag("-d", "--detach", help="Run the command in the background")
@option(
    "--detach-keys", metavar="string", type=types.DETACH_KEYS, default=b"\x10\x11",
    help="The keys that detach (ctrl-p,ctrl-q)",
)  # fmt: skip
@option("-e", "--env", metavar="list", type=types.ENTRY, multiple=True, help="Set environment variables")
@option("--env-file", metavar="list", multiple=True, help="Read environment variables from a file")
@explain_option
@flag("-i", "--interactive", help="Keep standard input open")
@flag("--privileged", help="Give the command all capabilities")
@flag("-t", "--tty", help="Give it a terminal")
@option(
    "-u", "--user", metavar="string", type=types.USER, default=None, help="USER[:GROUP], names or numbers"
)
@option("-w", "--workdir", metavar="string", default=None, help="Working directory")
@argument("container")
@argument("words", nargs=-1, required=True)
@pass_context
def command(ctx: Context, /, container: str, words: tuple[str, ...], **flags: Any) -> None:
    """Start the command, and stay until it ends, unless detached; its exit status."""
    from minicontainer.cli.environment import collect
    from minicontainer.engine.exec import Options

    check_terminal(flags)
    options = Options(
        args=list(words),
        env=collect(flags["env"], flags["env_file"]),
        working_dir=flags["workdir"] or "",
        user=flags["user"] or "",
        tty=flags["tty"],
        stdin=flags["interactive"],
        privileged=flags["privileged"],
    )
    with Explained(flags["explain"], whole=not flags["detach"]):
        status = _exec(engine_of(ctx), container, options, flags)
    raise SystemExit(status)


def _exec(engine: Engine, container: str, options: Options, flags: dict[str, Any]) -> int:
    found = engine.find_running(container)
    if found.paused:
        raise Conflict(f"Container {container} is paused, unpause the container before exec")
    try:
        return _execute(engine, found, options, flags)
    except (MinicontainerError, OSError) as error:
        if getattr(error, "exit_code", 125) == 125 or flags["detach"]:
            # What Docker ends with when a program could not be started, and when nobody waits for it.
            error.exit_code = 1 if flags["detach"] else 126  # type: ignore[union-attr]
        raise


def _execute(engine: Engine, found: Found, options: Options, flags: dict[str, Any]) -> int:
    from minicontainer.engine import exec as execution

    connection = execution.launch(engine, found, options)
    if flags["detach"]:
        from minicontainer.engine import waiting

        waiting.until_started(connection)
        return 0
    from minicontainer.cli.attach import attach

    started: list[int] = []
    outcome = attach(
        connection.fileno(),
        tty=options.tty,
        stdin_open=options.stdin,
        detach_keys=flags["detach_keys"],
        started=lambda facts: started.append(int(facts["pid"])),
        kill=lambda number: execution.pass_on(started[0], number) if started else None,
    )
    return outcome.status if outcome.kind == "exited" else 0
