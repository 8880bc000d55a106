"""The values of the isolation flags, from Docker's and podman's syntax to the engine's.

Podman's are ``--userns auto[:size=N]|private`` and ``--uidmap``, ``--gidmap``: Docker's
``--userns`` knows only ``host``.  All raise UsageError.
"""

from __future__ import annotations

from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

MOST_IDS = 2**32 - 1


def parse_device(text: str) -> tuple[str, str, str]:
    """(host's path, container's path, access) of ``PATH[:CPATH][:rwm]``."""
    source, _, rest = text.partition(":")
    target, access = source, "rwm"
    parts = rest.split(":") if rest else []
    if len(parts) > 2 or not source.startswith("/"):
        raise UsageError(f"invalid device specification: {text}: give /dev/NAME[:PATH][:rwm]")
    if len(parts) == 1 and not parts[0].startswith("/"):
        access = _access(parts[0])
    elif parts:
        target = parts[0]
        access = _access(parts[1]) if len(parts) == 2 else access
    if not target.startswith("/"):
        raise UsageError(f"{target} is not an absolute path")
    return source, target, access


def _access(text: str) -> str:
    if not text or set(text) - set("rwm") or len(set(text)) < len(text):
        raise UsageError(f"bad mode specified: {text}")
    return text


def parse_device_rule(text: str) -> str:
    """``c 1:* rwm`` (devices.allow of cgroup v1), as it is."""
    words = text.split(" ")
    numbers = words[1].split(":") if len(words) == 3 else []
    if len(numbers) != 2 or words[0] not in ("a", "b", "c"):
        raise UsageError(f"invalid device cgroup format '{text}'")
    for number in numbers:
        if number != "*" and not (number.isascii() and number.isdigit()):
            raise UsageError(f"invalid device cgroup format '{text}'")
    _access(words[2])
    return text


def parse_sysctl(text: str) -> tuple[str, str]:
    """(name, value) of ``NAME=VALUE``; only settings that a namespace has of its own."""
    from minicontainer.engine.isolation import sysctl_kind

    name, equals, value = text.partition("=")
    normal = name.replace("/", ".")
    if not equals or not normal or ".." in normal or sysctl_kind(normal) is None:
        raise UsageError(f"sysctl '{text}' is not allowed")
    return normal, value


def mode(name: str, *words: str, joins: bool = True) -> Callable[[str], str]:
    """A parser of ``--NAME``: one of ``words``, or ``container:OTHER`` where it ``joins``."""

    def parse(text: str) -> str:
        if text in words:
            return text
        kind, colon, other = text.partition(":")
        if joins and kind == "container" and colon:
            if other:
                return text
            raise UsageError(f"--{name} container: needs the name of a container")
        choices = [*words, *(["container:NAME"] if joins else [])]
        raise UsageError(f"invalid {name} mode: {text}: there are {', '.join(choices)}")

    return parse


def parse_userns(text: str) -> str:
    """host, private, auto, auto:size=N, container:NAME; as it is."""
    kind, _, options = text.partition(":")
    if kind == "auto" and text.count(":") <= 1:
        for option in filter(None, options.split(",")):
            key, _, value = option.partition("=")
            if key != "size" or not _number(value):
                raise UsageError(f"unknown option of --userns auto: {option}: there is size=N")
        return text
    if kind in ("keep-id", "nomap"):
        raise UsageError(f"{kind} is not supported: there are host, private, auto[:size=N], container:NAME")
    return mode("userns", "host", "private")(text)


def parse_mapping(text: str) -> tuple[int, int, int]:
    """(first id inside, first id of the host, how many) of ``CONTAINER:HOST[:SIZE]``."""
    numbers = [_number(part, zero=True) for part in text.split(":")]
    if len(numbers) not in (2, 3) or any(number is None for number in numbers):
        raise UsageError(f"invalid mapping {text!r}: give CONTAINER:HOST[:SIZE], as 0:100000:65536")
    inside, outside, size = [number or 0 for number in [*numbers, 1][:3]]
    if size < 1 or max(inside, outside) + size > MOST_IDS:
        raise UsageError(f"invalid mapping {text!r}: ids are below {MOST_IDS}")
    return inside, outside, size


def _number(text: str, *, zero: bool = False) -> int | None:
    if not text.isascii() or not text.isdigit() or int(text[:11]) > MOST_IDS:
        return None
    return int(text) if zero or int(text) else None


def parse_shm_size(text: str) -> int:
    """Bytes of /dev/shm."""
    from minicontainer.cli.units import parse_size

    if text.startswith("-"):
        raise UsageError("SHM size can not be less than 0")
    return parse_size(text)


def parse_security_opt(text: str) -> str:
    """One ``--security-opt``, as it is; of ``seccomp=FILE``, with the file's content."""
    from minicontainer.engine import seccomp, security

    security.parse([text])
    return seccomp.embed(text)
