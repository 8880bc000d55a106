"""Moments in the texts that images carry."""

from __future__ import annotations


def seconds_of(moment: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; 0 for none."""
    import datetime

    if not moment:
        return 0.0
    # fromisoformat (3.11) takes at most microseconds.
    head, dot, rest = moment.partition(".")
    digits = rest.rstrip("Zz+-:0123456789") if not dot else rest
    fraction = "".join(c for c in digits[:6] if c.isdigit())
    zone = digits.lstrip("0123456789") or "Z" if dot else ""
    return datetime.datetime.fromisoformat(f"{head}.{fraction}{zone}" if dot else head).timestamp()
