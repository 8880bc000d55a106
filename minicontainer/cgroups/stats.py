"""What a group has used, in one shape for both versions; None where nobody counts."""

from __future__ import annotations

from minicontainer.oci.document import Document


class MemoryStats(Document):
    """Bytes, and counts since the group was made."""

    usage: int
    limit: int | None = None  # None: unlimited
    peak: int | None = None
    swap: int | None = None
    inactive_file: int = 0  # page cache that is free for the taking; `docker stats` subtracts it
    limit_hits: int = 0  # times the limit was reached and memory had to be reclaimed
    oom_kills: int = 0  # processes that the kernel killed for want of memory


class CPUStats(Document):
    """Microseconds of processor time; periods of the quota."""

    usage_us: int
    user_us: int = 0
    system_us: int = 0
    periods: int = 0
    throttled_periods: int = 0
    throttled_us: int = 0


class PidsStats(Document):
    """Threads, as the kernel counts them."""

    current: int
    limit: int | None = None
    limit_hits: int = 0  # forks refused


class IOStats(Document):
    """Sums over all block devices."""

    read_bytes: int = 0
    write_bytes: int = 0
    reads: int = 0
    writes: int = 0


class Stats(Document):
    """What the controllers that the group has joined have counted."""

    memory: MemoryStats | None = None
    cpu: CPUStats | None = None
    pids: PidsStats | None = None
    io: IOStats | None = None
