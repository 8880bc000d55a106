"""``system resume``: the machine comes back, and what is to run does; ``system suspend``: it goes.

A reboot is a host of the test's own, on which every process is killed and the run root removed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pytest

from minicontainer.cli import systemd
from tests.faults.host import ROOT, RUN, on_a_host
from tests.faults.test_disasters import groups_gone, power_off
from tests.integration.runner import until
from tests.integration.waiting import held, restarting, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.host import Host
    from tests.integration.runner import Runner

SLEEPS = ("--network", "none", "busybox", "sleep", "1000")
isolated = pytest.mark.needs("network namespace", "pid namespace", "uts namespace", "cgroup namespace")


def running(host: Host) -> set[str]:
    return set(host.good("ps", "--format", "{{.Names}}").split())


def settle(host: Host, name: str, state: str) -> None:
    """Until that container is in this state."""
    deadline = time.monotonic() + 60
    while host.good("inspect", "-f", "{{.State.Status}}", name) != state:
        assert time.monotonic() < deadline, f"{name}: not {state}"
        time.sleep(0.05)


@isolated
def test_after_a_reboot(busybox_tar: Path) -> None:
    reboot(str(busybox_tar))


@on_a_host
def reboot(host: Host, image: str) -> None:
    host.good("import", image, "busybox")

    def run(name: str, policy: str, *words: str) -> None:
        host.good("run", "-d", "--name", name, "--restart", policy, *(words or SLEEPS))

    for policy in ("no", "always", "unless-stopped", "on-failure", "on-failure:1"):
        run(policy.replace(":", "-"), policy)
    run("always-stopped", "always")
    run("unless-stopped-stopped", "unless-stopped")
    run("on-failure-stopped", "on-failure")
    host.good("stop", "-t", "0", "always-stopped", "unless-stopped-stopped", "on-failure-stopped")
    run("on-failure-done", "on-failure", "--network", "none", "busybox", "true")
    settle(host, "on-failure-done", "exited")
    host.good("create", "--name", "never", "--restart", "always", *SLEEPS)
    host.good("run", "-d", "--rm", "--name", "passing", *SLEEPS)
    power_off(host)
    expected = [
        "always",
        "unless-stopped",
        "on-failure",
        "on-failure-1",
        "always-stopped",
        "on-failure-stopped",
    ]
    assert host.good("system", "resume").split() == expected  # the oldest first
    assert running(host) == set(expected)
    assert host.good("system", "resume") == ""  # all that is to run does
    assert host.run("system", "check").code == 0
    for name in expected:
        assert host.good("exec", name, "echo", "well") == "well"
        assert host.good("inspect", "-f", "{{.RestartCount}}", name) == "0"
    # The policies hold as before, and a stop counts.
    host.good("stop", "-t", "0", "unless-stopped")
    power_off(host)
    assert "unless-stopped" not in host.good("system", "resume").split()
    host.good("rm", "-f", *host.containers())


@isolated
def test_several_and_one_that_fails(busybox_tar: Path) -> None:
    failing(str(busybox_tar))


@on_a_host
def failing(host: Host, image: str) -> None:
    host.good("import", image, "busybox")
    bound = f"{ROOT}/bound"
    os.mkdir(bound)
    names = [f"box{number}" for number in range(10)]  # more than are started at once
    for name in names:
        words = ["-v", f"{bound}:/bound"] if name == "box3" else []
        host.good("run", "-d", "--name", name, "--restart", "always", *words, *SLEEPS)
    donor = ["run", "-d", "--name", "donor", "--restart", "always", "--ipc", "shareable", *SLEEPS]
    host.good(*donor)
    host.good("run", "-d", "--name", "joined", "--restart", "always", "--ipc", "container:donor", *SLEEPS)
    power_off(host)
    os.rmdir(bound)
    result = host.run("system", "resume")
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert result.err.startswith("minicontainer: box3: ")
    assert bound in result.err
    assert result.out.split() == [*(name for name in names if name != "box3"), "donor", "joined"]
    assert running(host) == {*names, "donor", "joined"} - {"box3"}
    # It is tried again.
    os.mkdir(bound)
    assert host.good("system", "resume") == "box3"
    host.good("rm", "-f", *host.containers())


@isolated
def test_a_shutdown(busybox_tar: Path) -> None:
    shutdown(str(busybox_tar))


@on_a_host
def shutdown(host: Host, image: str) -> None:
    host.good("import", image, "busybox")
    quick = ("--network", "none", "--stop-timeout", "0", "busybox", "sleep", "1000")
    host.good("run", "-d", "--name", "no", *quick)
    host.good("run", "-d", "--name", "always", "--restart", "always", *quick)
    host.good("run", "-d", "--name", "unless-stopped", "--restart", "unless-stopped", *quick)
    host.good("run", "-d", "--name", "stopped", "--restart", "unless-stopped", *quick)
    host.good("stop", "stopped")
    done = "trap 'exit 0' TERM; echo said; while :; do sleep 0.02; done"
    host.good("run", "-d", "--name", "done", "--restart", "on-failure", "--network", "none", "busybox",
              "sh", "-c", done)  # fmt: skip
    deadline = time.monotonic() + 60
    while host.good("logs", "done") != "said":
        assert time.monotonic() < deadline
    assert set(host.good("system", "suspend").split()) == {"no", "always", "unless-stopped", "done"}
    assert running(host) == set()
    assert groups_gone(host)  # no monitor is left, either
    shutil.rmtree(RUN)
    assert host.good("system", "resume").split() == ["always", "unless-stopped"]
    host.good("rm", "-f", *host.containers())


def test_one_that_waits_is_suspended(mc: Runner) -> None:
    container = restarting(mc, "exit 3", "--name", "waits")
    held(mc, container)
    assert mc.ok("system", "suspend") == "waits"
    assert mc.state(container) == "exited 3"
    assert "stopped" not in status(mc, container)
    assert mc.ok("system", "resume") == "waits"
    until(lambda: status(mc, container).get("restarts", 0) >= 1, "the policy holds", timeout=60)


def test_what_a_killed_monitor_leaves(mc: Runner) -> None:
    container = restarting(mc, "exec sleep 1000", "--name", "left", policy="unless-stopped")
    mc.host.kill(mc.monitor(container))
    until(lambda: mc.ok("ps", "-q") == "", "no other command starts it")
    assert mc.state(container) == "exited 137"
    assert mc.ok("system", "resume") == "left"
    assert mc.state(container) == "running 0"


def test_damaged_files_are_told_of(mc: Runner) -> None:
    container = restarting(mc, "exec sleep 1000", "--name", "whole")
    mc.host.kill(mc.monitor(container))
    damaged = mc.ok("create", "--network", "none", "busybox")
    with open(f"{mc.root}/containers/{damaged}/status.json", "w") as file:
        file.write("{")
    result = mc("system", "resume")
    assert (result.code, result.out) == (1, "whole\n")
    assert "is damaged" in result.err
    mc.ok("rm", "-f", damaged)


# -- the unit


def test_the_unit_names_this_command(mc: Runner) -> None:
    unit = mc.ok("system", "resume", "--unit")
    command = f"{sys.executable} -m minicontainer --root {mc.root} --run-root {mc.run_root} system"
    assert f"ExecStart=-{command} resume\n" in unit
    assert f"ExecStop={command} suspend\n" in unit
    assert f"RequiresMountsFor={mc.root}\n" in unit


@pytest.mark.needs("command:systemd-analyze")
@pytest.mark.parametrize("user", [False, True])
def test_systemd_takes_the_unit(user: bool, tmp_path: Path) -> None:
    path = tmp_path / "minicontainer.service"
    text = systemd.unit("/var/lib/50% $HOME", "/run/minicontainer", user=user)
    path.write_text(text)
    assert '\nRequiresMountsFor="/var/lib/50%% $HOME"\n' in text
    assert '--root "/var/lib/50%% $$HOME" --run-root /run/minicontainer system resume\n' in text
    assert ("default.target" in text) is user
    ran = subprocess.run(
        ["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False
    )
    told = [line for line in ran.stderr.splitlines() if "minicontainer" in line]
    assert (ran.returncode, told) == (0, [])


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("/plain/path", "/plain/path"),
        ("/a b", '"/a b"'),
        ("/50%", "/50%%"),
        ('/q"', '"/q\\""'),
        ("/back\\slash", '"/back\\\\slash"'),
        ("", '""'),
    ],
)
def test_quoting(word: str, written: str) -> None:
    assert systemd.quoted(word) == written
