"""``restart``: the same container again, with its name, its files, its log and its address."""

from __future__ import annotations

import signal
import time

import pytest

from tests.integration.refusals import refused
from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

COUNTS = "echo $$ >> /runs; echo run $(cat /runs | wc -l); trap 'exit 5' TERM; while :; do sleep 0.02; done"
DEAF = "trap '' TERM; echo ready; while :; do sleep 0.05; done"


def running(mc: Runner, script: str, *options: str, network: str = "none") -> str:
    """The id of a container that runs and has said something."""
    container = mc.ok(
        "run", "-d", "--name", "again", "--network", network, *options, "busybox", "sh", "-c", script
    )
    until(lambda: mc.ok("logs", container), "it says something")
    return container


@pytest.mark.parametrize("options", [[], ["--rm"]])
def test_what_stays_and_what_is_new(mc: Runner, options: list[str]) -> None:
    container = running(mc, COUNTS, *options)
    pid = mc.pid(container)
    assert mc.ok("restart", "again") == "again"
    assert mc.state("again", "{{.Id}} {{.State.Status}} {{.State.ExitCode}}") == f"{container} running 0"
    assert mc.pid(container) != pid
    until(lambda: mc.ok("logs", container) == "run 1\nrun 2", "log and files are still there")
    mc.ok("kill", container)
    until(lambda: mc.ok("ps", "-aq") == ("" if options else container[:12]), "--rm holds at its end")


@pytest.mark.needs("nat")
@pytest.mark.parametrize("options", [[], ["--rm"]])
def test_the_address_stays(mc: Runner, options: list[str]) -> None:
    lower = mc.ok("run", "-d", "busybox", "sleep", "60")
    container = running(mc, COUNTS, *options, network="bridge")
    form = "{{.NetworkSettings.IPAddress}} {{.NetworkSettings.MacAddress}}"
    before = mc.state(container, form)
    mc.ok("rm", "-f", lower)
    mc.ok("restart", container)
    assert mc.state(container, form) == before
    assert mc.ok("exec", container, "ip", "-4", "addr", "show", "eth0").count(before.split()[0]) == 1


@pytest.mark.parametrize("options", [[], ["--rm"]])
def test_the_timeout(mc: Runner, options: list[str]) -> None:
    container = running(mc, DEAF, *options)
    begin = time.monotonic()
    mc.ok("restart", "-t", "1", container)
    assert 1 <= time.monotonic() - begin < 10  # what it is given without -t
    assert mc.state(container) == "running 0"


def test_another_signal(mc: Runner) -> None:
    container = running(mc, "echo ready; trap 'echo hup; exit' HUP; while :; do sleep 0.02; done")
    mc.ok("restart", "-s", "HUP", container)
    until(lambda: mc.ok("logs", container) == "ready\nhup\nready", "the signal came")


def test_one_that_has_ended_is_started(mc: Runner) -> None:
    assert (
        mc("run", "--name", "ended", "--network", "none", "busybox", "sh", "-c", "echo run; exit 3").code == 3
    )
    mc.ok("restart", "ended")
    until(lambda: mc.ok("logs", "ended") == "run\nrun", "it ran again")


def test_clients_learn_of_the_end(mc: Runner) -> None:
    container = running(mc, COUNTS)
    mc.await_clients(container, 0)
    client = mc.start("attach", container)
    mc.await_clients(container, 1)
    mc.ok("restart", container)
    client.communicate(timeout=60)
    assert client.returncode == 5


def test_killed_while_a_container_with_rm_ends(mc: Runner) -> None:
    """The lock that kept it is the kernel's to give back: then it goes, as --rm says."""
    container = running(mc, "trap 'sleep 1; exit' TERM; echo ready; while :; do sleep 0.02; done", "--rm")
    client = mc.start("restart", container)
    until(lambda: mc.ok("events", "--since", "1h", "--until", "0s", "--filter", f"container={container}",
                        "--filter", "event=kill"), "the signal is sent")  # fmt: skip
    client.send_signal(signal.SIGKILL)
    client.communicate()
    until(lambda: mc.ok("ps", "-aq") == "", "it is removed")


def test_several_and_missing_ones(mc: Runner) -> None:
    for name in ("first", "second"):
        mc.ok("run", "-d", "--name", name, "--network", "none", "busybox", "sleep", "60")
    result = mc("restart", "-t", "0", "first", "nosuch", "second")
    assert (result.code, result.out) == (1, "first\nsecond\n")
    assert result.err == "minicontainer: No such container: nosuch\n"
    assert {mc.state("first"), mc.state("second")} == {"running 0"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-s", "NOSUCH", "any"], 1, "Invalid signal: NOSUCH"),
        (["-t", "soon", "any"], 125, "not a whole number"),
        ([], 1, "requires at least 1 argument"),
    ],
)
def test_refusals(mc: Runner, arguments: list[str], code: int, said: str) -> None:
    refused(mc, "restart", *arguments, code=code, said=said)
