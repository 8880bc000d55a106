"""What only cgroup v2 has; skipped where v1 has the controllers (make test-v2 runs it)."""

from __future__ import annotations

import os

import pytest

from minicontainer.cgroups import manager
from minicontainer.cgroups.host import hierarchies
from minicontainer.errors import InvalidConfig, Unsupported
from minicontainer.linux.mount import MNT_DETACH, MS_PRIVATE, MS_REC, mount, umount2
from minicontainer.linux.namespaces import unshare
from minicontainer.linux.process import CLONE_NEWCGROUP, CLONE_NEWNS
from minicontainer.oci.runtime import CPU, BlockIO, Memory, Resources
from tests.kernel.cgroups import groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.cgroups.manager import Manager

    Factory = Callable[..., Manager]


@pytest.fixture(autouse=True)
def v2_host() -> None:
    found = hierarchies()
    if "memory" not in found.unified_controllers:
        pytest.skip(f"the memory controller is {found.where('memory')}")


def control(group: Manager, file: str) -> str:
    with open(f"{hierarchies().unified}{group.path}/{file}") as found:
        return found.read().strip()


def test_unified_files_are_written_as_they_are(group_with: Factory) -> None:
    group = group_with(Resources(unified={"memory.high": "16777216", "pids.max": "7"}))
    assert control(group, "memory.high") == "16777216"
    assert control(group, "pids.max") == "7"


def test_unified_files_of_no_controller_are_refused() -> None:
    with pytest.raises(
        Unsupported, match=r"unified nothing\.max .* the nothing controller is not in this kernel"
    ):
        groups.make(Resources(unified={"nothing.max": "1"}))


def test_values_that_the_kernel_refuses_are_errors_with_the_file(group_with: Factory) -> None:
    group = group_with()
    with pytest.raises(OSError, match=r"memory\.high"):
        group.apply(Resources(unified={"memory.high": "much"}))


def test_shares_quota_and_reservation_arrive(group_with: Factory) -> None:
    cpu = CPU(shares=1024, quota=50_000, period=200_000, burst=10_000)
    group = group_with(Resources(cpu=cpu, memory=Memory(limit=1 << 26, swap=1 << 26, reservation=1 << 25)))
    assert control(group, "cpu.weight") == "100"
    assert control(group, "cpu.max") == "50000 200000"
    assert control(group, "cpu.max.burst") == "10000"
    assert control(group, "memory.low") == str(1 << 25)
    assert control(group, "memory.swap.max") == "0"


def test_a_weight_for_block_devices_needs_a_policy_that_weighs() -> None:
    resources = Resources(block_io=BlockIO(weight=500))
    found = hierarchies()
    weighs = os.path.exists(f"{found.unified}/io.cost.qos") or os.path.isdir("/sys/module/bfq")
    group = manager("/minicontainer/probe")
    if weighs:
        group.check(resources)
    else:
        with pytest.raises(Unsupported, match=r"blockIO\.weight cannot be enforced: .*BFQ"):
            group.check(resources)


def test_swap_needs_a_memory_limit() -> None:
    with pytest.raises(InvalidConfig, match=r"memory\.swap"):
        groups.make(Resources(memory=Memory(swap=1 << 26)))


def enter_namespace() -> None:
    """As a container starts: the group we are in becomes the root that we see."""
    unshare(CLONE_NEWCGROUP | CLONE_NEWNS)
    mount("none", "/", None, MS_REC | MS_PRIVATE, None)
    umount2("/sys/fs/cgroup", MNT_DETACH)
    mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, None)


def run_a_container() -> None:
    """What an engine inside a container does, from check to delete."""
    inner = manager("/minicontainer/inner")
    resources = Resources(memory=Memory(limit=1 << 26))
    inner.check(resources)
    inner.create()
    inner.apply(resources)
    pid = groups.start(inner, groups.sleep)
    groups.wait_until(inner.pids)
    assert inner.pids() == [pid]
    inner.kill()
    groups.outcome(pid)
    inner.delete()
    assert not os.path.exists("/sys/fs/cgroup/minicontainer")


def test_inside_a_container_its_own_processes_make_room(group_with: Factory) -> None:
    outer = group_with()

    def engine() -> None:
        enter_namespace()
        run_a_container()
        with open("/proc/self/cgroup") as file:
            assert file.read() == "0::/init\n"
        groups.sleep()

    groups.start(outer, engine)
    groups.wait_until(lambda: "memory" in control(outer, "cgroup.subtree_control"))
    # exec into that container: the group itself takes no process any more.
    second = groups.start(outer, groups.sleep)
    groups.wait_until(lambda: second in outer.pids())
    with open(f"/proc/{second}/cgroup") as file:
        assert file.read() == f"0::{outer.path}/init\n"
