"""Limits of single block devices: ``--device-read-bps /dev/sda:1mb`` and its like.  All raise UsageError."""

from __future__ import annotations

from minicontainer.errors import UsageError


def parse_rate(text: str) -> tuple[str, int]:
    """(device, bytes per second) of ``PATH:RATE``."""
    from minicontainer.cli.units import parse_size

    path, rate = _parts(text)
    try:
        return path, parse_size(rate)
    except UsageError:
        raise UsageError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. "
            "Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def parse_count(text: str) -> tuple[str, int]:
    """(device, operations per second) of ``PATH:NUMBER``."""
    path, count = _parts(text)
    if not count.isascii() or not count.isdigit():
        raise UsageError(
            f"invalid rate for device: {text}. The correct format is <device-path>:<number>. "
            "Number must be a positive integer"
        )
    return path, int(count)


def parse_weight(text: str) -> tuple[str, int]:
    """(device, weight) of ``PATH:WEIGHT``; 10 to 1000, 0 for none of its own."""
    path, weight = _parts(text)
    if not weight.isascii() or not weight.isdigit() or not (int(weight) == 0 or 10 <= int(weight) <= 1000):
        raise UsageError(f"invalid weight for device: {text}")
    return path, int(weight)


def _parts(text: str) -> tuple[str, str]:
    path, colon, value = text.rpartition(":")
    if not colon or not value:
        raise UsageError(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise UsageError(f"bad format for device path: {text}")
    return path, value
