"""Every verb that is read without click gets what click would have given it."""

from __future__ import annotations

from importlib import import_module

import pytest

from minicontainer.cli import main, quick
from minicontainer.cli.command import Declared, Parameter

QUICK = (
    "run",
    "create",
    "exec",
    "start",
    "stop",
    "restart",
    "kill",
    "pause",
    "unpause",
    "wait",
    "rm",
    "ps",
    "logs",
)


def declared(name: str) -> Declared:
    found: Declared = import_module(main.TABLE[name].module).command
    return found


def by_click(verb: Declared, words: list[str]) -> dict[str, object]:
    with verb.built().make_context(verb.name, list(words)) as context:
        found: dict[str, object] = context.params
        return found


def arguments(verb: Declared) -> list[str]:
    """As many words as it needs."""
    return ["word" for param in verb.params if isinstance(param, Parameter) and param.kind == "argument"]


@pytest.mark.parametrize("name", QUICK)
def test_defaults(name: str) -> None:
    verb = declared(name)
    assert quick.read(verb, arguments(verb)) == by_click(verb, arguments(verb))


@pytest.mark.parametrize("name", QUICK)
def test_every_flag(name: str) -> None:
    verb = declared(name)
    flags = [param.names for param in verb.params if isinstance(param, Parameter) and param.bare is not None]
    for names in flags:
        for spelled in (names[0], f"{names[-1]}=true"):
            if spelled.startswith("-"):
                words = [spelled, *arguments(verb)]
                assert quick.read(verb, words) == by_click(verb, words)


def test_a_value_in_each_spelling() -> None:
    verb = declared("logs")
    for words in (["--tail", "5", "c"], ["--tail=5", "c"], ["-n5", "c"], ["-tn", "5", "c"], ["c", "-n=5"]):
        found = quick.read(verb, words)
        assert found is not None
        assert found["tail"] == "5"
        assert found == by_click(verb, words)
