"""Values of single options, from Docker's syntax to the engine's types.  All raise UsageError."""

from __future__ import annotations

from minicontainer.cli.units import Refused
from minicontainer.errors import NotFound, Unsupported, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from minicontainer.engine.records import Ulimit

# The limits of getrlimit(2), which bash's ulimit and Docker write without RLIMIT_.
ULIMITS = frozenset(
    [
        "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile",
        "nproc", "rss", "rtprio", "rttime", "sigpending", "stack",
    ]
)  # fmt: skip

NETWORKS = ("none", "host", "bridge")

_NAME = "[a-zA-Z0-9][a-zA-Z0-9_.-]"
HOST_NAME_MAX = 64  # gethostname(2), Linux


def parse_integer(text: str) -> int:
    """A whole number in decimal."""
    if not text.isascii() or not text.removeprefix("-").isdigit():
        raise UsageError("not a whole number")
    return int(text)


def parse_oom_score(text: str) -> int:
    """What proc(5) takes as oom_score_adj."""
    score = parse_integer(text)
    if not -1000 <= score <= 1000:
        raise UsageError(f"Invalid value {score}, range for oom score adj is [-1000, 1000]")
    return score


def parse_ulimit(text: str) -> Ulimit:
    """``nofile=1024:2048``; one number is both limits; -1 is unlimited."""
    from minicontainer.engine.records import Ulimit

    name, equals, limits = text.partition("=")
    if not equals:
        raise UsageError(f"invalid ulimit argument: {text}")
    if name not in ULIMITS:
        raise UsageError(f"invalid ulimit type: {name}")
    numbers = limits.split(":")
    if len(numbers) > 2:
        raise UsageError(f"too many limit value arguments - {limits}, can only have up to two, `soft[:hard]`")
    if not all(number == "-1" or (number.isascii() and number.isdigit()) for number in numbers):
        raise UsageError(f"limits of {name} are whole numbers, or -1 for none: {limits!r}")
    soft, hard = int(numbers[0]), int(numbers[-1])
    if hard != -1 and (soft == -1 or soft > hard):
        shown = "unlimited" if soft == -1 else soft
        raise UsageError(f"ulimit soft limit must be less than or equal to hard limit: {shown} > {hard}")
    return Ulimit(name, soft, hard)


def parse_signal(text: str) -> int:
    """The number of ``SIGTERM``, ``TERM``, ``term``, ``15``, ``RTMIN+1``."""
    from minicontainer.linux import signals

    number = signals.number(text)
    if number is None:
        raise UsageError(f"Invalid signal: {text}")
    return number


class Malformed(Refused):
    """A policy that Docker's command line refuses, and not its daemon."""


def parse_restart(text: str) -> tuple[str, int]:
    """(policy, most attempts) of ``on-failure:3``, ``always``; 0 is any number.  "" is ``no``."""
    name, colon, count = text.partition(":")
    if colon and not name:
        raise Malformed("invalid restart policy format: no policy provided before colon")
    if count and not (count.isascii() and count.removeprefix("-").isdigit()):
        raise Malformed("invalid restart policy format: maximum retry count must be an integer")
    if name not in ("", "no", "always", "unless-stopped", "on-failure"):
        raise Refused(
            f"invalid restart policy: unknown policy '{name}'; "
            "use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
        )
    most = int(count or 0)
    if most and name != "on-failure":
        raise Refused("invalid restart policy: maximum retry count can only be used with 'on-failure'")
    if most < 0:
        raise Refused("invalid restart policy: maximum retry count cannot be negative")
    return name or "no", most


def parse_container_name(text: str) -> str:
    """A name as Docker allows it: a letter or digit, then at least one of these or ``_.-``."""
    name = text.removeprefix("/")
    if not is_name(name):
        raise UsageError(f"Invalid container name ({text}), only {_NAME} are allowed")
    return name


def is_name(text: str) -> bool:
    """Whether ``text`` can name a container or a volume."""
    rest = text.replace("_", "0").replace(".", "0").replace("-", "0")
    return len(text) > 1 and text.isascii() and text[0].isalnum() and rest.isalnum()


def parse_host_name(text: str) -> str:
    """At most 64 letters, digits, dots and hyphens (hostname(7)); underscores are tolerated."""
    rest = text.replace("-", "0").replace(".", "0").replace("_", "0")
    if not rest.isascii() or not rest.isalnum() or text[0] in "-." or text[-1] in "-.":
        raise UsageError(f"invalid host name {text!r}: letters, digits, dots and hyphens")
    if len(text) > HOST_NAME_MAX:
        raise UsageError(f"invalid host name {text!r}: longer than {HOST_NAME_MAX} characters")
    return text


def parse_user(text: str) -> str:
    """``user``, ``user:group``, ``:group``, as they are; who they are is looked up inside the image."""
    if text.count(":") > 1:
        raise UsageError(f"invalid user {text!r}: give it as USER or USER:GROUP, each a name or a number")
    return text


def parse_working_directory(text: str) -> str:
    """An absolute path inside the container."""
    if not text.startswith("/"):
        raise UsageError(f"the working directory '{text}' is invalid, it needs to be an absolute path")
    return text


def parse_network(text: str) -> str:
    """none, host or bridge.  NotFound for another network, Unsupported for another container's."""
    if text == "default":
        return "bridge"
    if text.startswith("container:"):
        raise Unsupported(f"{text}: sharing a container's network comes in later work")
    if text not in NETWORKS:
        raise NotFound(f"network {text} not found: there are {', '.join(NETWORKS)}")
    return text


def refuse_publish(text: str) -> str:
    """``-p`` is understood and refused."""
    raise Unsupported(f"-p {text}: published ports come in later work; use --network host, or its address")


def parse_label(text: str) -> tuple[str, str]:
    """(key, value) of ``key=value`` or ``key``."""
    key, _, value = text.partition("=")
    if not key.strip():
        raise UsageError(f"invalid label '{text}': empty name")
    return key, value


def parse_annotation(text: str) -> tuple[str, str]:
    """(key, value) of ``key=value`` or ``key``."""
    key, _, value = text.partition("=")
    if not key:
        raise UsageError(f"invalid annotation '{text}': empty name")
    return key, value


def parse_stream(text: str) -> str:
    """stdin, stdout or stderr."""
    if text.lower() not in ("stdin", "stdout", "stderr"):
        raise UsageError("valid streams are STDIN, STDOUT and STDERR")
    return text.lower()


def parse_pull(text: str) -> str:
    """missing or never, which are one as long as images are not pulled.  Unsupported for always."""
    if text not in ("always", "missing", "never", ""):
        raise Refused(f'invalid pull option: \'{text}\': must be one of "always", "missing" or "never"')
    if text == "always":
        raise Unsupported("--pull always: images are not pulled yet; there is `minicontainer import`")
    return text


def parse_log_driver(text: str) -> str:
    """json-file or none.  Unsupported for another."""
    if text not in ("json-file", "none"):
        raise Unsupported(f"log driver {text}: there are json-file and none")
    return text


def parse_log_option(text: str) -> tuple[str, str]:
    """(name, value) of ``max-size=10m``."""
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"invalid logging opts format: {text}")
    return name, value


def parse_filter(text: str) -> tuple[str, str]:
    """(key, value) of ``key=value``; keys in lower case."""
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError("bad format of filter (expected name=value)")
    return key.strip().lower(), value.strip()


def group_filters(filters: Iterable[tuple[str, str]], allowed: Iterable[str]) -> Mapping[str, list[str]]:
    """The values of each key: a thing matches when, for every key, it matches one of the values."""
    known = set(allowed)
    grouped: dict[str, list[str]] = {}
    for key, value in filters:
        if key not in known:
            raise UsageError(f"Invalid filter '{key}': there are {', '.join(sorted(known))}")
        grouped.setdefault(key, []).append(value)
    return grouped
