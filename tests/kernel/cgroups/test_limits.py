"""The kernel enforces what the manager wrote: the same tests on v1 and on v2 (make test-v2)."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import subprocess
import time

import pytest

from minicontainer.cgroups import host
from minicontainer.oci.runtime import CPU, BlockIO, Memory, Pids, Resources, ThrottleDevice
from tests.kernel.cgroups import groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from minicontainer.cgroups.manager import Manager
    from minicontainer.cgroups.stats import CPUStats

    Factory = Callable[..., Manager]

MIB = 1 << 20


def touch(size: int) -> None:
    """Use ``size`` bytes of memory."""
    memory = mmap.mmap(-1, size)
    for offset in range(0, size, mmap.PAGESIZE):
        memory[offset] = 1


def fits(resources: Resources) -> bool:
    """Whether this host can enforce these."""
    from minicontainer.cgroups import manager
    from minicontainer.errors import Unsupported

    try:
        manager("/minicontainer/probe").check(resources)
    except Unsupported:
        return False
    return True


def memory_limit(size: int) -> Memory:
    """Without swap where swap can be limited."""
    both = Memory(limit=size, swap=size)
    return both if fits(Resources(memory=both)) else Memory(limit=size)


@pytest.mark.needs("controller:memory")
def test_a_process_beyond_the_memory_limit_is_killed(group_with: Factory) -> None:
    group = group_with(Resources(memory=memory_limit(24 * MIB)))
    assert groups.result(group, lambda: touch(96 * MIB)) == -signal.SIGKILL
    memory = group.stats().memory
    assert memory is not None
    assert memory.oom_kills >= 1
    assert memory.limit_hits >= 1
    assert memory.limit == 24 * MIB
    if memory.peak is not None:
        # What the kernel itself must have at once, it takes from beyond a limit.
        assert memory.peak < 25 * MIB


@pytest.mark.needs("controller:memory")
def test_memory_within_the_limit_is_counted(group_with: Factory) -> None:
    group = group_with(Resources(memory=memory_limit(64 * MIB)))

    def hold() -> None:
        memory = mmap.mmap(-1, 20 * MIB)
        memory.write(b"x" * len(memory))
        groups.sleep()

    groups.start(group, hold)

    def usage() -> int:
        memory = group.stats().memory
        return memory.usage if memory else 0

    groups.wait_until(lambda: usage() >= 20 * MIB)
    assert usage() < 64 * MIB


@pytest.mark.needs("controller:memory")
def test_a_limit_can_be_raised_and_lowered_while_the_container_runs(group_with: Factory) -> None:
    group = group_with(Resources(memory=memory_limit(32 * MIB)))
    groups.start(group, groups.sleep)
    groups.wait_until(group.pids)
    for size in (64 * MIB, 24 * MIB):
        group.apply(Resources(memory=memory_limit(size)))
        memory = group.stats().memory
        assert memory is not None
        assert memory.limit == size


@pytest.mark.needs("controller:pids")
def test_forks_beyond_the_limit_are_refused(group_with: Factory) -> None:
    group = group_with(Resources(pids=Pids(limit=6)))

    def multiply() -> None:
        for _ in range(10):
            if os.fork() == 0:
                groups.sleep()

    assert groups.result(group, multiply) == errno.EAGAIN
    pids = group.stats().pids
    assert pids is not None
    assert pids.limit == 6
    assert pids.limit_hits >= 1
    assert len(group.pids()) == 5


@pytest.mark.needs("controller:pids")
def test_a_fork_bomb_stops_at_the_limit_and_dies_whole(group_with: Factory) -> None:
    group = group_with(Resources(pids=Pids(limit=40)))
    groups.start(group, groups.fork_bomb)
    groups.wait_until(lambda: len(group.pids()) >= 35)
    pids = group.stats().pids
    assert pids is not None
    assert pids.current <= 40
    group.kill()
    groups.wait_until(lambda: not group.pids())
    groups.reap_all()
    group.delete()
    with pytest.raises(FileNotFoundError):
        group.stats()


@pytest.mark.needs("controller:cpu")
def test_a_busy_loop_is_throttled(group_with: Factory) -> None:
    group = group_with(Resources(cpu=CPU(quota=10_000, period=100_000)))

    def cpu() -> CPUStats:
        found = group.stats().cpu
        assert found is not None
        return found

    begun = time.monotonic()
    groups.start(group, groups.spin)
    groups.wait_until(lambda: cpu().throttled_periods >= 8)
    found, passed_us = cpu(), 1e6 * (time.monotonic() - begun)
    assert found.throttled_us > 0
    # A tenth of the time, and as much again and 0.2 s for what User-Mode Linux counts late.
    assert found.usage_us < passed_us / 5 + 200_000


@pytest.mark.needs("controller:cpu")
def test_processor_time_is_counted_without_a_limit(group_with: Factory) -> None:
    group = group_with()
    groups.start(group, groups.spin)

    def used() -> int:
        cpu = group.stats().cpu
        return cpu.usage_us if cpu else 0

    groups.wait_until(lambda: used() > 50_000)


@pytest.mark.needs("controller:cpuset")
def test_only_the_named_processors_are_used(group_with: Factory) -> None:
    group = group_with(Resources(cpu=CPU(cpus="0")))
    assert groups.result(group, lambda: os._exit(len(os.sched_getaffinity(0)))) == 1


@pytest.fixture
def loop_device(tmp_path: Path) -> Iterator[str]:
    """A block device of one MiB, whatever the disks of this host are."""
    backing = tmp_path / "disk"
    backing.write_bytes(bytes(MIB))
    made = subprocess.run(
        ["losetup", "-f", "--show", str(backing)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no loop device: {made.stderr.strip()}")
    yield made.stdout.strip()
    subprocess.run(["losetup", "-d", made.stdout.strip()], check=True)


@pytest.mark.needs("command:losetup")
def test_writes_to_a_throttled_device_are_slow(group_with: Factory, loop_device: str) -> None:
    number = os.stat(loop_device).st_rdev
    throttle = [ThrottleDevice(os.major(number), os.minor(number), MIB)]
    resources = Resources(block_io=BlockIO(throttle_write_bps_device=throttle))
    if not fits(resources):
        pytest.skip("this host cannot throttle block devices")
    group = group_with(resources)

    def write() -> None:
        half = mmap.mmap(-1, MIB // 2)
        fd = os.open(loop_device, os.O_WRONLY | os.O_DIRECT)
        for _ in range(2):
            os.write(fd, half)

    started = time.monotonic()
    assert groups.result(group, write) == 0
    assert time.monotonic() - started > 0.4
    io = group.stats().io
    assert io is not None
    assert io.write_bytes >= MIB


def test_the_manager_is_the_one_for_this_host(group_with: Factory) -> None:
    group = group_with()
    found = host.hierarchies()
    groups.start(group, groups.sleep)
    groups.wait_until(group.pids)
    expected = "V1Manager" if "freezer" in found.bound else "V2Manager"
    assert type(group).__name__ == expected
    with open(f"/proc/{group.pids()[0]}/cgroup") as file:
        lines = [line for line in file.read().splitlines() if line.endswith(group.path)]
    assert lines
