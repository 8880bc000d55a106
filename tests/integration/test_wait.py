"""``wait``: how containers end."""

from __future__ import annotations

from tests.integration.refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

UNTIL_GO = "while [ ! -e /go ]; do sleep 0.02; done; exit 7"


def running(mc: Runner, name: str, script: str, *options: str) -> str:
    """The id of a running container."""
    return mc.ok("run", "-d", "--name", name, "--network", "none", *options, "busybox", "sh", "-c", script)


def test_until_it_ends(mc: Runner) -> None:
    container = running(mc, "waited", UNTIL_GO)
    mc.await_clients(container, 0)
    waiting = [mc.start("wait", container) for _ in range(3)]
    mc.await_clients(container, 3)
    assert all(client.poll() is None for client in waiting)
    mc("exec", container, "touch", "/go")  # it may be killed with what it ends
    for client in waiting:
        assert client.communicate(timeout=60) == (b"7\n", b"")
        assert client.returncode == 0


def test_one_that_is_removed_at_its_end(mc: Runner) -> None:
    container = running(mc, "waited", UNTIL_GO, "--rm")
    mc.await_clients(container, 0)
    client = mc.start("wait", container)
    mc.await_clients(container, 1)
    mc("exec", container, "touch", "/go")  # it may be killed with what it ends
    assert client.communicate(timeout=60) == (b"7\n", b"")


def test_a_waiter_does_not_slow_the_program(mc: Runner) -> None:
    """It reads nothing of 20 MB, and the program ends all the same."""
    container = running(mc, "writes", "sleep 0.3; head -c 20000000 /dev/zero | tr '\\0' x; exit 3")
    assert mc.ok("wait", container) == "3"


def test_those_that_do_not_run(mc: Runner) -> None:
    mc.ok("create", "--name", "made", "--network", "none", "busybox", "true")
    mc("run", "--name", "ended", "--network", "none", "busybox", "sh", "-c", "exit 9")
    mc("run", "--name", "failed", "--network", "none", "busybox", "nosuch")
    assert mc.ok("wait", "made", "ended", "failed") == "0\n9\n127"


def test_monitor_that_is_killed(mc: Runner) -> None:
    container = running(mc, "waited", UNTIL_GO)
    monitor = mc.monitor(container)
    mc.await_clients(container, 0)
    client = mc.start("wait", container)
    mc.await_clients(container, 1)
    mc.host.kill(monitor)
    assert client.communicate(timeout=60) == (b"137\n", b"")


def test_several_and_missing_ones(mc: Runner) -> None:
    running(mc, "first", "exit 4")
    running(mc, "second", "sleep 0.2; exit 5")
    result = mc("wait", "first", "nosuch", "second")
    assert (result.code, result.out) == (1, "4\n5\n")
    assert result.err == "minicontainer: No such container: nosuch\n"


def test_refusals(mc: Runner) -> None:
    refused(mc, "wait", code=1, said="requires at least 1 argument")
