"""``stop`` and ``kill``: ending a program, kindly or not."""

from __future__ import annotations

import time

import pytest

from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

SLEEP = ("busybox", "sleep", "60")
DEAF = ("busybox", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done")


def running(mc: Runner, *arguments: str, say: str = "") -> str:
    """The id of a running container, which has said ``say``."""
    container = mc.ok("run", "-d", "--network", "none", *arguments)
    until(lambda: say in mc.ok("logs", container), f"it says {say!r}")
    return container


def trapping(name: str, code: int) -> tuple[str, ...]:
    """A program that ends with ``code`` on a signal."""
    return "busybox", "sh", "-c", f"trap 'exit {code}' {name}; echo ready; while :; do sleep 0.05; done"


def test_stop_asks_with_sigterm(mc: Runner) -> None:
    container = running(mc, *trapping("TERM", 5), say="ready")
    assert mc.ok("stop", container) == container
    assert mc.state(container) == "exited 5"


def test_stop_kills_what_does_not_listen(mc: Runner) -> None:
    container = running(mc, *DEAF, say="ready")
    begin = time.monotonic()
    mc.ok("stop", "-t", "1", container)
    assert 1 <= time.monotonic() - begin < 10  # what it is given without -t
    assert mc.state(container) == "exited 137"


def test_stop_with_no_patience_at_all(mc: Runner) -> None:
    container = running(mc, *DEAF, say="ready")
    mc.ok("stop", "--time", "0", container)
    assert mc.state(container) == "exited 137"


@pytest.mark.parametrize("name", ["USR1", "SIGUSR1", "10"])
def test_stop_signal_of_the_container(mc: Runner, name: str) -> None:
    container = running(mc, "--stop-signal", name, *trapping("USR1", 6), say="ready")
    mc.ok("stop", container)
    assert mc.state(container) == "exited 6"


def test_stop_signal_of_the_command(mc: Runner) -> None:
    container = running(mc, *trapping("HUP", 7), say="ready")
    mc.ok("stop", "-s", "SIGHUP", container)
    assert mc.state(container) == "exited 7"


def test_stop_of_what_has_ended_is_no_error(mc: Runner) -> None:
    mc.ok("run", "--name", "ended", "--network", "none", "busybox", "true")
    assert mc.ok("stop", "ended") == "ended"
    assert mc.state("ended") == "exited 0"


def test_stop_several_does_what_it_can(mc: Runner) -> None:
    first, second = running(mc, "--name", "first", *SLEEP), running(mc, "--name", "second", *SLEEP)
    result = mc("stop", "-t", "0", "first", "nosuch", "second")
    assert (result.code, result.out) == (1, "first\nsecond\n")
    assert result.err == "minicontainer: No such container: nosuch\n"
    assert {mc.state(first), mc.state(second)} == {"exited 137"}


def test_stop_waits_for_all_of_them_together(mc: Runner) -> None:
    names = [f"deaf{number}" for number in range(4)]
    for name in names:
        running(mc, "--name", name, *DEAF, say="ready")
    assert mc.ok("stop", "-t", "1", *names).split() == names
    words = ("--since", "1h", "--until", "0s", "--filter", "event=kill", "--format")
    signals = mc.ok("events", *words, "{{.Actor.Attributes.name}} {{.Actor.Attributes.signal}}").splitlines()
    # All have been asked before the first is killed.
    assert signals[-8:] == [*(f"{name} 15" for name in names), *(f"{name} 9" for name in names)]
    assert {mc.state(name) for name in names} == {"exited 137"}


def test_stop_waits_as_long_as_the_container_asks(mc: Runner) -> None:
    container = running(mc, "--stop-timeout", "1", *DEAF, say="ready")
    assert mc.state(container, "{{.Config.StopTimeout}}") == "1"
    begin = time.monotonic()
    mc.ok("stop", container)
    assert 1 <= time.monotonic() - begin < 10


@pytest.mark.parametrize(("name", "code"), [("SIGRTMIN+3", 9), ("NOSUCH", 5)])
def test_stop_signal_of_the_image(mc: Runner, name: str, code: int) -> None:
    """What is no signal is none: SIGTERM, as with moby."""
    mc.ok("create", "--name", "base", "--network", "none", "busybox", "true")
    mc.ok("commit", "-c", f"STOPSIGNAL {name}", "base", "image")
    script = "trap 'exit 9' 37; trap 'exit 5' TERM; echo ready; while :; do sleep 0.05; done"
    container = running(mc, "image", "sh", "-c", script, say="ready")
    mc.ok("stop", container)
    assert mc.state(container) == f"exited {code}"


def test_kill_several_does_what_it_can(mc: Runner) -> None:
    running(mc, "--name", "first", *SLEEP)
    running(mc, "--name", "second", *SLEEP)
    result = mc("kill", "first", "nosuch", "second")
    assert (result.code, result.out) == (1, "first\nsecond\n")
    assert result.err == "minicontainer: Cannot kill container: nosuch: No such container: nosuch\n"


def test_kill(mc: Runner) -> None:
    container = running(mc, *SLEEP)
    assert mc.ok("kill", container[:12]) == container[:12]
    assert mc.state(container) == "exited 137"


@pytest.mark.parametrize("name", ["USR2", "SIGUSR2", "usr2", "12"])
def test_kill_with_a_signal(mc: Runner, name: str) -> None:
    container = running(mc, *trapping("USR2", 8), say="ready")
    mc.ok("kill", "-s", name, container)
    until(lambda: mc.state(container) == "exited 8", "it ends")


def test_kill_of_what_does_not_run(mc: Runner) -> None:
    mc.ok("run", "--name", "ended", "--network", "none", "busybox", "true")
    result = mc("kill", "ended")
    assert result.code == 1
    assert result.err.startswith("minicontainer: Cannot kill container: ended: ")
    assert result.err.endswith(" is not running\n")


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_unknown_signal(mc: Runner, verb: str) -> None:
    container = running(mc, *SLEEP)
    result = mc(verb, "-s", "NOSUCH", container)
    assert (result.code, result.err) == (1, "minicontainer: Invalid signal: NOSUCH\n")
    assert mc.state(container) == "running 0"


def test_all_its_processes_end_with_the_first(mc: Runner) -> None:
    container = running(
        mc, "busybox", "sh", "-c", "sleep 61 & sleep 62 & echo ready; exec sleep 63", say="ready"
    )
    mc.ok("kill", container)
    assert mc.host.look(set())["processes"] == []
