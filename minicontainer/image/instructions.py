"""The Dockerfile instructions that ``commit -c`` and ``import -c`` take (docker-commit(1)).

CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, STOPSIGNAL, USER, VOLUME, WORKDIR: those
that change the image's config and no file.  Each is a function of this file that changes a
ContainerConfig; ``words`` splits and expands as a Dockerfile does.
"""

from __future__ import annotations

import msgspec

from minicontainer.errors import UsageError
from minicontainer.oci.image import ContainerConfig, Healthcheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SHELL = ["/bin/sh", "-c"]
_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def apply(config: ContainerConfig, changes: list[str]) -> ContainerConfig:
    """``config`` with the instructions applied, each a line or several.  UsageError names the line."""
    config = msgspec.json.decode(msgspec.json.encode(config), type=ContainerConfig)
    before = config.healthcheck
    used = set()
    for line in (part.strip() for text in changes for part in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        name, *rest = line.split(None, 1)
        verb = name.upper()
        if verb not in _INSTRUCTIONS:
            raise UsageError(f"{name} is not a valid change command; these are: {', '.join(_INSTRUCTIONS)}")
        if not rest:
            raise UsageError(f"{verb} requires at least one argument")
        _INSTRUCTIONS[verb](config, rest[0])
        used.add(verb)
    if "HEALTHCHECK" in used:
        _complete(config.healthcheck, before)
    if "ENTRYPOINT" in used and "CMD" not in used:
        config.cmd = None  # the old arguments were another program's
    return config


def environment(config: ContainerConfig) -> dict[str, str]:
    """The config's environment by name."""
    return {name: value for name, _, value in (line.partition("=") for line in config.env or [])}


def words(text: str, env: dict[str, str]) -> list[str]:
    """``text`` split at spaces outside quotes, with ``$NAME``, ``${NAME}``, ``${NAME:-X}`` and ``:+``."""
    found: list[str] = []
    word: list[str] | None = None
    quote = ""
    position = 0
    while position < len(text):
        character = text[position]
        position += 1
        if not quote and character.isspace():
            if word is not None:
                found.append("".join(word))
            word = None
            continue
        word = word if word is not None else []
        if character == "\\" and quote != "'" and position < len(text):
            if quote and text[position] not in '"\\$':
                word.append(character)
            word.append(text[position])
            position += 1
        elif character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        elif character == "$" and quote != "'":
            value, position = _variable(text, position, env)
            word.append(value)
        else:
            word.append(character)
    if quote:
        raise UsageError(f"a quote is not closed: {text}")
    return [*found, "".join(word)] if word is not None else found


def _variable(text: str, position: int, env: dict[str, str]) -> tuple[str, int]:
    if text[position : position + 1] == "{":
        inside, closed, _ = text[position + 1 :].partition("}")
        if not closed:
            raise UsageError(f"a brace is not closed: {text}")
        end = position + len(inside) + 2
        for operator, chosen in ((":-", env.get), (":+", None)):
            name, found, other = inside.partition(operator)
            if found:
                set_value = env.get(name, "")
                return ((set_value or other) if chosen else (other if set_value else "")), end
        return env.get(inside, ""), end
    end = position
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    return (env.get(text[position:end], ""), end) if end > position else ("$", position)


def _list(text: str) -> list[str] | None:
    """The JSON form, or None: then it is meant as text."""
    if not text.startswith("["):
        return None
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, UnicodeError):
        return None


def _command(config: ContainerConfig, text: str) -> list[str]:
    listed = _list(text)
    return [*(config.shell or _SHELL), text] if listed is None else listed


def _cmd(config: ContainerConfig, text: str) -> None:
    config.cmd = _command(config, text)


def _entrypoint(config: ContainerConfig, text: str) -> None:
    config.entrypoint = _command(config, text) or None


def _pairs(verb: str, config: ContainerConfig, text: str) -> list[tuple[str, str]]:
    """``NAME=VALUE ...``, or ``NAME VALUE``, the value then up to the end of the line."""
    name, *rest = text.split(None, 1)
    if "=" not in name:
        if not rest:
            raise UsageError(f"{verb} must have two arguments: {text}")
        return [(name, " ".join(words(rest[0], environment(config))))]
    pairs = []
    for word in words(text, environment(config)):
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(f"{verb} wants NAME=VALUE, not {word!r}")
        pairs.append((name, value))
    return pairs


def _env(config: ContainerConfig, text: str) -> None:
    merged = environment(config) | dict(_pairs("ENV", config, text))
    config.env = [f"{name}={value}" for name, value in merged.items()]


def _label(config: ContainerConfig, text: str) -> None:
    config.labels = (config.labels or {}) | dict(_pairs("LABEL", config, text))


def _expose(config: ContainerConfig, text: str) -> None:
    ports = config.exposed_ports or {}
    for word in words(text, environment(config)):
        numbers, slash, protocol = word.partition("/")
        protocol = protocol.lower() if slash else "tcp"
        first, dash, last = numbers.partition("-")
        bounds = [first, last if dash else first]
        in_range = all(b.isdigit() and 0 < int(b) < 65536 for b in bounds)
        if not in_range or protocol not in ("tcp", "udp", "sctp"):
            raise UsageError(f"invalid containerPort: {word}")
        ports |= {f"{port}/{protocol}": {} for port in range(int(bounds[0]), int(bounds[1]) + 1)}
    config.exposed_ports = ports


def _volume(config: ContainerConfig, text: str) -> None:
    listed = _list(text)
    paths = words(text, environment(config)) if listed is None else listed
    if not all(path.strip() for path in paths):
        raise UsageError("VOLUME specified can not be an empty string")
    config.volumes = (config.volumes or {}) | {path: {} for path in paths}


def _user(config: ContainerConfig, text: str) -> None:
    config.user = _one("USER", config, text)


def _workdir(config: ContainerConfig, text: str) -> None:
    import posixpath

    path = " ".join(words(text, environment(config)))
    config.working_dir = posixpath.normpath(posixpath.join("/", config.working_dir, path))


def _stopsignal(config: ContainerConfig, text: str) -> None:
    config.stop_signal = _one("STOPSIGNAL", config, text)


def _one(verb: str, config: ContainerConfig, text: str) -> str:
    found = words(text, environment(config))
    if len(found) != 1:
        raise UsageError(f"{verb} requires exactly one argument: {text}")
    return found[0]


def _onbuild(config: ContainerConfig, text: str) -> None:
    verb = text.split()[0].upper()
    if verb in ("ONBUILD", "FROM", "MAINTAINER"):
        raise UsageError(f"{verb} isn't allowed as an ONBUILD trigger")
    config.on_build = [*(config.on_build or []), text]


def _healthcheck(config: ContainerConfig, text: str) -> None:
    check = Healthcheck()
    given: dict[str, int] = {}
    word, *rest = text.split(None, 1)
    while word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        field = name.replace("-", "_")
        if field not in ("interval", "timeout", "start_period", "start_interval", "retries"):
            raise UsageError(f"unknown flag: {name}")
        if not equals:
            raise UsageError(f"missing a value on flag: {name}")
        if field in given:
            raise UsageError(f"duplicate flag specified: {name}")
        given[field] = _count(value) if field == "retries" else _interval(name, value)
        setattr(check, field, given[field])
        if not rest:
            raise UsageError("HEALTHCHECK requires at least one argument")
        word, *rest = rest[0].split(None, 1)
    check.test = _test(word.upper(), rest)
    config.healthcheck = check


def _complete(check: Healthcheck | None, before: Healthcheck | None) -> None:
    """What a commit's HEALTHCHECK does not say is the container's (moby: daemon/commit.go, merge)."""
    if check is not None and before is not None:
        for field in ("interval", "timeout", "start_period", "start_interval", "retries"):
            setattr(check, field, getattr(check, field) or getattr(before, field))


def _test(kind: str, rest: list[str]) -> list[str]:
    """What HEALTHCHECK says behind its flags."""
    if kind == "NONE":
        if rest:
            raise UsageError("HEALTHCHECK NONE takes no arguments")
        return ["NONE"]
    if kind != "CMD":
        raise UsageError(f'Unknown type "{kind}" in HEALTHCHECK (try CMD)')
    listed = _list(rest[0]) if rest else []
    if listed == []:
        raise UsageError("Missing command after HEALTHCHECK CMD")
    return ["CMD-SHELL", rest[0]] if listed is None else ["CMD", *listed]


def _count(text: str) -> int:
    if not text.removeprefix("-").isdigit() or not text.isascii():
        raise UsageError(f"not a number: {text}")
    if text.startswith("-"):
        raise UsageError(f"--retries cannot be negative ({text})")
    return int(text)


def _interval(name: str, text: str) -> int:
    found = _duration(text.removeprefix("-")) if text != "0" else 0
    if text.startswith("-") or 0 < found < _UNITS["ms"]:
        raise UsageError(f'Interval "{name}" cannot be less than 1ms')
    return found


def _duration(text: str) -> int:
    """Go's notation (``1m30s``, ``500ms``) in nanoseconds."""
    total, number, position = 0.0, "", 0
    while position < len(text):
        if text[position].isdigit() or text[position] == ".":
            number += text[position]
            position += 1
            continue
        unit = next((u for u in ("ns", "us", "µs", "ms", "s", "m", "h") if text.startswith(u, position)), "")
        if not unit or not number or number.count(".") > 1 or number == ".":
            raise UsageError(f"invalid duration: {text}")
        total += float(number) * _UNITS[unit]
        number, position = "", position + len(unit)
    if number or not text:
        raise UsageError(f"invalid duration: {text}")
    return int(total)


_INSTRUCTIONS: dict[str, Callable[[ContainerConfig, str], None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stopsignal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
