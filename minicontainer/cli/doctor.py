"""``minicontainer doctor``: what will and will not work on this host, and why.

    kernel
      ✓ system            Debian GNU/Linux 12, Linux 6.1.0, x86_64
      ! fsopen(2)         needs Linux 5.2 ...
                          → whether overlay works is guessed by the file system's type

✓ is well, ! costs a feature, ✗ stops every run.  Exit status 0 if ``run`` can work, else 1.

``--format json`` is one object: ``{"schema": 1, "works": true, "checks": [{"area", "name", "ok",
"needed", "found", "without"}, ...]}``.
"""

from __future__ import annotations

import os

import click

from minicontainer.cli import command as verbs
from minicontainer.cli.context import settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.checks import Check

SCHEMA = 1
WIDTH = 22


@verbs.command("doctor", usage="[OPTIONS]", help="Say what will and will not work on this host, and why")
@verbs.option(
    "--format",
    "form",
    metavar="string",
    type=click.Choice(["text", "json"]),
    default="text",
    help="text or json",
)
@click.pass_context
def command(context: click.Context, form: str) -> None:
    """Run every check, print the findings, exit 1 if something needed is missing."""
    from minicontainer.engine.checks import examine

    if os.geteuid() != 0:
        settings(context).enter()  # as every command that runs containers does
    found: list[Check] = []
    for check in examine(settings(context).root):
        if form == "text":
            _print(check, found[-1].area if found else "")
        found.append(check)
    stops = [check for check in found if check.needed and not check.ok]
    if form == "json":
        _print_json(found, works=not stops)
    elif stops:
        click.echo(f"\nrun cannot work on this host: {', '.join(check.name for check in stops)}")
    else:
        click.echo("\nrun works on this host")
    context.exit(1 if stops else 0)


def _print(check: Check, last_area: str) -> None:
    if check.area != last_area:
        click.echo(("\n" if last_area else "") + click.style(check.area, bold=True))
    mark, colour = ("✓", "green") if check.ok else ("✗", "red") if check.needed else ("!", "yellow")
    click.echo(f"  {click.style(mark, fg=colour)} {check.name:<{WIDTH}} {check.found}")
    if check.without:
        click.echo(f"    {'':<{WIDTH}} → {check.without}")


def _print_json(checks: list[Check], *, works: bool) -> None:
    import msgspec

    answer = {"schema": SCHEMA, "works": works, "checks": checks}
    click.echo(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
