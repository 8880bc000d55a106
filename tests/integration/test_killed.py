"""Processes of ours that are killed: the next command mends what they left."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner


def kill_monitor(mc: Runner, container: str) -> None:
    """SIGKILL, and wait until the kernel has ended what died with it."""
    init = mc.pid(container)
    mc.host.kill(mc.monitor(container))
    until(
        lambda: not any(line.startswith(f"{init} ") for line in mc.host.look(set())["processes"]), "init died"
    )


@pytest.mark.needs("nat")
def test_killed_monitor_is_shown_as_137_and_everything_given_back(mc: Runner) -> None:
    before = mc.host.look(set())
    container = mc.ok("run", "-d", "busybox", "sh", "-c", "echo said; sleep 60")
    until(lambda: mc.ok("logs", container) == "said", "it said so")
    kill_monitor(mc, container)
    assert mc.ok("ps", "-q") == ""
    assert mc.ok("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137) ")
    assert mc.state(container, "{{.State.Error}}") == "its monitor was killed"
    now = mc.host.look({container})
    assert (now["links"], now["rules"], now["groups"], now["processes"]) == (
        before["links"], before["rules"], [], [],
    )  # fmt: skip
    assert mc.ok("logs", container) == "said"
    assert mc("exec", container, "true").code == 1


def test_killed_monitor_of_a_container_with_rm(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--rm", "--name", "short", "--network", "none", "busybox", "sleep", "60")
    kill_monitor(mc, container)
    assert mc.ok("ps", "-aq") == ""
    assert not os.path.lexists(f"{mc.root}/containers/{container}")
    mc.ok("run", "--rm", "--name", "short", "--network", "none", "busybox", "true")


@pytest.mark.parametrize("verb", [["rm"], ["rm", "-f"], ["stop"], ["commit"], ["inspect"], ["logs"]])
def test_any_command_mends(mc: Runner, verb: list[str]) -> None:
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sleep", "60")
    kill_monitor(mc, container)
    result = mc(*verb, container)
    assert (result.code, result.err) == (0, "")
    assert not os.path.lexists(f"{mc.run_root}/runtime/{container}")


def test_attached_caller_is_told_in_one_line(mc: Runner) -> None:
    running = mc.start(
        "run", "--name", "cut", "--network", "none", "busybox", "sh", "-c", "echo ready; sleep 60"
    )
    assert running.stdout is not None
    assert running.stdout.readline() == b"ready\n"
    kill_monitor(mc, "cut")
    _, err = running.communicate(timeout=60)
    assert running.returncode == 125
    assert err.count(b"\n") == 1
    assert b"monitor" in err


def test_killed_caller_leaves_the_container(mc: Runner) -> None:
    running = mc.start(
        "run", "--name", "left", "--network", "none", "busybox", "sh", "-c", "echo ready; sleep 60"
    )
    assert running.stdout is not None
    assert running.stdout.readline() == b"ready\n"
    running.kill()
    running.communicate()
    assert mc.state("left") == "running 0"


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.13])
def test_caller_killed_while_it_starts_one(mc: Runner, delay: float) -> None:
    """Whatever the moment: afterwards the container runs, or it is not there, or it was never started."""
    running = mc.start("run", "-d", "--name", "early", "busybox", "sleep", "60")
    time.sleep(delay)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    until(lambda: mc.ok("ps", "-a", "--format", "{{.State}}") in ("", "created", "running"), "it is settled")
    assert mc("rm", "-f", "early").code == 0
    assert mc.ok("run", "--rm", "--name", "early", "busybox", "echo", "again") == "again"


def test_everything_killed_at_once(mc: Runner) -> None:
    for _ in range(3):
        mc.ok("run", "-d", "busybox", "sleep", "60")
    for line in mc.host.look(set())["processes"]:
        mc.host.kill(int(line.split()[0]))
    until(lambda: not mc.host.look(set())["processes"], "all died")
    assert mc.ok("ps", "-a", "--format", "{{.State}}").split() == ["exited"] * 3


def test_unmounting_is_the_kernels(mc: Runner) -> None:
    """The root file system is mounted in the monitor's namespace alone: it goes with it."""
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sleep", "60")
    assert not any(container in line for line in mc.host.look(set())["mounts"])
    kill_monitor(mc, container)
    assert mc.ok("rm", container) == container
