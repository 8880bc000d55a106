"""``events``: the journal, as Docker tells it."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest

from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.integration.runner import Runner

NONE = ("--network", "none")


def told(mc: Runner, since: float, *arguments: str) -> list[dict[str, Any]]:
    """The events since then, as JSON."""
    out = mc.ok("events", "--since", f"{since:.9f}", "--until", "0s", "--format", "json", *arguments)
    return [json.loads(line) for line in out.splitlines()]


def actions(events: list[dict[str, Any]]) -> list[str]:
    return [event["Action"] for event in events if event["Type"] != "network"]


def test_a_container_s_whole_life(mc: Runner) -> None:
    since = time.time()
    container = mc.ok("run", "-d", "--name", "whole", "-l", "colour=red", *NONE, "busybox", "sleep", "60")
    mc.ok("exec", "whole", "echo", "in it")
    mc.ok("pause", "whole")
    mc.ok("unpause", "whole")
    mc.ok("rename", "whole", "other")
    mc.ok("restart", "-t", "0", "other")
    mc.ok("kill", "other")
    mc.ok("rm", "other")
    events = told(mc, since, "--filter", f"container={container}")
    assert actions(events) == [
        "create", "start", "exec_create: echo in it", "exec_start: echo in it", "exec_die", "pause",
        "unpause", "rename", "kill", "kill", "die", "stop", "start", "restart", "kill", "die", "destroy",
    ]  # fmt: skip
    assert {event["Actor"]["ID"] for event in events} == {container}
    assert [event["timeNano"] for event in events] == sorted(event["timeNano"] for event in events)
    attributes = {event["Action"]: event["Actor"]["Attributes"] for event in events}
    assert attributes["create"] == {"image": "busybox", "name": "whole", "colour": "red"}
    assert attributes["exec_die"]["exitCode"] == "0"
    assert attributes["rename"]["oldName"] == "/whole"
    assert attributes["kill"]["signal"] == "9"
    assert (attributes["die"]["exitCode"], attributes["die"]["name"]) == ("137", "other")


def sizes(mc: Runner, since: float) -> list[tuple[str, str]]:
    """The sizes of terminals that were told, height and width."""
    events = told(mc, since, "--filter", "event=resize")
    return [(e["Actor"]["Attributes"]["height"], e["Actor"]["Attributes"]["width"]) for e in events]


def test_a_terminal_s_size(mc: Runner) -> None:
    since = time.time()
    with mc.terminal(
        "run", "-it", "--name", "sized", *NONE, "busybox", "sh", rows=20, columns=90
    ) as terminal:
        until(lambda: sizes(mc, since) == [("20", "90")], "the first size is told")
        terminal.resize(33, 77)
        until(lambda: sizes(mc, since)[1:] == [("33", "77")], "the second size is told")
        terminal.type("stty size\n")
        terminal.expect("33 77")
        terminal.type("exit\n")
        assert terminal.wait() == 0


def test_images(mc: Runner) -> None:
    since = time.time()
    mc("run", "--name", "source", *NONE, "busybox", "true")
    image = mc.ok("commit", "-m", "why", "source", "told:1")
    mc.ok("tag", "told:1", "told:2")
    mc.ok("rmi", "told:2", "told:1")
    events = [event for event in told(mc, since) if event["Type"] == "image"]
    assert actions(events) == ["tag", "tag", "untag", "untag", "delete"]
    assert {event["Actor"]["ID"] for event in events} == {image}
    assert events[1]["Actor"]["Attributes"] == {"name": "told:2"}
    (commit,) = told(mc, since, "--filter", "event=commit")
    assert commit["Actor"]["Attributes"]["comment"] == "why"
    assert commit["Actor"]["Attributes"]["imageID"] == image


def test_line_and_template(mc: Runner) -> None:
    since = time.time()
    mc.ok("run", "--rm", "--name", "shown", *NONE, "busybox", "true")
    wanted = ("events", "--since", f"{since:.9f}", "--until", "0s", "--filter", "event=die")
    line = mc.ok(*wanted)
    assert re.fullmatch(
        r"\S+T\S+\.\d{9}(Z|[+-]\d\d:\d\d) container die [0-9a-f]{64} "
        r"\(execDuration=\d+, exitCode=0, image=busybox, name=shown\)",
        line,
    ), line
    form = "{{.Type}} {{.Status}} {{.From}} {{.Actor.Attributes.name}} {{.Scope}}"
    assert mc.ok(*wanted, "--format", form) == "container die busybox shown local"


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["type=container", "event=start"], ["start", "start"]),
        (["event=start", "event=die", "label=colour"], ["start", "die"]),
        (["label=colour=blue", "event=start"], []),
        (["container=filtered-t", "event=start"], ["start"]),
        (["image=busybox", "event=die"], ["die", "die"]),
        (["type=image"], []),
    ],
)
def test_filters(mc: Runner, filters: list[str], expected: list[str]) -> None:
    since = time.time()
    mc.ok("run", "--rm", "--name", "filtered-one", "-l", "colour=red", *NONE, "busybox", "true")
    mc.ok("run", "--rm", "--name", "filtered-two", *NONE, "busybox", "true")
    words = [word for one in filters for word in ("--filter", one)]
    assert actions(told(mc, since, *words)) == expected


def test_a_wrong_filter_or_moment(mc: Runner) -> None:
    assert "Invalid filter 'colour'" in mc("events", "--filter", "colour=red").err
    assert mc("events", "--since", "yesterday").code == 1


def test_they_come_as_they_happen_and_none_before(mc: Runner) -> None:
    mc.ok("run", "--rm", *NONE, "busybox", "true")
    following = mc.start(
        "events", "--filter", "type=container", "--format", "{{.Action}} {{.Actor.Attributes.name}}"
    )
    assert following.stdout is not None
    # It has begun when it watches the journal's folder.
    until(lambda: _watches(mc, following.pid), "the command follows")
    for n in range(3):
        mc.ok("run", "--rm", "--name", f"next-{n}", *NONE, "busybox", "true")
    lines = [following.stdout.readline().decode().split() for _ in range(15)]
    following.send_signal(signal.SIGINT)
    following.communicate(timeout=60)
    steps = ("create", "attach", "start", "die", "destroy")
    assert lines == [[step, f"next-{n}"] for n in range(3) for step in steps]


def _watches(mc: Runner, pid: int) -> bool:
    try:
        return any("inotify" in os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    except FileNotFoundError:
        return False


def test_until_ends_it(mc: Runner) -> None:
    begin = time.monotonic()
    assert mc.ok("events", "--until", f"{time.time() + 0.7:.3f}") == ""
    assert time.monotonic() - begin > 0.5


def test_a_killed_monitor_s_container_dies_in_the_journal_too(mc: Runner) -> None:
    since = time.time()
    container = mc.ok("run", "-d", *NONE, "busybox", "sleep", "60")
    mc.host.kill(mc.monitor(container))
    until(lambda: mc.state(container) == "exited 137", "it is mended")
    (die,) = told(mc, since, "--filter", "event=die")
    assert die["Actor"]["Attributes"]["exitCode"] == "137"
