"""Health checks: what is asked for, what became of it, and the rules between the two.  No input, no output.

::

                      exit code 0                           exit code 0
          ┌──────────┐ ─────────► ┌─────────┐ ◄──────────── ┌───────────┐
    start │ starting │            │ healthy │               │ unhealthy │
    ─────►│          │            │         │ ────────────► │           │
          └──────────┘            └─────────┘  ``retries``  └───────────┘
                 │     ``retries`` failures in a row              ▲
                 └────────────────────────────────────────────────┘
                   those that began in the start period do not count

A probe is due ``interval`` after the one before has ended, or after the start; while the container is
starting and its start period lasts, ``start_interval`` after.  At every start all begins anew, but for the
log.  A container that is paused or has ended is unhealthy, to who asks.  Facts of Docker's (moby:
daemon/health.go, daemon/container.go, daemon/commit.go); times are nanoseconds.

health.json is a `Health`; what runs the probes is healthwatch.py, one probe is probing.py.
"""

from __future__ import annotations

from minicontainer.errors import UsageError
from minicontainer.oci.document import Document

SECOND = 10**9
INTERVAL = 30 * SECOND
TIMEOUT = 30 * SECOND
START_INTERVAL = 5 * SECOND
RETRIES = 3
MINIMUM = 10**6  # of every time that is given
KEPT = 5  # results
LONGEST = 4096  # bytes of a probe's output
SHELL = ("/bin/sh", "-c")

STARTING, HEALTHY, UNHEALTHY, NONE = "starting", "healthy", "unhealthy", "none"
TIMES = (
    ("interval", "Interval"),
    ("timeout", "Timeout"),
    ("start_period", "StartPeriod"),
    ("start_interval", "StartInterval"),
)


class Healthcheck(Document):
    """What was asked for: Docker's HealthConfig.  0, and an empty ``test``, are the image's, or Docker's."""

    CAMEL = False

    test: list[str] = []
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class Result(Document):
    """One probe: when it began and ended (since the epoch), its exit code (-1: none) and output."""

    CAMEL = False

    start: int
    end: int
    exit_code: int
    output: str = ""


class Health(Document):
    """What became of it.  ``log`` are the last results, the oldest first."""

    CAMEL = False

    status: str = STARTING
    failing_streak: int = 0
    log: list[Result] = []


def check(asked: Healthcheck) -> None:
    """Raise UsageError for times that are too short, and for a negative number of retries."""
    for name, shown in TIMES:
        value = getattr(asked, name)
        if value and value < MINIMUM:
            raise UsageError(f"{shown} in Healthcheck cannot be less than 1ms")
    if asked.retries < 0:
        raise UsageError("Retries in Healthcheck cannot be negative")


def merge(asked: Healthcheck | None, image: Healthcheck | None) -> Healthcheck | None:
    """What was asked for, and the image's in the place of what was not."""
    if asked is None or image is None:
        return asked or image
    names = Healthcheck.__annotations__
    return Healthcheck(**{name: getattr(asked, name) or getattr(image, name) for name in names})


def command(asked: Healthcheck | None) -> list[str]:
    """The words of a probe; empty where there is none."""
    kind, *words = asked.test if asked is not None and asked.test else [NONE]
    if kind == "CMD":
        return words
    return [*SHELL, *words] if kind == "CMD-SHELL" and words else []


def begin(before: Health) -> Health:
    """The health of a container that is started now."""
    return Health(log=before.log)


def delay(asked: Healthcheck, health: Health, age: int) -> int:
    """The time from now to the next probe; ``age`` is how long the container has run."""
    if health.status == STARTING and age < asked.start_period:
        return asked.start_interval or START_INTERVAL
    return asked.interval or INTERVAL


def judge(asked: Healthcheck, before: Health, result: Result, age: int) -> Health:
    """The health after a probe; ``age`` is how long the container had run when that began."""
    log = [*before.log, result][-KEPT:]
    if result.exit_code == 0:
        return Health(status=HEALTHY, log=log)
    forgiven = before.status == STARTING and age < asked.start_period
    streak = before.failing_streak + (not forgiven)
    failed = not forgiven and streak >= (asked.retries or RETRIES)
    return Health(status=UNHEALTHY if failed else before.status, failing_streak=streak, log=log)


def output(data: bytes) -> str:
    """What is kept of a probe's output, of which more than LONGEST bytes mean that there was more."""
    text = data[:LONGEST].decode(errors="replace")
    return f"{text}..." if len(data) > LONGEST else text


def timed_out(asked: Healthcheck, data: bytes) -> str:
    """What is said of a probe that took too long."""
    said = f"Health check exceeded timeout ({duration(asked.timeout or TIMEOUT)})"
    return f"{said}: {output(data)}" if data else said


def duration(nanoseconds: int) -> str:
    """As Go writes a time.Duration: ``1.5s``, ``2m0s``, ``500ms``."""
    if nanoseconds < SECOND:
        for unit, size in (("ms", 10**6), ("µs", 10**3)):
            if nanoseconds >= size:
                return f"{_decimal(nanoseconds, size)}{unit}"
        return f"{nanoseconds}ns" if nanoseconds else "0s"
    minutes, rest = divmod(nanoseconds, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    shown = f"{_decimal(rest, SECOND)}s"
    if hours or minutes:
        shown = f"{minutes}m{shown}"
    return f"{hours}h{shown}" if hours else shown


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = str(rest).zfill(len(str(unit)) - 1).rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
