"""Every verb that has --format: JSON is one object a line, and the template of it is the same."""

from __future__ import annotations

import json

import click
import pytest

from minicontainer.cli.group import cli
from minicontainer.cli.onclick import Verbs
from tests.integration.runner import Runner

# What a verb is given by the words of its usage line, and by its flags, so that it says something and ends.
WORDS = {"CONTAINER": "one", "NAME|ID": "one", "IMAGE": "busybox"}
FLAGS = {"--all": ["-a"], "--no-stream": ["--no-stream"], "--until": ["--since", "1h", "--until", "0s"]}


def with_format(path: tuple[str, ...], command: click.Command) -> list[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, Verbs):
        found = []
        for name in command.table:
            verb = command.get_command(click.Context(command), name)
            assert verb is not None
            found += with_format((*path, name), verb)
        return found
    return [(path, command)] if any("--format" in param.opts for param in command.params) else []


LISTINGS = with_format((), cli)


def arguments(command: click.Command) -> list[str]:
    flags = [word for param in command.params for word in FLAGS.get(max(param.opts, key=len), [])]
    names = [WORDS[word] for word in getattr(command, "usage_line", "").split() if word in WORDS]
    return [*flags, *names]


@pytest.mark.parametrize(
    ("path", "command"), [pytest.param(*pair, id=" ".join(pair[0])) for pair in LISTINGS]
)
def test_json_is_an_object_a_line(mc: Runner, path: tuple[str, ...], command: click.Command) -> None:
    mc.ok("create", "--name", "one", "--label", "a=b", "--network", "none", "busybox", "true")
    words = [*path, *arguments(command)]
    result = mc(*words, "--format", "json")
    form = next(param for param in command.params if "--format" in param.opts)
    if isinstance(form.type, click.Choice):  # a report of our own, which has no templates
        json.loads(result.out)
        return
    assert result.code == 0, result
    lines = [json.loads(line) for line in result.out.splitlines()]
    assert lines, result
    assert all(isinstance(line, dict) and line for line in lines)
    again = mc.ok(*words, "--format", "{{json .}}")
    assert [list(json.loads(line)) for line in again.splitlines()] == [list(line) for line in lines]


@pytest.mark.parametrize(
    ("words", "headers"),
    [
        (["ps", "-a"], "table {{.ID}}\\t{{.Names}}"),
        (["images"], "table {{.ID}}\\t{{.Repository}}"),
        (["history", "busybox"], "table {{.ID}}\\t{{.CreatedBy}}"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_table_has_headers_and_columns(mc: Runner, words: list[str], headers: str) -> None:
    mc.ok("create", "--name", "one", "--network", "none", "busybox", "true")
    head, *rows = mc.ok(*words, "--format", headers).splitlines()
    assert head.isupper()
    assert rows
    second = head.index(head.split("   ")[-1].strip())
    assert all(row[second - 1] == " " for row in rows if len(row) > second)
