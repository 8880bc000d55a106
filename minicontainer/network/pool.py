"""Ranges of IPv4 addresses as numbers: which range the bridge takes, which address a container gets.

::

    172.29.0.0/16    .0.0 the network    .0.1 the bridge    .0.2 ... .255.254 containers    .255.255 broadcast

The lowest free address is given, so a learner can tell it beforehand.  (``ipaddress`` would do all
this, and its import takes longer than the rest of an attach.)
"""

from __future__ import annotations

from _socket import inet_aton, inet_ntoa

from minicontainer.errors import Conflict, Unsupported, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

# Tried in this order (RFC 1918).  Docker's own defaults begin at 172.17.0.0, Podman's at 10.88.0.0.
CANDIDATES = (
    "172.29.0.0/16", "172.28.0.0/16", "172.27.0.0/16", "172.26.0.0/16", "172.25.0.0/16", "172.24.0.0/16",
    "10.29.0.0/16", "10.129.0.0/16", "10.229.0.0/16", "192.168.224.0/20", "192.168.192.0/20",
)  # fmt: skip


class Range:
    """The addresses from ``base`` on that share their first ``length`` bits."""

    __slots__ = ("base", "length")

    def __init__(self, base: int, length: int) -> None:
        self.length = length
        self.base = base & (0xFFFFFFFF << (32 - length))

    @classmethod
    def parse(cls, text: str) -> Range:
        """``172.29.0.0/16``; a single address is a range of one.  Raises UsageError."""
        address, _, length = text.partition("/")
        try:
            if address.count(".") != 3 or not 0 <= int(length or 32) <= 32:
                raise UsageError(f"{text!r} is no IPv4 range such as 172.29.0.0/16")
            return cls(number(address), int(length or 32))
        except (OSError, ValueError):
            raise UsageError(f"{text!r} is no IPv4 range such as 172.29.0.0/16") from None

    def __str__(self) -> str:
        return f"{address(self.base)}/{self.length}"

    @property
    def gateway(self) -> str:
        """The first address: the bridge's own."""
        return address(self.base + 1)

    @property
    def containers(self) -> range:
        """The addresses for containers: all but the network's, the bridge's and the broadcast."""
        return range(self.base + 2, self.base + (1 << (32 - self.length)) - 1)

    def overlaps(self, other: Range) -> bool:
        """Whether the two have an address in common."""
        shorter = min(self.length, other.length)
        return (self.base ^ other.base) >> (32 - shorter) == 0


def number(text: str) -> int:
    """An address as a number; OSError if it is none."""
    return int.from_bytes(inet_aton(text), "big")


def address(value: int) -> str:
    """A number as an address: ``a.b.c.d``."""
    return inet_ntoa(value.to_bytes(4, "big"))


def mac_of(text: str) -> str:
    """The hardware address of an IPv4 address: 02 (locally administered), 42, and its four bytes.

    Docker's way: who gets an address again gets its hardware address too, so no ARP cache lies.
    """
    return (b"\x02\x42" + inet_aton(text)).hex(":")


def choose_range(candidates: Iterable[str], routes: Collection[Range]) -> Range:
    """The first candidate that no route of the host leads into.  Raises Unsupported."""
    tried = [Range.parse(candidate) for candidate in candidates]
    for one in tried:
        if not any(one.overlaps(route) for route in routes):
            return one
    taken = ", ".join(map(str, tried))
    raise Unsupported(f"no range is free for the bridge network: this host has routes into {taken}")


def is_free(pool: Range, wanted: str, taken: Collection[str]) -> bool:
    """Whether ``wanted`` ("" is none) is an address for a container that nobody has."""
    return bool(wanted) and number(wanted) in pool.containers and wanted not in taken


def lowest_free(pool: Range, taken: Collection[str]) -> str:
    """The lowest address for a container that is not in ``taken``.  Raises Conflict."""
    numbers = {number(one) for one in taken}
    for value in pool.containers:
        if value not in numbers:
            return address(value)
    count = len(pool.containers)
    raise Conflict(f"no address is left on the bridge network: all {count} of {pool} are taken")
