"""``update``: what the kernel is told, what is written down, and what is refused."""

from __future__ import annotations

import os

import pytest

from tests.integration.refusals import refused
from tests.integration.runner import until
from tests.needs import bound_controllers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

# What tells of a limit: on v1 and on v2.
FILES = {
    "memory": ("memory", "memory.limit_in_bytes", "memory.max"),
    "swap": ("memory", "memory.memsw.limit_in_bytes", "memory.swap.max"),
    "pids": ("pids", "pids.max", "pids.max"),
    "quota": ("cpu", "cpu.cfs_quota_us", "cpu.max"),
    "cpus": ("cpuset", "cpuset.cpus", "cpuset.cpus"),
}
MIB = 1 << 20


@pytest.fixture
def running(mc: Runner) -> str:
    """The id of a running container without limits."""
    return mc.ok("run", "-d", "--name", "runs", "--network", "none", "busybox", "sleep", "60")


def limit(container: str, name: str) -> str:
    """What the kernel says; of cpu.max, the quota; of swap, with the memory."""
    controller, old, new = FILES[name]
    group = f"{bound_controllers()[controller]}/minicontainer/{container}"
    unified = os.path.exists(f"{group}/cgroup.controllers")
    with open(f"{group}/{new if unified else old}") as told:
        value = told.read().split()[0]
    return str(int(value) + int(limit(container, "memory"))) if unified and name == "swap" else value


def host_config(mc: Runner, container: str, *fields: str) -> str:
    """Fields of HostConfig, as `inspect` shows them."""
    return mc.ok("inspect", "-f", " ".join(f"{{{{.HostConfig.{field}}}}}" for field in fields), container)


@pytest.mark.needs("controller:memory")
def test_memory_of_what_runs(mc: Runner, running: str) -> None:
    assert mc.ok("update", "-m", "64m", "--memory-swap", "128m", "runs") == "runs"
    assert (limit(running, "memory"), limit(running, "swap")) == (str(64 * MIB), str(128 * MIB))
    mc.ok("update", "-m", "256m", "--memory-swap", "512m", "runs")
    assert (limit(running, "memory"), limit(running, "swap")) == (str(256 * MIB), str(512 * MIB))
    mc.ok("update", "-m", "32m", "runs")
    assert (limit(running, "memory"), limit(running, "swap")) == (str(32 * MIB), str(512 * MIB))
    assert host_config(mc, "runs", "Memory", "MemorySwap") == f"{32 * MIB} {512 * MIB}"


@pytest.mark.needs("controller:pids", "controller:cpu", "controller:cpuset")
def test_several_limits_at_once(mc: Runner, running: str) -> None:
    mc.ok("update", "--cpus", "0.5", "--pids-limit", "9", "--cpuset-cpus", "0", "runs")
    assert (limit(running, "quota"), limit(running, "pids"), limit(running, "cpus")) == ("50000", "9", "0")
    mc.ok("update", "--pids-limit", "-1", "runs")
    assert (limit(running, "quota"), limit(running, "pids")) == ("50000", "max")
    assert host_config(mc, "runs", "NanoCpus", "PidsLimit", "CpusetCpus") == "500000000 -1 0"


@pytest.mark.needs("controller:cpu")
def test_period_and_quota(mc: Runner, running: str) -> None:
    mc.ok("update", "--cpu-period", "50000", "--cpu-quota", "20000", "runs")
    assert limit(running, "quota") == "20000"
    mc.ok("update", "--cpu-quota", "10000", "runs")
    assert (limit(running, "quota"), host_config(mc, "runs", "CpuPeriod")) == ("10000", "50000")


@pytest.mark.needs("controller:pids")
def test_what_does_not_run_gets_it_at_its_start(mc: Runner) -> None:
    container = mc.ok("create", "--name", "made", "--network", "none", "busybox", "sleep", "60")
    assert mc.ok("update", "--pids-limit", "7", "made") == "made"
    mc.ok("start", "made")
    assert limit(container, "pids") == "7"
    mc.ok("restart", "-t", "0", "made")
    assert limit(container, "pids") == "7"


@pytest.mark.needs("controller:pids")
def test_a_paused_one(mc: Runner, running: str) -> None:
    mc.ok("pause", "runs")
    mc.ok("update", "--pids-limit", "11", "runs")
    assert limit(running, "pids") == "11"
    assert mc.state("runs") == "paused 0"


@pytest.mark.parametrize(
    ("policy", "shown"),
    [("always", "always 0"), ("unless-stopped", "unless-stopped 0"), ("on-failure", "on-failure 0"),
     ("on-failure:3", "on-failure 3"), ("no", "no 0")],
)  # fmt: skip
def test_restart_policy(mc: Runner, policy: str, shown: str) -> None:
    mc.ok("create", "--name", "made", "--network", "none", "busybox", "true")
    mc.ok("update", "--restart", policy, "made")
    assert host_config(mc, "made", "RestartPolicy.Name", "RestartPolicy.MaximumRetryCount") == shown


@pytest.mark.needs("controller:pids", "controller:cpu")
def test_zero_leaves_a_limit_as_it_is(mc: Runner, running: str) -> None:
    mc.ok("update", "--cpus", "0.5", "runs")
    mc.ok("update", "--cpus", "0", "--pids-limit", "5", "runs")
    assert host_config(mc, "runs", "NanoCpus") == "500000000"


@pytest.mark.needs("controller:pids")
def test_several_and_missing_ones(mc: Runner, running: str) -> None:
    mc.ok("create", "--name", "made", "--network", "none", "busybox", "true")
    result = mc("update", "--pids-limit", "5", "runs", "nosuch", "made")
    assert (result.code, result.out) == (1, "runs\nmade\n")
    assert result.err == "minicontainer: No such container: nosuch\n"


@pytest.mark.needs("controller:memory")
def test_what_the_kernel_refuses_is_not_written_down(mc: Runner) -> None:
    """Less memory than is used, and no swap to put it to."""
    script = "dd if=/dev/zero of=/dev/shm/f bs=1M count=30 2>/dev/null; echo ready; exec sleep 60"
    words = ("run", "-d", "--name", "uses", "--network", "none", "-m", "64m", "--memory-swap", "64m")
    container = mc.ok(*words, "busybox", "sh", "-c", script)
    until(lambda: mc.ok("logs", "uses"), "it uses memory")
    result = mc("update", "-m", "8m", "--memory-swap", "8m", "uses")
    assert result.code == 1, result
    assert "Device or resource busy" in result.err
    assert host_config(mc, "uses", "Memory") == str(64 * MIB)
    assert mc.state(container) == "running 0"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["made"], 1, "you must provide one or more flags when using this command"),
        (["-m", "1m", "made"], 1, "Minimum memory limit allowed is 6MB"),
        (["-m", "much", "made"], 125, "invalid size"),
        (["-m", "64m", "--memory-swap", "32m", "made"], 1, "Minimum memoryswap limit should be larger than"),
        (["--memory-swap", "64m", "made"], 1, "You should always set the Memory limit when using Memoryswap"),
        (["-m", "64m", "--memory-reservation", "128m", "made"], 1, "less than memory reservation limit"),
        (["--cpus", "4096", "made"], 1, "Range of CPUs is from 0.01"),
        (["--cpus", "1", "--cpu-quota", "5000", "made"], 1, "Nano CPUs and CPU Quota cannot both be set"),
        (["--cpu-period", "10", "made"], 1, "CPU cfs period can not be less than 1ms"),
        (["--cpuset-cpus", "4096", "made"], 1, "Requested 4096 are not available"),
        (["--blkio-weight", "5", "made"], 1, "Range of blkio weight is from 10 to 1000"),
        (["--restart", "sometimes", "made"], 1, "unknown policy 'sometimes'"),
        (["--restart", "always:3", "made"], 1, "maximum retry count can only be used with 'on-failure'"),
        (["--restart", "on-failure:-1", "made"], 1, "maximum retry count cannot be negative"),
        (["--restart", "on-failure:x", "made"], 1, "maximum retry count must be an integer"),
        (["--restart", "always", "removed"], 1, "because AutoRemove is enabled for the container"),
        (["--cpu-quota", "5000", "half"], 1, "CPU Quota cannot be updated as NanoCPUs has already been set"),
        (["--pids-limit", "5", "nosuch"], 1, "No such container: nosuch"),
        (["--pids-limit", "5"], 1, "requires at least 1 argument"),
    ],
)
def test_refusals(mc: Runner, arguments: list[str], code: int, said: str) -> None:
    mc.ok("create", "--name", "made", "--network", "none", "busybox", "true")
    mc.ok("create", "--name", "removed", "--rm", "--network", "none", "busybox", "true")
    mc.ok("create", "--name", "half", "--cpus", "0.5", "--network", "none", "busybox", "true")
    refused(mc, "update", *arguments, code=code, said=said)


@pytest.mark.needs("controller:memory")
def test_memory_above_the_swap_it_has(mc: Runner) -> None:
    mc.ok("create", "--name", "made", "-m", "64m", "--network", "none", "busybox", "true")
    refused(mc, "update", "-m", "256m", "made", code=1, said="update the memoryswap at the same time")
