"""events: what a container uses, once (--stats) or every interval, and that memory ran out.

One JSON object a line, in the shape of runc's::

    {"type":"stats","id":"c1","data":{"cpu":{...},"memory":{...},"pids":{...},"blkio":{},...}}
    {"type":"oom","id":"c1"}

It ends when the container does.
"""

from __future__ import annotations

import os
import select

from minicontainer.errors import UsageError
from minicontainer.libcontainer import state as states
from minicontainer.libcontainer.container import Container
from minicontainer.oci import jsontext
from minicontainer.runtime.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.cgroups.stats import Stats
    from minicontainer.runtime.main import Context

USAGE = "[FLAGS] CONTAINER-ID"
FLAGS = [
    Flag("interval", "text", "time between two statistics, such as 5s or 500ms", "5s"),
    Flag("stats", "switch", "show the statistics once"),
]
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
UNLIMITED = 2**64 - 1


def main(context: Context) -> int:
    """0."""
    interval = duration(context.flags["interval"])
    container = Container.load(context.container_id(), context.root)
    states.require(container.record.id, "events", container.status())
    if context.flags["stats"]:
        _write(container, "stats", data(container.cgroup.stats()))
        return 0
    poller = select.poll()
    poller.register(container.pidfd, select.POLLIN)
    killed = 0
    while not poller.poll(interval * 1000):
        stats = container.cgroup.stats()
        _write(container, "stats", data(stats))
        if stats.memory is not None and stats.memory.oom_kills > killed:
            killed = stats.memory.oom_kills
            _write(container, "oom", None)
    return 0


def duration(text: str) -> float:
    """Seconds of "5s", "500ms", "1m".  Raises UsageError for what is none or not above 0."""
    for unit, factor in UNITS.items():
        digits = text.removesuffix(unit)
        if digits != text and digits.replace(".", "", 1).isdigit() and float(digits) > 0:
            return float(digits) * factor
    raise UsageError(f"flag --interval: {text!r} is not a time above 0, such as 5s")


def _write(container: Container, kind: str, content: dict[str, Any] | None) -> None:
    event = {"type": kind, "id": container.record.id}
    line = jsontext.dumps({**event, "data": content} if content is not None else event)
    os.write(1, line.encode() + b"\n")


def data(stats: Stats) -> dict[str, Any]:
    """The statistics in runc's shape: nanoseconds, bytes, counts."""
    found: dict[str, Any] = {}
    if stats.cpu is not None:
        cpu = stats.cpu
        found["cpu"] = {
            "usage": {
                "total": cpu.usage_us * 1000,
                "kernel": cpu.system_us * 1000,
                "user": cpu.user_us * 1000,
            },
            "throttling": {
                "periods": cpu.periods,
                "throttledPeriods": cpu.throttled_periods,
                "throttledTime": cpu.throttled_us * 1000,
            },
        }
    if stats.memory is not None:
        memory = stats.memory
        found["memory"] = {
            "usage": {
                "limit": memory.limit if memory.limit is not None else UNLIMITED,
                "usage": memory.usage,
                "max": memory.peak or 0,
                "failcnt": memory.limit_hits,
            },
            "raw": {"inactive_file": memory.inactive_file},
        }
    if stats.pids is not None:
        found["pids"] = {"current": stats.pids.current, "limit": stats.pids.limit or 0}
    if stats.io is not None:
        io = stats.io
        found["blkio"] = {
            "readBytes": io.read_bytes, "writeBytes": io.write_bytes, "reads": io.reads, "writes": io.writes,
        }  # fmt: skip
    return found
