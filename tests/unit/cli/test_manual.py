"""The manual pages: every verb has one, with every flag that the command has, and they are well-formed."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from minicontainer.cli.group import cli
from minicontainer.cli.onclick import Verbs
from minicontainer.runtime import main as runtime

TOOL = Path(__file__).parents[3] / "tools" / "manual.py"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man")
    for _ in range(2):  # over pages that are there, links too
        subprocess.run([sys.executable, "-B", str(TOOL), str(folder)], check=True, timeout=60)
    return folder


def plain(page: Path) -> str:
    """The page's text, its escapes taken back."""
    return page.read_text(encoding="ascii").replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")


def commands(path: tuple[str, ...], command: click.Command) -> list[tuple[tuple[str, ...], click.Command]]:
    found = [(path, command)]
    if isinstance(command, Verbs):
        for name in command.table:
            verb = command.get_command(click.Context(command), name)
            assert verb is not None
            found += commands((*path, name), verb)
    return found


@pytest.mark.parametrize(
    ("path", "command"),
    [pytest.param(*pair, id=" ".join(pair[0])) for pair in commands(("minicontainer",), cli)],
)
def test_a_verb_has_its_page_with_every_flag(
    pages: Path, path: tuple[str, ...], command: click.Command
) -> None:
    text = plain(pages / "man1" / f"{'-'.join(path)}.1")
    for param in command.get_params(click.Context(command)):
        if isinstance(param, click.Option) and not param.hidden:
            for name in param.opts:
                assert f"\n{name}" in text or f", {name}" in text, name
    for title in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "SEE ALSO"):
        assert f"\n.SH {title}\n" in text
    if isinstance(command, Verbs):
        for name in command.table:
            assert f"\n.TP\n{name}\n" in text


def test_the_runtime_has_its_page_with_every_verb_and_flag(pages: Path) -> None:
    text = plain(pages / "man8" / "minicontainer-runtime.8")
    sections = {part.partition("\n")[0]: part for part in text.partition("\n.SH EXIT")[0].split("\n.SS ")}
    for verb, (module, _) in runtime.VERBS.items():
        for flag in import_module(f"minicontainer.runtime.{module}").FLAGS:
            assert f"--{flag.names[0]}" in sections[verb], verb
    for flag in runtime.FLAGS:
        assert f"\n--{flag.names[0]}" in text


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["mandoc", "-Tlint"], marks=pytest.mark.needs("command:mandoc")),
        pytest.param(["groff", "-man", "-ww", "-Tutf8", "-z"], marks=pytest.mark.needs("command:groff")),
    ],
    ids=lambda words: words[0],
)
def test_the_pages_are_well_formed(pages: Path, words: list[str]) -> None:
    for section in ("man1", "man8"):
        files = [str(path) for path in sorted((pages / section).iterdir()) if not path.is_symlink()]
        ran = subprocess.run([*words, *files], capture_output=True, text=True, check=False, timeout=60)
        # mandoc looks for the pages that are referred to in the folders of this host.
        told = [
            line
            for line in (ran.stdout + ran.stderr).splitlines()
            if "referenced manual not found" not in line
        ]
        assert told == []
