"""``--explain`` as a reader meets it: what each form says of a run, exec and commit, and when."""

from __future__ import annotations

import json
import subprocess

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.integration.runner import Runner

RUN = ("run", "--rm", "--network", "none")


def story(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("network", ["none", pytest.param("bridge", marks=pytest.mark.needs("nat"))])
def test_the_script_is_one(mc: Runner, network: str) -> None:
    told = mc("run", "--rm", "--network", network, "-v", "/:/host:ro", "--explain=sh", "busybox", "true")
    assert told.code == 0
    subprocess.run(["sh", "-n"], input=told.err, text=True, check=True)
    assert "mount --rbind / /host && mount -o remount,bind,ro /host" in told.err


def test_the_steps_are_numbered_and_a_child_comes_after_its_parent(mc: Runner) -> None:
    steps = story(mc(*RUN, "--explain=json", "busybox", "true").err)
    assert [step["seq"] for step in steps] == list(range(1, len(steps) + 1))
    order = list(dict.fromkeys(step["process"] for step in steps))
    assert order == ["caller", "monitor", "init"]
    made = {step["process"]: step["pid"] for step in steps}
    clone = next(step for step in steps if step["step"] == "clone3")
    assert clone["result"].startswith(f"({made['init']},")
    assert steps[-1]["process"] == "monitor"  # cleaning up


def test_what_changed(mc: Runner) -> None:
    told = story(mc(*RUN, "-h", "told", "-m", "64m", "--explain=json", "busybox", "true").err)
    changed = {(c["what"], c["key"]): c for step in told for c in step["changed"]}
    assert changed["hostname", "hostname"]["after"] == "told"
    assert changed["link", "lo state"] == {
        "what": "link", "key": "lo state", "before": "down", "after": "up",
    }  # fmt: skip
    assert {("namespaces", name) for name in ("mnt", "uts", "ipc", "net", "pid")} <= set(changed)
    assert " - proc proc " in changed["mount", "/proc"]["after"]
    assert any(c["after"] == str(64 << 20) for (what, _), c in changed.items() if what == "file")


def test_brief_folds_and_json_does_not(mc: Runner) -> None:
    brief = mc(*RUN, "--explain", "busybox", "true").err
    drops = [line for line in brief.splitlines() if "drop_bounding" in line]
    assert len(drops) == 1
    assert "CAP_SYS_ADMIN, " in drops[0]
    steps = story(mc(*RUN, "--explain=json", "busybox", "true").err)
    assert f"({sum(step['step'] == 'drop_bounding' for step in steps)} steps, " in drops[0]


def test_detached_the_story_ends_with_the_program(mc: Runner) -> None:
    told = mc(
        "run",
        "-d",
        "--name",
        "left",
        "--network",
        "none",
        "--explain",
        "busybox",
        "sleep",
        "1000",
        timeout=60,
    )
    assert told.code == 0
    assert "execve(path=/bin/sleep" in told.err.splitlines()[-1]


def test_a_step_that_fails_is_told_with_its_errno_and_the_usual_cause(mc: Runner) -> None:
    told = mc(
        *RUN, "--explain=full", "busybox", "true", env={"MINICONTAINER_FAULT": "init:pivot_root:EINVAL"}
    )
    assert told.code == 125
    _, _, after = told.err.partition("pivot_root(new_root=., put_old=.) = -1 EINVAL")
    step = after.partition("\n\n")[0]
    assert "usually  the parent mount or the new root is shared" in step
    assert "findmnt" in step
    assert told.err.splitlines()[-1].startswith(
        "minicontainer: pivot_root .: Invalid argument (EINVAL); usually"
    )


def test_exec_names_the_process_whose_namespaces_it_joins(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "told", "--network", "none", "busybox", "sleep", "1000")
    pid = mc.pid("told")
    steps = story(mc("exec", "--explain=json", "told", "true").err)
    joined = next(step for step in steps if step["step"] == "setns")
    assert joined["shell"].startswith(f"nsenter --target {pid} --mount ")
    told = mc("commit", "--explain=full", "told").err
    assert "THAWED" in told


def test_the_terminal_is_given_back(mc: Runner) -> None:
    with mc.terminal(*RUN, "-it", "--explain", "busybox", "sh", "-c", "echo in; exit 3") as terminal:
        terminal.expect("in\r\n")
        assert terminal.wait() == 3
    assert b"the saved settings" in terminal.seen
    assert b"\n" not in terminal.seen.replace(b"\r\n", b"")
