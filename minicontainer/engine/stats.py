"""What running containers use now: two readings of the kernel's counters, and what lies between them.

::

    group's cpu counter ───────┐   two readings, a second apart     ┌─► % of one processor
    /proc/stat, whole host ────┴────────────────────────────────────┘   (200% is two of them)
    memory less inactive_file, limit or the host's own ────────────────► bytes, %
    /proc/PID/net/dev, bridge only ──┐
    block devices ───────────────────┴─────────────────────────────────► bytes since the start
    pids ──────────────────────────────────────────────────────────────► threads

The formulas are Docker's for Linux (docker/cli: command/container/stats_helpers.go), so that both say the
same of the same container.  What no controller counts is 0, as there.
"""

from __future__ import annotations

import errno
import os

from minicontainer.engine.engine import Engine, Found
from minicontainer.errors import Conflict, NotFound
from minicontainer.util.files import read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

HOST_FIELDS = 7  # user, nice, system, idle, iowait, irq, softirq of /proc/stat (proc_stat(5))
LOOPBACK = "lo"
GONE = (errno.ENOENT, errno.ESRCH, errno.ENXIO, errno.EINVAL)  # of a process that ends meanwhile


class Reading:
    """The counters of one container at one moment; ``cpu`` and ``host`` in microseconds, sizes in bytes."""

    __slots__ = ("cpu", "host", "limit", "memory", "pids", "read", "received", "sent", "written")

    def __init__(self) -> None:
        self.cpu = 0
        self.host = 0
        self.memory = 0
        self.limit = 0
        self.received = 0
        self.sent = 0
        self.read = 0
        self.written = 0
        self.pids = 0


class Usage:
    """What a container uses.  ``now`` is None for one that does not run."""

    __slots__ = ("before", "found", "now", "processors")

    def __init__(
        self, found: Found, now: Reading | None, before: Reading | None = None, processors: int = 1
    ) -> None:
        self.found = found
        self.now = now
        self.before = before
        self.processors = processors

    @property
    def cpu_percent(self) -> float:
        """Of one processor, since the reading before; 0 where there is none."""
        if self.now is None or self.before is None:
            return 0.0
        used, passed = self.now.cpu - self.before.cpu, self.now.host - self.before.host
        return used / passed * self.processors * 100 if used > 0 and passed > 0 else 0.0

    @property
    def memory_percent(self) -> float:
        """Of the limit."""
        return self.now.memory / self.now.limit * 100 if self.now is not None and self.now.limit else 0.0


class Meter:
    """Reads containers again and again, and remembers what it read last."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._before: dict[str, Reading] = {}

    def measure(self, containers: Iterable[Found]) -> list[Usage]:
        """Each container's usage since it was measured before."""
        before, self._before = self._before, {}
        usages = []
        for found in containers:
            now = self._read(found) if found.running else None
            container_id = found.container.id
            if now is not None:
                self._before[container_id] = now
            usages.append(Usage(found, now, before.get(container_id), os.cpu_count() or 1))
        return usages

    def _read(self, found: Found) -> Reading | None:
        """None for one that has ended since it was looked for."""
        reading = Reading()
        try:
            counted = self.engine.runtime(found).cgroup.stats()
        except (NotFound, Conflict, FileNotFoundError):
            return None
        reading.host = host_time()
        if counted.cpu is not None:
            reading.cpu = counted.cpu.usage_us
        if counted.memory is not None:
            memory, host = counted.memory, host_memory()
            # The page cache that nobody has touched lately is there for the taking.
            cache = memory.inactive_file if memory.inactive_file < memory.usage else 0
            reading.memory = memory.usage - cache
            reading.limit = min(memory.limit or host, host)
        if counted.io is not None:
            reading.read, reading.written = counted.io.read_bytes, counted.io.write_bytes
        if counted.pids is not None:
            reading.pids = counted.pids.current
        if found.container.host.network_mode == "bridge":
            reading.received, reading.sent = traffic(found.status.pid)
        return reading


def host_time() -> int:
    """Microseconds of all processors since the boot, idle ones too."""
    words = read("/proc/stat").split(b"\n", 1)[0].split()[1 : 1 + HOST_FIELDS]
    return sum(map(int, words)) * (1_000_000 // os.sysconf("SC_CLK_TCK"))


def host_memory() -> int:
    """Bytes of memory that this host has (MemTotal)."""
    return int(read("/proc/meminfo").split(None, 2)[1]) * 1024


def traffic(pid: int) -> tuple[int, int]:
    """(bytes received, bytes sent) by the interfaces of the process's network namespace, without loopback.

    (0, 0) for a process that is gone.
    """
    try:
        lines = read(f"/proc/{pid}/net/dev").decode().splitlines()[2:]
    except OSError as error:
        if error.errno not in GONE:
            raise
        return 0, 0
    received = sent = 0
    for line in lines:
        name, _, counters = line.partition(":")
        if name.strip() != LOOPBACK:
            words = counters.split()
            received += int(words[0])
            sent += int(words[8])
    return received, sent
