"""``pause`` and ``unpause``: the kernel holds a container still, and every verb knows it."""

from __future__ import annotations

import json
import time

import pytest

from tests.integration.refusals import refused
from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

TALKER = "trap 'exit 5' TERM; trap 'echo hup' HUP; i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done"


@pytest.fixture
def paused(mc: Runner) -> str:
    """The id of a paused container that counts aloud while it runs."""
    container = mc.ok("run", "-d", "--name", "still", "--network", "none", "busybox", "sh", "-c", TALKER)
    until(lambda: mc.ok("logs", container), "it has begun")
    assert mc.ok("pause", "still") == "still"
    return container


def test_nothing_runs_until_it_goes_on(mc: Runner, paused: str) -> None:
    time.sleep(0.1)  # what the monitor had not read yet
    before = mc.ok("logs", paused)
    time.sleep(0.3)
    assert mc.ok("logs", paused) == before
    assert mc.ok("unpause", paused) == paused
    until(lambda: mc.ok("logs", paused) != before, "it counts on")


def test_it_is_shown(mc: Runner, paused: str) -> None:
    assert mc.ok("ps", "--format", "{{.State}} {{.Status}}").startswith("paused Up ")
    assert mc.ok("ps", "--format", "{{.Status}}").endswith(" (Paused)")
    assert mc.ok("ps", "-q", "--filter", "status=paused") == paused[:12]
    assert mc.ok("ps", "-q", "--filter", "status=running") == ""
    assert mc.state(paused, "{{.State.Status}} {{.State.Paused}} {{.State.Running}}") == "paused true true"
    mc.ok("unpause", paused)
    assert mc.state(paused, "{{.State.Status}} {{.State.Paused}} {{.State.Running}}") == "running false true"


def test_what_is_refused(mc: Runner, paused: str) -> None:
    refused(mc, "pause", "still", code=1, said=f"Container {paused} is already paused")
    refused(mc, "exec", "still", "true", code=1, said="is paused, unpause the container before exec")
    refused(
        mc, "rm", "still", code=1, said=f"You cannot remove a paused container {paused}. Unpause and then"
    )
    mc.ok("unpause", "still")
    result = mc("unpause", "still")
    assert (result.code, result.err) == (1, f"minicontainer: Container {paused} is not paused\n")


def test_what_does_not_run_cannot_be_paused(mc: Runner) -> None:
    container = mc.ok("create", "--name", "made", "--network", "none", "busybox", "true")
    refused(mc, "pause", "made", code=1, said=f"Container {container} is not running")
    refused(mc, "unpause", "made", code=1, said=f"Container {container} is not paused")


def test_several_and_missing_ones(mc: Runner) -> None:
    for name in ("first", "second"):
        mc.ok("run", "-d", "--name", name, "--network", "none", "busybox", "sleep", "60")
    for verb in ("pause", "unpause"):
        result = mc(verb, "first", "nosuch", "second")
        assert (result.code, result.out) == (1, "first\nsecond\n")
        assert result.err == "minicontainer: No such container: nosuch\n"


def test_stop_lets_it_go_and_it_ends_of_itself(mc: Runner, paused: str) -> None:
    assert mc.ok("stop", paused) == paused
    assert mc.state(paused) == "exited 5"


def test_kill(mc: Runner, paused: str) -> None:
    mc.ok("kill", paused)
    assert mc.state(paused) == "exited 137"


def test_a_signal_that_is_to_end_it_lets_it_go(mc: Runner, paused: str) -> None:
    """As moby does, for want of a stop signal of its own: any signal may be the end."""
    mc.ok("kill", "-s", "HUP", paused)
    until(lambda: "hup" in mc.ok("logs", paused), "it has the signal")
    assert mc.state(paused) == "running 0"


def test_rm_by_force(mc: Runner, paused: str) -> None:
    assert mc.ok("rm", "-f", paused) == paused
    assert mc.ok("ps", "-aq") == ""


def test_its_monitor_is_killed(mc: Runner, paused: str) -> None:
    mc.host.kill(mc.monitor(paused))
    assert mc.ok("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137)")


def test_commit_leaves_it_paused(mc: Runner, paused: str) -> None:
    mc.ok("commit", paused, "image")
    assert mc.state(paused) == "paused 0"


def test_restart_lets_it_go(mc: Runner, paused: str) -> None:
    mc.ok("restart", paused)
    assert mc.state(paused) == "running 0"


def test_its_events(mc: Runner, paused: str) -> None:
    mc.ok("unpause", paused)
    words = ("--since", "1h", "--until", "0s", "--format", "json", "--filter", f"container={paused}")
    lines = mc.ok("events", *words)
    actions = [json.loads(line)["Action"] for line in lines.splitlines()]
    assert actions == ["create", "start", "pause", "unpause"]
