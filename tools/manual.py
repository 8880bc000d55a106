"""The manual pages, made from the commands themselves: ``tools/manual.py FOLDER``.

::

    FOLDER/man1/minicontainer.1               the overview: global options, every verb
    FOLDER/man1/minicontainer-VERB.1          a verb; a group's verbs are minicontainer-GROUP-VERB.1,
                                              which is a link where the verb is one of the first
    FOLDER/man8/minicontainer-runtime.8       the OCI runtime, from its tables

Names, usage lines, options and their help are the ones that --help prints, so that a page cannot say
what its command does not.  The pages are man(7)'s macros, for groff and mandoc.  Their date is today's,
or SOURCE_DATE_EPOCH's.
"""

from __future__ import annotations

import os
import sys
import textwrap
import time
from importlib import import_module

import click

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from minicontainer import __version__
from minicontainer.cli.group import cli
from minicontainer.cli.main import DEBUG, ERRORS_ARE_125, NAME
from minicontainer.cli.onclick import Option, Verbs
from minicontainer.runtime import main as runtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minicontainer.runtime.flags import Flag

# The verbs that end as the program did that they waited for.
OF_A_PROGRAM = ("run", "exec", "attach", "start")
FAILURES = [
    ("0", "All was done."),
    ("1", "An error; a wrong number of arguments; an unknown command. Of several names, one failed."),
    ("125", "A wrong option."),
    ("130", "Interrupted by ^C."),
]
PROGRAMS = [
    ("125", "A wrong option; with run, any error of minicontainer's own."),
    ("126", "The program cannot be executed."),
    ("127", "The program was not found."),
    ("128+N", "The program was ended by signal N."),
    ("other", "The program's own. start has it only with --attach."),
]
EXPLAIN = ("MINICONTAINER_EXPLAIN", "A mode of --explain: brief, full, sh or json.")
DEBUGS = (DEBUG, "Set to 1: a traceback with every error, as with --debug.")
LINE = 78
SPECIAL = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}


def escape(text: str) -> str:
    """``text`` as roff(7) shows it unchanged, also where a line begins in the middle of it."""
    out = "".join(SPECIAL.get(c, c if c.isascii() else f"\\[u{ord(c):04X}]") for c in text)
    return " ".join(f"\\&{word}" if word.startswith(".") else word for word in out.split(" "))


def prose(text: str) -> str:
    """``text`` in lines of a readable length."""
    return "\n".join(textwrap.wrap(escape(text), LINE, break_long_words=False, break_on_hyphens=False))


def bold(text: str) -> str:
    """``text`` in bold, in the middle of a line."""
    return f"\\fB{escape(text)}\\fR"


def italic(text: str) -> str:
    """``text`` in italics, in the middle of a line."""
    return f"\\fI{escape(text)}\\fR"


class Page:
    """The lines of a page."""

    def __init__(self, name: str, section: int, summary: str) -> None:
        self.name = name
        self.section = section
        moment = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH") or time.time()))
        date = time.strftime("%Y-%m-%d", moment)
        title = escape(name).upper()
        self.lines = [f'.TH {title} {section} {date} "{NAME} {__version__}" "{NAME} manual"', ".nh"]
        self.section_of("NAME", f"{escape(name)} \\- {escape(summary)}")

    def section_of(self, title: str, *lines: str) -> None:
        """A section with a heading."""
        self.lines += [f".SH {title}", *lines]

    def items(self, pairs: Iterable[tuple[str, str]]) -> None:
        """What each of some names, which are escaped already, means."""
        for name, text in pairs:
            self.lines += [".TP", name, prose(text) or "\\&"]

    def see_also(self, names: Iterable[str]) -> None:
        """The last section: ``name(section)``, each of them."""
        pages = [name.rstrip(")").partition("(") for name in names if name != f"{self.name}({self.section})"]
        last = len(pages) - 1
        words = [f".BR {escape(n)} ({s}){',' * (i < last)}" for i, (n, _, s) in enumerate(pages)]
        self.section_of("SEE ALSO", *words)

    def write(self, folder: str) -> None:
        """Into ``folder``/manN."""
        with open(path_of(folder, self.name, self.section), "w", encoding="ascii") as file:
            file.write("\n".join([*self.lines, ""]))


def path_of(folder: str, name: str, section: int) -> str:
    """Where a page goes; what was there is gone."""
    os.makedirs(f"{folder}/man{section}", exist_ok=True)
    path = f"{folder}/man{section}/{name}.{section}"
    if os.path.lexists(path):
        os.unlink(path)
    return path


def pages(path: tuple[str, ...], group: Verbs) -> Iterator[tuple[tuple[str, ...], str, click.Command, str]]:
    """(words of the command, its module, it, its line of help) of every verb, groups before their own."""
    for verb in group.table.values():
        command = group.get_command(click.Context(group), verb.name)
        assert command is not None
        yield (*path, verb.name), verb.module, command, verb.help
        if isinstance(command, Verbs):
            yield from pages((*path, verb.name), command)


def usage(words: Iterable[str], line: str) -> str:
    """A synopsis: what is typed as it stands is bold, the rest is not."""
    return f"{bold(' '.join(words))} {escape(line)}".rstrip()


def options(command: click.Command) -> Iterator[tuple[str, str]]:
    """Each option, as --help has it."""
    context = click.Context(command, info_name=command.name)
    for param in command.get_params(context):
        if isinstance(param, Option) and not param.hidden:
            names = ", ".join(bold(name) for name in sorted(param.opts, key=len))
            value = "" if param.is_flag or not param.metavar else italic(param.metavar)
            bare = param.bare is not None
            if value and bare and param.metavar != "bool":
                yield f"{names}[={value}]", param.help or ""
            else:
                yield f"{names} {value}".rstrip(), param.help or ""


def described(command: click.Command, summary: str) -> list[str]:
    """The line of help, and the first paragraph of what is said of the function."""
    doc = getattr(command.callback, "__doc__", "") or ""
    paragraph = " ".join(doc.split("\n\n")[0].replace("``", "").split()).partition(" Raises ")[0]
    help = (command.help or summary).rstrip(".")
    return [prose(f"{help}."), *([".PP", prose(paragraph)] if paragraph else [])]


def environment(command: click.Command) -> Iterator[tuple[str, str]]:
    """The variables that a verb listens to."""
    for param in cli.params:
        if isinstance(param, Option) and param.envvar:
            yield (
                bold(str(param.envvar)),
                f"{(param.help or '').partition(' (')[0]}, as with {param.opts[-1]}.",
            )
    yield bold(DEBUGS[0]), DEBUGS[1]
    if any("--explain" in param.opts for param in command.params):
        yield bold(EXPLAIN[0]), EXPLAIN[1]


def verb_page(words: tuple[str, ...], command: click.Command, summary: str, also: list[str]) -> Page:
    """The page of one verb; ``also`` are its other names."""
    page = Page("-".join((NAME, *words)), 1, summary)
    page.section_of("SYNOPSIS", usage((NAME, *words), str(getattr(command, "usage_line", ""))))
    page.section_of("DESCRIPTION", *described(command, summary))
    if also:
        page.lines += [".PP", prose(f"Also called {', '.join(also)}.")]
    if isinstance(command, Verbs):
        page.section_of("COMMANDS")
        page.items((bold(verb.name), f"{verb.help}.") for verb in command.table.values())
    page.section_of("OPTIONS")
    page.items(options(command))
    page.section_of("EXIT STATUS")
    page.items((escape(code), text) for code, text in statuses(words[-1]))
    page.section_of("ENVIRONMENT")
    page.items(environment(command))
    inner = [f"{page.name}-{verb}(1)" for verb in command.table] if isinstance(command, Verbs) else []
    outer = [f"{NAME}-{words[0]}(1)"] if len(words) > 1 else []
    page.see_also([f"{NAME}(1)", *outer, *inner])
    return page


def statuses(verb: str) -> list[tuple[str, str]]:
    """What its exit status may be."""
    if verb not in OF_A_PROGRAM:
        return FAILURES
    own = FAILURES[:1] if verb in ERRORS_ARE_125 else FAILURES[:2]
    return [*own, *PROGRAMS, FAILURES[-1]]


def overview(verbs: list[str]) -> Page:
    """minicontainer(1)."""
    page = Page(NAME, 1, str(cli.help).rstrip("."))
    page.section_of("SYNOPSIS", usage([NAME], str(cli.usage_line)))
    page.section_of(
        "DESCRIPTION",
        prose(
            "Runs containers with the command line of Docker, and can tell of every step what it asks of "
            "the kernel. There is no daemon: a monitor process watches over each container, and outlives "
            "the command."
        ),
        ".PP",
        "Each command has a page of its own, and prints its options with",
        f"{bold('--help')}.",
    )
    page.section_of("COMMANDS")
    table = cli.table
    page.items((bold(verb.name), f"{verb.help}.") for verb in table.values())
    page.section_of("OPTIONS")
    page.items(options(cli))
    page.section_of("EXIT STATUS")
    page.items((escape(code), text) for code, text in FAILURES)
    page.lines += [".PP", prose(f"Of {', '.join(OF_A_PROGRAM)}, which end as a program does:")]
    page.items((escape(code), text) for code, text in PROGRAMS)
    page.section_of("ENVIRONMENT")
    page.items([*environment(cli), (bold(EXPLAIN[0]), EXPLAIN[1])])
    page.section_of("FILES")
    page.items(
        (italic(str(p.default)), (p.help or "").partition(" (")[0] + ".") for p in cli.params if p.envvar
    )
    page.see_also([*verbs, f"{runtime.NAME}(8)"])
    return page


def flags(declared: Iterable[Flag]) -> Iterator[tuple[str, str]]:
    """The runtime's flags, in the manner of its --help."""
    for flag in declared:
        names = ", ".join(bold(f"--{name}" if len(name) > 1 else f"-{name}") for name in flag.names)
        yield f"{names}{'' if flag.kind == 'switch' else ' ' + italic('value')}", flag.help


def runtime_page() -> Page:
    """minicontainer-runtime(8)."""
    page = Page(runtime.NAME, 8, "run containers from OCI bundles")
    page.section_of("SYNOPSIS", usage([runtime.NAME], "[FLAGS] COMMAND [FLAGS] [ARGUMENTS]"))
    page.section_of(
        "DESCRIPTION",
        "An OCI runtime with the command line of",
        ".BR runc (8):",
        "a folder with config.json and a root file system becomes a container.",
        "podman, dockerd and containerd can be told to use it.",
    )
    page.section_of("OPTIONS")
    page.items(flags(runtime.FLAGS))
    page.section_of("COMMANDS")
    for verb, (module, does) in runtime.VERBS.items():
        found = import_module(f"minicontainer.runtime.{module}")
        page.lines += [
            f".SS {verb}",
            usage([runtime.NAME, verb], found.USAGE),
            ".PP",
            prose(f"{does[:1].upper()}{does[1:]}."),
        ]
        page.items(flags(found.FLAGS))
    page.section_of("EXIT STATUS")
    page.items(
        [
            ("0", "All was done."),
            ("1", "An error."),
            ("255", "An error of exec."),
            ("other", "With run and exec, unless detached: the program's own."),
        ]
    )
    page.section_of("ENVIRONMENT")
    page.items(
        [
            (bold(runtime.DEBUG), "Set to 1: a traceback with every error, as with --debug."),
            (bold("XDG_RUNTIME_DIR"), "Where the states are kept for an ordinary user."),
        ]
    )
    page.section_of("FILES")
    page.items([(italic(f"/run/{runtime.NAME}"), "The containers' states.")])
    page.see_also([f"{NAME}(1)", "runc(8)"])
    return page


def main(folder: str) -> None:
    """Write all pages below ``folder``."""
    assert isinstance(cli, Verbs)
    found = list(pages((), cli))
    first: dict[str, tuple[str, ...]] = {}
    names: dict[str, list[str]] = {}
    for words, module, _, _ in found:
        if module in first:
            names.setdefault(module, []).append(" ".join((NAME, *words)))
        first.setdefault(module, words)
    for words, module, command, summary in found:
        name = "-".join((NAME, *words))
        if first[module] == words:
            verb_page(words, command, summary, names.get(module, [])).write(folder)
        else:
            os.symlink(f"{'-'.join((NAME, *first[module]))}.1", path_of(folder, name, 1))
    overview([f"{NAME}-{words[0]}(1)" for words, _, _, _ in found if len(words) == 1]).write(folder)
    runtime_page().write(folder)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: tools/manual.py FOLDER")
    main(sys.argv[1])
