"""Joining, freezing, killing and deleting, on the kernel of this host."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import struct
import time

import pytest

from minicontainer.cgroups import PARENT, manager
from minicontainer.cgroups.host import hierarchies
from minicontainer.errors import Conflict, Unsupported
from minicontainer.linux import door
from minicontainer.linux.process import clone3
from minicontainer.oci.runtime import DeviceRule, HugepageLimit, Resources
from tests.kernel.cgroups import groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.cgroups.manager import Manager

    Factory = Callable[..., Manager]


class Counter:
    """A number that a process in the group counts up, in memory shared with the test."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, 8)

    @property
    def value(self) -> int:
        return int(struct.unpack("Q", self.memory[:])[0])

    def count(self) -> None:
        number = 0
        while True:
            number += 1
            self.memory[:] = struct.pack("Q", number)

    def moves(self) -> bool:
        before = self.value
        time.sleep(0.1)
        return self.value != before


def existing(path: str) -> list[str]:
    """The folders of a group in every hierarchy."""
    found = hierarchies()
    mounts = {*found.bound.values(), *found.named.values(), *filter(None, [found.unified])}
    return [mount + path for mount in mounts if os.path.exists(mount + path)]


def test_who_is_allowed_all_devices_has_a_group_wherever_one_can_be(group_with: Factory) -> None:
    group = group_with(Resources(devices=[DeviceRule(allow=True, access="rwm")]))
    found = hierarchies()
    for mount in set(found.bound.values()) - found.read_only:
        assert os.path.isdir(mount + group.path)


def test_frozen_processes_do_nothing_until_thawed(group_with: Factory) -> None:
    group, counter = group_with(), Counter()
    groups.start(group, counter.count)
    groups.wait_until(lambda: counter.value)
    group.freeze()
    assert group.frozen()
    assert not counter.moves()
    group.thaw()
    assert not group.frozen()
    groups.wait_until(counter.moves)


def test_a_frozen_group_can_be_killed(group_with: Factory) -> None:
    group = group_with()
    pid = groups.start(group, groups.sleep)
    groups.wait_until(group.pids)
    group.freeze()
    group.kill()
    assert groups.outcome(pid) == -signal.SIGKILL


def test_a_group_that_the_container_froze_below_can_be_killed(group_with: Factory) -> None:
    group = group_with()
    inner = manager(f"{group.path}/inner")
    inner.create()
    pid = groups.start(inner, groups.sleep)
    groups.wait_until(inner.pids)
    inner.freeze()
    assert group.pids() == [pid]
    group.kill()
    assert groups.outcome(pid) == -signal.SIGKILL


def test_another_process_manages_by_path_alone(group_with: Factory) -> None:
    group = group_with()
    pid = groups.start(group, groups.sleep)
    groups.wait_until(group.pids)
    other = manager(group.path)
    assert other.pids() == [pid]
    second = groups.start(other, groups.sleep)
    groups.wait_until(lambda: len(group.pids()) == 2)
    other.kill()
    assert [groups.outcome(pid), groups.outcome(second)] == [-signal.SIGKILL] * 2
    other.delete()
    assert existing(group.path) == []


def test_a_process_is_moved_with_all_its_threads(group_with: Factory) -> None:
    group = group_with()
    ready, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        import threading

        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        group.add(0)
        os.write(write, b"x")
        groups.sleep()
    os.read(ready, 1)
    os.close(ready)
    os.close(write)
    tasks = os.listdir(f"/proc/{pid}/task")
    assert len(tasks) == 2
    for task in tasks:
        with open(f"/proc/{pid}/task/{task}/cgroup") as file:
            assert group.path in file.read()


def test_a_process_is_moved_by_another(group_with: Factory) -> None:
    group = group_with()
    pid = os.fork()
    if pid == 0:
        groups.sleep()
    group.add(pid)
    assert group.pids() == [pid]


def test_a_process_that_is_gone_cannot_be_moved(group_with: Factory) -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    with pytest.raises(ProcessLookupError):
        group_with().add(pid)


def test_a_child_is_born_in_the_group(group_with: Factory) -> None:
    group = group_with()
    fd = group.clone_fd()
    if fd is None:
        pytest.skip("cgroup v1 knows no CLONE_INTO_CGROUP")
    pid, pidfd = clone3(0, fd)
    if pid == 0:
        groups.sleep()
    os.close(fd)
    os.close(pidfd)
    assert group.pids() == [pid]


def test_delete_says_busy_while_processes_run(group_with: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minicontainer.cgroups.tree.PATIENCE", 0.02)
    group = group_with()
    groups.start(group, groups.sleep)
    groups.wait_until(group.pids)
    with pytest.raises(OSError, match="busy") as refused:
        group.delete()
    assert refused.value.errno == errno.EBUSY
    with pytest.raises(Conflict):
        manager(group.path).create()


def test_delete_takes_everything_and_can_be_repeated(group_with: Factory) -> None:
    group = group_with()
    below = manager(f"{group.path}/one/two")
    below.create()
    group.delete()
    assert existing(group.path) == []
    group.delete()
    group.kill()
    assert group.pids() == []


def test_the_last_container_takes_the_parent_with_it(group_with: Factory) -> None:
    group_with().delete()
    # Another container of this host may still need it, or need it again.
    groups.wait_until(lambda: all(_groups_in(folder) for folder in existing(PARENT)))


def _groups_in(folder: str) -> list[str]:
    try:
        return [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    except FileNotFoundError:
        return []


def test_what_this_host_cannot_enforce_is_refused_and_nothing_made() -> None:
    class Steps:
        count = 0

        def before(self, call: door.Call) -> None:
            self.count += 1

        def after(self, call: door.Call) -> None: ...

    steps, path = Steps(), f"{PARENT}/test-{os.getpid()}-refused"
    door.listeners.append(steps)
    try:
        with pytest.raises(Unsupported, match="hugepageLimits 3KB cannot be enforced"):
            _check_unknown_page_size(path)
    finally:
        door.listeners.remove(steps)
    assert steps.count == 0
    assert existing(path) == []


def _check_unknown_page_size(path: str) -> None:
    found = hierarchies()
    # Where the controller is usable, have it bound elsewhere: the sentence is what is tested.
    found.bound.pop("hugetlb", None)
    if "freezer" not in found.bound:
        found.unified_controllers.discard("hugetlb")
    manager(path, found).check(Resources(hugepage_limits=[HugepageLimit("3KB", 1)]))


@pytest.mark.needs("controller:freezer")
def test_on_v1_a_process_that_adds_itself_waits_for_no_grace_period(group_with: Factory) -> None:
    group = group_with()
    pid = groups.start(group, groups.sleep)
    groups.wait_until(group.pids)

    class Writes:
        def __init__(self) -> None:
            self.files: list[str] = []

        def before(self, call: door.Call) -> None:
            self.files.append(os.path.basename(call.arguments["path"]))

        def after(self, call: door.Call) -> None: ...

    writes = Writes()

    def listened() -> None:
        door.listeners.append(writes)
        group.add(0)
        os._exit(len(set(writes.files) - {"tasks"}))

    child = os.fork()
    if child == 0:
        listened()
    assert groups.outcome(child) == 0
    assert group.pids() == [pid]
