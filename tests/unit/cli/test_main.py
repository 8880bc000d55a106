"""From errors to one line and Docker's exit status."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from types import ModuleType

import click
import pytest

from minicontainer import __version__, errors
from minicontainer.cli import context, group, main
from minicontainer.cli.command import Verb, command, pass_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[[context.Finding], None]
    Add = Callable[[Function, str], None]


@pytest.fixture(params=["quickly", "by click"])
def verb(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Add:
    """Give the group one more verb for the test, which is read without click, or by it."""
    decorate = pass_context if request.param == "quickly" else click.pass_context

    def add(function: Function, name: str) -> None:
        module = ModuleType(f"verb_{name}")
        module.command = command(name, usage="[OPTIONS]")(decorate(function))  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(main.TABLE, name, Verb(name, module.__name__, "A verb of this test"))

    return add


def raising(error: BaseException) -> Function:
    def function(_: context.Finding) -> None:
        raise error

    return function


def refused() -> OSError:
    error = OSError(errno.EPERM, "Operation not permitted", "/x")
    error.step = {"name": "mount", "man": "mount(2)", "args": {"target": "/x"}}  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("name", "error", "status", "text"),
    [
        ("run", errors.NotFound("no image x"), 125, "no image x"),
        ("rm", errors.NotFound("no container x"), 1, "no container x"),
        ("exec", errors.CommandNotFound("no command x"), 127, "no command x"),
        ("exec", errors.CommandNotExecutable("x is a folder"), 126, "x is a folder"),
        ("run", errors.UsageError("two\nlines"), 125, "two lines"),
        ("run", refused(), 125, "Operation not permitted"),
        ("ps", OSError(errno.ENOSPC, "No space left on device", "/y"), 1, "No space left on device"),
        ("ps", ZeroDivisionError("oops"), 1, "internal error: ZeroDivisionError: oops"),
        ("run", KeyError("k"), 125, "internal error: KeyError: 'k'"),
    ],
)
def test_an_error_is_one_line_and_a_status(
    verb: Add,
    capsys: pytest.CaptureFixture[str],
    name: str,
    error: BaseException,
    status: int,
    text: str,
) -> None:
    verb(raising(error), name)
    assert main.run([name]) == status
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("minicontainer: ")
    assert text in err
    assert err.count("\n") == 1


def test_an_interrupt_is_130_without_a_word(verb: Add, capsys: pytest.CaptureFixture[str]) -> None:
    verb(raising(KeyboardInterrupt()), "run")
    assert main.run(["run"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("how", ["option", "environment"])
def test_a_traceback_is_shown_when_asked_for(
    verb: Add, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    verb(raising(errors.NotFound("gone")), "rm")
    if how == "environment":
        monkeypatch.setenv("MINICONTAINER_DEBUG", "1")
    assert main.run(["--debug", "rm"] if how == "option" else ["rm"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_status_of_a_program_is_passed_on(verb: Add) -> None:
    verb(raising(SystemExit(42)), "run")
    assert main.run(["run"]) == 42
    verb(raising(SystemExit(7)), "exec")
    assert main.run(["exec"]) == 7


def test_the_roots_come_from_options_then_the_environment(
    verb: Add, monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    seen: list[context.Settings] = []
    verb(lambda ctx: seen.append(context.settings(ctx)), "ps")
    monkeypatch.chdir(tmp_path)
    assert main.run(["ps"]) == 0
    monkeypatch.setenv("MINICONTAINER_ROOT", "/env/root")
    monkeypatch.setenv("MINICONTAINER_RUN_ROOT", "/env/run")
    assert main.run(["ps"]) == 0
    assert main.run(["--root", "rel", "--run-root=/opt/run", "ps"]) == 0
    assert [(s.root, s.run_root) for s in seen] == [
        ("/var/lib/minicontainer", "/run/minicontainer"),
        ("/env/root", "/env/run"),
        (os.path.join(tmp_path, "rel"), "/opt/run"),
    ]


def test_the_help_names_every_verb_without_importing_any(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run([]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage: minicontainer [OPTIONS] COMMAND [ARG...]")
    for row in main.VERBS:
        assert row.name in out
        assert row.help in out


@pytest.mark.parametrize("row", main.VERBS, ids=lambda row: row.name)
def test_every_row_of_the_table_is_a_verb(row: Verb) -> None:
    found = group.cli.get_command(click.Context(group.cli), row.name)
    assert isinstance(found, click.Command)
    assert found.name == row.name


def minicontainer(*args: str, **options: object) -> subprocess.CompletedProcess[str]:
    command_line = [sys.executable, "-m", "minicontainer", *args]
    return subprocess.run(command_line, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (["bogus"], 1, "unknown command: minicontainer bogus. See 'minicontainer --help'."),
        (["--bogus"], 125, "unknown flag: --bogus. See 'minicontainer --help'."),
        (["version", "--bogus"], 125, "unknown flag: --bogus. See 'minicontainer version --help'."),
        (["version", "x"], 1, "'minicontainer version' accepts no arguments. See 'minicontainer version"),
        (["version", "-f", "{{"], 1, "template parsing error: template: :1: unclosed action"),
    ],
)
def test_usage_errors_end_as_dockers(args: list[str], status: int, text: str) -> None:
    done = minicontainer(*args)
    assert done.returncode == status
    assert done.stdout == ""
    assert done.stderr.startswith(f"minicontainer: {text}")
    assert done.stderr.count("\n") == 1


def test_version() -> None:
    assert minicontainer("--version").stdout == f"minicontainer version {__version__}\n"
    assert minicontainer("version", "--format", "{{.Version}}").stdout == f"{__version__}\n"
    assert f"Version:          {__version__}\n" in minicontainer("version").stdout


def test_a_reader_that_left_ends_it_quietly() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    done = subprocess.run(
        [sys.executable, "-m", "minicontainer", "--help"],
        stdout=write_end,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(write_end)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_full_disk_behind_standard_output_is_an_error() -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "minicontainer", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert b"No space left on device" in done.stderr
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_reason_to_fail(closed: str) -> None:
    script = f'exec "{sys.executable}" -m minicontainer version {closed}'
    assert subprocess.run(["sh", "-c", script], capture_output=True, check=False).returncode == 0


def test_output_is_utf8_in_any_locale() -> None:
    environment = {**os.environ, "LC_ALL": "en_US.ISO-8859-1", "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [sys.executable, "-m", "minicontainer", "version", "-f", b"\xc3\xa9 \xff {{upper `\xe2\x80\xa6`}}"],
        capture_output=True, check=False, env=environment,
    )  # fmt: skip
    assert done.stdout == b"\xc3\xa9 \xff \xe2\x80\xa6\n"


def test_an_interrupt_from_outside_is_130(verb: Add) -> None:
    def function(_: context.Finding) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()

    verb(function, "run")
    assert main.run(["run"]) == 130


def test_start_up_imports_no_more_than_it_must() -> None:
    """Names, not milliseconds: what a verb needs beyond these it imports itself."""
    script = "import sys, minicontainer.cli.main; print(*sorted(sys.modules))"
    loaded = set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.split()
    )
    heavy = {
        "click", "re", "typing", "enum", "functools", "contextlib", "collections",
        "msgspec", "json", "argparse", "dataclasses", "subprocess", "tempfile", "shutil", "pathlib", "socket",
        "asyncio", "logging", "hashlib", "pyroute2", "psutil", "zstandard", "ctypes", "signal", "ast", "dis",
        "tokenize", "importlib.metadata", "click.testing", "click.shell_completion", "click._termui_impl",
        "minicontainer.engine", "minicontainer.linux.door", "minicontainer.cli.template",
        "minicontainer.explain",
    }  # fmt: skip
    assert loaded & heavy == set()


def test_what_is_deferred_is_there_when_it_is_used() -> None:
    script = (
        "from minicontainer.cli import main, group; import inspect, sys; "
        "assert 'ast' not in sys.modules; "
        "assert inspect.cleandoc(' a') == 'a'; import ast; "
        "assert sys.modules['inspect'].signature and inspect.signature and 'ast' in sys.modules; "
        "print(inspect.currentframe().f_lineno)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")
