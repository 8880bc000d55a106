"""``--restart``: containers that are started again without anybody asking, and those that no longer are."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.integration.refusals import refused
from tests.integration.runner import until
from tests.integration.waiting import FAILS, held, let_go, restarting, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runner import Runner

FORM = "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}"
# Fails at its first run, and stays at the second.
ONCE = "echo run >> /runs; [ $(wc -l < /runs) = 2 ] || exit 3; exec sleep 1000"


def ended(mc: Runner, container: str) -> None:
    """Until it has ended for good: no monitor is left that could restart it."""
    until(lambda: status(mc, container)["state"] == "exited", "it ends", timeout=60)
    assert "monitor" not in status(mc, container)


def lines(mc: Runner, container: str) -> int:
    return mc.ok("logs", container).count("said")


# -- whether it is restarted


def test_on_failure_has_its_retries(mc: Runner) -> None:
    container = restarting(mc, policy="on-failure:2")
    ended(mc, container)
    assert mc.state(container, FORM) == "exited 3 2"
    assert lines(mc, container) == 3
    mc.ok("start", container)  # which counts anew
    ended(mc, container)
    assert mc.state(container, FORM) == "exited 3 2"
    assert lines(mc, container) == 6


@pytest.mark.parametrize(("policy", "script"), [("on-failure", "echo said"), ("no", FAILS)])
def test_what_is_not_restarted(mc: Runner, policy: str, script: str) -> None:
    container = restarting(mc, script, policy=policy)
    ended(mc, container)
    assert lines(mc, container) == 1
    assert mc.state(container, "{{.RestartCount}}") == "0"


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_a_success_is_an_end_like_any_other(mc: Runner, policy: str) -> None:
    container = restarting(mc, "echo said", policy=policy)
    until(lambda: status(mc, container).get("restarts", 0) >= 2, "it is restarted twice", timeout=60)
    host = json.loads(mc.ok("inspect", container))[0]["HostConfig"]
    assert host["RestartPolicy"] == {"Name": policy, "MaximumRetryCount": 0}


def test_a_killed_program_is_restarted(mc: Runner) -> None:
    container = restarting(mc, "echo said; exec sleep 1000", policy="on-failure")
    first = mc.pid(container)
    mc.host.kill(first)
    until(lambda: mc.state(container, FORM) == "running 0 1", "it runs again")
    assert mc.pid(container) != first
    assert mc.ok("exec", container, "echo", "well") == "well"
    until(lambda: lines(mc, container) == 2, "the same log")


# -- while it waits


def test_how_it_is_shown(mc: Runner) -> None:
    container = restarting(mc, FAILS, "--name", "shown")
    held(mc, container)
    count = status(mc, container)["restarts"]
    shown = mc.ok("ps", "--format", "{{.Names}} {{.State}} {{.Status}}")
    assert re.fullmatch(r"shown restarting Restarting \(3\) (Less than a|\d+) seconds? ago", shown)
    for state, expected in (("restarting", "shown"), ("running", ""), ("exited", ""), ("created", "")):
        assert mc.ok("ps", "-a", "-f", f"status={state}", "--format", "{{.Names}}") == expected
    state = json.loads(mc.ok("inspect", "-f", "{{json .State}}", "shown"))
    assert (state["Status"], state["Running"], state["Restarting"], state["Paused"]) == (
        "restarting", True, True, False,
    )  # fmt: skip
    assert (state["Pid"], state["ExitCode"]) == (0, 3)
    assert mc.ok("inspect", "-f", "{{.RestartCount}}", "shown") == str(count)
    assert mc.ok("logs", "-f", "shown").count("said") == count
    assert mc.ok("start", "shown") == "shown"
    assert mc.ok("container", "prune", "-f") == "Total reclaimed space: 0B"
    assert container[:12] not in mc("system", "check").out
    assert status(mc, container)["restarts"] == count


WAIT = "Container {id} is restarting, wait until the container is running"
REFUSED = [
    (["exec", "{id}", "true"], WAIT),
    (["pause", "{id}"], WAIT),
    (["top", "{id}"], WAIT),
    (["start", "-a", "{id}"], WAIT),
    (["unpause", "{id}"], "Container {id} is not paused"),
    (["attach", "{id}"], "You cannot attach to a restarting container, wait until it is running"),
    (["rm", "{id}"], "You cannot remove a restarting container {id}. Stop the container before"),
]


def test_what_cannot_be_done(mc: Runner) -> None:
    container = restarting(mc)
    held(mc, container)
    for words, said in REFUSED:
        given = [word.format(id=container) for word in words]
        refused(mc, *given, code=1, said=said.format(id=container))


def test_what_can_be_done(mc: Runner, tmp_path: Path) -> None:
    container = restarting(mc, f"echo in > /file; {FAILS}", "--name", "looked-at")
    monitor = held(mc, container)
    assert "busybox" in mc.ok("inspect", container)
    mc.ok("cp", f"{container}:/file", str(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "in\n"
    assert mc.ok("diff", container) == "A /file"
    mc.ok("rename", container, "other")
    mc.ok("commit", container, "restarting:copy")
    let_go(mc, monitor)
    until(lambda: status(mc, container)["restarts"] > 2, "it goes on", timeout=60)
    assert mc.ok("ps", "--format", "{{.Names}}") == "other"


ENDINGS = [["stop"], ["stop", "-t", "0"], ["kill"], ["kill", "-s", "HUP"]]


@pytest.mark.parametrize("words", ENDINGS, ids=" ".join)
def test_it_is_stopped(mc: Runner, words: list[str]) -> None:
    container = restarting(mc)
    monitor = held(mc, container)
    count = status(mc, container)["restarts"]
    since = time.time()
    assert mc.ok(*words, container) == container
    assert mc.state(container, FORM) == f"exited 3 {count}"
    assert mc.state(container, "{{.State.Running}} {{.State.Restarting}}") == "false false"
    assert not os.path.lexists(f"{mc.run_root}/runtime/{container}")
    assert not any(line.startswith(f"{monitor} ") for line in mc.host.look(set())["processes"])
    told = mc.ok("events", "--since", f"{since:.9f}", "--until", "0s", "--format", "{{.Action}}")
    assert told == ("stop" if words[0] == "stop" else "")  # there is nothing that could be killed
    assert lines(mc, container) == count
    assert mc.ok("rm", container) == container


def test_it_is_removed(mc: Runner) -> None:
    container = restarting(mc)
    held(mc, container)
    mc.ok("rm", "-f", container)
    assert mc.ok("ps", "-aq") == ""


def test_a_restart_need_not_wait(mc: Runner) -> None:
    container = restarting(mc, ONCE)
    held(mc, container)
    mc.ok("restart", container)
    assert mc.state(container, FORM) == "running 0 0"
    mc.host.kill(mc.pid(container))
    until(lambda: status(mc, container).get("restarts") == 1, "the policy holds again")


def test_wait_is_for_the_next_end(mc: Runner) -> None:
    container = restarting(mc, "[ -e /file ] && exit 4; touch /file; exit 3")
    monitor = held(mc, container)
    client = mc.start("wait", container)
    let_go(mc, monitor)
    out, _ = client.communicate(timeout=60)
    assert (client.returncode, out) == (0, b"4\n")


def test_wait_ends_with_a_stop(mc: Runner) -> None:
    container = restarting(mc)
    held(mc, container)
    client = mc.start("wait", container)
    # The listening socket, and a connection that nobody has accepted.
    until(lambda: mc.host.sh("cat /proc/net/unix").count("attach.sock") == 2, "it waits in the queue")
    mc.ok("stop", container)
    out, _ = client.communicate(timeout=60)
    assert (client.returncode, out) == (0, b"3\n")


def test_an_update_holds_at_the_next_end(mc: Runner) -> None:
    container = restarting(mc)
    monitor = held(mc, container)
    count = status(mc, container)["restarts"]
    mc.ok("update", "--restart", "no", container)
    assert mc.state(container, FORM) == f"restarting 3 {count}"
    let_go(mc, monitor)
    ended(mc, container)
    assert mc.state(container, FORM) == f"exited 3 {count}"


def test_a_running_one_gets_a_policy(mc: Runner) -> None:
    container = restarting(mc, "exec sleep 1000", policy="no")
    mc.ok("update", "--restart", "always", container)
    mc.host.kill(mc.pid(container))
    until(lambda: mc.state(container, FORM) == "running 0 1", "it runs again")


# -- who stops it


@pytest.mark.parametrize("words", [["stop", "-t", "0"], ["kill"]], ids=" ".join)
@pytest.mark.parametrize("policy", ["always", "unless-stopped", "on-failure"])
def test_a_user_s_stop_is_final(mc: Runner, policy: str, words: list[str]) -> None:
    container = restarting(mc, "exec sleep 1000", policy=policy)
    mc.ok(*words, container)
    ended(mc, container)
    assert mc.state(container, FORM) == "exited 137 0"
    assert status(mc, container)["stopped"] is True
    mc.ok("start", container)
    mc.host.kill(mc.pid(container))
    until(lambda: mc.state(container, FORM) == "running 0 1", "a start forgets the stop")


@pytest.mark.parametrize(("policy", "again"), [("always", True), ("unless-stopped", False)])
def test_another_signal_than_the_stop_signal(mc: Runner, policy: str, again: bool) -> None:
    script = "trap 'exit 4' USR1; echo said; while :; do sleep 0.02; done"
    container = restarting(mc, script, "--stop-signal", "INT", policy=policy)
    until(lambda: lines(mc, container) == 1, "it can be signalled")
    mc.ok("kill", "-s", "USR1", container)
    if again:
        until(lambda: mc.state(container, FORM) == "running 0 1", "it runs again")
    else:
        ended(mc, container)
        assert mc.state(container, FORM) == "exited 4 0"


def test_an_attached_client_s_signal_is_a_user_s(mc: Runner) -> None:
    script = "trap 'exit 4' INT; echo said; while :; do sleep 0.02; done"
    client = mc.start("run", "--name", "attached", "--network", "none", "--restart", "always", "busybox",
                      "sh", "-c", script)  # fmt: skip
    assert client.stdout is not None
    assert client.stdout.readline() == b"said\n"
    client.send_signal(signal.SIGINT)
    client.communicate(timeout=60)
    assert client.returncode == 4
    until(lambda: mc.state("attached", FORM) == "exited 4 0", "it is not restarted")


def test_an_attached_client_leaves_at_the_first_end(mc: Runner) -> None:
    result = mc("run", "--name", "left", "--network", "none", "--restart", "always", "busybox",
                "sh", "-c", FAILS)  # fmt: skip
    assert (result.code, result.out, result.err) == (3, "said\n", "")
    until(lambda: lines(mc, "left") > 1, "it is restarted")


def test_a_follower_of_the_log_leaves_at_the_end_of_the_run(mc: Runner) -> None:
    script = "echo said; until [ -e /end ]; do sleep 0.02; done; rm /end; exit 3"
    container = restarting(mc, script)
    client = mc.start("logs", "-f", container)
    assert client.stdout is not None
    assert client.stdout.readline() == b"said\n"
    mc("exec", container, "touch", "/end")  # it may be killed with what it ends
    out, _ = client.communicate(timeout=60)
    assert (client.returncode, out) in ((0, b""), (0, b"said\n"))  # the next run may have begun
    until(lambda: mc.state(container, FORM) == "running 0 1", "it runs again")


def test_every_run_is_told(mc: Runner) -> None:
    since = time.time()
    container = restarting(mc, policy="on-failure:2")
    ended(mc, container)
    words = ["--since", f"{since:.9f}", "--until", "0s", "--format", "{{.Action}}"]
    told = mc.ok("events", "--filter", f"container={container}", *words).splitlines()
    assert told == ["create", *["start", "die"] * 3]
    told = mc.ok("events", "--filter", "type=network", *words).splitlines()
    assert told == ["connect", "disconnect"] * 3


# -- what a run leaves to the next, and what may befall the monitor


@pytest.mark.needs("nat")
def test_the_address_stays(mc: Runner) -> None:
    lower = mc.ok("run", "-d", "busybox", "sleep", "60")
    container = restarting(mc, "ip -4 addr show eth0 | grep -o 'inet [0-9.]*'; exit 1", "--network", "bridge",
                           policy="on-failure:2")  # fmt: skip
    mc.ok("rm", "-f", lower)
    ended(mc, container)
    seen = mc.ok("logs", container).splitlines()
    assert len(seen) == 3
    assert len(set(seen)) == 1


@pytest.mark.needs("nat")
def test_while_it_waits_it_has_no_address(mc: Runner) -> None:
    container = restarting(mc, FAILS, "--network", "bridge")
    held(mc, container)
    assert mc.state(container, "{{.NetworkSettings.IPAddress}}") == ""
    told = mc("system", "check").out.splitlines()
    assert [line for line in told if container[:12] in line or line.startswith(("address", "link"))] == []


def test_its_health_begins_anew(mc: Runner) -> None:
    # Often only while it is starting: were it healthy from before, it would not be probed for an hour.
    times = ("--health-interval", "1h", "--health-start-period", "1h", "--health-start-interval", "100ms")
    checks = ("--health-cmd", "cat /proc/uptime", *times)
    container = restarting(mc, "exec sleep 1000", *checks)
    until(lambda: mc.state(container, "{{.State.Health.Status}}") == "healthy", "it is healthy")
    mc.host.kill(mc.pid(container))
    until(lambda: mc.state(container, FORM) == "running 0 1", "it runs again")

    def probed_again() -> bool:
        form = "{{.State.StartedAt}} {{.State.Health.Status}} {{range .State.Health.Log}}{{.Start}} {{end}}"
        started, status, *probes = mc.state(container, form).split()
        return status == "healthy" and probes[-1] > started

    until(probed_again, "a probe of this run has found it healthy")


def test_it_cannot_be_started_again(mc: Runner, tmp_path: Path) -> None:
    source = tmp_path / "bound"
    source.mkdir()
    container = restarting(mc, FAILS, "-v", f"{source}:/bound")
    monitor = held(mc, container)
    count = status(mc, container)["restarts"]
    source.rmdir()
    let_go(mc, monitor)
    ended(mc, container)
    assert mc.state(container, FORM) == f"exited 3 {count}"
    assert str(source) in mc.state(container, "{{.State.Error}}")


def test_its_monitor_is_killed(mc: Runner) -> None:
    container = restarting(mc)
    monitor = held(mc, container)
    mc.host.kill(monitor)
    until(lambda: mc.ok("ps", "-q") == "", "no command restarts it")
    assert mc.state(container, "{{.State.Status}} {{.State.ExitCode}}") == "exited 3"
    assert container[:12] not in mc("system", "check").out


def test_a_shared_ipc_namespace(mc: Runner) -> None:
    """What is mounted for it in the monitor's namespace does not pile up."""
    donor = mc.ok("run", "-d", "--network", "none", "--ipc", "shareable", "busybox", "sleep", "1000")
    container = restarting(mc, "exec sleep 1000", "--ipc", f"container:{donor}")
    for count in range(1, 4):
        mc.host.kill(mc.pid(container))
        until(lambda count=count: mc.state(container, FORM) == f"running 0 {count}", "again", timeout=60)
    mounts = mc.host.sh(f"cat /proc/{mc.monitor(container)}/mountinfo")
    assert len([line for line in mounts.splitlines() if " /dev/shm " in line and " tmpfs shm " in line]) == 1
    assert mounts.count(f" {mc.root}/containers/{container}/rootfs ") == 1


FAST = """
from minicontainer.engine import restart_policy
restart_policy.FIRST = restart_policy.LONGEST = 0.001
from minicontainer.cli.main import main
main()
"""


def test_many_runs_leave_nothing_in_the_monitor(mc: Runner) -> None:
    """Without the launcher one process lives through all of them."""
    words = ["run", "-d", "--name", "many", "--network", "none", "--restart", "always", "busybox", "true"]
    started = mc.host.popen([sys.executable, "-c", FAST, *words], env=mc.environment, stdout=subprocess.PIPE)
    container = started.communicate(timeout=60)[0].decode().strip()

    def measured(runs: int) -> tuple[int, int]:
        """(open files, private memory in kB) after so many."""
        until(lambda: status(mc, container).get("restarts", 0) >= runs, f"{runs} runs", timeout=60)
        monitor = held(mc, container)
        memory = re.search(r"RssAnon:\s+(\d+) kB", mc.host.sh(f"cat /proc/{monitor}/status"))
        assert memory is not None
        files = mc.host.sh(f"ls /proc/{monitor}/fd").count("\n")
        let_go(mc, monitor)
        return files, int(memory[1])

    before, after = measured(5), measured(35)
    assert after[0] <= before[0] + 2  # held before or behind the wait itself
    assert after[1] <= before[1] + 1024


def test_a_client_that_is_behind_holds_nothing_up(mc: Runner) -> None:
    script = "head -c 800000 /dev/zero | tr '\\0' x; exit 3"
    words = ["run", "--name", "behind", "--network", "none", "--restart", "always", "busybox", "sh", "-c"]
    client = mc.start(*words, script)
    container = until(lambda: mc.ok("ps", "-aq", "--no-trunc"), "it is made")
    until(lambda: status(mc, container).get("restarts", 0) >= 2, "others run after it", timeout=60)
    out, _ = client.communicate(timeout=60)
    assert (client.returncode, len(out)) == (3, 800000)  # of the first run, and no other

    def children() -> str:
        """Of the monitor, which waits: the process that stayed for the client is gone, and reaped."""
        monitor = held(mc, container)
        found = mc.host.sh(f"grep -sl '^PPid:.{monitor}$' /proc/[0-9]*/status || true")
        let_go(mc, monitor)
        return found

    until(lambda: children() == "", "nothing is left of it", timeout=60)


# -- what cannot be asked for


@pytest.mark.parametrize("verb", ["run", "create"])
def test_rm_contradicts_it(mc: Runner, verb: str) -> None:
    said = "conflicting options: cannot specify both --restart and --rm"
    refused(mc, verb, "--rm", "--restart", "always", "busybox", "true", code=125, said=said)
    # "no" is none.
    assert mc(verb, "--rm", "--restart", "no", "--network", "none", "busybox", "true").code == 0


VALUES = [
    ("bogus", 1, "invalid restart policy: unknown policy 'bogus'; use one of 'no', 'always', 'on-failure',"),
    ("on-failure:-1", 1, "invalid restart policy: maximum retry count cannot be negative"),
    ("always:3", 1, "invalid restart policy: maximum retry count can only be used with 'on-failure'"),
    ("on-failure:x", 125, "invalid restart policy format: maximum retry count must be an integer"),
    (":3", 125, "invalid restart policy format: no policy provided before colon"),
]


@pytest.mark.parametrize(("value", "code", "said"), VALUES)
def test_values(mc: Runner, value: str, code: int, said: str) -> None:
    refused(mc, "create", "--restart", value, "busybox", "true", code=code, said=said)
    refused(mc, "run", "--restart", value, "busybox", "true", code=125, said=said)
