"""containerd's runc shim pointed at minicontainer-runtime, driven by ctr; the same cases with runc."""

from __future__ import annotations

import os

import pytest

from tests.engines import engine
from tests.engines.containerd import Containerd

pytestmark = [pytest.mark.needs("command:containerd", "command:ctr", "command:containerd-shim-runc-v2")]
both = pytest.mark.parametrize("runtime", ["minicontainer", "runc"], indirect=True)
TRAPS = 'trap "exit 3" TERM; touch /ready; while :; do sleep 0.05; done'


def shims(containerd: Containerd) -> list[int]:
    """The shims of our namespace."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline") as file:
                words = file.read().split("\0")
        except OSError:
            continue  # it has ended
        if "containerd-shim" in words[0] and containerd.namespace in words:
            found.append(int(pid))
    return found


def test_it_is_ours(ctr: Containerd) -> None:
    name = ctr.start_one("sleep", "100")
    said = engine.state_by(engine.ours(), f"{ctr.states}/{ctr.namespace}", name)
    assert (said["status"], said["pid"]) == ("running", ctr.task(name)[0])
    with open(f"{ctr.states}/{ctr.namespace}/{name}/state.json") as file:
        assert "startTime" in file.read(), "not a record of ours"


@both
def test_nothing_is_left(ctr: Containerd) -> None:
    name = ctr.start_one("sleep", "100")
    assert len(shims(ctr)) == 1
    assert any(name in group for group in engine.groups(ctr.namespace))
    ctr.ok("tasks", "kill", "--signal", "SIGKILL", name)
    engine.until(lambda: ctr.task(name)[1] == "STOPPED", "the task has ended")
    ctr("tasks", "rm", name)
    ctr.ok("containers", "rm", name)
    engine.until(lambda: not shims(ctr), "the shim has ended")
    assert not os.path.exists(f"{ctr.states}/{ctr.namespace}/{name}")
    assert not any(name in group for group in engine.groups(ctr.namespace))


@both
def test_run(ctr: Containerd) -> None:
    ran = ctr.run("one", "sh", "-c", "echo out; echo err >&2; exit 5", flags=("--rm",))
    assert (ran.code, ran.out, ran.err) == (5, "out\n", "err\n")
    assert ctr.ok("containers", "ls", "-q") == ""


@both
def test_run_of_what_is_missing(ctr: Containerd) -> None:
    ran = ctr.run("one", "nosuch", flags=("--rm",))
    assert ran.code != 0
    assert 'exec: "nosuch": executable file not found in $PATH' in ran.err


@both
def test_run_reads_standard_input(ctr: Containerd) -> None:
    # ctr gives no end of file.
    assert ctr.run("one", "sh", "-c", "read a; echo got $a", flags=("--rm",), given="in\n").out == "got in\n"


@both
def test_run_on_a_terminal(ctr: Containerd) -> None:
    words = ctr.words("one", "sh", "-c", engine.TERMINAL, flags=("--rm", "--tty"))
    code, shown = ctr.terminal(*words, dialogue=engine.TERMINAL_DIALOGUE, rows=31, columns=91)
    assert code == 5, shown
    assert "/dev/pts/0" in shown
    assert "31 91" in shown
    assert "got hello" in shown


@both
def test_exec(ctr: Containerd) -> None:
    name = ctr.start_one("sleep", "100")
    assert ctr.ok("tasks", "exec", "--exec-id", "a", name, "echo", "hello") == "hello"
    assert ctr("tasks", "exec", "--exec-id", "b", name, "sh", "-c", "exit 9").code == 9
    asked = ctr.ok(
        "tasks", "exec", "--exec-id", "c", "--user", "1000", "--cwd", "/tmp", name, "sh", "-c", "id -u; pwd"
    )
    assert asked.split() == ["1000", "/tmp"]
    words = ("tasks", "exec", "--tty", "--exec-id", "d", name, "sh", "-c", "tty; echo go; read a; exit 6")
    code, shown = ctr.terminal(*words, dialogue=engine.SHORT_DIALOGUE)
    assert code == 6, shown
    assert "/dev/pts/" in shown
    missing = ctr("tasks", "exec", "--exec-id", "e", name, "nosuch")
    assert missing.code != 0
    assert "executable file not found" in missing.err


@both
def test_kill_and_exit_status(ctr: Containerd) -> None:
    name = ctr.start_one("sh", "-c", TRAPS)
    engine.until(
        lambda: ctr("tasks", "exec", "--exec-id", engine.new_name(), name, "test", "-e", "/ready").code == 0,
        "the program is ready",
    )
    ctr.ok("tasks", "kill", name)
    engine.until(lambda: ctr.task(name)[1] == "STOPPED", "the task has ended")
    again = ctr("tasks", "kill", name)
    assert again.code != 0
    assert "process already finished" in again.err
    removed = ctr("tasks", "rm", name)
    assert removed.code == 3 or "exit code 3" in removed.err, removed
    ctr.ok("containers", "rm", name)


@both
def test_kill_all(ctr: Containerd) -> None:
    name = ctr.start_one("sh", "-c", "sleep 100 & sleep 100 & wait")
    group = engine.until(lambda: len(ctr.ok("tasks", "ps", name).splitlines()) == 4, "three processes")
    assert group
    ctr.ok("tasks", "kill", "--all", "--signal", "SIGKILL", name)
    engine.until(lambda: ctr.task(name)[1] == "STOPPED", "the task has ended")


@both
def test_pause_and_resume(ctr: Containerd) -> None:
    name = ctr.start_one("sleep", "100")
    ctr.ok("tasks", "pause", name)
    assert ctr.task(name)[1] == "PAUSED"
    ctr.ok("tasks", "resume", name)
    assert ctr.task(name)[1] == "RUNNING"


@both
@pytest.mark.needs("controller:memory", "controller:cpu")
def test_limits(ctr: Containerd) -> None:
    name = ctr.start_one("sleep", "100", flags=("--memory-limit", str(64 << 20), "--cpus", "0.5"))
    pid, _ = ctr.task(name)
    assert int(engine.control(pid, "memory", "memory.limit_in_bytes", "memory.max")) == 64 << 20
    assert engine.control(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"


def test_metrics_are_the_containers(ctr: Containerd) -> None:
    name = ctr.start_one("sleep", "100", flags=("--memory-limit", str(64 << 20)))
    rows = (line.split() for line in ctr.ok("tasks", "metrics", name).splitlines())
    found = {row[0]: row[1] for row in rows if len(row) == 2}
    used = int(found.get("memory.usage_in_bytes") or found["memory.usage"])
    assert 0 < used <= 64 << 20


@both
def test_only_a_task_that_has_ended_is_removed(ctr: Containerd) -> None:
    name = ctr.start_one("sleep", "100")
    assert ctr("tasks", "rm", name).code != 0
    assert ctr.task(name)[1] == "RUNNING"
    ctr("tasks", "rm", "--force", name)
    assert ctr.task(name) == (-1, "")
