"""``start``: containers that were made, or have ended; with ``-a`` and ``-i`` one of them to its end."""

from __future__ import annotations

import signal

import pytest

from tests.integration.refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner


def made(mc: Runner, name: str, script: str, *options: str) -> str:
    """The id of a container that was never started."""
    return mc.ok("create", "--name", name, "--network", "none", *options, "busybox", "sh", "-c", script)


def test_several_and_missing_ones(mc: Runner) -> None:
    made(mc, "first", "sleep 60")
    made(mc, "second", "sleep 60")
    result = mc("start", "first", "nosuch", "second")
    assert (result.code, result.out) == (1, "first\nsecond\n")
    assert result.err == (
        "minicontainer: No such container: nosuch\nminicontainer: failed to start containers: nosuch\n"
    )
    assert {mc.state("first"), mc.state("second")} == {"running 0"}


def test_a_running_one_is_no_error(mc: Runner) -> None:
    made(mc, "runs", "sleep 60")
    mc.ok("start", "runs")
    pid = mc.pid("runs")
    assert mc.ok("start", "runs") == "runs"
    assert mc.pid("runs") == pid


def test_what_it_wrote_and_logged_before_is_still_there(mc: Runner) -> None:
    made(mc, "again", "echo $$ >> /runs; cat /runs | wc -l; exit 5")
    for count in (1, 2, 3):
        assert mc("start", "-a", "again").out == f"{count}\n"
        assert mc.state("again") == "exited 5"
    assert mc.ok("logs", "again") == "1\n2\n3"


def test_attached_it_ends_with_the_program(mc: Runner) -> None:
    made(mc, "talks", "echo out; echo err >&2; exit 7")
    result = mc("start", "--attach", "talks")
    assert (result.code, result.out, result.err) == (7, "out\n", "err\n")


def test_standard_input(mc: Runner) -> None:
    made(mc, "reads", "tr a-z A-Z", "-i")
    assert mc.ok("start", "-i", "reads", input=b"words\n") == "WORDS"
    assert mc.ok("start", "-ai", "reads", input=b"again\n") == "AGAIN"


def test_standard_input_stays_closed_where_it_was_not_opened(mc: Runner) -> None:
    made(mc, "reads", "cat; echo end")
    assert mc.ok("start", "-i", "reads", input=b"words\n") == "end"


def test_on_a_terminal(mc: Runner) -> None:
    made(mc, "shell", "echo rea''dy; read line; echo got $line; exit 6", "-it")
    with mc.terminal("start", "-ai", "shell") as terminal:
        terminal.expect("ready")
        assert terminal.is_raw()
        terminal.type("this\n")
        terminal.expect("got this")
        assert terminal.wait() == 6
        assert terminal.restored()


def test_detach_keys(mc: Runner) -> None:
    made(mc, "shell", "while :; do echo tick; sleep 0.1; done", "-it")
    with mc.terminal("start", "-ai", "--detach-keys", "x,y", "shell") as terminal:
        terminal.expect("tick")
        terminal.type("xy")
        assert terminal.wait() == 0
    assert mc.state("shell") == "running 0"


def test_signals_are_passed_on(mc: Runner) -> None:
    made(mc, "traps", "trap 'echo caught; exit 9' TERM; echo ready; while :; do sleep 0.05; done")
    client = mc.start("start", "-a", "traps")
    assert client.stdout is not None
    assert client.stdout.readline() == b"ready\n"  # so it is attached, and passes signals on
    client.send_signal(signal.SIGTERM)
    out, _ = client.communicate(timeout=60)
    assert (client.returncode, out) == (9, b"caught\n")


def test_attached_to_one_that_runs(mc: Runner) -> None:
    made(mc, "runs", "while [ ! -e /go ]; do sleep 0.05; done; echo gone; exit 3")
    mc.ok("start", "runs")
    mc.await_clients("runs", 0)
    client = mc.start("start", "-a", "runs")
    mc.await_clients("runs", 1)
    mc("exec", "runs", "touch", "/go")  # it may be killed with what it ends
    out, _ = client.communicate(timeout=60)
    assert (client.returncode, out) == (3, b"gone\n")


@pytest.mark.parametrize("flag", ["", "-a"])
def test_program_that_is_missing(mc: Runner, flag: str) -> None:
    """Not 127 as from `run`: that would be the exit status of a program that ran."""
    mc.ok("create", "--name", "missing", "--network", "none", "busybox", "nosuch")
    result = mc("start", *([flag] if flag else []), "missing")
    assert (result.code, result.out) == (1, "")
    assert "nosuch" in result.err.splitlines()[0]
    assert mc.state("missing") == "created 127"


def test_a_paused_one(mc: Runner) -> None:
    made(mc, "still", "sleep 60")
    mc.ok("start", "still")
    mc.ok("pause", "still")
    result = mc("start", "still")
    assert result.code == 1
    assert "cannot start a paused container, try unpause instead" in result.err
    assert mc.state("still") == "paused 0"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-a", "one", "two"], "you cannot start and attach multiple containers at once"),
        (["-i", "one", "two"], "you cannot start and attach multiple containers at once"),
        (["-a", "nosuch"], "No such container: nosuch"),
        ([], "requires at least 1 argument"),
    ],
)
def test_refusals(mc: Runner, arguments: list[str], said: str) -> None:
    refused(mc, "start", *arguments, code=1, said=said)
