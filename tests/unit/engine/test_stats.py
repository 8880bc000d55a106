"""stats: Docker's formulas, and the host's own counters."""

from __future__ import annotations

import os
import time

import pytest

from minicontainer.cli.stats import drawn
from minicontainer.engine import stats
from minicontainer.engine.stats import Reading, Usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def reading(**counters: int) -> Reading:
    """Counters, 0 where none is given."""
    made = Reading()
    for name, value in counters.items():
        setattr(made, name, value)
    return made


def usage(now: Reading | None, before: Reading | None = None, processors: int = 1) -> Usage:
    """Of a container that does not matter."""
    nobody: Any = None
    return Usage(nobody, now, before, processors)


@pytest.mark.parametrize(
    ("used", "passed", "processors", "percent"),
    [
        (500_000, 1_000_000, 1, 50.0),
        (1_000_000, 2_000_000, 2, 100.0),  # one of two processors, all the time
        (2_000_000, 2_000_000, 2, 200.0),
        (0, 1_000_000, 4, 0.0),
        (-5, 1_000_000, 4, 0.0),  # the group was made anew: it counts from the start again
        (5, 0, 4, 0.0),
    ],
)
def test_share_of_a_processor(used: int, passed: int, processors: int, percent: float) -> None:
    before, now = reading(cpu=70, host=90), reading(cpu=70 + used, host=90 + passed)
    assert usage(now, before, processors).cpu_percent == percent


def test_what_is_not_known_is_nothing() -> None:
    assert usage(reading(cpu=5, host=5)).cpu_percent == 0.0
    assert usage(None, reading(cpu=5, host=5)).cpu_percent == 0.0
    assert usage(None).memory_percent == 0.0
    assert usage(reading(memory=5)).memory_percent == 0.0
    assert usage(reading(memory=5, limit=20)).memory_percent == 25.0


def test_the_host_s_time_goes_on_for_every_processor() -> None:
    first, begun = stats.host_time(), time.monotonic()
    time.sleep(0.5)
    passed = (time.monotonic() - begun) * 1e6 * len(os.sched_getaffinity(0))
    assert stats.host_time() - first > passed * 0.5


def test_the_host_s_memory_is_sysconf_s() -> None:
    assert stats.host_memory() == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_traffic_of_a_process_that_is_gone() -> None:
    assert stats.traffic(2**22 + 1) == (0, 0)


def test_a_picture_fits_the_window() -> None:
    text = "heading\nfirst\nsecond\n"
    assert drawn(text, 4, 3) == "\x1b[Hhead\x1b[K\nfirs\x1b[K\n\x1b[J"
    assert drawn(text, 80, 24) == "\x1b[Hheading\x1b[K\nfirst\x1b[K\nsecond\x1b[K\n\x1b[J"
    assert drawn(text, 0, 0) == drawn(text, 80, 24)
    assert drawn(text, 80, 1) == "\x1b[Hheading\x1b[K\n\x1b[J"
