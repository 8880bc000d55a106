"""How much a container may use: processor, memory, block devices, processes."""

from __future__ import annotations

from minicontainer.cli import types
from minicontainer.cli.command import flag
from minicontainer.cli.options import many, number, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from minicontainer.engine.records import HostConfig

SWAPPINESS = -1  # the kernel's own
SHM_SIZE = 64 << 20

OPTIONS = (
    one("--blkio-weight", type=types.WEIGHT, default=0, help="Block IO weight, 10 to 1000"),
    many("--blkio-weight-device", type=types.DEVICE_WEIGHT, help="Block IO weight of a device: PATH:WEIGHT"),
    number("--cpu-period", help="CPU CFS period, microseconds"),
    number("--cpu-quota", help="CPU CFS quota, microseconds"),
    number("--cpu-rt-period", help="CPU real-time period, microseconds"),
    number("--cpu-rt-runtime", help="CPU real-time runtime, microseconds"),
    number("-c", "--cpu-shares", help="CPU shares (relative weight)"),
    number("--cpus", type=types.CPUS, help="Number of CPUs"),
    one("--cpuset-cpus", type=types.CPUSET_CPUS, help="CPUs to run on (0-3, 0,1)"),
    one("--cpuset-mems", type=types.CPUSET_MEMS, help="Memory nodes to use (0-3, 0,1)"),
    many("--device-read-bps", type=types.DEVICE_RATE, help="Limit the read rate from a device: PATH:RATE"),
    many("--device-read-iops", type=types.DEVICE_COUNT, help="Limit reads per second from a device: PATH:N"),
    many("--device-write-bps", type=types.DEVICE_RATE, help="Limit the write rate to a device: PATH:RATE"),
    many("--device-write-iops", type=types.DEVICE_COUNT, help="Limit writes per second to a device: PATH:N"),
    number("--kernel-memory", type=types.MEMORY, help="Kernel memory limit (deprecated: it has no effect)"),
    number("-m", "--memory", type=types.MEMORY, help="Memory limit"),
    number("--memory-reservation", type=types.MEMORY, help="Memory soft limit"),
    number("--memory-swap", type=types.SWAP, help="Memory and swap together; -1: no limit"),
    one("--memory-swappiness", type=types.INTEGER, default=SWAPPINESS, help="0 to 100; -1: the host's (-1)"),
    flag("--oom-kill-disable", help="Let processes wait when memory is short, and kill none"),
    number("--oom-score-adj", type=types.OOM_SCORE, help="The kernel's OOM preference"),
    number("--pids-limit", help="Most processes and threads; -1: no limit"),
    one("--shm-size", type=types.SHM_SIZE, default=SHM_SIZE, help="Size of /dev/shm (64m)"),
    many("--ulimit", type=types.ULIMIT, help="A resource limit: NAME=SOFT[:HARD]"),
)

LISTS = (
    "blkio_weight_device", "device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops",
)  # fmt: skip
NUMBERS = (
    "blkio_weight", "cpu_period", "cpu_quota", "cpu_rt_period", "cpu_rt_runtime", "cpu_shares",
    "kernel_memory", "memory", "memory_reservation", "memory_swap", "memory_swappiness", "oom_kill_disable",
    "oom_score_adj", "pids_limit",
)  # fmt: skip


def host(flags: dict[str, Any]) -> dict[str, Any]:
    """Fields of HostConfig."""
    return {
        **{name: flags[name] for name in NUMBERS},
        **{name: list(flags[name]) for name in LISTS},
        "cpuset_cpus": flags["cpuset_cpus"] or "",
        "cpuset_mems": flags["cpuset_mems"] or "",
        "nano_cpus": flags["cpus"],
        "shm_size": flags["shm_size"] or SHM_SIZE,
        "ulimits": list(flags["ulimit"]),
    }


def warnings(asked: HostConfig) -> Iterator[str]:
    """What Docker warns of."""
    if asked.kernel_memory:
        yield "Specifying a kernel memory limit is deprecated: it has no effect, --memory counts both."
    if asked.oom_kill_disable and not asked.memory:
        yield (
            "OOM killer is disabled for the container, but no memory limit is set, "
            "this can result in the system running out of resources."
        )
