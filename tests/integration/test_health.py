"""Health checks: what is asked for, what is shown, and that nothing of a probe is ever left.

Nothing here waits for a time: a probe that must not be due soon is an hour away, one that must be is
repeated every few milliseconds, and what it does is told by a file in the container.
"""

from __future__ import annotations

import json
import time

import pytest

from tests.integration.refusals import refused
from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.integration.runner import Runner

NONE = ("--network", "none")
OFTEN = ("--health-interval", "50ms")
LATER = ("--health-interval", "1h")
# Often until it is healthy, and failures do not count; after that never again.
ONCE = (*LATER, "--health-start-period", "1h", "--health-start-interval", "50ms")
SLEEPER = "sleep 1001 & (sleep 1002; true) & setsid sleep 1003 & sleep 1004; true"


def start(mc: Runner, check: str, *options: str, program: tuple[str, ...] = ("sleep", "1000")) -> str:
    """The id of a container with this health check."""
    return mc.ok("run", "-d", *NONE, "--health-cmd", check, *options, "busybox", *program)


def health(mc: Runner, container: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(mc.state(container, "{{json .State.Health}}"))
    return found


def await_status(mc: Runner, container: str, status: str) -> dict[str, Any]:
    """What `inspect` says of its health, once it has this status."""
    until(lambda: health(mc, container)["Status"] == status, f"it is {status}", timeout=60)
    return health(mc, container)


def await_log(mc: Runner, container: str) -> dict[str, Any]:
    """The first result in its log."""
    found: dict[str, Any] = until(lambda: health(mc, container)["Log"], "a probe has ended", timeout=60)[0]
    return found


def processes(mc: Runner) -> dict[int, tuple[int, str]]:
    """The parent and the words of each process on the tests' host that is no zombie."""
    shown = mc.host.sh("ps -e -o pid= -o ppid= -o state= -o args=")
    lines = [line.split(None, 3) for line in shown.splitlines()]
    return {int(pid): (int(parent), words) for pid, parent, state, words in lines if state != "Z"}


def sleepers(mc: Runner) -> list[str]:
    """Those of SLEEPER that run."""
    return sorted(words for _, words in processes(mc).values() if words.startswith("sleep 100"))


def prober(mc: Runner, container: str) -> int:
    """The process between a container's monitor and its probe, once that runs."""
    monitor, init = mc.monitor(container), mc.pid(container)

    def find() -> int:
        parents = {pid: parent for pid, (parent, _) in processes(mc).items()}
        return next((pid for pid, parent in parents.items() if parent == monitor and pid != init), 0)

    found: int = until(find, "a probe runs", timeout=60)
    return found


def statuses(mc: Runner, container: str) -> list[str]:
    """What the journal tells of a container's health."""
    filters = ("--filter", f"container={container}", "--filter", "event=health_status")
    return mc.ok("events", "--since", "1", "--until", "0s", "--format", "{{.Action}}", *filters).splitlines()


def ps(mc: Runner, *arguments: str) -> str:
    return mc.ok("ps", "--format", "{{.Names}} {{.Status}}", *arguments)


def test_a_container_that_fails_and_recovers(mc: Runner) -> None:
    container = start(mc, "echo seen; test -e /ok", "--name", "web", *OFTEN, "--health-retries", "2")
    found = await_status(mc, container, "unhealthy")
    assert found["FailingStreak"] >= 2
    assert {(one["ExitCode"], one["Output"]) for one in found["Log"]} == {(1, "seen\n")}
    assert list(found) == ["Status", "FailingStreak", "Log"]
    assert list(found["Log"][0]) == ["Start", "End", "ExitCode", "Output"]
    assert [one["Start"] for one in found["Log"]] == sorted(one["Start"] for one in found["Log"])
    assert all(one["Start"] < one["End"] for one in found["Log"])
    assert ps(mc, "--filter", "health=unhealthy").endswith(" (unhealthy)")
    assert ps(mc, "--filter", "health=healthy") == ""
    mc.ok("exec", container, "touch", "/ok")
    assert await_status(mc, container, "healthy")["FailingStreak"] == 0
    assert ps(mc, "--filter", "health=healthy").endswith(" (healthy)")
    mc.ok("exec", container, "rm", "/ok")
    await_status(mc, container, "unhealthy")
    # The event follows what inspect shows.
    expected = [f"health_status: {status}" for status in ("unhealthy", "healthy", "unhealthy")]
    until(lambda: statuses(mc, container) == expected, "the journal tells it")


def test_until_its_first_probe_it_is_starting(mc: Runner) -> None:
    container = start(mc, "true", "--name", "slow", *LATER)
    assert health(mc, container) == {"Status": "starting", "FailingStreak": 0, "Log": []}
    assert ps(mc).startswith("slow Up ")
    assert ps(mc, "--filter", "health=starting").endswith(" (health: starting)")
    assert mc.state(container, "{{.State.Health.Status}}") == "starting"
    assert statuses(mc, container) == []


def test_one_without_a_health_check(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--name", "plain", *NONE, "busybox", "sleep", "1000")
    document = json.loads(mc.ok("inspect", container))[0]
    assert "Health" not in document["State"]
    assert "Healthcheck" not in document["Config"]
    assert ps(mc, "--filter", "health=none").startswith("plain Up ")
    assert "(" not in ps(mc)
    assert ps(mc, "--filter", "health=starting") == ""
    assert mc.state(container, "{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}") == "none"
    made = mc.ok("create", "--health-cmd", "true", *NONE, "busybox", "true")
    assert mc.state(made, "{{json .State.Health}}") == "null"  # until its first start, as Docker


def test_what_is_asked_for_is_shown(mc: Runner) -> None:
    flags = (
        "--health-cmd=x y", "--health-interval=1m30s", "--health-timeout=1.5s", "--health-retries=7",
        "--health-start-period=2s", "--health-start-interval=100ms",
    )  # fmt: skip
    container = mc.ok("create", *flags, *NONE, "busybox", "true")
    assert json.loads(mc.state(container, "{{json .Config.Healthcheck}}")) == {
        "Test": ["CMD-SHELL", "x y"],
        "Interval": 90_000_000_000,
        "Timeout": 1_500_000_000,
        "StartPeriod": 2_000_000_000,
        "StartInterval": 100_000_000,
        "Retries": 7,
    }


@pytest.mark.parametrize(
    ("flags", "codes", "said"),
    [
        (("--no-healthcheck", "--health-cmd=x"), (125, 125), "--no-healthcheck conflicts with --health-*"),
        (("--no-healthcheck", "--health-retries=1"), (125, 125), "--no-healthcheck conflicts with"),
        (("--health-interval=-1s",), (125, 125), "--health-interval cannot be negative"),
        (("--health-start-interval=-1s",), (125, 125), "--health-start-interval cannot be negative"),
        (("--health-retries=-1",), (125, 125), "--health-retries cannot be negative"),
        (("--health-timeout=5x",), (125, 125), 'invalid argument "5x" for "--health-timeout" flag'),
        (("--health-retries=x",), (125, 125), 'invalid argument "x" for "--health-retries" flag'),
        (("--health-interval=1us",), (125, 1), "Interval in Healthcheck cannot be less than 1ms"),
        (("--health-start-period=1us",), (125, 1), "StartPeriod in Healthcheck cannot be less than 1ms"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) and isinstance(value[0], str) else None,
)
def test_refused(mc: Runner, flags: tuple[str, ...], codes: tuple[int, int], said: str) -> None:
    for verb, code in zip(("run", "create"), codes, strict=True):
        refused(mc, verb, *NONE, *flags, "busybox", "true", code=code, said=said)


def test_an_image_s_health_check(mc: Runner, busybox_tar: Any) -> None:
    line = 'HEALTHCHECK --interval=1h --retries=4 CMD ["test", "-e", "/ok"]'
    mc.ok("import", "--change", 'CMD ["sh"]', "--change", line, str(busybox_tar), "checked")
    image = {"Test": ["CMD", "test", "-e", "/ok"], "Interval": 3600 * 10**9, "Retries": 4}
    shown = "{{json .Config.Healthcheck}}"
    assert json.loads(mc.ok("inspect", "-f", shown, "checked")) == image
    cases: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
        ((), image, "starting"),
        (("--health-retries=1",), image | {"Retries": 1}, "starting"),
        (("--health-cmd=true",), image | {"Test": ["CMD-SHELL", "true"]}, "starting"),
        (("--no-healthcheck",), image | {"Test": ["NONE"]}, "none"),
    ]
    for flags, expected, status in cases:
        container = mc.ok("run", "-d", *NONE, *flags, "checked", "sleep", "1000")
        assert json.loads(mc.state(container, shown)) == expected
        assert mc.ok("ps", "-q", "--filter", f"health={status}") == container[:12]
        mc.ok("rm", "-f", container)
    made = mc.ok("create", *NONE, "--health-timeout=2s", "checked")
    mc.ok("commit", made, "kept")
    assert json.loads(mc.ok("inspect", "-f", shown, "kept")) == image | {"Timeout": 2 * 10**9}
    mc.ok("commit", "-c", "HEALTHCHECK NONE", made, "without")
    without = image | {"Timeout": 2 * 10**9, "Test": ["NONE"]}
    assert json.loads(mc.ok("inspect", "-f", shown, "without")) == without
    mc.ok("commit", "-c", "HEALTHCHECK --retries=7 CMD true", made, "another")
    another = without | {"Test": ["CMD-SHELL", "true"], "Retries": 7}
    assert json.loads(mc.ok("inspect", "-f", shown, "another")) == another


def test_a_probe_is_what_the_program_is(mc: Runner) -> None:
    check = "id -u; pwd; echo $A; tr '\\0' ' ' < /proc/1/cmdline; grep CapBnd /proc/self/status; echo x >&2"
    options = ("-u", "nobody", "-w", "/tmp", "-e", "A=1", "--cap-drop", "ALL", *OFTEN)
    container = start(mc, check, *options)
    result = await_log(mc, container)
    assert result["ExitCode"] == 0
    assert result["Output"].splitlines() == [
        "65534",
        "/tmp",
        "1",
        "sleep 1000 CapBnd:\t0000000000000000",
        "x",
    ]


@pytest.mark.needs("user namespace", "id-mapped mounts")
def test_in_a_user_namespace_its_output_opens_by_name(mc: Runner) -> None:
    mapped = ("--uidmap", "0:300000:65536", "--gidmap", "0:300000:65536")
    container = start(mc, "id -u; echo here > /dev/stdout", *mapped, "-u", "nobody", *OFTEN)
    assert await_log(mc, container)["Output"] == "65534\nhere\n"


def test_a_command_that_cannot_be_started(mc: Runner, busybox_tar: Any) -> None:
    line = 'HEALTHCHECK --interval=50ms --retries=1 CMD ["nosuch"]'
    mc.ok("import", "--change", 'CMD ["sh"]', "--change", line, str(busybox_tar), "wrong")
    container = mc.ok("run", "-d", *NONE, "wrong", "sleep", "1000")
    result = await_status(mc, container, "unhealthy")["Log"][0]
    assert (result["ExitCode"], result["Output"]) == (
        -1,
        'exec: "nosuch": executable file not found in $PATH',
    )


def test_much_output_is_cut_and_text(mc: Runner) -> None:
    container = start(mc, "printf '\\377'; head -c 300000 /dev/zero | tr '\\0' x", *OFTEN)
    result = await_log(mc, container)
    assert (result["ExitCode"], result["Output"]) == (0, "�" + "x" * 4095 + "...")


def test_it_is_over_when_the_command_is_whoever_holds_its_output(mc: Runner) -> None:
    container = start(mc, "sleep 1001 & echo left it", *ONCE)
    (result,) = await_status(mc, container, "healthy")["Log"]
    assert (result["ExitCode"], result["Output"]) == (0, "left it\n")
    assert sleepers(mc) == ["sleep 1000", "sleep 1001"]  # what a probe that succeeds leaves was meant


def test_of_one_that_takes_too_long_nothing_is_left(mc: Runner) -> None:
    # Only the first one hangs: the second tells that the first is over.
    check = f"test -e /second && exit; touch /second; echo hm; {SLEEPER}"
    container = start(mc, check, *ONCE, "--health-timeout", "4s")
    first, second = await_status(mc, container, "healthy")["Log"]
    assert (first["ExitCode"], second["ExitCode"]) == (-1, 0)
    assert first["Output"] == "Health check exceeded timeout (4s): hm\n"
    assert sleepers(mc) == ["sleep 1000"]  # the program


def test_events_of_probes_are_an_exec_s(mc: Runner) -> None:
    container = start(mc, "exit 0", *ONCE)
    await_status(mc, container, "healthy")
    out = mc.ok(
        "events", "--since", "1", "--until", "0s", "--format", "json", "--filter", f"container={container}"
    )
    events = [json.loads(line) for line in out.splitlines()]
    first = next(event["Actor"]["Attributes"]["execID"] for event in events if "exec" in event["Action"])
    own = [event for event in events if event["Actor"]["Attributes"].get("execID") == first]
    assert [event["Action"] for event in own] == [
        "exec_create: /bin/sh -c exit 0", "exec_start: /bin/sh -c exit 0", "exec_die",
    ]  # fmt: skip
    assert own[-1]["Actor"]["Attributes"]["exitCode"] == "0"


def test_a_probe_that_hangs_keeps_nobody_waiting(mc: Runner) -> None:
    container = start(mc, SLEEPER, "-i", *OFTEN, program=("cat",))
    prober(mc, container)
    # Also the end of input gets through: the prober does not hold the pipe open.
    result = mc("attach", container, input=b"echoed\n")
    assert (result.code, result.out) == (0, "echoed\n")
    until(lambda: sleepers(mc) == [], "the container's end is the probe's")
    assert mc.state(container) == "exited 0"


@pytest.mark.parametrize("options", [(), ("--pid", "host")], ids=["own pids", "host's pids"])
def test_the_end_of_the_container_is_the_probe_s(mc: Runner, options: tuple[str, ...]) -> None:
    container = start(mc, SLEEPER, *OFTEN, *options)
    until(lambda: len(sleepers(mc)) == 5, "the probe hangs", timeout=60)
    mc.ok("kill", container)
    until(lambda: sleepers(mc) == [], "all have ended")
    found = health(mc, container)
    assert (found["Status"], found["Log"]) == ("unhealthy", [])  # it was not judged


def test_the_monitor_s_death_is_the_probe_s(mc: Runner) -> None:
    container = start(mc, SLEEPER, *OFTEN)
    until(lambda: len(sleepers(mc)) == 5, "the probe hangs", timeout=60)
    between = prober(mc, container)
    mc.host.kill(mc.monitor(container))
    until(lambda: sleepers(mc) == [] and between not in processes(mc), "all have ended")
    assert mc.state(container) == "exited 137"


def test_a_prober_that_is_killed_counts_as_a_failure(mc: Runner) -> None:
    # Another user's, since a change of user clears what ties a process to its parent (prctl(2)).
    container = start(mc, "exec sleep 1004", *OFTEN, "--health-retries", "1", "-u", "nobody")
    until(lambda: "sleep 1004" in sleepers(mc), "the probe hangs", timeout=60)
    between = prober(mc, container)
    (command,) = (pid for pid, (_, words) in processes(mc).items() if words == "sleep 1004")
    mc.host.kill(between)
    found = await_status(mc, container, "unhealthy")
    assert found["Log"][0]["ExitCode"] == -1
    assert found["Log"][0]["Output"] == "the process that ran the health check was killed"
    until(lambda: command not in processes(mc), "its command is killed with it")


def test_a_paused_container_is_not_probed(mc: Runner) -> None:
    container = start(mc, "true", *OFTEN)
    await_status(mc, container, "healthy")
    mc.ok("pause", container)
    assert health(mc, container)["Status"] == "unhealthy"  # as Docker has it
    assert ps(mc).endswith(" (Paused)")
    before = health(mc, container)["Log"]
    time.sleep(0.8)  # ten probes of a container that runs
    held = health(mc, container)["Log"]
    # One that had ended as it was paused may be told later.
    assert before[-1] in held[-2:]
    mc.ok("unpause", container)
    until(lambda: health(mc, container)["Log"] != held, "probes go on", timeout=60)
    await_status(mc, container, "healthy")
    assert statuses(mc, container) == ["health_status: healthy"]


def test_every_start_begins_anew(mc: Runner) -> None:
    container = start(mc, "true", *OFTEN)
    await_status(mc, container, "healthy")
    mc.ok("stop", "-t", "0", container)
    ended = health(mc, container)
    assert (ended["Status"], ended["FailingStreak"]) == ("unhealthy", 0)
    assert ended["Log"]
    assert mc.ok("ps", "-a", "-q", "--filter", "health=unhealthy") == container[:12]
    mc.ok("start", container)
    until(lambda: statuses(mc, container) == ["health_status: healthy"] * 2, "twice", timeout=60)
    mc.ok("restart", "-t", "0", container)
    until(lambda: len(statuses(mc, container)) == 3, "a third time", timeout=60)


def test_a_new_name_is_told(mc: Runner) -> None:
    container = start(mc, "test -e /ok", "--name", "first", *OFTEN, "--health-retries", "1")
    await_status(mc, container, "unhealthy")
    mc.ok("rename", "first", "second")
    mc.ok("exec", "second", "touch", "/ok")
    await_status(mc, container, "healthy")
    filters = ("--filter", f"container={container}", "--filter", "event=health_status")
    form = ("--format", "{{.Action}} {{.Actor.Attributes.name}}")
    until(
        lambda: (
            mc.ok("events", "--since", "1", "--until", "0s", *form, *filters).splitlines()[-1:]
            == ["health_status: healthy second"]
        ),
        "its name of now",
    )


def test_a_damaged_record_is_told_and_written_anew(mc: Runner) -> None:
    container = start(mc, "test -e /ok && sleep 1004; true", *OFTEN)
    await_status(mc, container, "healthy")
    mc.ok("exec", container, "touch", "/ok")
    until(lambda: "sleep 1004" in sleepers(mc), "a probe hangs: nobody writes now", timeout=60)
    path = f"{mc.root}/containers/{container}/health.json"
    with open(path, "w") as file:
        file.write('{"status": "hea')
    (told,) = health(mc, container)["Log"]
    assert path in told["Output"]
    assert "is damaged" in told["Output"]
    assert ps(mc).endswith(" (health: starting)")
    mc.ok("exec", container, "rm", "/ok")
    mc.host.kill(prober(mc, container))
    await_status(mc, container, "healthy")


STEPS = (
    "prober:set_pdeathsig", "prober:fork", "prober:wait", "prober:wait#2", "helper:setns",
    "helper:clone_sibling", "exec:setresuid", "exec:execve",
)  # fmt: skip


@pytest.mark.parametrize("action", ["EPERM", "kill"])
@pytest.mark.parametrize("step", STEPS)
def test_a_probe_that_fails_or_dies_anywhere_harms_nobody(mc: Runner, step: str, action: str) -> None:
    options = (*NONE, *OFTEN, "-u", "nobody", "--health-cmd", "true", "--health-retries", "1")
    fault = {"MINICONTAINER_FAULT": f"{step}:{action}"}
    container = mc.ok("run", "-d", *options, "busybox", "sleep", "1000", env=fault)
    found = await_status(mc, container, "unhealthy")
    assert found["Log"][0]["ExitCode"] in (-1, 126, 137)
    assert mc.state(container) == "running 0"
    # Were one left of each probe, there would never again be the program alone.
    until(lambda: len(mc.ok("top", container).splitlines()) == 2, "nothing of a probe is left", timeout=60)
    assert mc.ok("exec", container, "echo", "fine") == "fine"
