"""What a shell offers at the cursor: the answer of the hidden ``minicontainer __complete``.

::

    the shell's script (completion.py)                    here
      │ __complete bash "minicontainer rm we"  ──────────►  one line, up to the cursor: bash splits
      │ __complete zsh minicontainer rm we     ──────────►  words at : and =, so it is split again
      │ __complete fish minicontainer rm we    ──────────►  words; the last one is being typed
      │                                                        │ walk: verbs, their options, arguments
      ◄──── KIND TAB VALUE TAB HELP, a line for each ──────────┘

    plain  a whole word        part   a word that goes on: web:, --network=
    file   the shell's own files      dir   the shell's own folders

Which flags there are, and which of them take a value, the commands themselves say.  What an argument
is, their usage lines say: CONTAINER, IMAGE, FILE; only which states a verb wants, and what some
flags' values are, is kept in tables here.
"""

from __future__ import annotations

import os

import click
from click.shell_completion import CompletionItem, split_arg_string

from minicontainer.cli.onclick import Verbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Offer = Callable[["Place", str], Iterable[CompletionItem]]

PLAIN, PART, FILE, FOLDER = "plain", "part", "file", "dir"

# Which containers a verb wants, where it is not every one.
RUNNING = frozenset(["attach", "exec", "kill", "pause", "stats", "stop", "top", "unpause", "wait"])
STOPPED = frozenset(["start"])


class Place:
    """What the words before the cursor say: the command, and what it was given so far."""

    __slots__ = ("argument", "command", "ended", "given", "name", "option", "values")

    def __init__(self, command: click.Command) -> None:
        self.command = command
        self.name = command.name or ""
        self.argument: list[str] = []  # the positional ones so far
        self.given: set[str] = set()  # the names of its options so far
        self.option: click.Option | None = None  # whose value comes next
        self.ended = False  # what follows is no option
        self.values: dict[str, str] = {}  # of every option, the group's too

    def options(self) -> dict[str, click.Option]:
        """The command's options by each of their names."""
        context = click.Context(self.command)
        return {
            name: param
            for param in self.command.get_params(context)
            if isinstance(param, click.Option) and not param.hidden
            for name in param.opts
        }

    def roots(self) -> tuple[str, str]:
        """Where images and containers are, as the command to come will have it."""
        from minicontainer.cli.group import cli

        own: tuple[str, ...] = ()
        if os.geteuid() != 0:
            from minicontainer.engine.rootless import default_roots

            own = default_roots()
        found = []
        for number, param in enumerate(p for p in cli.params if p.name in ("root", "run_root")):
            assert isinstance(param.envvar, str)
            default = own[number] if own else str(param.default)
            found.append(self.values.get(param.opts[0]) or os.environ.get(param.envvar) or default)
        return os.path.abspath(found[0]), os.path.abspath(found[1])


def answer(cli: click.Command, arguments: list[str]) -> int:
    """Print what may stand at the cursor; ``arguments`` are the shell's name, and its words."""
    shell, *words = arguments
    if shell == "bash":
        line = words[0]
        words = split_arg_string(line)
        if line[-1:].isspace() or not words:
            words.append("")
    for item in complete(cli, words[1:-1], words[-1]):
        click.echo("\t".join([item.type, str(item.value), item.help or ""]).rstrip("\t"))
    return 0


def complete(cli: click.Command, words: Iterable[str], partial: str) -> list[CompletionItem]:
    """What may stand for ``partial`` behind ``words``, none of them the program's name."""
    place = walk(cli, words)
    if place is None:
        return []
    if place.option is not None:
        return _values(place, place.option, partial)
    if partial.startswith("-") and not place.ended:
        return _options(place, partial)
    if isinstance(place.command, Verbs):
        verbs = place.command.table.values()
        return [
            CompletionItem(verb.name, PLAIN, verb.help) for verb in verbs if verb.name.startswith(partial)
        ]
    return _positional(place, partial)


def walk(cli: click.Command, words: Iterable[str]) -> Place | None:
    """Follow ``words``; None behind a verb that does not exist."""
    place = Place(cli)
    options = place.options()
    for word in words:
        if place.option is not None:
            place.values[place.option.opts[-1]] = word
            place.option = None
        elif word == "--" and not place.ended:
            place.ended = True
        elif word.startswith("-") and word != "-" and not place.ended:
            _option(place, options, word)
        elif isinstance(place.command, Verbs):
            command = place.command.get_command(click.Context(place.command), word)
            if command is None:
                return None
            values = place.values
            place = Place(command)
            place.values = values
            options = place.options()
        else:
            place.argument.append(word)
            place.ended |= not place.command.context_settings.get("allow_interspersed_args", True)
    return place


def _option(place: Place, options: Mapping[str, click.Option], word: str) -> None:
    """``--name``, ``--name=value``, ``-n``, ``-abn``, ``-nvalue``."""
    name, equals, value = word.partition("=")
    names = [name] if name.startswith("--") else [f"-{letter}" for letter in name[1:]]
    for position, short in enumerate(names, 2):
        option = options.get(short)
        if option is None:
            return
        place.given.update(option.opts)
        if not _takes_value(option):
            continue
        if equals:
            place.values[option.opts[-1]] = value
        elif short == name or position > len(name) - 1:
            place.option = option
        return


def _takes_value(option: click.Option) -> bool:
    """Whether the next word is its value: not that of a flag, nor of one that wants ``=``."""
    return not option.is_flag and getattr(option, "bare", None) is None


def _options(place: Place, partial: str) -> list[CompletionItem]:
    options = place.options()
    name, equals, text = partial.partition("=")
    if equals:
        option = options.get(name)
        found = _values(place, option, text) if option else []
        return [
            item
            if item.type in (FILE, FOLDER)
            else CompletionItem(f"{name}={item.value}", item.type, item.help)
            for item in found
        ]
    return [
        CompletionItem(name, PLAIN, option.help)
        for name, option in options.items()
        if name.startswith(partial)
        and (name.startswith("--") or partial == name)
        and (option.multiple or name not in place.given)
    ]


def _positional(place: Place, partial: str) -> list[CompletionItem]:
    """What the usage line has at this place; the last word goes on where it ends with ``...]``."""
    usage = str(getattr(place.command, "usage_line", "")).partition(" | ")[0]
    words = [word for word in usage.split() if word != "[OPTIONS]"]
    index = len(place.argument)
    if index >= len(words):
        if not words or not words[-1].endswith("...]"):
            return []
        index = len(words) - 1
    kinds = _kinds(words[index])
    if kinds:
        return [item for kind in kinds for item in OFFERS[kind](place, partial)]
    arguments = [param for param in place.command.params if isinstance(param, click.Argument)]
    chosen = arguments[min(index, len(arguments) - 1)]
    return chosen.type.shell_complete(click.Context(place.command), chosen, partial)


def _kinds(word: str) -> list[str]:
    """Of CONTAINER, SOURCE_IMAGE[:TAG], [REPOSITORY[:TAG]], FILE|-, NAME|ID: what they name."""
    if "_PATH" in word:
        return ["copy"]
    if "NAME|ID" in word:
        return ["container", "image"]
    return [
        kind
        for mark, kind in (
            ("CONTAINER", "container"),
            ("IMAGE", "image"),
            ("REPOSITORY", "image"),
            ("FILE", "file"),
        )
        if mark in word
    ]


def _starting(partial: str, words: Iterable[str], kind: str = PLAIN) -> list[CompletionItem]:
    return [CompletionItem(word, kind) for word in words if word.startswith(partial)]


def _containers(place: Place, partial: str) -> Iterable[CompletionItem]:
    wanted = "running" if place.name in RUNNING else "stopped" if place.name in STOPPED else ""
    return _in_state(place, partial, wanted)


def _in_state(place: Place, partial: str, wanted: str) -> Iterable[CompletionItem]:
    from minicontainer.engine import known

    for container, status in known.containers(*place.roots()):
        if wanted and (status.state in ("running", "restarting")) != (wanted == "running"):
            continue
        if container.name.startswith(partial) and container.name not in place.argument:
            yield CompletionItem(container.name, PLAIN, f"{status.state}, of {container.config.image}")


def _images(place: Place, partial: str) -> Iterable[CompletionItem]:
    """``NAME:TAG``, and NAME alone for its latest; the digits of an id nobody types by heart."""
    from minicontainer.engine import known

    names = known.images(place.roots()[0])
    given = place.argument if ":" in partial else [f"{name}:latest" for name in place.argument]
    short = [name if ":" in partial else name.removesuffix(":latest") for name in names if name not in given]
    return _starting(partial, short)


def _copied(place: Place, partial: str) -> Iterable[CompletionItem]:
    """A file of this host, or ``CONTAINER:PATH``: one of both sides must be a container's."""
    from minicontainer.engine import known

    name, colon, path = partial.partition(":")
    if colon:
        for container, status in known.containers(*place.roots()):
            if container.name == name and status.state == "running":
                for found in known.paths(status, path or "/"):
                    yield CompletionItem(f"{name}:{found}", PART if found.endswith("/") else PLAIN)
        return
    if not any(":" in word for word in place.argument):
        for item in _containers(place, partial):
            yield CompletionItem(f"{item.value}:", PART, item.help)
    yield CompletionItem(partial, FILE)


def _values(place: Place, option: click.Option, partial: str) -> list[CompletionItem]:
    """What may be the value of an option."""
    long = max(option.opts, key=len)
    if isinstance(option.type, click.Choice):
        return option.type.shell_complete(click.Context(place.command), option, partial)
    if long in VALUES:
        return list(VALUES[long](place, partial))
    if option.metavar in METAVARS:
        return list(METAVARS[option.metavar](place, partial))
    if option.is_flag or getattr(option, "bare", None) == "true":
        return _starting(partial, ["true", "false"])
    return []


def _words(*words: str, joins: bool = False) -> Offer:
    """An offer of fixed words; with ``joins`` also ``container:NAME``."""

    def offer(place: Place, partial: str) -> Iterable[CompletionItem]:
        yield from _starting(partial, words)
        if joins and partial.startswith("container:"):
            for item in _in_state(place, partial.partition(":")[2], "running"):
                yield CompletionItem(f"container:{item.value}", PLAIN, item.help)
        elif joins:
            yield from _starting(partial, ["container:"], PART)

    return offer


def _networks(place: Place, partial: str) -> Iterable[CompletionItem]:
    from minicontainer.cli.values import NETWORKS

    return _starting(partial, NETWORKS)


def _signals(place: Place, partial: str) -> Iterable[CompletionItem]:
    from minicontainer.linux import signals

    names = [name.removeprefix("SIG") for name in signals.table()]
    return _starting(partial, names) or _starting(partial, [f"SIG{name}" for name in names])


def _capabilities(place: Place, partial: str) -> Iterable[CompletionItem]:
    from minicontainer.linux.capabilities import NAMES

    return _starting(partial, ["ALL", *(name.removeprefix("CAP_") for name in NAMES)])


def _formats(place: Place, partial: str) -> Iterable[CompletionItem]:
    return _starting(partial, ["json", "table"])


def _file(place: Place, partial: str) -> Iterable[CompletionItem]:
    return [CompletionItem(partial, FILE)]


def _volume(place: Place, partial: str) -> Iterable[CompletionItem]:
    """Only the host's side of ``SOURCE:TARGET``."""
    return [] if ":" in partial else [CompletionItem(partial, FILE)]


OFFERS: dict[str, Offer] = {"container": _containers, "image": _images, "file": _file, "copy": _copied}
METAVARS: dict[str | None, Offer] = {
    "folder": lambda place, partial: [CompletionItem(partial, FOLDER)],
    "bool": _words("true", "false"),
    "mode": _words("brief", "full", "sh", "json"),
}
VALUES: dict[str, Offer] = {
    "--attach": _words("stdin", "stdout", "stderr"),
    "--cap-add": _capabilities,
    "--cap-drop": _capabilities,
    "--cgroupns": _words("host", "private"),
    "--cidfile": _file,
    "--device": _volume,
    "--env-file": _file,
    "--format": _formats,
    "--ipc": _words("private", "shareable", "none", "host", joins=True),
    "--label-file": _file,
    "--log-driver": _words("json-file", "none"),
    "--network": _networks,
    "--output": _file,
    "--pid": _words("host", joins=True),
    "--pull": _words("missing", "never"),
    "--restart": _words("no", "always", "unless-stopped", "on-failure"),
    "--signal": _signals,
    "--stop-signal": _signals,
    "--type": _words("container", "image"),
    "--userns": _words("auto", "host", "private", joins=True),
    "--uts": _words("host", joins=True),
    "--volume": _volume,
}
