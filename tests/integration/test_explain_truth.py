"""The story of a whole command, ``--explain=json``, against what strace saw of it (tests/truth.py)."""

from __future__ import annotations

import json

import pytest

from tests import truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runner import Runner

pytestmark = pytest.mark.needs("command:strace")

RUN = ("run", "--rm", "--network", "none")
BOX = "told"


def trace(mc: Runner, folder: Path, *words: str, env: dict[str, str] | None = None) -> list[str]:
    """Tell and trace a command; the names of the steps told.  Each must have what the other has."""
    seen = folder / "seen"
    command = mc.start(*words, env=env, wrapper=(*truth.STRACE, "-o", str(seen)))
    _, err = command.communicate(timeout=60)
    story = "".join(line for line in err.decode().splitlines(True) if line.startswith("{"))
    asked, told = truth.asked(seen.read_text()), truth.told(story)
    assert truth.difference(asked, told) == {"not told": [], "not asked": []}, err.decode()
    return [json.loads(line)["step"] for line in story.splitlines()]


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--init"],
        ["-u", "7:8"],
        ["--read-only", "--tmpfs", "/tmp", "-m", "64m", "--cpus", "0.5", "--pids-limit", "20"],
        ["--cap-add", "ALL", "--cap-drop", "NET_ADMIN", "--security-opt", "no-new-privileges"],
        ["--uidmap", "0:300000:65536", "--device", "/dev/zero:/dev/nil"],
        ["--privileged"],
        ["-t"],
        ["-v", "/:/host:ro", "-h", "box", "--domainname", "example.org", "--ulimit", "nofile=64:64"],
    ],
    ids=" ".join,
)
def test_run(mc: Runner, tmp_path: Path, flags: list[str]) -> None:
    steps = trace(mc, tmp_path, *RUN, *flags, "--explain=json", "busybox", "true")
    assert {"fork", "clone3", "mount", "pivot_root", "sethostname", "execve", "wait"} <= set(steps)


@pytest.mark.needs("nat", "command:ip")
def test_run_on_the_bridge(mc: Runner, tmp_path: Path) -> None:
    steps = trace(mc, tmp_path, "run", "--rm", "--explain=json", "busybox", "true")
    assert {"new_bridge", "new_veth", "start_nft", "setns", "delete_group"} <= set(steps)


def test_run_by_the_environment(mc: Runner, tmp_path: Path) -> None:
    steps = trace(mc, tmp_path, *RUN, "busybox", "true", env={"MINICONTAINER_EXPLAIN": "json"})
    assert "pivot_root" in steps


@pytest.mark.parametrize(
    "words",
    [
        ["--network", "none", "busybox", "no-such-program"],
        ["--network", "none", "-u", "nobody-knows", "busybox", "true"],
        ["--network", "none", "-w", "/etc/passwd", "busybox", "true"],
        ["--network", "none", "-v", "/etc/passwd:/etc", "busybox", "true"],
    ],
    ids=["program", "user", "folder", "mount"],
)
def test_a_run_that_fails(mc: Runner, tmp_path: Path, words: list[str]) -> None:
    steps = trace(mc, tmp_path, "run", "--rm", "--explain=json", *words)
    assert "unshare" in steps


def test_in_a_running_container(mc: Runner, tmp_path: Path) -> None:
    mc.ok("run", "-d", "--name", BOX, "--network", "none", "busybox", "sleep", "1000")
    for flags in ([], ["-t"], ["-u", "7"], ["--privileged"]):
        steps = trace(mc, tmp_path, "exec", *flags, "--explain=json", BOX, "touch", "/changed")
        assert {"setns", "clone_sibling", "execve"} <= set(steps)
    steps = trace(mc, tmp_path, "commit", "--explain=json", BOX)
    assert steps.count("write_control") >= 2  # frozen and thawed
