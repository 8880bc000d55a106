"""A verb's words read without click, where nothing about them is unusual.

::

    words ─► normalise ─► (option, value)... ─► each by its type ─┐
                     └──► positional arguments ───────────────────┴─► the function's parameters

None is the answer to all the rest: an unknown option, ``--help``, a wrong value, too many arguments.
Then click reads the same words again, and says in Docker's what is wrong.
"""

from __future__ import annotations

from minicontainer.cli.command import Parameter, Parsed, Wrong, normalise
from minicontainer.errors import MinicontainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from minicontainer.cli.command import Declared

# What is understood here; a verb with anything else is click's.
ATTRIBUTES = {
    "option": frozenset(["type", "default", "multiple", "bare", "metavar", "help"]),
    "argument": frozenset(["nargs", "required"]),
}


def read(verb: Declared, words: Sequence[str]) -> dict[str, Any] | None:
    """What the verb's function is to be called with; None where click has to read the words."""
    if not verb.wants_context or not all(map(_plain, verb.params)):
        return None
    options = [param for param in verb.params if param.kind == "option"]
    by_name = {name: param for param in options for name in param.names if name.startswith("-")}
    try:
        given, positionals = normalise(words, by_name, not verb.leave_rest)
        values = _values(given, by_name)
        found = {_name(param): _converted(param, values.get(param)) for param in options}
        return found | _arguments([param for param in verb.params if param.kind == "argument"], positionals)
    except (Wrong, MinicontainerError):
        return None


def _plain(param: Any) -> bool:
    if not isinstance(param, Parameter) or not ATTRIBUTES[param.kind].issuperset(param.attributes):
        return False
    kind, default = param.attributes.get("type"), param.attributes.get("default")
    # Without a type, click would have that of the default.
    return isinstance(kind, Parsed) or (kind is None and isinstance(default, (str, type(None))))


def _name(param: Parameter) -> str:
    """The parameter's name: given as it is, or the first of the long ones without its dashes."""
    own = [name for name in param.names if not name.startswith("-")]
    long = [name for name in param.names if name.startswith("--")]
    return (own or long or list(param.names))[0].lstrip("-").replace("-", "_").lower()


def _values(given: Sequence[str], by_name: dict[str, Parameter]) -> dict[Parameter, list[str]]:
    """The texts that each option was given, in their order."""
    values: dict[Parameter, list[str]] = {}
    words = iter(given)
    for word in words:
        name, _, text = word.partition("=")
        if not name.startswith("--"):
            text = next(words)
        values.setdefault(by_name[name], []).append(text)
    return values


def _converted(param: Parameter, texts: list[str] | None) -> Any:
    """By the option's type: all of its values, or the last of them, or its default."""
    kind: Parsed | None = param.attributes.get("type")
    if param.attributes.get("multiple"):
        return tuple(kind.read(text) if kind else text for text in texts or [])
    value = texts[-1] if texts else param.attributes.get("default")
    return kind.read(value) if kind else value


def _arguments(params: Sequence[Parameter], words: Sequence[str]) -> dict[str, Any]:
    """Each argument's word, and for the last one possibly all that are left.  Raises Wrong."""
    found: dict[str, Any] = {}
    rest = list(words)
    for param in params:
        if param.attributes["required"] and not rest:
            raise Wrong("too few arguments")
        if param.attributes["nargs"] < 0:
            found[_name(param)], rest = tuple(rest), []
        else:
            found[_name(param)] = rest.pop(0) if rest else None
    if rest:
        raise Wrong("too many arguments")
    return found
