"""Docker's syntax of options and arguments."""

from __future__ import annotations

from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.cli import context, quick, types, units
from minicontainer.cli.command import Declared, argument, command, flag, option, pass_context
from minicontainer.cli.onclick import ArgumentsError, FlagError, Option


@command("run", usage="[OPTIONS] IMAGE [COMMAND] [ARG...]", leave_rest=True)
@flag("-i", "--interactive", help="Keep STDIN open")
@flag("-t", "--tty", help="Allocate a terminal")
@flag("-d", "--detach", help="Run in the background")
@flag("--rm", help="Remove it afterwards")
@option("-e", "--env", multiple=True, metavar="list", help="Set environment variables")
@option("-m", "--memory", type=types.MEMORY, default=0, metavar="bytes", help="Memory limit")
@option("--explain", bare="brief", help="Tell the story")
@argument("image")
@argument("arguments", nargs=-1)
@pass_context
def run_like(_: context.Context, **__: Any) -> None:
    """Never called."""


@command("ps", usage="[OPTIONS]")
@flag("-a", "--all", help="All")
@pass_context
def ps_like(_: context.Context, **__: Any) -> None:
    """Never called."""


@command("rm", usage="[OPTIONS] CONTAINER [CONTAINER...]")
@flag("-f", "--force", help="Kill it first")
@argument("containers", nargs=-1, required=True)
@pass_context
def rm_like(_: context.Context, **__: Any) -> None:
    """Never called."""


@command("commit", usage="[OPTIONS] CONTAINER [NAME]")
@argument("container")
@argument("name", required=False)
@pass_context
def commit_like(_: context.Context, **__: Any) -> None:
    """Never called."""


@command("exec", usage="[OPTIONS] CONTAINER COMMAND [ARG...]", leave_rest=True)
@argument("container")
@argument("arguments", nargs=-1, required=True)
@pass_context
def exec_like(_: context.Context, **__: Any) -> None:
    """Never called."""


def parsed(verb: Declared, *args: str) -> dict[str, Any]:
    """As click reads it, and as it is read without click: the same, or left to click."""
    quickly = quick.read(verb, args)
    with verb.built().make_context(verb.name, list(args)) as ctx:
        found: dict[str, Any] = ctx.params
    assert quickly in (found, None)
    return found


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["-it", "bb"], {"interactive": True, "tty": True, "detach": False}),
        (["-itd", "bb", "sh"], {"interactive": True, "tty": True, "detach": True, "arguments": ("sh",)}),
        (["--rm=false", "bb"], {"rm": False}),
        (["--rm", "--rm=0", "bb"], {"rm": False}),
        (["-itd=false", "bb"], {"interactive": True, "detach": False}),
        (["-m=512m", "bb"], {"memory": 512 << 20}),
        (["-m512m", "bb"], {"memory": 512 << 20}),
        (["-im", "512m", "bb"], {"memory": 512 << 20, "interactive": True}),
        (["--memory", "512m", "bb"], {"memory": 512 << 20}),
        (["-e", "A=1", "-e=B=2", "-eC=3", "--env=D=4", "--env", "E", "bb"],
         {"env": ("A=1", "B=2", "C=3", "D=4", "E")}),
        (["-e", "-x", "bb"], {"env": ("-x",)}),
        (["-e", "--", "bb"], {"env": ("--",)}),
        (["bb", "ls", "-l", "--rm", "-z"], {"arguments": ("ls", "-l", "--rm", "-z"), "rm": False}),
        (["--", "-bb", "--", "-x"], {"image": "-bb", "arguments": ("--", "-x")}),
        (["bb", "--", "x"], {"arguments": ("--", "x")}),
        (["--explain", "bb"], {"explain": "brief", "image": "bb"}),
        (["--explain=json", "bb"], {"explain": "json"}),
        (["bb"], {"explain": None, "memory": 0}),
        (["-", "x"], {"image": "-"}),
    ],
)  # fmt: skip
def test_options_are_read_as_docker_reads_them(args: list[str], expected: dict[str, Any]) -> None:
    params = parsed(run_like, *args)
    assert {name: params[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        (run_like, ["-it", "--rm=false", "-m=512m", "-e", "A=1", "bb", "ls", "-l"]),
        (rm_like, ["a", "-f", "b"]),
        (ps_like, []),
        (commit_like, ["a"]),
        (commit_like, ["a", "b"]),
        (exec_like, ["web", "--", "ls"]),
    ],
)
def test_what_is_plain_is_read_without_click(verb: Declared, args: list[str]) -> None:
    assert quick.read(verb, args) == parsed(verb, *args)


@pytest.mark.parametrize(
    ("verb", "args"),
    [
        (run_like, ["--help"]),
        (run_like, ["--bogus", "bb"]),
        (run_like, ["-m", "5z", "bb"]),
        (run_like, []),
        (ps_like, ["extra"]),
        (commit_like, ["a", "b", "c"]),
        (exec_like, ["web"]),
    ],
)
def test_the_rest_is_left_to_click(verb: Declared, args: list[str]) -> None:
    assert quick.read(verb, args) is None


def test_a_verb_with_a_parameter_of_clicks_own_is_clicks() -> None:
    def function(_: context.Context, **__: Any) -> None:
        """Never called."""

    of_click = click.argument("shell", type=click.Choice(["bash"]))(pass_context(function))
    verb = command("completion", usage="[OPTIONS] SHELL")(of_click)
    assert quick.read(verb, ["bash"]) is None
    assert parsed(verb, "bash") == {"shell": "bash"}


def test_options_may_follow_arguments_where_no_program_follows() -> None:
    assert parsed(rm_like, "a", "-f", "b") == {"force": True, "containers": ("a", "b")}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--bogus", "bb"], "unknown flag: --bogus"),
        (["--bogus=1", "bb"], "unknown flag: --bogus"),
        (["-z", "bb"], "unknown shorthand flag: 'z' in -z"),
        (["-iz", "bb"], "unknown shorthand flag: 'z' in -iz"),
        (["--env"], "flag needs an argument: --env"),
        (["-im"], "flag needs an argument: 'm' in -im"),
        (["-m", "5z", "bb"], 'invalid argument "5z" for "-m, --memory" flag: invalid suffix: \'z\''),
        (["--memory=", "bb"], 'invalid argument "" for "-m, --memory" flag: invalid size: \'\''),
        (["--rm=maybe", "bb"], 'invalid argument "maybe" for "--rm" flag: neither true nor false'),
        (["-m", "5z"], 'invalid argument "5z" for "-m, --memory" flag: invalid suffix: \'z\''),
    ],
)
def test_a_wrong_option_has_dockers_words(args: list[str], message: str) -> None:
    with pytest.raises(FlagError) as caught:
        parsed(run_like, *args)
    assert caught.value.message == message
    assert caught.value.exit_code == 125


@pytest.mark.parametrize(
    ("verb", "args", "message"),
    [
        (run_like, [], "'run' requires at least 1 argument"),
        (run_like, ["-it"], "'run' requires at least 1 argument"),
        (exec_like, ["web"], "'exec' requires at least 2 arguments"),
        (rm_like, ["-f"], "'rm' requires at least 1 argument"),
        (ps_like, ["extra"], "'ps' accepts no arguments"),
        (commit_like, ["a", "b", "c"], "'commit' requires at least 1 argument"),
    ],
)
def test_a_wrong_number_of_arguments_has_dockers_words(verb: Declared, args: list[str], message: str) -> None:
    with pytest.raises(ArgumentsError) as caught:
        parsed(verb, *args)
    assert caught.value.message == message
    assert caught.value.exit_code == 1


def test_help_wins_over_missing_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit):
        parsed(exec_like, "--help")
    assert "Usage: exec [OPTIONS] CONTAINER COMMAND [ARG...]" in capsys.readouterr().out


def test_help_lists_options_like_docker() -> None:
    with run_like.built().make_context("run", ["bb"]) as ctx:
        text = run_like.built().get_help(ctx)
    assert "  -e, --env list " in text
    assert "      --rm " in text
    assert "-m, --memory bytes" in text


def test_a_hidden_option_is_not_listed() -> None:
    hidden = Option(["--secret"], hidden=True)
    assert hidden.get_help_record(click.Context(run_like.built())) is None


words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)


@given(st.lists(words, min_size=1))
def test_what_follows_the_image_is_left_alone(arguments: list[str]) -> None:
    assert parsed(run_like, "-it", "bb", *arguments)["arguments"] == tuple(arguments)


@given(st.lists(st.one_of(words, st.sampled_from(["-i", "-m", "--rm", "--env", "-e=", "--", "-"]))))
def test_nothing_but_a_usage_error_comes_of_any_arguments(arguments: list[str]) -> None:
    try:
        params = parsed(run_like, *arguments)
    except (click.UsageError, click.exceptions.Exit, units.Refused):
        return
    assert params["image"] in arguments
