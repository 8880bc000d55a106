"""``exec``: one more program in a running container."""

from __future__ import annotations

import hashlib
import os
import signal

import pytest

from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.integration.runner import Runner


@pytest.fixture
def box(mc: Runner) -> str:
    """A container that sleeps, with an environment of its own."""
    name = "box"
    mc.ok(
        "run", "-d", "--name", name, "--network", "none", "-h", "me", "-e", "OWN=1", "-w", "/tmp",
        "--tmpfs", "/fast", "busybox", "sleep", "60",
    )  # fmt: skip
    return name


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -9 $$"], 137),
        (["nosuch"], 127),
        (["/nosuch"], 127),
        (["/etc"], 126),
        (["/etc/passwd"], 126),
    ],
)
def test_exit_code(mc: Runner, box: str, command: list[str], code: int) -> None:
    assert mc("exec", box, *command).code == code


@pytest.mark.parametrize(
    "arguments",
    [["-u", "nouser", "box", "true"], ["-w", "/nosuch", "box", "true"], ["-w", "/etc/passwd", "box", "true"]],
)
def test_what_keeps_it_from_starting_is_126(mc: Runner, box: str, arguments: list[str]) -> None:
    result = mc("exec", *arguments)
    assert (result.code, result.out, result.err.count("\n")) == (126, "", 1), result
    assert mc.state(box) == "running 0"


def test_it_joins_every_namespace_and_group(mc: Runner, box: str) -> None:
    kinds = ("cgroup", "ipc", "mnt", "net", "pid", "uts")
    script = "; ".join(f"readlink /proc/{{}}/ns/{kind}" for kind in kinds)
    beside = mc.ok("exec", box, "sh", "-c", script.replace("{}", "self")).split()
    assert beside == mc.ok("exec", box, "sh", "-c", script.replace("{}", "1")).split()
    assert mc.ok("exec", box, "sh", "-c", "diff /proc/self/cgroup /proc/1/cgroup && echo same") == "same"
    assert mc.ok("exec", box, "hostname") == "me"


def test_environment_and_folder_are_the_containers(mc: Runner, box: str) -> None:
    shown = mc.ok("exec", box, "env").splitlines()
    assert {"OWN=1", "HOME=/root", "HOSTNAME=me"} <= set(shown)
    assert not any(line.startswith("MINICONTAINER") for line in shown)
    assert mc.ok("exec", box, "pwd") == "/tmp"


def test_environment_flags(mc: Runner, box: str, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("FILE=1\nOWN=from file\n")
    shown = mc.ok("exec", "-e", "NEW=2", "--env-file", str(tmp_path / "env"), box, "env").splitlines()
    assert {"OWN=from file", "NEW=2", "FILE=1"} <= set(shown)


def test_folder_flag(mc: Runner, box: str) -> None:
    assert mc.ok("exec", "-w", "/var/log", box, "pwd") == "/var/log"


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("nobody", "uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)"),
        ("33:8", "uid=33(www-data) gid=8(mail) groups=8(mail)"),
        ("1234", "uid=1234 gid=0(root) groups=0(root)"),
    ],
)
def test_user(mc: Runner, box: str, user: str, shown: str) -> None:
    assert mc.ok("exec", "-u", user, box, "id") == shown


def test_users_home_and_capabilities(mc: Runner, box: str) -> None:
    script = "echo $HOME; grep CapEff /proc/self/status"
    assert mc.ok("exec", "-u", "www-data", box, "sh", "-c", script).split() == [
        "/var/www",
        "CapEff:",
        f"{0:016x}",
    ]
    assert mc.ok("exec", box, "sh", "-c", script).split() == ["/root", "CapEff:", "00000000a80425fb"]


def test_users_are_looked_up_where_the_container_changed_them(mc: Runner, box: str) -> None:
    mc.ok("exec", box, "sh", "-c", "echo 'ada:x:900:901::/fast:/bin/sh' >> /etc/passwd")
    assert mc.ok("exec", "-u", "ada", box, "sh", "-c", "id -u; id -g; echo $HOME").split() == [
        "900",
        "901",
        "/fast",
    ]


def test_privileged_has_more(mc: Runner, box: str) -> None:
    effective = ("grep", "^CapEff:", "/proc/self/status")
    usual = int(mc.ok("exec", box, *effective).split()[1], 16)
    assert int(mc.ok("exec", "--privileged", box, *effective).split()[1], 16) & ~usual
    # The container's seccomp profile is the container's: Docker's exec changes none either.
    assert mc("exec", "--privileged", box, "hostname", "other").code == 1


def test_50_mb_through_both_ways_unchanged(mc: Runner, box: str) -> None:
    data = os.urandom(1 << 20) * 50
    result = mc("exec", "-i", box, "cat", input=data)
    assert result.code == 0
    assert hashlib.sha256(result.raw).digest() == hashlib.sha256(data).digest()


def test_without_i_standard_input_is_empty(mc: Runner, box: str) -> None:
    assert mc.ok("exec", box, "cat", input=b"not read") == ""


def test_streams_stay_apart(mc: Runner, box: str) -> None:
    result = mc("exec", box, "sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.code, result.out, result.err) == (3, "out\n", "err\n")


def test_detached_goes_on_alone(mc: Runner, box: str) -> None:
    result = mc("exec", "-d", box, "sh", "-c", "sleep 0.1; echo done > /fast/file; sleep 60")
    assert (result.code, result.out, result.err) == (0, "", "")
    until(lambda: mc("exec", box, "cat", "/fast/file").out == "done\n", "it wrote the file")
    assert mc("exec", "-d", box, "nosuch").code == 1


def test_terminal_without_input(mc: Runner, box: str) -> None:
    result = mc("exec", "-t", box, "tty")
    assert (result.code, result.out) == (0, "/dev/pts/0\r\n")


def test_it_ends_with_its_container(mc: Runner, box: str) -> None:
    beside = mc.start("exec", box, "sh", "-c", "echo here; sleep 60")
    assert beside.stdout is not None
    assert beside.stdout.readline() == b"here\n"
    mc.ok("kill", box)
    beside.communicate(timeout=60)
    assert beside.returncode == 137


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_passed_on(mc: Runner, box: str, number: signal.Signals) -> None:
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got; exit 4' {name}; echo ready; while :; do sleep 0.05; done"
    beside = mc.start("exec", box, "sh", "-c", script)
    assert beside.stdout is not None
    assert beside.stdout.readline() == b"ready\n"
    beside.send_signal(number)
    out, _ = beside.communicate(timeout=60)
    assert (out, beside.returncode) == (b"got\n", 4)


def test_killed_caller_of_a_terminal_leaves_it_running(mc: Runner, box: str) -> None:
    with mc.terminal("exec", "-it", box, "sh", "-c", "echo here; sleep 62") as terminal:
        terminal.expect("here")
        terminal.process.send_signal(signal.SIGKILL)
        terminal.process.wait()
        assert "sleep 62" in mc.ok("exec", box, "ps", "-o", "args")


def _missing(mc: Runner) -> str:
    return "nosuch"


def _ended(mc: Runner) -> str:
    mc.ok("run", "--name", "ended", "--network", "none", "busybox", "true")
    return "ended"


def _never_started(mc: Runner) -> str:
    mc("run", "--name", "never", "--network", "none", "busybox", "nosuch")
    return "never"


@pytest.mark.parametrize(
    ("make", "said"),
    [(_missing, "No such container: nosuch"), (_ended, "is not running"), (_never_started, "is not running")],
)
def test_container_that_does_not_run(mc: Runner, make: Callable[[Runner], str], said: str) -> None:
    result = mc("exec", make(mc), "true")
    assert result.code == 1
    assert said in result.err
    assert result.err.count("\n") == 1


def test_nothing_of_it_stays(mc: Runner, box: str) -> None:
    for _ in range(3):
        mc.ok("exec", box, "true")
    assert len(mc.ok("exec", box, "ps", "-o", "pid").splitlines()) == 3  # the title, sleep and ps
