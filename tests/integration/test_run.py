"""``run``: exit codes, streams, names, environment, working folder, what is PID 1."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess

import pytest

from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runner import Runner

PLAIN = ("run", "--rm", "--network", "none", "busybox")
LARGE = 50 << 20


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["false"], 1),
        (["sh", "-c", "exit 42"], 42),
        (["sh", "-c", "sh -c 'kill -9 $$'; exit $?"], 137),
        (["sh", "-c", "sh -c 'kill -TERM $$'; exit $?"], 143),
        (["nosuch"], 127),
        (["/nosuch"], 127),
        ([""], 127),
        (["/etc"], 126),
        (["/etc/passwd"], 126),
    ],
)
def test_exit_code(mc: Runner, command: list[str], code: int) -> None:
    result = mc(*PLAIN, *command)
    assert result.code == code, result
    if code in (126, 127):
        assert result.err.startswith("minicontainer: exec: "), result
        assert result.err.count("\n") == 1


def test_program_killed_by_a_signal(mc: Runner) -> None:
    running = mc.start("run", "--name", "victim", "--network", "none", "busybox", "sleep", "60")
    until(lambda: mc("exec", "victim", "true").code == 0, "the container runs")
    mc.host.kill(mc.pid("victim"))
    assert running.wait(60) == 137
    running.communicate()
    assert mc.state("victim") == "exited 137"


def test_streams_stay_apart(mc: Runner) -> None:
    result = mc(*PLAIN, "sh", "-c", "echo out; echo err >&2")
    assert (result.out, result.err) == ("out\n", "err\n")


def test_without_i_standard_input_is_empty(mc: Runner) -> None:
    assert mc.ok(*PLAIN, "cat", input=b"not read") == ""


def test_50_mb_through_both_ways_unchanged(mc: Runner) -> None:
    data = os.urandom(1 << 20) * (LARGE >> 20)
    result = mc("run", "--rm", "-i", "--network", "none", "busybox", "cat", input=data)
    assert result.code == 0
    assert hashlib.sha256(result.raw).digest() == hashlib.sha256(data).digest()


def test_program_that_does_not_read_its_input(mc: Runner) -> None:
    result = mc(
        "run", "--rm", "-i", "--network", "none", "busybox", "head", "-c", "3", input=b"abcdef" * 100000
    )
    assert (result.code, result.out) == (0, "abc")


def test_binary_output_of_both_streams(mc: Runner) -> None:
    result = mc(*PLAIN, "sh", "-c", "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2")
    assert (len(result.out), len(result.err)) == (1000000, 1000000)


def test_reader_that_leaves_does_not_end_the_program(mc: Runner) -> None:
    running = mc.start(
        "run", "--name", "talker", "--network", "none", "busybox", "sh", "-c", "yes & sleep 60"
    )
    assert running.stdout is not None
    assert running.stdout.read(4) == b"y\ny\n"
    running.stdout.close()
    running.wait(60)
    assert mc.state("talker").startswith("running")
    assert running.stderr is not None
    running.stderr.close()


def test_detached_prints_the_id_and_returns(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sleep", "60")
    assert len(container) == 64
    assert set(container) <= set("0123456789abcdef")
    assert mc.state(container[:12]) == "running 0"


def test_detached_and_rm_leaves_nothing_when_it_ends(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--rm", "--network", "none", "busybox", "sleep", "0.2")
    until(lambda: mc("inspect", container).code == 1, "it is gone")


def test_detached_program_that_does_not_exist(mc: Runner) -> None:
    result = mc("run", "-d", "--name", "ghost", "--network", "none", "busybox", "nosuch")
    assert result.code == 127
    assert result.out.strip() == mc.state("ghost", "{{.Id}}")
    assert mc.state("ghost") == "created 127"


def test_name_is_taken_once(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "web", "--network", "none", "busybox", "sleep", "60")
    second = mc("run", "--rm", "--name", "web", "--network", "none", "busybox", "true")
    assert second.code == 125
    assert 'The container name "/web" is already in use' in second.err
    mc.ok("rm", "-f", "web")
    mc.ok("run", "--rm", "--name", "web", "--network", "none", "busybox", "true")


def test_random_names_are_two_words(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--network", "none", "busybox", "true")
    first, _, second = mc.state(container, "{{.Name}}").lstrip("/").partition("_")
    assert first.isalpha()
    assert second.isalpha()


def test_host_name_is_the_short_id_or_what_was_asked(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sh", "-c", "hostname; cat /etc/hostname")
    until(lambda: mc.ok("logs", container) == f"{container[:12]}\n{container[:12]}", "it said its name")
    assert (
        mc.ok("run", "--rm", "--network", "none", "-h", "web.example", "busybox", "hostname") == "web.example"
    )


def test_environment(mc: Runner, tmp_path: Path) -> None:
    (tmp_path / "env").write_text(
        "# a comment\nFILE=from file\nBOTH=file\n\nOWN\nABSENT\nQUOTED='as it is'\n"
    )
    arguments = ["--env-file", str(tmp_path / "env"), "-e", "BOTH=flag", "-e", "EMPTY=", "-e", "OWN2"]
    shown = mc.ok(
        "run", "--rm", "--network", "none", "-h", "me", *arguments, "busybox", "env",
        env={"OWN": "mine", "OWN2": "mine too"},
    ).splitlines()  # fmt: skip
    assert sorted(shown) == sorted(
        [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOSTNAME=me", "HOME=/root", "FILE=from file", "BOTH=flag", "OWN=mine", "OWN2=mine too",
            "EMPTY=", "QUOTED='as it is'",
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "found"),
    [("/etc", "/etc"), ("/made/for/it", "/made/for/it"), ("/tmp/../var", "/var"), ("/", "/")],
)
def test_working_folder_is_made_where_it_is_missing(mc: Runner, asked: str, found: str) -> None:
    assert mc.ok("run", "--rm", "--network", "none", "-w", asked, "busybox", "pwd") == found


def test_entrypoint(mc: Runner) -> None:
    assert mc.ok("run", "--rm", "--network", "none", "--entrypoint", "echo", "busybox", "hi") == "hi"
    # It discards the image's command.
    assert mc.ok("run", "--rm", "--network", "none", "--entrypoint", "echo", "busybox") == ""
    assert mc.ok("run", "--rm", "--network", "none", "--entrypoint", "", "busybox", "echo", "hi") == "hi"
    assert mc("run", "--rm", "--network", "none", "--entrypoint", "/nosuch", "busybox").code == 127


def test_the_image_gives_the_command(mc: Runner) -> None:
    assert mc.ok("run", "--rm", "-i", "--network", "none", "busybox", input=b"echo from sh") == "from sh"


def test_program_is_pid_1_and_alone(mc: Runner) -> None:
    assert mc.ok(*PLAIN, "sh", "-c", "echo $$; ls /proc | grep -c '^[0-9]'").split()[0] == "1"
    shown = mc.ok(*PLAIN, "ps", "-o", "pid,comm").splitlines()
    assert [line.split() for line in shown[1:]] == [["1", "ps"]]


def test_no_descriptor_of_ours_reaches_the_program(mc: Runner) -> None:
    shown = mc.ok(*PLAIN, "sh", "-c", "ls /proc/1/fd; true").split()
    assert shown == ["0", "1", "2"]


def test_init_reaps_what_nobody_waits_for(mc: Runner) -> None:
    orphans = "for i in 1 2 3 4 5; do (sleep 0.01 &) ; done; sleep 0.3; ps -o stat | grep -c Z"
    assert mc("run", "--rm", "--init", "--network", "none", "busybox", "sh", "-c", orphans).out == "0\n"
    assert (
        mc("run", "--rm", "--network", "none", "busybox", "sh", "-c", f"sleep 60 & exec {'sleep 0.1'}").code
        == 0
    )


def test_init_is_pid_1_and_forwards_signals_and_the_exit_code(mc: Runner) -> None:
    program = 'trap "echo told; exit 5" TERM; echo $$ ready; while :; do sleep 0.05; done'
    container = mc.ok("run", "-d", "--init", "--network", "none", "busybox", "sh", "-c", program)
    until(lambda: "ready" in mc.ok("logs", container), "it is ready")
    assert int(mc.ok("logs", container).split()[0]) > 1
    mc.ok("stop", container)
    assert mc.ok("logs", container).splitlines()[-1] == "told"
    assert mc.state(container) == "exited 5"
    assert mc("run", "--rm", "--init", "--network", "none", "busybox", "nosuch").code == 127


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_passed_on(mc: Runner, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    program = f'trap "echo got {name}; exit 9" {name}; echo ready; while :; do sleep 0.05; done'
    running = mc.start(*PLAIN, "sh", "-c", program)
    assert running.stdout is not None
    assert running.stdout.readline() == b"ready\n"
    running.send_signal(number)
    out, err = running.communicate(timeout=60)
    assert (out, err, running.returncode) == (f"got {name}\n".encode(), b"", 9)


def test_without_sig_proxy_the_program_goes_on(mc: Runner) -> None:
    running = mc.start(
        "run", "--name", "deaf", "--sig-proxy=false", "--network", "none", "busybox",
        "sh", "-c", "echo ready; sleep 60",
    )  # fmt: skip
    assert running.stdout is not None
    assert running.stdout.readline() == b"ready\n"
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == -signal.SIGTERM
    assert mc.state("deaf") == "running 0"


def test_explain_tells_steps_on_standard_error_only(mc: Runner) -> None:
    result = mc("run", "--rm", "--network", "none", "--explain=json", "busybox", "echo", "hi")
    assert (result.code, result.out) == (0, "hi\n")
    steps = [json.loads(line)["step"] for line in result.err.splitlines()]
    assert {"fork", "clone3", "pivot_root", "execve"} <= set(steps)


def test_closed_streams_are_no_obstacle(mc: Runner) -> None:
    command = mc.start(*PLAIN, "sh", "-c", "exit 6", wrapper=("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"))
    command.communicate(timeout=60)
    assert command.returncode == 6


def test_an_error_that_cannot_be_written_has_its_exit_code(mc: Runner) -> None:
    with open("/dev/full", "wb") as full:
        running = mc.start(*PLAIN, "no-such-program", stderr=full)
        out, _ = running.communicate(timeout=60)
    assert (running.returncode, out) == (127, b"")


def test_full_output_device_is_one_line(mc: Runner) -> None:
    with open("/dev/full", "wb") as full:
        running = mc.start(*PLAIN, "echo", "hi", stdout=full, stderr=subprocess.PIPE)
        _, err = running.communicate(timeout=60)
    assert running.returncode == 125
    assert err.count(b"\n") == 1, err
    assert b"No space left" in err
