"""Scheduler, I/O priority, processors and memory of a container's processes, as the kernel reports them."""

from __future__ import annotations

import os

import pytest

from minicontainer.errors import InvalidConfig
from tests.kernel.libcontainer.containers import wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers

POLICY_FIELD, NICE_FIELD = 41, 19  # proc_pid_stat(5)


def stat_field(pid: int, number: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[number - 3])


def started(containers: Containers, bundle: Bundle, changes: dict[str, Any]) -> int:
    bundle.change(changes)
    pid = containers.sleeping(bundle).record.pid
    wait_until(lambda: os.readlink(f"/proc/{pid}/exe").endswith("busybox"))
    return pid


@pytest.mark.parametrize(
    ("scheduler", "policy", "nice"),
    [
        ({"policy": "SCHED_OTHER", "nice": 7}, os.SCHED_OTHER, 7),
        ({"policy": "SCHED_BATCH", "nice": -3}, os.SCHED_BATCH, -3),
        ({"policy": "SCHED_IDLE"}, os.SCHED_IDLE, 0),
    ],
)
@pytest.mark.needs("capability:sys_nice")
def test_policy_and_nice_value(
    containers: Containers, bundle: Bundle, scheduler: dict[str, Any], policy: int, nice: int
) -> None:
    pid = started(containers, bundle, {"process.scheduler": scheduler})
    assert os.sched_getscheduler(pid) == policy
    assert stat_field(pid, NICE_FIELD) == nice


@pytest.mark.parametrize("policy", ["SCHED_FIFO", "SCHED_RR"])
@pytest.mark.needs("real-time scheduling")
def test_real_time(containers: Containers, bundle: Bundle, policy: str) -> None:
    changes = {"process.scheduler": {"policy": policy, "priority": 5, "flags": ["SCHED_FLAG_RESET_ON_FORK"]}}
    pid = started(containers, bundle, changes)
    assert os.sched_getscheduler(pid) == getattr(os, policy) | os.SCHED_RESET_ON_FORK
    assert os.sched_getparam(pid).sched_priority == 5


@pytest.mark.needs("capability:sys_nice")
def test_deadline(containers: Containers, bundle: Bundle) -> None:
    if len(os.sched_getaffinity(0)) < (os.cpu_count() or 1):
        pytest.skip("sched(7): a process that may not use every processor has no deadlines")
    asked = {"policy": "SCHED_DEADLINE", "runtime": 1_000_000, "deadline": 50_000_000, "period": 100_000_000}
    pid = started(containers, bundle, {"process.scheduler": asked})
    assert stat_field(pid, POLICY_FIELD) == 6


@pytest.mark.parametrize(
    ("scheduler", "field"),
    [
        ({"policy": "SCHED_NONSENSE"}, "process.scheduler.policy: unknown value 'SCHED_NONSENSE'"),
        ({"policy": "SCHED_ISO"}, "process.scheduler.policy"),
        ({"policy": "SCHED_OTHER", "nice": 20}, "process.scheduler.nice: 20"),
        ({"policy": "SCHED_FIFO", "priority": 1, "nice": 1}, "process.scheduler.nice"),
        ({"policy": "SCHED_OTHER", "priority": 1}, "process.scheduler.priority"),
        ({"policy": "SCHED_RR", "priority": 1, "runtime": 5}, "process.scheduler: SCHED_RR"),
        ({"policy": "SCHED_OTHER", "flags": ["NO"]}, r"process.scheduler.flags\[0\]: unknown value 'NO'"),
    ],
)
def test_nonsense_is_named(
    containers: Containers, bundle: Bundle, scheduler: dict[str, Any], field: str
) -> None:
    bundle.change({"process.scheduler": scheduler})
    with pytest.raises(InvalidConfig, match=field):
        containers.create(bundle)


def test_what_the_kernel_refuses_is_named_too(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"process.scheduler": {"policy": "SCHED_FIFO", "priority": 100}})
    with pytest.raises(OSError, match="Invalid argument") as caught:
        containers.create(bundle)
    assert caught.value.context == "process.scheduler"  # type: ignore[attr-defined]
    assert caught.value.step["args"]["policy"] == "SCHED_FIFO"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("io_class", "priority", "shown"),
    [("IOPRIO_CLASS_BE", 6, "best-effort: prio 6"), ("IOPRIO_CLASS_RT", 2, "realtime: prio 2"),
     ("IOPRIO_CLASS_IDLE", 0, "idle")],
)  # fmt: skip
@pytest.mark.needs("capability:sys_nice", "command:ionice")
def test_io_priority(
    containers: Containers, bundle: Bundle, io_class: str, priority: int, shown: str
) -> None:
    import subprocess

    asked = {"class": io_class, "priority": priority}
    pid = started(containers, bundle, {"process.ioPriority": asked})
    told = subprocess.run(["ionice", "-p", str(pid)], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == shown


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"class": "NONSENSE"}, "process.ioPriority.class"),
     ({"class": "IOPRIO_CLASS_BE", "priority": 8}, "process.ioPriority.priority: 8")],
)  # fmt: skip
def test_io_nonsense_is_named(
    containers: Containers, bundle: Bundle, asked: dict[str, Any], field: str
) -> None:
    bundle.change({"process.ioPriority": asked})
    with pytest.raises(InvalidConfig, match=field):
        containers.create(bundle)


CPUS = "grep Cpus_allowed_list /proc/self/status | cut -f2"


@pytest.mark.parametrize("name", ["initial", "final"])
def test_exec_runs_where_it_should(containers: Containers, bundle: Bundle, name: str) -> None:
    cpu = str(min(os.sched_getaffinity(0)))
    container = containers.sleeping(bundle)
    process = {"cwd": "/", "args": ["/bin/sh", "-c", CPUS], "execCPUAffinity": {name: cpu}}
    assert containers.exec(container, process).out.strip() == cpu
    assert len(os.sched_getaffinity(container.record.pid)) == len(os.sched_getaffinity(0)), "not init's"


def test_the_final_processors_win(containers: Containers, bundle: Bundle) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    container = containers.sleeping(bundle)
    asked = {"initial": str(cpus[0]), "final": str(cpus[-1])}
    process = {"cwd": "/", "args": ["/bin/sh", "-c", CPUS], "execCPUAffinity": asked}
    assert containers.exec(container, process).out.strip() == str(cpus[-1])


@pytest.mark.parametrize("cpus", ["x", "3-1", "-1", "1-", "0-99999"])
def test_processors_that_are_no_list(containers: Containers, bundle: Bundle, cpus: str) -> None:
    container = containers.sleeping(bundle)
    process = {"cwd": "/", "args": ["/bin/true"], "execCPUAffinity": {"initial": cpus}}
    with pytest.raises(InvalidConfig, match=r"process\.execCPUAffinity\.initial"):
        containers.exec(container, process)


def test_a_processor_that_is_not_there(containers: Containers, bundle: Bundle) -> None:
    container = containers.sleeping(bundle)
    process = {"cwd": "/", "args": ["/bin/true"], "execCPUAffinity": {"final": "8000"}}
    with pytest.raises(OSError, match="Invalid argument") as caught:
        containers.exec(container, process)
    assert caught.value.context == "process.execCPUAffinity.final (8000)"  # type: ignore[attr-defined]


NUMA = pytest.mark.skipif(
    not os.path.exists("/proc/self/numa_maps"), reason="this kernel has no NUMA (CONFIG_NUMA)"
)


@NUMA
@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0"),
        ({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0"),
        ({"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]}, "interleave=static:0"),
        ({"mode": "MPOL_LOCAL"}, "local"),
        ({"mode": "MPOL_DEFAULT"}, "default"),
    ],
)
def test_memory_policy(containers: Containers, bundle: Bundle, asked: dict[str, Any], shown: str) -> None:
    bundle.change({"linux.memoryPolicy": asked})
    script = "grep stack /proc/self/numa_maps | cut -d' ' -f2"
    found = containers.run(bundle, script)
    assert found.out.strip() == shown, found
    inside = containers.exec(
        containers.sleeping(bundle), {"cwd": "/", "args": ["/bin/sh", "-c", script], "env": ["PATH=/bin"]}
    )
    assert inside.out.strip() == shown, "of exec too"


@NUMA
@pytest.mark.parametrize(
    ("asked", "error", "text"),
    [
        ({"mode": "MPOL_NONSENSE"}, InvalidConfig, "linux.memoryPolicy.mode"),
        (
            {"mode": "MPOL_BIND", "nodes": "0", "flags": ["X"]},
            InvalidConfig,
            r"linux.memoryPolicy.flags\[0\]",
        ),
        ({"mode": "MPOL_BIND", "nodes": "zero"}, InvalidConfig, "linux.memoryPolicy.nodes"),
        ({"mode": "MPOL_BIND"}, OSError, "Invalid argument"),
        ({"mode": "MPOL_BIND", "nodes": "63"}, OSError, "Invalid argument"),
    ],
)
def test_memory_policy_that_cannot_be(
    containers: Containers, bundle: Bundle, asked: dict[str, Any], error: type[Exception], text: str
) -> None:
    bundle.change({"linux.memoryPolicy": asked})
    with pytest.raises(error, match=text):
        containers.create(bundle)
