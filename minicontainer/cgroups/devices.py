"""The OCI device rules (config-linux.md, "Allowed Device list"), made exact for both versions.

A request is a device and one or more of r, w and m (mknod).  For each of them *the last rule that
matches counts*; a request passes when every letter of it does.  A list that is not empty starts from
"nothing allowed", as runc has it; an empty list restricts nothing.

    deny  a *:* rwm          a rule for all devices and letters: forget what came before
    allow c 1:3 rwm
    allow c 136:* rw    ──►  v2: the rules as a BPF program (v2/devices.py)
    deny  c 136:7 w     ──►  v1: one default and a list of exceptions to it (v1/devices.py), in
                             which an exception to an exception cannot be said: Unsupported
"""

from __future__ import annotations

from minicontainer.errors import InvalidConfig, Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from minicontainer.oci.runtime import DeviceRule

MKNOD, READ, WRITE = 1, 2, 4  # the kernel's numbers, BPF_DEVCG_ACC_* of linux/bpf.h
ALL = MKNOD | READ | WRITE
LETTERS = {"r": READ, "w": WRITE, "m": MKNOD}
BIGGEST = {"major": (1 << 12) - 1, "minor": (1 << 20) - 1}  # linux/kdev_t.h


class Rule:
    """``kind`` is ``c`` or ``b``; None for a number means every one; ``access`` is a set of bits."""

    __slots__ = ("access", "allow", "kind", "major", "minor")

    def __init__(self, allow: bool, kind: str, major: int | None, minor: int | None, access: int) -> None:
        self.allow = allow
        self.kind = kind
        self.major = major
        self.minor = minor
        self.access = access

    def covers(self, other: Rule) -> bool:
        """Whether every device of ``other`` is one of ours."""
        return (
            self.kind == other.kind
            and self.major in (None, other.major)
            and self.minor in (None, other.minor)
        )

    def meets(self, other: Rule) -> bool:
        """Whether a device could be one of ours and of ``other``."""
        return (
            self.kind == other.kind
            and (self.major is None or other.major in (None, self.major))
            and (self.minor is None or other.minor in (None, self.minor))
        )

    def __repr__(self) -> str:
        major, minor = ("*" if n is None else n for n in (self.major, self.minor))
        return f"{'allow' if self.allow else 'deny'} {self.kind} {major}:{minor} {letters(self.access)}"


class Policy:
    """What the rules come to: a default, then rules of which the last that matches counts."""

    __slots__ = ("default_allow", "rules")

    def __init__(self, default_allow: bool, rules: list[Rule]) -> None:
        self.default_allow = default_allow
        self.rules = rules

    @property
    def restricts(self) -> bool:
        """False if everything is allowed, so that nothing need be enforced."""
        return not self.default_allow or any(not rule.allow for rule in self.rules)


def policy(rules: Sequence[DeviceRule]) -> Policy:
    """The policy of an OCI list.  Raises InvalidConfig."""
    result = Policy(not rules, [])
    for rule in rules:
        access = _access(rule.access)
        kind = rule.type or "a"
        major, minor = _number("major", rule.major), _number("minor", rule.minor)
        if kind not in ("a", "c", "u", "b"):
            raise InvalidConfig(f"linux.resources.devices: type {kind!r} is not one of a, c, b")
        if kind == "a" and access == ALL and major is None and minor is None:
            result = Policy(rule.allow, [])
            continue
        kinds = {"a": ("c", "b"), "u": ("c",)}.get(kind, (kind,))
        result.rules.extend(Rule(rule.allow, each, major, minor, access) for each in kinds)
    return result


def exceptions(wanted: Policy) -> list[Rule]:
    """The policy as its default plus exceptions to it, in no particular order: what v1 can say.

    Raises Unsupported where a rule takes a part out of a wider exception.
    """
    kept: list[Rule] = []
    for rule in wanted.rules:
        if rule.allow != wanted.default_allow:
            kept.append(Rule(rule.allow, rule.kind, rule.major, rule.minor, rule.access))
            continue
        for exception in kept:
            common = exception.access & rule.access
            if common and rule.covers(exception):
                exception.access &= ~common
            elif common and rule.meets(exception):
                raise Unsupported(
                    f"device rule '{rule!r}' takes a part out of '{exception!r}': cgroup v1 has no way to"
                )
    merged: dict[tuple[str, int | None, int | None], Rule] = {}
    for exception in kept:
        if exception.access:
            same = merged.setdefault((exception.kind, exception.major, exception.minor), exception)
            same.access |= exception.access
    return list(merged.values())


def letters(access: int) -> str:
    """The bits as the kernel and the specification write them."""
    return "".join(letter for letter, bit in LETTERS.items() if access & bit)


def _access(text: str | None) -> int:
    if not text:
        return ALL
    bits = 0
    for letter in text:
        if letter not in LETTERS:
            raise InvalidConfig(f"linux.resources.devices: access {text!r} may hold r, w and m only")
        bits |= LETTERS[letter]
    return bits


def _number(name: str, value: int | None) -> int | None:
    if value is None or value == -1:  # runc's and podman's wildcard
        return None
    if not 0 <= value <= BIGGEST[name]:
        raise InvalidConfig(f"linux.resources.devices: {name} {value} is not in 0..{BIGGEST[name]}")
    return value
