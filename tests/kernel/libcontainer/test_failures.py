"""Errors of init reach the caller as they were, and a create that fails leaves nothing."""

from __future__ import annotations

import os

import pytest

from minicontainer.errors import Conflict, InvalidConfig, MinicontainerError, NotFound
from minicontainer.libcontainer import state
from minicontainer.libcontainer.container import Container
from minicontainer.linux import door, faults
from tests.kernel.libcontainer.containers import wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers

# Steps of one create, each in the process that makes it; Holdings (containers.py) finds what is left.
STEPS = [
    "init:1", "init:open_tree", "init:setsid", "init:mount", "init:mount#2", "init:mount#5",
    "init:pivot_root", "init:umount2", "init:chdir#2", "init:mknod", "init:mknod#4", "init:sethostname",
    "init:interface_up", "init:capset", "init:setresuid", "init:drop_bounding", "init:setgroups",
    "init:unshare",
    "caller:clone3", "caller:make_group", "caller:make_group#2", "caller:write_control",
]  # fmt: skip


@pytest.fixture
def fail_at() -> object:
    """Arm a fault at a step of this process and its children, for one test."""
    armed: list[faults.Injector] = []

    def arm(order: str) -> None:
        armed.append(faults.Injector(faults.parse(order)[0]))
        door.listeners.append(armed[-1])

    yield arm
    for injector in armed:
        door.listeners.remove(injector)


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_fails_is_raised_as_it_was_and_undone(
    containers: Containers, bundle: Bundle, fail_at: Callable[[str], None], step: str
) -> None:
    name = containers.new_id()
    fail_at(f"{step}:EDOM")
    with pytest.raises(OSError, match="Numerical argument out of domain") as caught:
        containers.create(bundle, id=name)
    assert caught.value.step["name"]  # type: ignore[attr-defined]
    expected = step.partition(":")[2].partition("#")[0]
    if not expected.isdigit():
        assert caught.value.step["name"] == expected  # type: ignore[attr-defined]
    with pytest.raises(NotFound):
        Container.load(name, containers.root)


def test_an_init_that_failed_before_it_was_looked_at_says_why(
    containers: Containers, bundle: Bundle, fail_at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    look = state.start_time

    def late(pid: int) -> int | None:
        wait_until(lambda: look(pid) is None)
        return None

    monkeypatch.setattr(state, "start_time", late)
    fail_at("init:sethostname:EDOM")
    with pytest.raises(OSError, match="Numerical argument out of domain") as caught:
        containers.create(bundle)
    assert caught.value.step["name"] == "sethostname"  # type: ignore[attr-defined]


@pytest.mark.parametrize("step", ["init:1", "init:mount#3", "init:pivot_root", "init:mknod", "init:capset"])
def test_an_init_that_dies_is_an_error_in_one_line(
    containers: Containers, bundle: Bundle, fail_at: Callable[[str], None], step: str
) -> None:
    fail_at(f"{step}:kill")
    with pytest.raises(
        MinicontainerError, match=r"init \(pid \d+\) was killed before it was ready"
    ) as caught:
        containers.create(bundle)
    assert "\n" not in str(caught.value)


@pytest.mark.needs("controller:memory")
def test_a_low_memory_limit_is_named_when_init_dies(
    containers: Containers, bundle: Bundle, fail_at: Callable[[str], None]
) -> None:
    bundle.change({"linux.resources.memory": {"limit": 16 << 20}})
    fail_at("init:pivot_root:kill")
    with pytest.raises(MinicontainerError, match="a memory limit of 16777216 bytes may be too low"):
        containers.create(bundle)


def test_every_context_of_a_bad_field(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"linux.resources.unified": {"nonsense.max": "1"}})
    with pytest.raises(MinicontainerError, match="nonsense") as caught:
        containers.create(bundle)
    assert caught.value.context == "linux.resources"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no JSON value"),
        ("{", "config.json: .*line 1 column 2"),
        ("[]", "expected an object, found an array"),
        ('{"process": {"cwd": 1}}', r"process\.cwd: expected a string, found 1"),
        ('{"process": {"cwd": "/"}, "mounts": [{"source": "x"}]}', r"mounts\[0\]: destination is missing"),
        ("{}", "process is missing"),
        ('{"process": {"cwd": "/"}}', "mount namespace|root is missing"),
    ],
)
def test_a_configuration_that_is_none(
    containers: Containers, bundle: Bundle, text: str, message: str
) -> None:
    with open(f"{bundle.path}/config.json", "w") as file:
        file.write(text)
    with pytest.raises(InvalidConfig, match=message):
        Container.create(containers.new_id(), bundle.path, containers.root)


def test_a_bundle_without_a_configuration(containers: Containers, bundle: Bundle) -> None:
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        Container.create(containers.new_id(), bundle.path, containers.root)


def test_what_prepare_raises_undoes_the_container(containers: Containers, bundle: Bundle) -> None:
    seen: list[str] = []

    def prepare(pid: int) -> None:
        seen.append(os.readlink(f"/proc/{pid}/ns/net"))
        raise Conflict("no address is left")

    with pytest.raises(Conflict, match="no address is left"):
        containers.create(bundle, prepare=prepare)
    assert seen
    assert seen[0] != os.readlink("/proc/self/ns/net")


def test_a_group_that_is_in_use_is_left_alone(
    containers: Containers, bundle: Bundle, capfd: pytest.CaptureFixture[str]
) -> None:
    first = containers.sleeping(bundle)
    bundle.change({"linux.cgroupsPath": first.record.cgroup})
    with pytest.raises(Conflict, match=f"cgroup {first.record.cgroup} is in use"):
        containers.create(bundle)
    assert first.status() == "running"
    assert first.cgroup.pids() == [first.record.pid]
    assert capfd.readouterr().err == ""


def test_a_state_root_that_cannot_be_made(containers: Containers, bundle: Bundle) -> None:
    bundle.write()
    with pytest.raises(OSError, match="null"):
        Container.create(containers.new_id(), bundle.path, "/dev/null/state")
