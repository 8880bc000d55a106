"""What command.py declares, as click commands.

What click does not read, `normalise` rewrites into what it does.  Then a usage error has Docker's
words and Docker's exit status: 125 for a wrong option, 1 for a wrong number of arguments or an unknown
command.
"""

from __future__ import annotations

import importlib

import click

from minicontainer.cli.command import Declared, Parameter, Parsed, Wrong, normalise
from minicontainer.cli.units import Refused
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from minicontainer.cli.command import Verb

    ParamType = click.ParamType[Any]
else:
    ParamType = click.ParamType  # not generic before click 8.4


class Option(click.Option):
    """An option; ``bare`` is the value that it has when it is given without ``=value``.

    An option with ``bare`` takes a value only behind an equals sign, as Docker's flags do.
    """

    def __init__(
        self, param_decls: Sequence[str], *, help: str = "", bare: str | None = None, **attributes: Any
    ) -> None:
        super().__init__(param_decls, **attributes)
        self.help = help  # not by click, which imports inspect for it (see deferred.py)
        self.bare = bare

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """``-m, --memory bytes`` and its help; long options stand under each other."""
        if self.hidden:
            return None
        short = [name for name in self.opts if not name.startswith("--")]
        long = [name for name in self.opts if name.startswith("--")]
        names = ", ".join(short + long) if short else "    " + ", ".join(long)
        return f"{names} {self.metavar or ''}".rstrip(), self.help or ""


class ArgumentsError(click.UsageError):
    """Too few or too many arguments, or a command that does not exist."""

    exit_code = 1


class FlagError(click.UsageError):
    """An option that is unknown, lacks its value, or has a wrong one."""

    exit_code = 125


class _Dockerlike(click.Command):
    """What a command and the group share."""

    usage_line: str
    _help_option: click.Option | None = None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Docker's syntax to click's, then click's parsing."""
        options = {
            name: param
            for param in self.get_params(ctx)
            if isinstance(param, Option)
            for name in (*param.opts, *param.secondary_opts)
        }
        try:
            given, positionals = normalise(args, options, ctx.allow_interspersed_args)
        except Wrong as error:
            raise FlagError(str(error), ctx) from None
        try:
            return super().parse_args(ctx, [*given, "--", *positionals])
        except click.MissingParameter as error:
            if isinstance(error.param, click.Argument):
                raise self._wrong_count(ctx) from None
            raise
        except FlagError:
            raise
        except click.UsageError:
            if len(positionals) > self._most():
                raise self._wrong_count(ctx) from None
            raise

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """click's own, made without the help text that it would tidy with inspect (see deferred.py)."""
        if self._help_option is None:
            self._help_option = Option(
                ["--help"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_print_help,
                help="Show this message and exit",
            )
        return self._help_option

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The line behind the command's name in ``Usage:``."""
        return [self.usage_line]

    def _arguments(self) -> list[click.Argument]:
        return [param for param in self.params if isinstance(param, click.Argument)]

    def _most(self) -> float:
        return sum(a.nargs if a.nargs >= 0 else float("inf") for a in self._arguments())

    def _wrong_count(self, ctx: click.Context) -> ArgumentsError:
        least = sum(max(a.nargs, 1) for a in self._arguments() if a.required)
        most = self._most()
        if most == 0:
            text = "accepts no arguments"
        else:
            bound = "" if least == most else "at least " if least else "at most "
            number = least or int(most)
            text = f"requires {bound}{number} argument{'s' if number > 1 else ''}"
        return ArgumentsError(f"'{ctx.command_path}' {text}", ctx)


def _print_help(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


class Command(_Dockerlike):
    """A verb.  ``usage`` is what follows its name, as ``[OPTIONS] IMAGE [COMMAND] [ARG...]``.

    With ``leave_rest`` the first argument ends the options: what follows belongs to the program.
    """

    def __init__(self, name: str, *, usage: str, leave_rest: bool = False, **attributes: Any) -> None:
        settings = {"allow_interspersed_args": not leave_rest}
        super().__init__(name, context_settings=settings, **attributes)
        self.usage_line = usage
        self.params.sort(key=_place)  # stable: arguments keep their order


def _place(param: click.Parameter) -> str:
    """Options are listed by their long names, as Docker's; arguments stand before them."""
    return max(param.opts, key=len) if isinstance(param, click.Option) else ""


def build(verb: Declared) -> Command:
    """The click command of a declaration."""
    function = click.pass_context(verb.function) if verb.wants_context else verb.function
    return Command(
        verb.name,
        usage=verb.usage,
        leave_rest=verb.leave_rest,
        help=verb.help,
        callback=function,
        params=[_param(param) if isinstance(param, Parameter) else param for param in verb.params],
    )


def _param(declared: Parameter) -> click.Parameter:
    if declared.kind == "argument":
        return click.Argument(declared.names, **declared.attributes)
    kind = declared.attributes.get("type")
    attributes = {**declared.attributes, "type": ParsedType(kind) if isinstance(kind, Parsed) else kind}
    return Option(declared.names, **attributes)


class ParsedType(ParamType):
    """A parser as click's parameter type.

    A value that it refuses becomes Docker's line:
    ``invalid argument "5z" for "-m, --memory" flag: invalid suffix: 'z'``.
    """

    def __init__(self, parsed: Parsed) -> None:
        self.name = parsed.name
        self.read = parsed.read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse text."""
        try:
            return self.read(value)
        except Refused:
            raise
        except UsageError as error:
            raise invalid(value, param, ctx, str(error)) from None


def invalid(value: object, param: click.Parameter | None, ctx: click.Context | None, why: str) -> FlagError:
    """``invalid argument "5z" for "-m, --memory" flag: ...``."""
    names = ", ".join(sorted(param.opts, key=len)) if param else "?"
    return FlagError(f'invalid argument "{value}" for "{names}" flag: {why}', ctx)


class Verbs(_Dockerlike, click.Group):
    """The group of all verbs."""

    usage_line = "[OPTIONS] COMMAND [ARG...]"

    def __init__(self, table: dict[str, Verb], **attributes: Any) -> None:
        super().__init__(invoke_without_command=True, **attributes)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the table's order; aliases are understood, and not listed."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        verb = self._verb(cmd_name)
        if verb is None:
            return None
        found = importlib.import_module(verb.module).command
        command: click.Command = found.built() if isinstance(found, Declared) else found
        return command

    def _verb(self, name: str) -> Verb | None:
        return self.table.get(name) or next((v for v in self.table.values() if name in v.aliases), None)

    def _most(self) -> float:
        return float("inf")

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that the first argument names.  Raises ArgumentsError."""
        if self._verb(args[0]) is None:
            raise ArgumentsError(f"unknown command: {ctx.command_path} {args[0]}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table, without importing what it names."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb.name, verb.help) for verb in self.table.values()])
