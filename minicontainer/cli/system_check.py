"""``minicontainer system check``: whether the kernel and the state agree; ``--repair`` mends.

::

    status: container web (3f2a90c1d8be): it is recorded as running, but its monitor is gone: ...
    control group: /sys/fs/cgroup/minicontainer/77ab...: no container of that id exists, ...
    mended: container 3f2a90c1d8be is recorded as exited, and what it held was given back
    kernel and state agree

Exit status 0 if they agree (at last, with ``--repair``), else 1.  ``--format json`` is one object::

    {"schema": 1, "agree": false, "mended": ["..."], "failed": ["..."],
     "findings": [{"kind", "where", "meaning", "mendable"}, ...]}       those that are left
"""

from __future__ import annotations

import click

from minicontainer.cli import command as verbs
from minicontainer.cli.context import engine as engine_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from minicontainer.engine.check import Finding

SCHEMA = 1


@verbs.command("check", usage="[OPTIONS]", help="Say whether the kernel and the state agree")
@verbs.flag("--repair", help="Mend what can be mended without losing anything, and check again")
@verbs.flag("--verify", help="Compute the digests of all layers, too")
@verbs.option(
    "--format",
    "form",
    metavar="string",
    type=click.Choice(["text", "json"]),
    default="text",
    help="text or json",
)
@click.pass_context
def command(context: click.Context, repair: bool, verify: bool, form: str) -> None:
    """Print a line for each disagreement; exit 1 if there are any."""
    from minicontainer.engine import check

    engine = engine_of(context)
    found = check.look(engine, verify=verify)
    done: list[str] = []
    failed: list[str] = []
    if repair and found:
        if form == "text":
            _print(found)
        done, failed = check.mend(found)
        found = check.look(engine, verify=verify)
    if form == "json":
        _print_json(found, done, failed)
    else:
        for line in done:
            click.echo(f"mended: {line}")
        for line in failed:
            click.echo(f"not mended: {line}")
        _conclude(found, repaired=repair)
    context.exit(1 if found else 0)


def _print(found: Sequence[Finding]) -> None:
    for one in found:
        click.echo(f"{one.kind}: {one.where}: {one.meaning}")


def _conclude(found: Sequence[Finding], *, repaired: bool) -> None:
    _print(found)
    if not found:
        click.echo("kernel and state agree")
        return
    mendable = 0 if repaired else sum(one.mend is not None for one in found)
    hint = f"; `minicontainer system check --repair` mends {mendable} of them" if mendable else ""
    click.echo(f"kernel and state disagree in {len(found)} {'place' if len(found) == 1 else 'places'}{hint}")


def _print_json(found: Sequence[Finding], done: list[str], failed: list[str]) -> None:
    import msgspec

    findings = [
        {"kind": one.kind, "where": one.where, "meaning": one.meaning, "mendable": one.mend is not None}
        for one in found
    ]
    answer = {"schema": SCHEMA, "agree": not found, "mended": done, "failed": failed, "findings": findings}
    click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
