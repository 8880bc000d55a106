"""Terminals, on a real one: ``run -it`` and ``exec -it``."""

from __future__ import annotations

import os
import signal

import pytest

from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.runner import Runner, Terminal

RUN = ("run", "-it", "--network", "none")
TALKER = "i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.1; done"


@pytest.fixture(params=["run", "exec"])
def shell(mc: Runner, request: pytest.FixtureRequest) -> Iterator[Terminal]:
    """A shell on a terminal of 31 rows and 97 columns, the first program or one beside it."""
    arguments = [*RUN, "--name", "shell", "busybox", "sh"]
    if request.param == "exec":
        mc.ok("run", "-d", "--name", "shell", "--network", "none", "busybox", "sleep", "60")
        arguments = ["exec", "-it", "shell", "sh"]
    with mc.terminal(*arguments, rows=31, columns=97) as terminal:
        terminal.expect("# ")
        yield terminal


def test_window_size_follows(shell: Terminal) -> None:
    shell.type("stty size\n")
    shell.expect("31 97\r\n")
    shell.type("sh -c 'trap \"stty size; echo resized\" WINCH; echo rea''dy; while :; do sleep 0.05; done'\n")
    shell.expect("ready")
    shell.resize(40, 120)
    assert "40 120" in shell.expect("resized\r\n")


def test_exit_code_and_settings_come_back(shell: Terminal) -> None:
    assert shell.is_raw()
    shell.type("tty; exit 7\n")
    assert shell.wait() == 7
    assert b"/dev/pts/" in shell.seen
    assert shell.restored()


def test_interrupt_reaches_the_program_not_the_client(shell: Terminal) -> None:
    shell.type("sleep 60\n")
    shell.expect("sleep 60\r\n")
    until(lambda: "sleep 60" in shell_processes(shell), "it sleeps")
    shell.type("\x03")
    shell.expect("# ")
    shell.type("echo code $?\n")
    shell.expect("code 130")


def shell_processes(shell: Terminal) -> str:
    """The processes that the runner behind this terminal sees."""
    mc: Runner = shell.runner
    return mc.ok("exec", "shell", "ps", "-o", "args")


def test_job_control(shell: Terminal) -> None:
    shell.type("sleep 60\n")
    until(lambda: "sleep 60" in shell_processes(shell), "it sleeps")
    shell.type("\x1a")
    shell.expect("Stopped")
    shell.type("kill %1; echo still here\n")
    shell.expect("still here\r\n")


def test_end_of_file(shell: Terminal) -> None:
    shell.type("cat\n")
    until(lambda: "\ncat\n" in shell_processes(shell), "it reads")
    shell.type("line\n")
    shell.expect("line\r\nline\r\n")
    shell.type("\x04")
    shell.expect("# ")
    shell.type("\x04")
    assert shell.wait() == 0


def test_detach_keys_leave_it_running(shell: Terminal) -> None:
    shell.type("sleep 61; echo over\n")
    until(lambda: "sleep 61" in shell_processes(shell), "it sleeps")
    shell.type("\x10\x11")
    assert shell.wait() == 0
    assert shell.restored()
    assert "sleep 61" in shell_processes(shell)
    assert shell.runner.state("shell") == "running 0"


def test_other_detach_keys_and_a_lone_ctrl_p(mc: Runner) -> None:
    with mc.terminal(*RUN, "--detach-keys", "ctrl-x,x", "--name", "keys", "busybox", "cat", "-v") as terminal:
        terminal.type("a\x10b\n")
        terminal.expect("a^Pb\r\n")
        terminal.type("\x18x")
        assert terminal.wait() == 0
        assert mc.state("keys") == "running 0"


def test_killed_caller_leaves_it_running_and_logged(mc: Runner) -> None:
    with mc.terminal(*RUN, "--name", "orphan", "busybox", "sh", "-c", TALKER) as terminal:
        terminal.expect("tick 2")
        terminal.process.send_signal(signal.SIGKILL)
        terminal.process.wait()
        count = mc.ok("logs", "orphan").count("tick")
        until(lambda: mc.ok("logs", "orphan").count("tick") > count + 2, "the log goes on")
        assert mc.state("orphan") == "running 0"


def test_terminal_that_goes_away(mc: Runner) -> None:
    """The window is closed: the client goes, with SIGHUP or end of file; the container stays."""
    terminal = mc.terminal(*RUN, "--name", "orphan", "busybox", "sh", "-c", TALKER)
    terminal.expect("tick 2")
    os.close(terminal.slave)
    os.close(terminal.master)
    terminal.process.wait(60)
    count = mc.ok("logs", "orphan").count("tick")
    until(lambda: mc.ok("logs", "orphan").count("tick") > count + 2, "the log goes on")


def test_t_without_i_has_a_terminal_and_reads_nothing(mc: Runner) -> None:
    result = mc("run", "--rm", "-t", "--network", "none", "busybox", "sh", "-c", "tty; echo err >&2")
    assert (result.code, result.out, result.err) == (0, "/dev/pts/0\r\nerr\r\n", "")


def test_output_of_a_terminal_is_logged(mc: Runner) -> None:
    with mc.terminal(*RUN, "--name", "said", "busybox", "sh", "-c", "echo said; exit 2") as terminal:
        assert terminal.wait() == 2
    assert mc.ok("logs", "said") == "said\r"


def test_settings_come_back_when_the_program_cannot_start(mc: Runner) -> None:
    with mc.terminal(*RUN, "--rm", "busybox", "nosuch") as terminal:
        assert terminal.wait() == 127
        assert terminal.restored()
        assert terminal.seen.count(b"\n") == 1


def test_signal_from_outside_ends_the_client_and_restores(mc: Runner) -> None:
    with mc.terminal(*RUN, "--name", "stays", "busybox", "sleep", "60") as terminal:
        until(terminal.is_raw, "raw mode")
        terminal.process.send_signal(signal.SIGTERM)
        assert terminal.wait() == -signal.SIGTERM
        assert terminal.restored()
        until(lambda: mc.state("stays") == "running 0", "it starts, and goes on")


def test_large_paste_is_not_lost(mc: Runner) -> None:
    """More than the terminal's line discipline and the socket hold at once."""
    with mc.terminal(
        *RUN, "--rm", "busybox", "sh", "-c", "stty raw -echo; echo ready; head -c 300000 | md5sum"
    ) as t:
        t.expect("ready")
        import hashlib

        data = os.urandom(150000).hex()
        t.paste(data)
        t.expect(hashlib.md5(data.encode()).hexdigest())
        assert t.wait() == 0
