"""What a container costs while it runs: its monitor's memory and processor time, and the price of its log.

The process that stands between an engine and a container's program is the parent of the program:
our monitor, containerd's shim.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bench.measure import Command
    from bench.peers import Engine

SETTLED_S = 5.0  # until monitors rest
IDLE_S = 10.0
GIGABYTE = 1 << 30
# Lines of 80 characters, as fast as busybox makes them.
WRITE = "yes $(printf 'x%.0s' $(seq 79)) | dd bs=64k count={} iflag=fullblock 2>/dev/null"


def memory(engine: Engine, image: str, count: int) -> tuple[float, float]:
    """Of each such process beside ``count`` idle containers: proportional set size in kB, and the seconds of
    a processor that it takes in `IDLE_S`.  Raises Failed."""
    names = [f"bench-memory-{number}" for number in range(count)]
    try:
        for name in names:
            words = ("run", "-d", "--name", name, "--network", "none", image, "sleep", "3600")
            engine.command(*words).must_run()
        time.sleep(SETTLED_S)
        pids = engine.command("inspect", "--format", "{{.State.Pid}}", *names).must_run().split()
        monitors = [_parent(int(pid)) for pid in pids]
        size = sum(map(_pss, monitors))
        before = sum(map(_ran, monitors))
        time.sleep(IDLE_S)
        return size / count, (sum(map(_ran, monitors)) - before) / count
    finally:
        engine.command("rm", "-f", *names).run()


def _parent(pid: int) -> int:
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def _pss(pid: int) -> int:
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Pss:"))


def _ran(pid: int) -> float:
    """Seconds that all its threads have run (/proc/PID/task/TID/schedstat, in nanoseconds)."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as file:
            total += int(file.read().split()[0])
    return total / 1e9


def write(engine: Engine, image: str, name: str, size: int = GIGABYTE) -> float:
    """Seconds until a detached container has written so many bytes and is over.  Raises Failed."""
    script = WRITE.format(size >> 16)
    start = time.monotonic()
    engine.command("run", "-d", "--name", name, "--network", "none", image, "sh", "-c", script).must_run()
    engine.command("wait", name).must_run()
    return time.monotonic() - start


def tail(engine: Engine, name: str) -> Command:
    """The command that shows the end of what it wrote."""
    return engine.command("logs", "--tail", "10", name)
