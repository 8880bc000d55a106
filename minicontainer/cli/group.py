"""The group of all verbs on click: the options before a verb, and what click's errors say."""

from __future__ import annotations

import os

import click

from minicontainer import __version__
from minicontainer.cli.command import BOOLEAN
from minicontainer.cli.context import DEFAULT_ROOT, DEFAULT_RUN_ROOT, ROOT, RUN_ROOT, Settings
from minicontainer.cli.main import NAME, TABLE, debug_wanted, exit_status
from minicontainer.cli.onclick import Option, ParsedType, Verbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cli.main import Told


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(f"{NAME} version {__version__}")
        ctx.exit()


@click.command(NAME, cls=Verbs, table=TABLE, help="An educational container runtime.")
@click.option(
    "--root",
    cls=Option,
    metavar="folder",
    envvar=ROOT,
    default=DEFAULT_ROOT,
    help="Where images and containers are kept (/var/lib/minicontainer; MINICONTAINER_ROOT)",
)
@click.option(
    "--run-root",
    cls=Option,
    metavar="folder",
    envvar=RUN_ROOT,
    default=DEFAULT_RUN_ROOT,
    help="What a reboot may forget: sockets, locks (/run/minicontainer; MINICONTAINER_RUN_ROOT)",
)
@click.option(
    "--debug",
    cls=Option,
    bare="true",
    default=False,
    type=ParsedType(BOOLEAN),
    help="Show where an error comes from (MINICONTAINER_DEBUG=1)",
)
@click.option(
    "-v",
    "--version",
    cls=Option,
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and quit",
)
@click.pass_context
def cli(ctx: click.Context, root: str, run_root: str, debug: bool) -> None:
    """Hand the settings to the verb, or show the help where there is none."""
    if os.geteuid() != 0:
        root, run_root = _own_roots(ctx, root, run_root)
    ctx.obj = Settings(os.path.abspath(root), os.path.abspath(run_root), debug or debug_wanted())
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def _own_roots(ctx: click.Context, root: str, run_root: str) -> tuple[str, str]:
    """An ordinary user's own folders in the place of the defaults, which are root's."""
    from minicontainer.engine.rootless import default_roots

    given = [ctx.get_parameter_source(name) for name in ("root", "run_root")]
    default = click.core.ParameterSource.DEFAULT
    own = default_roots()
    return own[0] if given[0] is default else root, own[1] if given[1] is default else run_root


def invoke(arguments: list[str], told: Told) -> int:
    """Do what the arguments say; the exit status."""
    try:
        with cli.make_context(NAME, list(arguments)) as ctx:
            try:
                cli.invoke(ctx)
            finally:
                told.verb = (ctx.obj.verb if ctx.obj else None) or ctx.invoked_subcommand
                told.debug = ctx.obj.debug if ctx.obj else told.debug
    except click.exceptions.Exit as end:
        return end.exit_code
    except SystemExit as end:
        return exit_status(end)
    return 0


def said(error: BaseException) -> tuple[str, int] | None:
    """The text and the exit status of an error of click's; None for another."""
    if isinstance(error, click.Abort):
        return "", 130
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else NAME
        status = error.exit_code if error.exit_code != 2 else 125  # 2 is click's for all of them
        return f"{error.format_message().rstrip('.')}. See '{path} --help'.", status
    if isinstance(error, click.ClickException):
        return error.format_message(), 125
    return None
