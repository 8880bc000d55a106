"""What both drivers promise, on a fake tree of each version."""

from __future__ import annotations

import errno
import itertools
import os
import types

import pytest

from minicontainer.cgroups import manager, rdma
from minicontainer.errors import Conflict, InvalidConfig, Unsupported
from minicontainer.linux import door
from minicontainer.linux.control import make_group
from minicontainer.oci.runtime import (
    CPU,
    BlockIO,
    HugepageLimit,
    InterfacePriority,
    Memory,
    Network,
    Pids,
    Rdma,
    Resources,
    ThrottleDevice,
    WeightDevice,
)
from tests.unit.cgroups.fake import SOMEBODY, FakeKernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from minicontainer.cgroups.manager import Manager

PATH = "/minicontainer/0123456789ab"


def kernel_of(version: str, tmp_path: Path) -> Iterator[FakeKernel]:
    fake = FakeKernel(tmp_path, version)
    door.listeners.append(fake)
    yield fake
    door.listeners.remove(fake)


@pytest.fixture(params=["v1", "v2"])
def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FakeKernel]:
    yield from kernel_of(request.param, tmp_path)


@pytest.fixture
def v1(tmp_path: Path) -> Iterator[FakeKernel]:
    yield from kernel_of("v1", tmp_path)


@pytest.fixture
def v2(tmp_path: Path) -> Iterator[FakeKernel]:
    yield from kernel_of("v2", tmp_path)


def made(kernel: FakeKernel, resources: Resources | None = None, path: str = PATH) -> Manager:
    """A group with these limits."""
    group = manager(path, kernel.hierarchies())
    group.check(resources or Resources())
    group.create()
    group.apply(resources or Resources())
    return group


def main_folder(kernel: FakeKernel, path: str = PATH) -> str:
    return ("freezer" if kernel.version == "v1" else "unified") + path


def below(kernel: FakeKernel) -> None:
    """A group that the container itself makes, PATH/inner."""
    make_group(f"{kernel.root}/{main_folder(kernel, PATH)}/inner")


ANY_LIMITS = [
    Resources(memory=Memory(limit=1 << 26, reservation=1 << 25, swap=1 << 27)),
    Resources(cpu=CPU(shares=512, quota=50000, period=100000, burst=1000, idle=0, cpus="0", mems="0")),
    Resources(pids=Pids(limit=10)),
    Resources(block_io=BlockIO(weight=500, throttle_read_bps_device=[ThrottleDevice(8, 0, 1000)])),
    Resources(hugepage_limits=[HugepageLimit("2MB", 1 << 21)]),
]


@pytest.mark.parametrize("resources", ANY_LIMITS)
def test_nothing_is_left_after_delete(kernel: FakeKernel, resources: Resources) -> None:
    before = kernel.groups()
    group = made(kernel, resources)
    assert any(path.endswith(PATH) for path in kernel.groups())
    group.delete()
    assert kernel.groups() == before
    group.delete()


def test_a_relative_path_leaves_no_empty_groups(kernel: FakeKernel) -> None:
    before = kernel.groups()
    group, other = made(kernel, path="pod/one/container"), made(kernel, path="pod/two")
    group.delete()
    assert not any(path.endswith("/pod/one") for path in kernel.groups())
    assert other.pids() == []
    assert any(path.endswith("/pod/two") for path in kernel.groups())
    other.delete()
    assert kernel.groups() == before


def test_the_parent_stays_while_a_container_needs_it(kernel: FakeKernel) -> None:
    first, second = made(kernel), made(kernel, path="/minicontainer/two")
    first.delete()
    second_folder = f"{kernel.root}/{main_folder(kernel, second.path)}"
    assert os.path.isdir(second_folder)
    second.delete()
    assert not os.path.exists(os.path.dirname(second_folder))


def test_a_group_of_somebody_else_keeps_its_parent(kernel: FakeKernel) -> None:
    made(kernel, path="/pod/one").delete()
    assert os.path.isdir(f"{kernel.root}/{main_folder(kernel, '/pod')}")


def test_groups_that_the_container_made_go_too(kernel: FakeKernel) -> None:
    group = made(kernel)
    inner = manager(f"{PATH}/inner/deep", kernel.hierarchies())
    inner.create()
    group.delete()
    assert not os.path.exists(f"{kernel.root}/{main_folder(kernel)}")


def test_delete_waits_for_the_dying_and_then_says_busy(
    kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count()
    stepping = types.SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _seconds: None)
    monkeypatch.setattr("minicontainer.cgroups.tree.time", stepping)
    group = made(kernel)
    group.add(SOMEBODY)
    with pytest.raises(OSError, match="busy") as refused:
        group.delete()
    assert refused.value.errno == errno.EBUSY
    tries = [step for step in kernel.steps if step[0] == "remove_group"]
    assert len(tries) > 2


def test_a_group_in_use_is_a_conflict(kernel: FakeKernel) -> None:
    made(kernel).add(SOMEBODY)
    with pytest.raises(Conflict, match=f"{PATH} is in use: process {SOMEBODY}"):
        manager(PATH, kernel.hierarchies()).create()


def test_an_empty_group_that_was_left_is_taken_over(kernel: FakeKernel) -> None:
    made(kernel)
    made(kernel).delete()


def test_processes_are_listed_also_from_below(kernel: FakeKernel) -> None:
    group = made(kernel)
    assert group.pids() == []
    group.add(SOMEBODY + 2)
    below(kernel)
    kernel.settle(main_folder(kernel, f"{PATH}/inner"), SOMEBODY)
    assert group.pids() == [SOMEBODY, SOMEBODY + 2]


def test_kill_reaches_everything_below(kernel: FakeKernel) -> None:
    group = made(kernel)
    group.add(SOMEBODY + 2)
    below(kernel)
    kernel.settle(main_folder(kernel, f"{PATH}/inner"), SOMEBODY)
    group.kill()
    assert sorted(kernel.killed) == [SOMEBODY, SOMEBODY + 2]


def test_a_group_that_is_removed_while_it_is_killed(kernel: FakeKernel) -> None:
    group = made(kernel)

    class Racer:
        """Another command's deletion, just before the first write."""

        def before(self, call: door.Call) -> None:
            door.listeners.remove(self)
            manager(PATH, kernel.hierarchies()).delete()

        def after(self, call: door.Call) -> None: ...

    door.listeners.append(Racer())
    group.kill()
    assert group.pids() == []


def test_a_group_that_does_not_exist(kernel: FakeKernel) -> None:
    group = manager(PATH, kernel.hierarchies())
    group.kill()
    assert group.pids() == []
    assert group.frozen() is False
    with pytest.raises(FileNotFoundError):
        group.stats()


def test_freeze_and_thaw(kernel: FakeKernel) -> None:
    group = made(kernel)
    assert not group.frozen()
    group.freeze()
    assert group.frozen()
    group.thaw()
    assert not group.frozen()


def test_statistics(kernel: FakeKernel) -> None:
    limits = Resources(
        cpu=CPU(quota=1000), block_io=BlockIO(throttle_read_bps_device=[ThrottleDevice(8, 0, 1)])
    )
    stats = made(kernel, limits).stats()
    assert stats.memory is not None
    assert (stats.memory.usage, stats.memory.peak, stats.memory.swap) == (4096, 8192, 1024)
    assert (stats.memory.limit, stats.memory.oom_kills, stats.memory.limit_hits) == (None, 1, 2)
    assert stats.memory.inactive_file == 64
    assert stats.cpu is not None
    assert (stats.cpu.usage_us, stats.cpu.periods, stats.cpu.throttled_periods, stats.cpu.throttled_us) == (
        5000, 10, 4, 7,
    )  # fmt: skip
    assert stats.pids is not None
    assert (stats.pids.current, stats.pids.limit, stats.pids.limit_hits) == (2, None, 5)
    assert stats.io is not None
    assert (stats.io.read_bytes, stats.io.write_bytes, stats.io.reads, stats.io.writes) == (11, 20, 3, 4)


def test_limits_show_in_statistics(kernel: FakeKernel) -> None:
    stats = made(kernel, Resources(memory=Memory(limit=1 << 26), pids=Pids(limit=7))).stats()
    assert stats.memory is not None
    assert stats.memory.limit == 1 << 26
    assert stats.pids is not None
    assert stats.pids.limit == 7


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (Resources(unified={"rdma.max": "max"}), "unified rdma.max"),
        (Resources(block_io=BlockIO(leaf_weight=10)), "blockIO.leafWeight"),
        (Resources(memory=Memory(kernel=1 << 20)), "memory.kernel"),
        (Resources(cpu=CPU(realtime_runtime=1000)), "cpu.realtimeRuntime"),
        (Resources(hugepage_limits=[HugepageLimit("3KB", 1)], cpu=CPU(shares=2)), "3KB"),
    ],
)
def test_what_cannot_be_enforced_is_refused_before_anything_is_made(
    kernel: FakeKernel, resources: Resources, words: str
) -> None:
    made(kernel, Resources(hugepage_limits=[HugepageLimit("2MB", 1)]), "/other")
    groups, steps = kernel.groups(), len(kernel.steps)
    with pytest.raises(Unsupported, match=words):
        manager(PATH, kernel.hierarchies()).check(resources)
    assert (kernel.groups(), len(kernel.steps)) == (groups, steps)


def test_swap_below_memory_makes_no_sense(kernel: FakeKernel) -> None:
    with pytest.raises(InvalidConfig, match=r"memory\.swap \(10\)"):
        manager(PATH, kernel.hierarchies()).check(Resources(memory=Memory(limit=20, swap=10)))


def test_a_limit_below_what_is_used_is_refused_when_asked(kernel: FakeKernel) -> None:
    group = made(kernel)
    below = Resources(memory=Memory(limit=1000, check_before_update=True))  # 4096 are used
    with pytest.raises(Conflict, match=r"memory\.limit \(1000\) is less than what is used now \(4096\)"):
        group.apply(below)
    group.apply(Resources(memory=Memory(limit=5000, check_before_update=True)))
    group.apply(Resources(memory=Memory(limit=1000)))


def test_zero_means_not_set(kernel: FakeKernel) -> None:
    group = made(kernel)
    count = len(kernel.steps)
    group.apply(
        Resources(memory=Memory(limit=0, swap=0, reservation=0), cpu=CPU(shares=0, quota=0, period=0))
    )
    assert len(kernel.steps) == count


def test_what_is_refused_is_written_again_after_its_siblings(kernel: FakeKernel) -> None:
    file = {"v1": "memory.limit_in_bytes", "v2": "memory.max"}[kernel.version]
    group = made(kernel)
    kernel.refuse_once[file] = errno.EINVAL
    group.apply(Resources(memory=Memory(limit=1 << 26, swap=1 << 27)))
    stats = group.stats()
    assert stats.memory is not None
    assert stats.memory.limit == 1 << 26


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EPERM])
def test_what_stays_refused_is_an_error(kernel: FakeKernel, number: int) -> None:
    group = made(kernel)
    kernel.refuse_once["pids.max"] = number
    with pytest.raises(OSError, match=r"pids\.max") as refused:
        group.apply(Resources(pids=Pids(limit=1)))
    assert refused.value.errno == number
    assert refused.value.context == "linux.resources.pids.limit"  # type: ignore[attr-defined]


def test_a_file_that_turns_out_to_be_missing_is_named(kernel: FakeKernel) -> None:
    group = made(kernel)
    controller = {"v1": "pids", "v2": "unified"}[kernel.version]
    os.unlink(f"{kernel.root}/{controller}{PATH}/pids.max")
    with pytest.raises(Unsupported, match=r"pids\.limit cannot be enforced: this kernel has no pids\.max"):
        group.apply(Resources(pids=Pids(limit=1)))


def test_a_read_only_tree_is_refused(kernel: FakeKernel) -> None:
    with open(kernel.mountinfo) as file:
        table = file.read().replace("rw,relatime", "ro")
    with open(kernel.mountinfo, "w") as file:
        file.write(table)
    with pytest.raises(Unsupported, match="is read-only at"):
        manager(PATH, kernel.hierarchies()).check(Resources())


def test_the_parent_may_vanish_while_a_group_is_made(kernel: FakeKernel) -> None:
    other = made(kernel, path="/minicontainer/other")

    class Racer:
        """Removes the other, and with it the parent, just before our first mkdir."""

        def before(self, call: door.Call) -> None:
            door.listeners.remove(self)
            other.delete()

        def after(self, call: door.Call) -> None: ...

    door.listeners.append(Racer())
    made(kernel).delete()


# v1 only


def test_v1_files(v1: FakeKernel) -> None:
    weights = [WeightDevice(8, 0, weight=200)]
    throttles = [ThrottleDevice(8, 0, 1000)]
    made(
        v1,
        Resources(
            memory=Memory(limit=100, reservation=50, swap=-1, swappiness=0, disable_oom_killer=True),
            cpu=CPU(shares=2, quota=-1, period=1000, burst=5, idle=1, cpus="1", mems="0"),
            pids=Pids(limit=-1),
            block_io=BlockIO(weight=10, weight_device=weights, throttle_write_iops_device=throttles),
            hugepage_limits=[HugepageLimit("2MB", 5)],
            network=Network(class_id=255, priorities=[InterfacePriority(name="lo", priority=10)]),
        ),
    )
    assert {path: v1.value(path.replace("@", PATH)) for path in V1_EXPECTED} == V1_EXPECTED


V1_EXPECTED = {
    "memory@/memory.limit_in_bytes": "100",
    "memory@/memory.soft_limit_in_bytes": "50",
    "memory@/memory.memsw.limit_in_bytes": "-1",
    "memory@/memory.swappiness": "0",
    "memory@/memory.oom_control": "1",
    "cpu,cpuacct@/cpu.shares": "2",
    "cpu,cpuacct@/cpu.cfs_quota_us": "-1",
    "cpu,cpuacct@/cpu.cfs_period_us": "1000",
    "cpu,cpuacct@/cpu.cfs_burst_us": "5",
    "cpu,cpuacct@/cpu.idle": "1",
    "cpuset@/cpuset.cpus": "1",
    "cpuset@/cpuset.mems": "0",
    "pids@/pids.max": "max",
    "blkio@/blkio.bfq.weight": "10",
    "blkio@/blkio.bfq.weight_device": "8:0 200",
    "blkio@/blkio.throttle.write_iops_device": "8:0 1000",
    "hugetlb@/hugetlb.2MB.limit_in_bytes": "5",
    "hugetlb@/hugetlb.2MB.rsvd.limit_in_bytes": "5",
    "net_cls,net_prio@/net_cls.classid": "255",
    "net_cls,net_prio@/net_prio.ifpriomap": "lo 10",
}


def test_v1_joins_no_more_than_it_needs(v1: FakeKernel) -> None:
    made(v1)
    joined = {path.split("/")[0] for path in v1.groups() if path.endswith(PATH)}
    assert joined == {"freezer", "memory", "cpu,cpuacct", "pids", "blkio"}


def test_v1_a_process_that_adds_itself_moves_one_thread(v1: FakeKernel) -> None:
    group = made(v1)
    del v1.steps[:]
    group.add(0)
    assert {step[1].rpartition("/")[2] for step in v1.steps} == {"tasks 0"}
    assert v1.steps[0][1].startswith("freezer/")
    assert group.clone_fd() is None


def test_v1_cpusets_are_filled_from_the_top(v1: FakeKernel) -> None:
    made(v1, Resources(cpu=CPU(cpus="2")))
    assert v1.value("cpuset/minicontainer/cpuset.cpus") == "0-3"
    assert v1.value("cpuset/minicontainer/cpuset.mems") == "0"
    assert v1.value(f"cpuset{PATH}/cpuset.cpus") == "2"
    assert v1.value(f"cpuset{PATH}/cpuset.mems") == "0"


def test_v1_an_update_takes_running_processes_along(v1: FakeKernel) -> None:
    group = made(v1)
    group.add(SOMEBODY)
    manager(PATH, v1.hierarchies()).apply(Resources(cpu=CPU(cpus="2")))
    assert v1.value(f"cpuset{PATH}/cgroup.procs") == str(SOMEBODY)


def test_v1_has_no_unified_files(v1: FakeKernel) -> None:
    with pytest.raises(Unsupported, match=r"unified memory\.high cannot be enforced: .*cgroup v2"):
        manager(PATH, v1.hierarchies()).check(Resources(unified={"memory.high": "1"}))


def test_v1_a_missing_controller_is_named_with_its_place(v1: FakeKernel) -> None:
    known = v1.hierarchies()
    del known.bound["memory"]
    with pytest.raises(
        Unsupported, match=r"memory\.limit cannot be enforced: the memory controller is not in this kernel"
    ):
        manager(PATH, known).check(Resources(memory=Memory(limit=1)))


# v2 only


def test_v2_files(v2: FakeKernel) -> None:
    reads, writes = [ThrottleDevice(8, 0, 1000)], [ThrottleDevice(8, 0, 0)]
    made(
        v2,
        Resources(
            memory=Memory(limit=100, reservation=-1, swap=150),
            cpu=CPU(shares=1024, quota=5000, period=1000, burst=5, cpus="1", mems="0"),
            pids=Pids(limit=9),
            block_io=BlockIO(weight=1000, throttle_read_bps_device=reads, throttle_write_iops_device=writes),
            hugepage_limits=[HugepageLimit("2MB", 5)],
            unified={"memory.high": "90"},
        ),
    )
    assert {file: v2.value(f"unified{PATH}/{file}") for file in V2_EXPECTED} == V2_EXPECTED


V2_EXPECTED = {
    "memory.max": "100",
    "memory.low": "max",
    "memory.swap.max": "50",
    "memory.high": "90",
    "cpu.weight": "100",
    "cpu.max": "5000 1000",
    "cpu.max.burst": "5",
    "cpuset.cpus": "1",
    "cpuset.mems": "0",
    "pids.max": "9",
    "io.weight": "default 10000",
    "io.max": "8:0 rbps=1000 wiops=max",
    "hugetlb.2MB.max": "5",
    "hugetlb.2MB.rsvd.max": "5",
}


def test_v2_has_no_network_controllers(v2: FakeKernel) -> None:
    with pytest.raises(Unsupported, match=r"network cannot be enforced: .*cgroup v1 only"):
        made(v2, Resources(network=Network(class_id=1)))


def test_rdma_limits_name_what_they_limit() -> None:
    limits = {"mlx4_0": Rdma(hca_handles=2, hca_objects=2000), "mlx5_0": Rdma(hca_objects=0), "none": Rdma()}
    values = [setting.value for setting in rdma.settings(limits)]
    assert values == ["mlx4_0 hca_handle=2 hca_object=2000", "mlx5_0 hca_object=0"]


def test_v2_hands_down_what_is_needed_and_nothing_twice(v2: FakeKernel) -> None:
    group = made(v2)
    assert v2.value("unified/cgroup.subtree_control") == "io memory pids"
    assert v2.value(f"unified{PATH}/cgroup.subtree_control") == ""
    del v2.steps[:]
    group.apply(Resources(cpu=CPU(shares=100)))
    assert [step[1] for step in v2.steps] == [
        "unified/cgroup.subtree_control +cpu",
        "unified/minicontainer/cgroup.subtree_control +cpu",
        f"unified{PATH}/cpu.weight 17",
    ]
    del v2.steps[:]
    made(v2, path="/minicontainer/two")
    assert [step[0] for step in v2.steps] == ["make_group"]


def test_v2_each_line_of_a_unified_file_is_one_write(v2: FakeKernel) -> None:
    group = made(v2)
    del v2.steps[:]
    group.apply(Resources(unified={"io.max": "8:0 rbps=1\n8:16 rbps=2"}))
    assert [step[1].rpartition("/")[2] for step in v2.steps] == ["io.max 8:0 rbps=1", "io.max 8:16 rbps=2"]


@pytest.mark.parametrize("file", ["../memory.max", "memory", ".max", "a/b.c"])
def test_v2_unified_names_stay_inside(v2: FakeKernel, file: str) -> None:
    with pytest.raises(InvalidConfig, match="is not the name of a control file"):
        manager(PATH, v2.hierarchies()).check(Resources(unified={file: "1"}))


@pytest.mark.parametrize(
    "memory", [Memory(swappiness=60), Memory(disable_oom_killer=True), Memory(kernel_tcp=1)]
)
def test_v2_refuses_what_only_v1_has(v2: FakeKernel, memory: Memory) -> None:
    with pytest.raises(Unsupported, match="cgroup v2 has nothing like it"):
        manager(PATH, v2.hierarchies()).check(Resources(memory=memory))


def test_v2_swap_alone_says_nothing(v2: FakeKernel) -> None:
    with pytest.raises(InvalidConfig, match=r"it needs memory\.limit"):
        manager(PATH, v2.hierarchies()).check(Resources(memory=Memory(swap=100)))


def test_v2_in_a_container_our_own_processes_move_to_a_leaf(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "v2", namespaced=True)
    kernel.settle("unified", SOMEBODY, SOMEBODY + 1)
    door.listeners.append(kernel)
    try:
        made(kernel)
    finally:
        door.listeners.remove(kernel)
    assert kernel.value("unified/cgroup.procs") == ""
    assert kernel.value("unified/init/cgroup.procs") == f"{SOMEBODY}\n{SOMEBODY + 1}"
    assert kernel.value("unified/cgroup.subtree_control") == "io memory pids"


def test_v2_processes_of_outside_cannot_be_moved(tmp_path: Path) -> None:
    kernel = FakeKernel(tmp_path, "v2", namespaced=True)
    kernel.settle("unified", 0)
    door.listeners.append(kernel)
    try:
        with pytest.raises(Unsupported, match="cgroup namespace of its own"):
            made(kernel)
    finally:
        door.listeners.remove(kernel)


def test_v2_a_new_process_joins_the_leaf_that_an_inner_engine_made(v2: FakeKernel) -> None:
    group = made(v2)
    manager(f"{PATH}/init", v2.hierarchies()).create()
    v2.settle(f"unified{PATH}/init", SOMEBODY)
    group.add(SOMEBODY + 1)
    assert v2.value(f"unified{PATH}/init/cgroup.procs") == f"{SOMEBODY}\n{SOMEBODY + 1}"
    fd = group.clone_fd()
    assert fd is not None
    entered = os.readlink(f"/proc/self/fd/{fd}")
    os.close(fd)
    assert entered.endswith(f"{PATH}/init")


def test_v2_without_cgroup_kill_the_group_is_frozen_first(v2: FakeKernel) -> None:
    group = made(v2)
    group.add(SOMEBODY)
    os.unlink(f"{v2.root}/unified{PATH}/cgroup.kill")
    del v2.steps[:]
    group.kill()
    assert [step[0] for step in v2.steps][:3] == ["write_control", "kill", "write_control"]
    assert v2.steps[0][1].endswith("cgroup.freeze 1")
    assert v2.steps[2][1].endswith("cgroup.freeze 0")


def test_v2_old_kernels_lack_files(v2: FakeKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minicontainer.cgroups.v2.driver._kernel", lambda: (5, 14))
    group = manager(PATH, v2.hierarchies())
    group.check(Resources(cpu=CPU(burst=1)))
    with pytest.raises(Unsupported, match=r"cpu\.idle cannot be enforced: .* \(Linux 5\.15\)"):
        group.check(Resources(cpu=CPU(idle=1)))
