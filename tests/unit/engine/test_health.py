"""The rules of health checks, with a clock of the test's own: a container is probed for hours in no time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.engine import health
from minicontainer.engine.health import Health, Healthcheck, Result
from minicontainer.errors import UsageError
from minicontainer.oci import document

SECOND = health.SECOND
TEST = ["CMD", "true"]


class Container:
    """One that is probed as the rules say; a probe takes no time unless told."""

    def __init__(self, asked: Healthcheck, before: Health | None = None) -> None:
        self.asked = asked
        self.health = health.begin(before or Health())
        self.age = 0

    def probe(self, code: int, lasts: int = 0) -> str:
        """Wait until a probe is due, and let it end with ``code``; the status then."""
        self.age += health.delay(self.asked, self.health, self.age)
        result = Result(start=self.age, end=self.age + lasts, exit_code=code, output=str(code))
        self.health = health.judge(self.asked, self.health, result, self.age)
        self.age += lasts
        return self.health.status


def test_the_first_success_makes_it_healthy_and_retries_failures_in_a_row_unhealthy() -> None:
    one = Container(Healthcheck(test=TEST, retries=2))
    assert [one.probe(code) for code in (1, 0, 1, 0, 1, 1, 1, 0)] == [
        "starting", "healthy", "healthy", "healthy", "healthy", "unhealthy", "unhealthy", "healthy",
    ]  # fmt: skip
    assert one.health.failing_streak == 0


def test_three_failures_by_default_each_half_a_minute_after_the_one_before() -> None:
    one = Container(Healthcheck(test=TEST))
    told = [(one.probe(1, lasts=SECOND), one.age, one.health.failing_streak) for _ in range(3)]
    assert told == [("starting", 31 * SECOND, 1), ("starting", 62 * SECOND, 2), ("unhealthy", 93 * SECOND, 3)]


def test_failures_that_begin_in_the_start_period_do_not_count() -> None:
    asked = Healthcheck(test=TEST, interval=10 * SECOND, start_period=20 * SECOND, retries=1)
    one = Container(asked)
    told = []
    while one.health.status == "starting":
        told.append((one.probe(1), one.age // SECOND, one.health.failing_streak))
    # One that is due as the period ends is behind it.
    assert told == [("starting", 5, 0), ("starting", 10, 0), ("starting", 15, 0), ("unhealthy", 20, 1)]


def test_a_success_ends_the_start_period() -> None:
    asked = Healthcheck(
        test=TEST, interval=7 * SECOND, start_interval=SECOND, start_period=60 * SECOND, retries=1
    )
    one = Container(asked)
    assert (one.probe(0), one.age) == ("healthy", SECOND)
    assert (one.probe(1), one.age) == ("unhealthy", 8 * SECOND)


def test_a_new_start_forgets_all_but_the_log() -> None:
    one = Container(Healthcheck(test=TEST, retries=1))
    one.probe(3)
    again = Container(one.asked, one.health)
    assert (again.health.status, again.health.failing_streak) == ("starting", 0)
    assert [result.exit_code for result in again.health.log] == [3]


def test_the_last_five_results_are_kept() -> None:
    one = Container(Healthcheck(test=TEST))
    for code in range(8):
        one.probe(code)
    assert [result.output for result in one.health.log] == ["3", "4", "5", "6", "7"]


@given(st.lists(st.integers(-1, 2), max_size=40), st.integers(0, 5), st.integers(0, 200))
def test_a_status_tells_of_the_results_before(codes: list[int], retries: int, period: int) -> None:
    one = Container(Healthcheck(test=TEST, retries=retries, start_period=period * SECOND))
    seen: list[int] = []
    for code in codes:
        status = one.probe(code)
        seen.append(code)
        streak = next((n for n, c in enumerate(reversed(seen)) if c == 0), len(seen))
        assert one.health.failing_streak <= streak
        assert (status == "starting") <= (0 not in seen)
        assert (status == "unhealthy") == (one.health.failing_streak >= (retries or 3))
        assert len(one.health.log) == min(len(seen), 5)
    assert document.convert(Health, document.to_builtins(one.health), "health") == one.health


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (None, []),
        (Healthcheck(), []),
        (Healthcheck(interval=SECOND), []),
        (Healthcheck(test=["NONE"]), []),
        (Healthcheck(test=["CMD"]), []),
        (Healthcheck(test=["CMD-SHELL"]), []),
        (Healthcheck(test=["OTHER", "x"]), []),
        (Healthcheck(test=["CMD", "a", "b c"]), ["a", "b c"]),
        (Healthcheck(test=["CMD-SHELL", "a b"]), ["/bin/sh", "-c", "a b"]),
    ],
)
def test_the_command_of_a_probe(asked: Healthcheck | None, words: list[str]) -> None:
    assert health.command(asked) == words


def test_what_was_not_asked_for_is_the_image_s() -> None:
    image = Healthcheck(test=["CMD", "image"], interval=1 * SECOND, timeout=2 * SECOND, retries=4)
    assert health.merge(None, image) == image
    assert health.merge(image, None) == image
    assert health.merge(None, None) is None
    asked = Healthcheck(test=["CMD", "mine"], timeout=3 * SECOND, start_interval=SECOND)
    assert health.merge(asked, image) == Healthcheck(
        test=["CMD", "mine"], interval=1 * SECOND, timeout=3 * SECOND, start_interval=SECOND, retries=4
    )
    none = health.merge(Healthcheck(test=["NONE"]), image)
    assert none is not None
    assert health.command(none) == []


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Healthcheck(interval=999_999), "Interval in Healthcheck cannot be less than 1ms"),
        (Healthcheck(timeout=-1), "Timeout in Healthcheck cannot be less than 1ms"),
        (Healthcheck(start_period=1), "StartPeriod in Healthcheck cannot be less than 1ms"),
        (Healthcheck(start_interval=1), "StartInterval in Healthcheck cannot be less than 1ms"),
        (Healthcheck(retries=-1), "Retries in Healthcheck cannot be negative"),
    ],
)
def test_refused_in_docker_s_words(asked: Healthcheck, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        health.check(asked)


def test_a_millisecond_is_enough() -> None:
    health.check(Healthcheck(interval=10**6, timeout=10**6, start_period=10**6, start_interval=10**6))


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"), (1, "1ns"), (1_100, "1.1µs"), (1_500_000, "1.5ms"), (500 * 10**6, "500ms"),
        (SECOND, "1s"), (1_000_000_001, "1.000000001s"), (90 * SECOND, "1m30s"), (60 * SECOND, "1m0s"),
        (3600 * SECOND, "1h0m0s"), (3_661_500_000_000, "1h1m1.5s"),
    ],
)  # fmt: skip
def test_durations_are_written_as_go_writes_them(nanoseconds: int, text: str) -> None:
    assert health.duration(nanoseconds) == text


def test_output_is_cut_and_always_text() -> None:
    assert health.output(b"a" * 4096) == "a" * 4096
    assert health.output(b"a" * 4097) == "a" * 4096 + "..."
    assert health.output(b"\xffok") == "�ok"
    assert health.timed_out(Healthcheck(timeout=SECOND), b"") == "Health check exceeded timeout (1s)"
    assert health.timed_out(Healthcheck(), b"hm") == "Health check exceeded timeout (30s): hm"
