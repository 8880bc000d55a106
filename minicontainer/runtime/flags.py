"""Words to flags, as runc's command line reads them (Go's flag package, by way of urfave/cli).

::

    --name value   --name=value   -n value   --switch   --switch=false   --   the end of the flags

A verb declares its flags as ``Flag`` objects; `parse` gives a dictionary of every flag's value by its
long name and the words that are none.  Flags may follow words, unless the verb says that the words
are another program's (exec).
"""

from __future__ import annotations

from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Misuse(UsageError):
    """A command line that is none, whatever the verb would do: runc's parser ends with 1 (exec, too)."""

    status = 1


class Flag:
    """``kind``: text, switch, number, or list (may be given several times)."""

    __slots__ = ("default", "help", "kind", "names")

    def __init__(self, names: str, kind: str, help: str, default: Any = None) -> None:
        self.names = names.split()
        self.kind = kind
        self.help = help
        self.default = default

    @property
    def key(self) -> str:
        """The long name, as a Python name."""
        return self.names[0].replace("-", "_")

    def initial(self) -> Any:
        """The value of a flag that is not given."""
        if self.default is not None:
            return self.default
        return {"text": "", "switch": False, "number": 0, "list": []}[self.kind]

    def convert(self, word: str) -> Any:
        """The value of a word.  Raises Misuse."""
        if self.kind == "switch":
            return self._truth(word)
        if self.kind == "number":
            try:
                return int(word, 10)
            except ValueError:
                raise Misuse(f"flag --{self.names[0]}: {word!r} is not a number") from None
        return word

    def _truth(self, word: str) -> bool:
        if word.lower() in ("1", "t", "true"):
            return True
        if word.lower() in ("0", "f", "false"):
            return False
        raise Misuse(f"flag --{self.names[0]}: {word!r} is neither true nor false")


def parse(declared: list[Flag], words: list[str], *, stop: bool = False) -> tuple[dict[str, Any], list[str]]:
    """(value of every flag by its key, the other words).  ``stop``: the first other word ends the flags.

    Raises Misuse.
    """
    by_name = {name: flag for flag in declared for name in flag.names}
    values = {flag.key: flag.initial() for flag in declared}
    rest: list[str] = []
    waiting = list(reversed(words))
    while waiting:
        word = waiting.pop()
        if word == "--":
            rest += reversed(waiting)
            break
        if not word.startswith("-") or word == "-":
            rest.append(word)
            if stop:
                rest += reversed(waiting)
                break
            continue
        name, equals, given = word.lstrip("-").partition("=")
        flag = by_name.get(name)
        if flag is None:
            raise Misuse(f"unknown flag: {word.partition('=')[0]}")
        if not equals and flag.kind != "switch":
            if not waiting:
                raise Misuse(f"flag needs a value: {word}")
            given = waiting.pop()
        value = flag.convert(given) if equals or flag.kind != "switch" else True
        values[flag.key] = [*values[flag.key], value] if flag.kind == "list" else value
    return values, rest


def describe(declared: list[Flag]) -> str:
    """The flags for --help."""
    lines = []
    for flag in declared:
        names = ", ".join(f"--{n}" if len(n) > 1 else f"-{n}" for n in flag.names)
        lines.append(f"  {names + ('' if flag.kind == 'switch' else ' value'):<32} {flag.help}")
    return "\n".join(lines)
