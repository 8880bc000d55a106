"""Words as runc's command line reads them."""

from __future__ import annotations

import pytest

from minicontainer.errors import UsageError
from minicontainer.runtime.flags import Flag, describe, parse
from minicontainer.runtime.kill import parse_signal

DECLARED = [
    Flag("bundle b", "text", "a folder"),
    Flag("detach d", "switch", "leave it"),
    Flag("preserve-fds", "number", "descriptors"),
    Flag("env e", "list", "a variable"),
    Flag("format", "text", "a form", "table"),
]


@pytest.mark.parametrize(
    ("words", "changed", "rest"),
    [
        ([], {}, []),
        (["--bundle", "x", "id"], {"bundle": "x"}, ["id"]),
        (["--bundle=x=y", "id"], {"bundle": "x=y"}, ["id"]),
        (["-b", "x", "-d"], {"bundle": "x", "detach": True}, []),
        (["-bundle", "x"], {"bundle": "x"}, []),
        (["id", "--detach"], {"detach": True}, ["id"]),
        (["--detach=false"], {}, []),
        (["--preserve-fds", "3"], {"preserve_fds": 3}, []),
        (["-e", "A=1", "--env", "B=2"], {"env": ["A=1", "B=2"]}, []),
        (["--", "--detach"], {}, ["--detach"]),
        (["-", "id"], {}, ["-", "id"]),
        (["--bundle", "-d"], {"bundle": "-d"}, []),
    ],
)
def test_words(words: list[str], changed: dict[str, object], rest: list[str]) -> None:
    usual = {"bundle": "", "detach": False, "preserve_fds": 0, "env": [], "format": "table"}
    assert parse(DECLARED, words) == ({**usual, **changed}, rest)


def test_the_program_s_own_flags_are_left() -> None:
    values, rest = parse(DECLARED, ["-d", "id", "ls", "-d", "--format"], stop=True)
    assert values["detach"]
    assert rest == ["id", "ls", "-d", "--format"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--nope"], "unknown flag: --nope"),
        (["--nope=1"], "unknown flag: --nope"),
        (["--bundle"], "flag needs a value: --bundle"),
        (["--preserve-fds", "x"], "'x' is not a number"),
        (["--detach=maybe"], "'maybe' is neither true nor false"),
    ],
)
def test_wrong_words(words: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        parse(DECLARED, words)


def test_help_has_every_flag() -> None:
    text = describe(DECLARED)
    assert [line.split()[0].rstrip(",") for line in text.splitlines()] == [
        "--bundle", "--detach", "--preserve-fds", "--env", "--format",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "number"), [("9", 9), ("KILL", 9), ("SIGKILL", 9), ("sigterm", 15), ("0", 0)]
)
def test_signals(word: str, number: int) -> None:
    assert parse_signal(word) == number


@pytest.mark.parametrize("word", ["", "NOPE", "65", "-1", "SIG"])
def test_no_signals(word: str) -> None:
    with pytest.raises(UsageError):
        parse_signal(word)
