"""kill and update: signals by name and number, limits read back from the kernel's files."""

from __future__ import annotations

import json
import os

import pytest

from minicontainer.cgroups.host import hierarchies
from tests.conformance.conftest import new_id
from tests.conformance.runtimes import await_true
from tests.conformance.test_world import control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.bundles import Bundle
    from tests.conformance.runtimes import Runtime

MIB = 1 << 20


def started(runtime: Runtime, bundle: Bundle) -> str:
    """The id of a container whose program has said that it runs."""
    name = new_id()
    runtime.create(bundle, name)
    runtime.order("start", name)
    await_true(lambda: os.path.exists(f"{bundle.rootfs}/ran"))
    return name


def test_kill_all_and_by_number(runtime: Runtime, sleeper: Bundle) -> None:
    # If the signal ends the sleep first, the shell goes on until it gets its own.
    sleeper.script(
        "trap 'echo term > /term; exit 3' TERM; sleep 1000 & echo > /ran; wait; while :; do sleep 0.1; done"
    )
    name = started(runtime, sleeper)
    runtime.order("kill", name, "0")
    assert runtime.state(name)["status"] == "running"
    runtime.must("kill", "--all", name, "SIGTERM")
    runtime.await_status(name, "stopped")
    assert os.path.exists(f"{sleeper.rootfs}/term")


@pytest.mark.parametrize("word", ["9", "KILL", "SIGKILL", "sigkill", "kill"])
def test_kill_by(runtime: Runtime, running: str, word: str) -> None:
    if runtime.name == "crun" and word.islower():
        pytest.skip("crun 1.8 knows no small letters")
    runtime.must("kill", running, word)
    runtime.await_status(running, "stopped")


@pytest.mark.parametrize("word", ["NONSENSE", "", "65", "-9", "9x"])
def test_kill_by_what_is_no_signal(runtime: Runtime, running: str, word: str) -> None:
    if runtime.name != "minicontainer":
        pytest.skip("left to the kernel")
    assert runtime.ran("kill", running, "--", word).code == 1 or word.startswith("-")
    assert runtime.state(running)["status"] == "running"


def test_the_default_signal_is_term(runtime: Runtime, sleeper: Bundle) -> None:
    sleeper.script("trap 'exit 3' TERM; echo > /ran; while :; do sleep 0.1; done")
    name = started(runtime, sleeper)
    runtime.must("kill", name)
    runtime.await_status(name, "stopped")


# -- update

# name: controller, flags, v1's file, v2's file, what they hold
LIMITS: dict[str, tuple[str, list[str], str, str, set[str]]] = {
    "pids": ("pids", ["--pids-limit", "44"], "pids.max", "pids.max", {"44"}),
    "memory": ("memory", ["--memory", str(96 * MIB)], "memory.limit_in_bytes", "memory.max", {str(96 * MIB)}),
    "reservation": (
        "memory", ["--memory-reservation", str(32 * MIB)], "memory.soft_limit_in_bytes", "memory.low",
        {str(32 * MIB)},
    ),
    "cpu quota": (
        "cpu", ["--cpu-period", "100000", "--cpu-quota", "40000"], "cpu.cfs_quota_us", "cpu.max",
        {"40000", "40000 100000"},
    ),
    "cpu shares": ("cpu", ["--cpu-share", "512"], "cpu.shares", "cpu.weight", {"512", "20", "59"}),
    "cpuset": ("cpuset", ["--cpuset-cpus", "0"], "cpuset.cpus", "cpuset.cpus", {"0"}),
}  # fmt: skip
RESOURCES: dict[str, tuple[str, dict[str, Any], str, str, set[str]]] = {
    "pids": ("pids", {"pids": {"limit": 45}}, "pids.max", "pids.max", {"45"}),
    "memory": (
        "memory", {"memory": {"limit": 80 * MIB}}, "memory.limit_in_bytes", "memory.max", {str(80 * MIB)},
    ),
    "cpu": (
        "cpu", {"cpu": {"quota": 30_000, "period": 100_000, "shares": 0}}, "cpu.cfs_quota_us", "cpu.max",
        {"30000", "30000 100000"},
    ),
}  # fmt: skip


def need(controller: str) -> None:
    found = hierarchies()
    if controller not in found.bound and controller not in found.unified_controllers:
        pytest.skip(f"the {controller} controller is {found.where(controller)}")


def updated(runtime: Runtime, *words: str, given: bytes = b"") -> None:
    """update; skipped where a reference cannot for a controller that this host has elsewhere."""
    found = runtime.ran("update", *words, given=given)
    if found.code and runtime.name != "minicontainer":
        pytest.skip(f"{runtime.name} cannot update here: {found.err.strip()}")
    assert found.code == 0, found


@pytest.mark.parametrize("name", LIMITS)
def test_a_flag(runtime: Runtime, running: str, bundle: Bundle, name: str) -> None:
    controller, flags, v1, v2, expected = LIMITS[name]
    need(controller)
    updated(runtime, *flags, running)
    assert control(bundle, v1, v2) in expected


@pytest.mark.parametrize("name", RESOURCES)
@pytest.mark.parametrize("source", ["file", "input"])
def test_resources(runtime: Runtime, running: str, bundle: Bundle, name: str, source: str) -> None:
    controller, resources, v1, v2, expected = RESOURCES[name]
    need(controller)
    text = json.dumps(resources)
    if source == "file":
        with open(f"{bundle.path}/resources.json", "w") as file:
            file.write(text)
        updated(runtime, "--resources", f"{bundle.path}/resources.json", running)
    else:
        if runtime.name == "crun":
            pytest.skip("crun 1.8 takes - for a file")
        updated(runtime, "--resources", "-", running, given=text.encode())
    assert control(bundle, v1, v2) in expected


def test_what_is_not_named_stays(runtime: Runtime, bundle: Bundle) -> None:
    need("pids")
    need("cpu")
    bundle.change({"linux.resources.pids": {"limit": 46}})
    bundle.program("/bin/sleep", "1000")
    name = new_id()
    runtime.create(bundle, name)
    updated(runtime, "--cpu-share", "512", name)
    assert control(bundle, "pids.max", "pids.max") == "46"


def test_no_limit(runtime: Runtime, running: str, bundle: Bundle) -> None:
    need("pids")
    updated(runtime, "--pids-limit", "47", running)
    updated(runtime, "--pids-limit", "-1", running)
    assert control(bundle, "pids.max", "pids.max") == "max"


@pytest.mark.parametrize(
    "words",
    [
        ["--pids-limit", "many"], ["--memory", "1x"], ["--memory", "1"], ["--cpuset-cpus", "nonsense"],
        ["--resources", "/no/such"], ["--l3-cache-schema", "x"], ["--nonsense", "1"],
    ],
)  # fmt: skip
def test_what_cannot_be(runtime: Runtime, running: str, words: list[str]) -> None:
    if runtime.name != "minicontainer" and words[0] not in ("--resources", "--nonsense"):
        pytest.skip("each has its own opinion")
    before = runtime.state(running)
    found = runtime.ran("update", *words, running)
    assert found.code != 0
    assert found.err
    assert runtime.state(running) == before


@pytest.mark.parametrize("flag", ["--kernel-memory", "--kernel-memory-tcp"])
def test_kernel_memory_is_ignored_aloud(runtime: Runtime, running: str, flag: str) -> None:
    """No kernel since 5.16 has such a limit; engines of before still pass the flag."""
    if runtime.name == "crun":
        pytest.skip("crun takes it without a word")
    found = runtime.ran("update", flag, "104857600", "--pids-limit", "49", running)
    assert found.code == 0, found
    assert "level=warning" in found.err
