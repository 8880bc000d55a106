"""``minicontainer update``: change limits and restart policy of containers."""

from __future__ import annotations

import click

from minicontainer.cli import types
from minicontainer.cli.command import command as verb
from minicontainer.cli.command import option
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.several import each
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@verb(
    "update",
    usage="[OPTIONS] CONTAINER [CONTAINER...]",
    help="Update configuration of one or more containers",
)
@option(
    "--blkio-weight", metavar="uint16", type=types.INTEGER, default=None, help="Block IO weight, 10 to 1000"
)
@option(
    "--cpu-rt-period", metavar="int", type=types.INTEGER, default=None,
    help="CPU real-time period, microseconds",
)  # fmt: skip
@option(
    "--cpu-rt-runtime", metavar="int", type=types.INTEGER, default=None,
    help="CPU real-time runtime, microseconds",
)  # fmt: skip
@option("--cpu-period", metavar="int", type=types.INTEGER, default=None, help="CPU CFS period, microseconds")
@option("--cpu-quota", metavar="int", type=types.INTEGER, default=None, help="CPU CFS quota, microseconds")
@option(
    "-c", "--cpu-shares", metavar="int", type=types.INTEGER, default=None, help="CPU shares (relative weight)"
)
@option("--cpus", metavar="decimal", type=types.CPUS, default=None, help="Number of CPUs")
@option(
    "--cpuset-cpus", metavar="string", type=types.CPUSET_CPUS, default=None, help="CPUs to run on (0-3, 0,1)"
)
@option(
    "--cpuset-mems", metavar="string", type=types.CPUSET_MEMS, default=None, help="Memory nodes to use (0-3)"
)
@option("-m", "--memory", metavar="bytes", type=types.MEMORY, default=None, help="Memory limit")
@option("--memory-reservation", metavar="bytes", type=types.MEMORY, default=None, help="Memory soft limit")
@option(
    "--memory-swap", metavar="bytes", type=types.SWAP, default=None,
    help="Memory and swap together; -1: no limit",
)  # fmt: skip
@option(
    "--pids-limit", metavar="int", type=types.INTEGER, default=None,
    help="Most processes and threads; -1: no limit",
)  # fmt: skip
@option(
    "--restart", metavar="string", type=types.RESTART, default=None,
    help="When to restart: no, always, unless-stopped, on-failure[:MAX]",
)  # fmt: skip
@click.argument("containers", nargs=-1, required=True)
@click.pass_context
def command(ctx: click.Context, /, containers: tuple[str, ...], **flags: Any) -> None:
    """Change each, and print its name."""
    from minicontainer.engine.updating import update

    if all(value is None for value in flags.values()):
        raise UsageError("you must provide one or more flags when using this command")
    changes = changes_of(flags)
    engine = engine_of(ctx)
    each(containers, lambda container: update(engine, container, changes))


def changes_of(flags: dict[str, Any]) -> dict[str, Any]:
    """The fields of HostConfig that the flags name; a limit of 0 leaves it as it is, as with Docker."""
    restart, pids, nano = flags.pop("restart"), flags.pop("pids_limit"), flags.pop("cpus")
    changes = {name: value for name, value in {**flags, "nano_cpus": nano}.items() if value}
    if pids is not None:
        changes["pids_limit"] = pids or -1
    if restart is not None:
        changes["restart_policy"], changes["restart_retries"] = restart
    return changes
