"""Commands and options as Docker's command line has them, declared without click.

::

    minicontainer --root DIR run -it --rm=false -m=512m --name web busybox ls -l
                  └─ group ─┘ └─────────── options ───────────┘ └ image ┘ └ left alone ┘

A verb is a module with a ``command``; the group knows of it by its row in a table, and imports it
when it is called.  What the decorators here declare is read in two ways::

                              ┌─► quick.py     plain words to the function's parameters, or None
    @command @flag @option ───┤
    @argument @pass_context   └─► onclick.py   a click command: help, completion, manual pages, and
                                               every error, in Docker's words

Importing click takes 13 ms, half of what ``ps`` takes in all, so a command in which nothing is wrong
runs without it.  click's own decorators may stand among these: then the verb is always click's.

`normalise` is shared: it reads flags with a value (``--rm=false``), short options with an equals sign
(``-m=512m``), and those two in one cluster (``-itd=true``).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol, TypeVar

    F = TypeVar("F", bound=Callable[..., Any])

    class Readable(Protocol):
        """What `normalise` must know of an option: a `Parameter`'s, or click's."""

        @property
        def is_flag(self) -> bool:
            """Takes no value at all."""

        @property
        def bare(self) -> str | None:
            """The value without ``=value``."""


class Wrong(Exception):
    """Words that a verb does not understand; the text is Docker's."""


class Parsed:
    """A type made of a function that raises UsageError; ``name`` is for people.

    With ``may_be_empty``, an empty value is none at all, as with Docker: ``--name "$NAME"``.
    """

    __slots__ = ("may_be_empty", "name", "parse")

    def __init__(self, name: str, parse: Callable[[str], Any], *, may_be_empty: bool = False) -> None:
        self.name = name
        self.parse = parse
        self.may_be_empty = may_be_empty

    def read(self, value: Any) -> Any:
        """Parse text; a default that is no text is taken as it is."""
        if not isinstance(value, str) or (self.may_be_empty and not value):
            return value
        return self.parse(value)


class Parameter:
    """An option or an argument: its names, and the attributes that click would be given.

    An option with ``bare`` takes a value only behind an equals sign, as Docker's flags do; ``bare`` is
    what it has without.
    """

    __slots__ = ("attributes", "bare", "kind", "names")

    is_flag = False

    def __init__(self, kind: str, names: Sequence[str], attributes: dict[str, Any]) -> None:
        self.kind = kind  # option, argument
        self.names = names
        self.attributes = attributes
        self.bare: str | None = attributes.get("bare")


class Declared:
    """A verb.  ``usage`` is what follows its name, as ``[OPTIONS] IMAGE [COMMAND] [ARG...]``.

    With ``leave_rest`` the first argument ends the options: what follows belongs to the program.
    ``params`` are `Parameter`s and click's own.
    """

    __slots__ = ("_built", "function", "help", "leave_rest", "name", "params", "usage")

    def __init__(
        self, name: str, usage: str, leave_rest: bool, help: str, function: Callable[..., Any]
    ) -> None:
        self.name = name
        self.usage = usage
        self.leave_rest = leave_rest
        self.help = help
        self.function = function
        self.params: list[Any] = list(reversed(getattr(function, PARAMS, [])))
        self._built: Any = None

    @property
    def wants_context(self) -> bool:
        """Whether `pass_context` is among its decorators."""
        return getattr(self.function, "wants_context", False)

    def built(self) -> Any:
        """It as a click command."""
        if self._built is None:
            from minicontainer.cli import onclick

            self._built = onclick.build(self)
        return self._built


PARAMS = "__click_params__"  # where click's own decorators put theirs


def command(
    name: str, *, usage: str, leave_rest: bool = False, help: str = ""
) -> Callable[[Callable[..., Any]], Declared]:
    """Decorator: make the function, and the options below it, a verb."""
    return lambda function: Declared(name, usage, leave_rest, help, function)


def option(*names: str, **attributes: Any) -> Callable[[F], F]:
    """Decorator: an option with a value; see `Parameter`."""
    return _declare(Parameter("option", names, attributes))


def flag(*names: str, help: str) -> Callable[[F], F]:
    """Decorator: an option that is on or off, off unless given: ``--rm``, ``--rm=false``."""
    return option(*names, help=help, bare="true", default=False, type=BOOLEAN)


def argument(name: str, *, nargs: int = 1, required: bool | None = None) -> Callable[[F], F]:
    """Decorator: a positional argument; of -1, all that are left.  One is required, all are not."""
    required = nargs > 0 if required is None else required
    return _declare(Parameter("argument", [name], {"nargs": nargs, "required": required}))


def pass_context(function: F) -> F:
    """Decorator: the function's first parameter is a `context.Context`, or click's."""
    function.wants_context = True  # type: ignore[attr-defined]
    return function


def _declare(parameter: Parameter) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        vars(function).setdefault(PARAMS, []).append(parameter)
        return function

    return decorate


def parse_boolean(text: str) -> bool:
    """Go's strconv.ParseBool, which Docker uses.  Raises UsageError."""
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    from minicontainer.errors import UsageError

    raise UsageError("neither true nor false")


BOOLEAN = Parsed("bool", parse_boolean)


def normalise(
    args: Sequence[str], options: Mapping[str, Readable], interspersed: bool
) -> tuple[list[str], list[str]]:
    """Options as click reads them (``--name=value``, or ``-n`` and its value), and the positional arguments.

    ``options`` are the known ones by name, dashes included.  Raises Wrong.
    """
    given: list[str] = []
    positionals: list[str] = []
    rest = list(reversed(args))
    while rest:
        arg = rest.pop()
        if arg == "--":
            return given, positionals + rest[::-1]
        if arg == "-" or not arg.startswith("-"):
            positionals.append(arg)
            if not interspersed:
                return given, positionals + rest[::-1]
        elif arg.startswith("--"):
            _long(arg, options, rest, given)
        else:
            _cluster(arg, options, rest, given)
    return given, positionals


def _long(arg: str, options: Mapping[str, Readable], rest: list[str], given: list[str]) -> None:
    name, equals, _ = arg.partition("=")
    if name not in options:
        raise Wrong(f"unknown flag: {name}")
    option = options[name]
    if option.is_flag:
        given.append(name)
    elif equals:
        given.append(arg)
    else:
        given.append(f"{name}={_value(option, rest, f'flag needs an argument: {name}')}")


def _cluster(arg: str, options: Mapping[str, Readable], rest: list[str], given: list[str]) -> None:
    """``-it``, ``-itd=false``, ``-e A=1``, ``-eA=1``, ``-ie=A=1``."""
    position = 1
    while position < len(arg):
        letter = arg[position]
        position += 1
        name = f"-{letter}"
        if name not in options:
            raise Wrong(f"unknown shorthand flag: {letter!r} in {arg}")
        option = options[name]
        if option.is_flag:
            given.append(name)
            continue
        tail = arg[position:]
        if tail.startswith("="):
            given += [name, tail[1:]]
            return
        if option.bare is not None:
            given += [name, option.bare]
            continue
        if not tail:
            tail = _value(option, rest, f"flag needs an argument: {letter!r} in {arg}")
        given += [name, tail]
        return


def _value(option: Readable, rest: list[str], error: str) -> str:
    if option.bare is not None:
        return option.bare
    if not rest:
        raise Wrong(error)
    return rest.pop()


class Verb:
    """A row of the group's table: the module that holds ``command``, the line of help, other names."""

    __slots__ = ("aliases", "help", "module", "name")

    def __init__(self, name: str, module: str, help: str, aliases: tuple[str, ...] = ()) -> None:
        self.name = name
        self.module = module
        self.help = help
        self.aliases = aliases
