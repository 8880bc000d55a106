"""Sizes, durations, moments and CPU counts as Docker's command line writes and reads them."""

from __future__ import annotations

from minicontainer.errors import UsageError

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}

MINIMUM_MEMORY = 6 << 20  # Docker's: with less, runc itself does not get through a start
MINUTE, HOUR, DAY = 60, 3600, 86400


class Refused(UsageError):
    """A value that is well written, and that no container can have: not a wrong flag to Docker."""


def parse_size(text: str) -> int:
    """Bytes of ``512m``, ``1.5g``, ``64k``, ``10``, ``1 GiB``; units are powers of 1024.

    Raises UsageError.
    """
    lowered = text.strip().lower()
    number = lowered[: len(lowered) - len(lowered.lstrip("0123456789."))]
    suffix = lowered[len(number) :].strip()
    if not number or not _is_decimal(number):
        raise UsageError(f"invalid size: '{text}'")
    exponent = "bkmgtp".find(suffix[:1] or "b")
    if exponent < 0 or suffix[1:] not in ("", "b", "ib") or (exponent == 0 and suffix[1:]):
        raise UsageError(f"invalid suffix: '{suffix}'")
    return int(float(number) * 1024**exponent)


def parse_memory(text: str) -> int:
    """A memory limit in bytes, at least 6 MB; 0 is none.  Raises UsageError."""
    size = parse_size(text)
    if 0 < size < MINIMUM_MEMORY:
        raise Refused("Minimum memory limit allowed is 6MB")
    return size


def parse_swap(text: str) -> int:
    """Memory and swap together, in bytes; -1 is no limit.  Raises UsageError."""
    return -1 if text == "-1" else parse_size(text)


def parse_cpus(text: str, available: int | None = None) -> int:
    """``1.5`` as billionths of a CPU; 0 is no limit, else 0.01 to ``available`` (this host's).

    Raises UsageError.
    """
    whole, _, fraction = text.removeprefix("-").partition(".")
    if not _is_decimal(text.removeprefix("-")):
        raise UsageError(f"failed to parse {text} as a rational number")
    if len(fraction.rstrip("0")) > 9:
        raise UsageError("value is too precise")
    nano = int(whole or "0") * 10**9 + int(fraction[:9].ljust(9, "0"))
    if available is None:
        import os

        available = os.cpu_count() or 1
    if nano and (text.startswith("-") or not 10**7 <= nano <= available * 10**9):
        raise Refused(
            f"Range of CPUs is from 0.01 to {available}.00, as there are only {available} CPUs available"
        )
    return nano


def parse_cpuset(text: str, available: str = "") -> str:
    """``0-1,3`` as it is, when it is such a list (cpuset(7), "List format").

    Raises UsageError, also for a number that the list ``available`` lacks, unless that is empty.
    """
    for part in text.split(","):
        low, dash, high = part.partition("-")
        if not _is_number(low) or (dash and not _is_number(high)) or (dash and int(low) > int(high)):
            raise UsageError(f"Invalid value {text} for cpuset: invalid format: {part}")
    if available and not all(
        any(_within(part, one) for one in available.split(",")) for part in text.split(",")
    ):
        raise Refused(f"Requested {text} are not available: there are {available}")
    return text


def _within(part: str, whole: str) -> bool:
    """Whether the range ``whole`` (``0-3`` or ``2``) holds all of ``part``."""
    (low, _, high), (least, _, most) = part.partition("-"), whole.partition("-")
    return int(least) <= int(low) and int(high or low) <= int(most or least)


def parse_duration(text: str) -> float:
    """Seconds of Go's durations (``1h30m``, ``1.5s``, ``300ms``).  Raises UsageError."""
    rest, total = text.lstrip("+-"), 0.0
    if rest == "0":
        return 0.0
    if not rest or len(text) - len(rest) > 1:
        raise UsageError(f"invalid duration {text!r}")
    while rest:
        unit_and_more = rest.lstrip("0123456789.")
        number = rest[: len(rest) - len(unit_and_more)]
        rest = unit_and_more.lstrip("hmsnuµμ")
        unit = unit_and_more[: len(unit_and_more) - len(rest)]
        if not _is_decimal(number) or unit not in _SECONDS:
            raise UsageError(f"invalid duration {text!r}: give it as 1h30m, 1.5s or 300ms")
        total += float(number) * _SECONDS[unit]
    return -total if text.startswith("-") else total


def parse_moment(text: str, now: float) -> float:
    """Seconds since the epoch of ``10m`` (before ``now``), ``1700000000.5``, or RFC 3339.

    Raises UsageError.
    """
    if _is_decimal(text):
        return float(text)
    if text[:4].isdigit() and text[4:5] == "-":
        import datetime

        try:
            return datetime.datetime.fromisoformat(text).timestamp()
        except ValueError:
            raise UsageError(f"invalid time {text!r}: give it as 2006-01-02T15:04:05Z") from None
    return now - parse_duration(text)


def parse_instant(text: str, now: int) -> int:
    """The same in nanoseconds, none of them lost: logs and events tell moments to the nanosecond."""
    if text[:4].isdigit() and text[4:5] == "-":
        before, _, rest = text.partition(".")
        digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
        whole = parse_moment(before + rest[len(digits) :], 0.0)
        return int(whole) * 10**9 + int(digits[:9].ljust(9, "0"))
    seconds, _, fraction = text.partition(".")
    if _is_decimal(text):
        return int(seconds or "0") * 10**9 + int(fraction[:9].ljust(9, "0"))
    return now - int(parse_duration(text) * 1e9)


def human_size(size: float) -> str:
    """Three digits and a decimal unit: ``4.27MB``, as `docker images` shows sizes."""
    return _scaled(size, 1000, _DECIMAL, 3)


def exact_size(size: float) -> str:
    """The same with four digits: ``1.986MB``, as `docker system df` shows sums."""
    return _scaled(size, 1000, _DECIMAL, 4)


def human_bytes(size: float) -> str:
    """Four digits and a binary unit: ``512MiB``, as `docker stats` shows memory."""
    return _scaled(size, 1024, _BINARY, 4)


def ago(seconds: float) -> str:
    """``2 minutes``, ``About an hour``: a duration in the one unit that fits, as `docker ps` says it."""
    minutes, hours, days = int(seconds / MINUTE), int(seconds / HOUR + 0.5), int(seconds / DAY)
    if seconds < 1:
        return "Less than a second"
    if seconds < MINUTE:
        return "1 second" if int(seconds) == 1 else f"{int(seconds)} seconds"
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    if days < 14:
        return f"{days} days"
    if days < 60:
        return f"{days // 7} weeks"
    if days < 730:
        return f"{days // 30} months"
    return f"{days // 365} years"


def _scaled(size: float, base: int, units: tuple[str, ...], digits: int) -> str:
    unit = 0
    # Rounding may carry into the next unit: 999.9 is 1kB, not 1e+03B.
    while unit < len(units) - 1 and float(f"{size:.{digits}g}") >= base:
        size /= base
        unit += 1
    rounded = f"{size:.{digits}g}"
    return f"{float(rounded):g}{units[unit]}"


def _is_decimal(text: str) -> bool:
    return text.isascii() and text.count(".") <= 1 and text.replace(".", "").isdigit()


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
