"""Limits of the command line, proved by the kernel: on this host's control groups, and on v2 in UML.

A limit that this host cannot enforce is refused in one sentence, before anything is made; then the
test of the limit checks that instead.
"""

from __future__ import annotations

import os
import re
import subprocess
import time

import pytest

from minicontainer.cgroups.host import hierarchies
from tests import needs
from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.runner import Runner

MIB = 1 << 20
ALONE = ("--network", "none")
# Twelve megabytes at a time into memory that only ends where the limit is.
EATER = "tail /dev/zero"
# The shell that forks ends when it cannot; PID 1 and what was made stay.
BOMB = "(while :; do sleep 1000 & done) 2>/refused; exec sleep 1000"


def control(mc: Runner, container: str, v1: str, v2: str) -> str:
    """A control file of the container's group, by v1's or v2's name for it."""
    found = hierarchies()
    controller = {"io": "blkio"}.get(v1.partition(".")[0], v1.partition(".")[0])
    mount, name = (found.bound[controller], v1) if controller in found.bound else (found.unified, v2)
    with open(f"{mount}/minicontainer/{identity(mc, container)}/{name}") as file:
        return file.read().strip()


def identity(mc: Runner, container: str) -> str:
    return mc.ok("inspect", "-f", "{{.Id}}", container)


def numbers(table: str) -> dict[str, int]:
    """A file of ``key value`` lines."""
    return {key: int(value) for key, value in (line.split() for line in table.splitlines())}


def memory_flags(size: str) -> list[str]:
    """A memory limit without swap, where swap can be limited."""
    found = hierarchies()
    v1 = found.bound.get("memory")
    swap = os.path.exists(f"{v1}/memory.memsw.limit_in_bytes") if v1 else os.path.exists("/proc/swaps")
    return ["-m", size, *(["--memory-swap", size] if swap else [])]


# -- memory


@pytest.mark.needs("controller:memory")
def test_a_program_beyond_its_memory_is_killed_and_inspect_says_so(mc: Runner) -> None:
    result = mc(
        "run", "--name", "eater", *ALONE, *memory_flags("24m"), "busybox", "sh", "-c", f"exec {EATER}"
    )
    assert result.code == 137, result
    assert (
        mc.state("eater", "{{.State.OOMKilled}} {{.State.ExitCode}} {{.State.Status}}") == "true 137 exited"
    )
    assert "(137)" in mc.ok("ps", "-a", "--filter", "name=eater", "--format", "{{.Status}}")


@pytest.mark.needs("controller:memory")
def test_the_kernel_counted_the_kill(mc: Runner) -> None:
    """The shell survives its child, so the group is still there to be read."""
    script = f"{EATER}; echo $? > /code; exec sleep 1000"
    mc.ok("run", "-d", "--name", "eater", *ALONE, *memory_flags("24m"), "busybox", "sh", "-c", script)
    until(lambda: mc("exec", "eater", "test", "-s", "/code").code == 0, "the child has ended")
    assert mc.ok("exec", "eater", "cat", "/code") == "137"
    assert control(mc, "eater", "memory.limit_in_bytes", "memory.max") == str(24 * MIB)
    events = numbers(control(mc, "eater", "memory.oom_control", "memory.events"))
    assert events["oom_kill"] >= 1
    peak = int(control(mc, "eater", "memory.max_usage_in_bytes", "memory.current"))
    assert peak <= 24 * MIB
    mc.ok("kill", "eater")
    assert mc.state("eater", "{{.State.OOMKilled}}") == "true"


@pytest.mark.needs("controller:memory")
def test_a_program_within_its_memory_is_left_alone(mc: Runner) -> None:
    copy = ["dd", "if=/dev/zero", "of=/dev/null", "bs=16M", "count=1"]
    mc.ok("run", "--name", "modest", *ALONE, *memory_flags("64m"), "busybox", *copy)
    assert mc.state("modest", "{{.State.OOMKilled}} {{.State.ExitCode}}") == "false 0"


@pytest.mark.needs("controller:memory")
def test_a_limit_too_small_for_any_program(mc: Runner) -> None:
    result = mc("run", *ALONE, "-m", "5m", "busybox", "true")
    assert result.code == 125
    assert "Minimum memory limit allowed is 6MB" in result.err
    assert result.err.count("\n") == 1


@pytest.mark.needs("controller:memory")
def test_reservation_and_the_files_of_the_kernel(mc: Runner) -> None:
    words = ["-m", "64m", "--memory-reservation", "32m", "busybox", "sleep", "1000"]
    mc.ok("run", "-d", "--name", "both", *ALONE, *words)
    assert control(mc, "both", "memory.limit_in_bytes", "memory.max") == str(64 * MIB)
    assert control(mc, "both", "memory.soft_limit_in_bytes", "memory.low") == str(32 * MIB)


# -- processes


@pytest.mark.needs("controller:pids")
def test_a_fork_bomb_stops_at_the_limit(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "bomb", *ALONE, "--pids-limit", "20", "busybox", "sh", "-c", BOMB)
    until(lambda: int(control(mc, "bomb", "pids.current", "pids.current")) >= 19, "the limit is reached")
    assert control(mc, "bomb", "pids.max", "pids.max") == "20"
    until(
        lambda: numbers(control(mc, "bomb", "pids.events", "pids.events"))["max"] >= 1, "a fork was refused"
    )
    assert int(control(mc, "bomb", "pids.current", "pids.current")) <= 20
    mc.ok("rm", "-f", "bomb")


@pytest.mark.needs("controller:pids")
def test_a_shell_says_that_it_cannot_fork(mc: Runner) -> None:
    result = mc("run", "--rm", *ALONE, "--pids-limit", "2", "busybox", "sh", "-c", "sleep 9 & sleep 9 & wait")
    assert "can't fork" in result.err
    assert "Resource temporarily unavailable" in result.err


@pytest.mark.needs("controller:pids")
def test_exec_counts_too(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "full", *ALONE, "--pids-limit", "3", "busybox", "sleep", "1000")
    result = mc("exec", "full", "sh", "-c", "sleep 9 & sleep 9 & sleep 9 & true")
    assert "can't fork" in result.err
    assert mc.state("full") == "running 0"


# -- processors


@pytest.mark.needs("controller:cpu")
def test_a_busy_loop_is_throttled(mc: Runner) -> None:
    mc.ok(
        "run", "-d", "--name", "busy", *ALONE, "--cpus", "0.1", "busybox", "sh", "-c", "while :; do :; done"
    )
    quota = control(mc, "busy", "cpu.cfs_quota_us", "cpu.max")
    assert quota in ("10000", "10000 100000")
    until(
        lambda: numbers(control(mc, "busy", "cpu.stat", "cpu.stat"))["nr_throttled"] >= 3, "it is throttled"
    )
    began, before = time.monotonic(), processor_seconds(mc, "busy")
    time.sleep(1)
    used = processor_seconds(mc, "busy") - before
    # A tenth of a second in one second, and as much again for a machine that counts late.
    assert used < 0.2 * (time.monotonic() - began) + 0.1


def processor_seconds(mc: Runner, container: str) -> float:
    text = control(mc, container, "cpuacct.usage", "cpu.stat")
    return int(text) / 1e9 if text.isdigit() else numbers(text)["usage_usec"] / 1e6


@pytest.mark.needs("controller:cpu")
def test_shares(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "light", *ALONE, "--cpu-shares", "512", "busybox", "sleep", "1000")
    assert control(mc, "light", "cpu.shares", "cpu.weight") in ("512", "20", "50", "59")


@pytest.mark.needs("controller:cpuset")
def test_only_the_named_processors_are_used(mc: Runner) -> None:
    script = "grep Cpus_allowed_list /proc/self/status"
    assert mc.ok("run", "--rm", *ALONE, "--cpuset-cpus", "0", "busybox", "sh", "-c", script).split()[1] == "0"
    mc.ok("run", "-d", "--name", "first", *ALONE, "--cpuset-cpus", "0", "busybox", "sleep", "1000")
    assert control(mc, "first", "cpuset.cpus", "cpuset.cpus") == "0"


@pytest.mark.needs("controller:cpuset")
def test_a_processor_that_is_not_there(mc: Runner) -> None:
    result = mc("run", *ALONE, "--cpuset-cpus", "4095", "busybox", "true")
    assert result.code == 125
    assert "4095" in result.err
    assert result.err.count("\n") == 1
    assert mc.ok("ps", "-aq") == ""


# -- block devices


@pytest.fixture
def loop_device(tmp_path: Path) -> Iterator[str]:
    """A block device of two MiB, whatever the disks of this host are."""
    if reason := needs.lacks("command:losetup"):
        pytest.skip(reason)
    backing = tmp_path / "disk"
    backing.write_bytes(bytes(2 * MIB))
    made = subprocess.run(
        ["losetup", "-f", "--show", str(backing)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    yield made.stdout.strip()
    subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)


def test_writes_to_a_throttled_device_are_slow(mc: Runner, loop_device: str) -> None:
    """One megabyte at a megabyte a second; the container reaches the device by its rules and a node."""
    words = [
        "run",
        "-d",
        "--name",
        "slow",
        *ALONE,
        "--privileged",
        "--device-write-bps",
        f"{loop_device}:1mb",
    ]
    result = mc(*words, "busybox", "sleep", "1000")
    if result.code == 125:
        refused(result.err, "blockIO")
        assert mc.ok("ps", "-aq") == ""
        pytest.skip(result.err.strip())
    number = os.stat(loop_device).st_rdev
    line = control(mc, "slow", "blkio.throttle.write_bps_device", "io.max")
    assert line.startswith(f"{os.major(number)}:{os.minor(number)} ")
    assert str(MIB) in line
    began = time.monotonic()
    command = f"dd if=/dev/zero of={loop_device} bs=512k count=2 oflag=direct"
    written = mc("exec", "slow", "sh", "-c", command)
    assert written.code == 0, written
    assert time.monotonic() - began > 0.4


# -- devices


def enforces_devices() -> str:
    found = hierarchies()
    return (
        ""
        if not found.bound or "devices" in found.bound
        else f"the devices controller is {found.where('devices')}"
    )


def test_a_device_that_was_not_given_cannot_be_opened(mc: Runner) -> None:
    if reason := enforces_devices():
        pytest.skip(reason)
    script = "mknod /k c 1 11 && head -c 1 /k; head -c 4 /dev/zero | wc -c"
    result = mc("run", "--rm", *ALONE, "busybox", "sh", "-c", script)
    assert result.out == "4\n"
    assert "/k: Operation not permitted" in result.err


def test_a_privileged_container_may_open_it(mc: Runner) -> None:
    script = "test -c /dev/kmsg && (: < /dev/kmsg) && echo opened"
    result = mc("run", "--rm", *ALONE, "--privileged", "busybox", "sh", "-c", script)
    if not os.access("/dev/kmsg", os.R_OK):
        pytest.skip("this host has no /dev/kmsg that we could open")
    assert result.out == "opened\n", result


# -- what this host cannot do

FLAGS = {
    "memory": ("-m", "64m"),
    "cpu": ("--cpus", "0.5"),
    "cpuset": ("--cpuset-cpus", "0"),
    "pids": ("--pids-limit", "50"),
    "blkio": ("--blkio-weight", "500"),
}


def refused(text: str, limit: str) -> None:
    """One line that names the limit, its controller, and where that is bound or what the kernel lacks."""
    assert re.fullmatch(rf"minicontainer: .*{limit}.* cannot be enforced: .+\n", text), text


@pytest.mark.parametrize("controller", FLAGS)
def test_a_limit_is_enforced_or_refused_before_anything_is_made(mc: Runner, controller: str) -> None:
    result = mc("run", "--rm", *ALONE, *FLAGS[controller], "busybox", "true")
    if result.code == 0:
        return
    assert result.code == 125
    refused(result.err, "")
    assert mc.ok("ps", "-aq") == ""


@pytest.mark.parametrize("controller", ["memory", "pids", "cpu"])
def test_a_controller_that_is_taken_away_is_named(mc: Runner, controller: str) -> None:
    """A host whose control groups are mounted nowhere: a mount namespace in which they are not."""
    # The tests' host has a /sys of its own over this host's (host.py): both are looked through.
    script = 'umount -l /sys; umount -l "$1" && shift && exec "$@"'
    found = hierarchies()
    mount = found.bound.get(controller) or found.unified
    if mount is None or (controller not in found.bound and controller not in found.unified_controllers):
        pytest.skip(f"the {controller} controller is {found.where(controller)}")
    wrapper = ("unshare", "--mount", "sh", "-c", script, "sh", mount)
    started = mc.start("run", *ALONE, *FLAGS[controller], "busybox", "true", wrapper=wrapper)
    out, err = started.communicate(timeout=60)
    assert started.returncode == 125
    assert out == b""
    assert b"Traceback" not in err
    assert err.count(b"\n") == 1
    if controller in found.bound:
        assert (
            f"the {controller} controller is bound to a cgroup v1 hierarchy that is not mounted"
            in err.decode()
        )
    assert mc.ok("ps", "-aq") == ""
