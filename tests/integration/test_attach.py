"""``attach``: standard streams of a container that runs, for as many as want them."""

from __future__ import annotations

import signal
import subprocess

import pytest

from tests.integration.refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

TALKER = "trap 'echo caught; exit 9' TERM; i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.05; done"


def running(mc: Runner, script: str, *options: str) -> str:
    """The name of a running container."""
    mc.ok("run", "-d", "--name", "talks", "--network", "none", *options, "busybox", "sh", "-c", script)
    return "talks"


def test_streams_stay_apart_and_the_exit_status_comes_back(mc: Runner) -> None:
    container = running(mc, "read line; echo out $line; echo err $line >&2; exit 5", "-i")
    result = mc("attach", container, input=b"word\n")
    assert (result.code, result.out, result.err) == (5, "out word\n", "err word\n")


def test_several_see_the_same(mc: Runner) -> None:
    container = running(mc, "while [ ! -e /go ]; do sleep 0.05; done; seq 1 500; exit 2")
    mc.await_clients(container, 0)
    clients = [mc.start("attach", container) for _ in range(3)]
    mc.await_clients(container, 3)
    mc("exec", container, "touch", "/go")  # it may be killed with what it ends
    everything = "".join(f"{number}\n" for number in range(1, 501)).encode()
    for client in clients:
        out, err = client.communicate(timeout=60)
        assert (client.returncode, out, err) == (2, everything, b"")


def test_what_a_client_leaves_behind_goes_on(mc: Runner) -> None:
    container = running(mc, TALKER)
    client = mc.start("attach", "--sig-proxy=false", container)
    assert client.stdout is not None
    assert client.stdout.readline().startswith(b"tick ")
    client.send_signal(signal.SIGTERM)
    client.communicate(timeout=60)
    assert client.returncode == -signal.SIGTERM
    assert mc.state(container) == "running 0"


def test_signals_are_passed_on(mc: Runner) -> None:
    container = running(mc, TALKER)
    client = mc.start("attach", container)
    assert client.stdout is not None
    assert client.stdout.readline().startswith(b"tick ")
    client.send_signal(signal.SIGTERM)
    out, _ = client.communicate(timeout=60)
    assert (client.returncode, out.endswith(b"caught\n")) == (9, True)


def test_detach_keys_on_a_terminal(mc: Runner) -> None:
    container = running(mc, TALKER, "-it")
    with mc.terminal("attach", container) as terminal:
        terminal.expect("tick")
        terminal.type("\x10\x11")
        assert terminal.wait() == 1  # Docker's, with these words
        assert b"read escape sequence" in terminal.seen
        assert terminal.restored()
    assert mc.state(container) == "running 0"


def test_own_detach_keys(mc: Runner) -> None:
    container = running(mc, TALKER, "-it")
    with mc.terminal("attach", "--detach-keys", "ctrl-a,q", container) as terminal:
        terminal.expect("tick")
        terminal.type("\x10\x11")
        terminal.expect("tick")
        terminal.type("\x01q")
        assert terminal.wait() == 1


def test_no_stdin(mc: Runner) -> None:
    container = running(mc, "read line; echo got $line", "-i")
    mc.await_clients(container, 0)
    client = mc.start("attach", "--no-stdin", container, stdin=subprocess.PIPE)
    mc.await_clients(container, 1)
    with pytest.raises(subprocess.TimeoutExpired):
        client.communicate(b"not for it\n", timeout=0.5)
    assert mc.ok("attach", container, input=b"for it\n") == "got for it"
    out, _ = client.communicate(timeout=60)
    assert (client.returncode, out) == (0, b"got for it\n")


def test_a_terminal_needs_one_on_this_side(mc: Runner) -> None:
    container = running(mc, "sleep 60", "-it")
    result = mc("attach", container)
    assert (result.code, result.err) == (1, "minicontainer: the input device is not a TTY\n")


def test_wrong_state(mc: Runner) -> None:
    container = running(mc, "sleep 60")
    mc.ok("pause", container)
    assert "You cannot attach to a paused container, unpause it first" in mc("attach", container).err
    mc.ok("kill", container)
    refused(mc, "attach", container, code=1, said="You cannot attach to a stopped container, start it first")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nosuch"], 1, "No such container: nosuch"),
        ([], 1, "requires 1 argument"),
        (["a", "b"], 1, "requires 1 argument"),
        (["--detach-keys", "ctrl-1", "a"], 125, "invalid detach keys"),
    ],
)
def test_refusals(mc: Runner, arguments: list[str], code: int, said: str) -> None:
    refused(mc, "attach", *arguments, code=code, said=said)
