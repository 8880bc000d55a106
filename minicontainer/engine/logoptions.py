"""``--log-opt`` of the json-file driver: what may be asked for, and what it adds to every line.

=======================  ==================================================================================
max-size, max-file       a file that has reached the size gets no more lines; how many files there are
compress                 true: all but the one that is written to are gzip's (needs both of the above)
labels, env              names of labels and variables, separated by commas, whose values each line carries
labels-regex, env-regex  the same by what is found in the names (Python's syntax, close to Go's)
tag                      a text that each line carries; ``{{.Name}}`` and the others of `TAG_FIELDS` in it
mode                     blocking, which is Docker's default and the only one there is
=======================  ==================================================================================
"""

from __future__ import annotations

from minicontainer.errors import Unsupported, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from minicontainer.engine.records import Container

NAMES = (
    "max-size", "max-file", "compress", "labels", "labels-regex", "env", "env-regex", "tag", "mode",
)  # fmt: skip
TAG_FIELDS = ("ID", "FullID", "Name", "ImageID", "ImageFullID", "ImageName", "DaemonName")
SHORT = 12  # digits of an id
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}  # Docker's, of max-size


def parse(options: Mapping[str, str]) -> tuple[int, int, bool]:
    """(max-size in bytes, 0 for no limit; max-file; compress).  Raises UsageError, Unsupported."""
    for name in options:
        if name not in NAMES:
            raise UsageError(f"unknown log opt '{name}' for json-file log driver")
    size = options.get("max-size", "-1")
    if size != "-1" and _bytes(size) <= 0:
        raise UsageError(f"max-size must be a positive number: {size}")
    count = options.get("max-file", "1")
    if not count.isascii() or not count.isdigit() or int(count) < 1:
        raise UsageError(f"max-file cannot be less than 1: {count}")
    compress = _boolean("compress", options.get("compress", "false"))
    if compress and (size == "-1" or int(count) < 2):
        raise UsageError("compress cannot be true when max-file is less than 2 or max-size is not set")
    _check(options)
    return 0 if size == "-1" else _bytes(size), int(count), compress


def _check(options: Mapping[str, str]) -> None:
    if options.get("mode", "blocking") == "non-blocking":
        raise Unsupported("logging mode non-blocking: a line is in the log before anybody sees it")
    if options.get("mode", "blocking") != "blocking":
        raise UsageError(f"logger: logging mode not supported: {options['mode']}")
    for name in ("labels-regex", "env-regex"):
        if name in options:
            _found(options[name], [])
    _tag(options.get("tag", ""), dict.fromkeys(TAG_FIELDS, ""))


def _boolean(name: str, text: str) -> bool:
    if text not in ("1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False"):
        raise UsageError(f"log-opt {name}: neither true nor false: {text}")
    return text[0] in "1tT"


def _bytes(text: str) -> int:
    lowered = text.lower().removesuffix("b")
    number = lowered.rstrip("kmgt")
    unit = lowered[len(number) :]
    if unit not in _UNITS or not number.isascii() or not number.replace(".", "", 1).isdigit():
        raise UsageError(f"invalid size: '{text}'")
    return int(float(number) * _UNITS[unit])


def attributes(container: Container) -> dict[str, str]:
    """What every line carries, for ``logs --details``."""
    options, labels = container.host.log_opts, container.config.labels
    variables = dict(entry.partition("=")[::2] for entry in container.config.env)
    found = _chosen(labels, options.get("labels", ""), options.get("labels-regex"))
    found |= _chosen(variables, options.get("env", ""), options.get("env-regex"))
    if "tag" in options:
        found["tag"] = _tag(options["tag"], _facts(container))
    return found


def _chosen(values: Mapping[str, str], names: str, pattern: str | None) -> dict[str, str]:
    chosen = [*names.split(","), *(_found(pattern, values) if pattern is not None else [])]
    return {name: values[name] for name in chosen if name in values}


def _found(pattern: str, names: Iterable[str]) -> list[str]:
    import re

    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"error parsing regexp: {error}: `{pattern}`") from None
    return [name for name in names if wanted.search(name)]


def _facts(container: Container) -> dict[str, str]:
    image = container.image_id.removeprefix("sha256:")
    facts = (
        container.id[:SHORT], container.id, container.name, image[:SHORT], container.image_id,
        container.config.image, "minicontainer",
    )  # fmt: skip
    return dict(zip(TAG_FIELDS, facts, strict=True))


def _tag(text: str, facts: Mapping[str, str]) -> str:
    """``text`` with its fields' values.  Raises UsageError for anything else between braces."""
    before, *pieces = text.split("{{")
    for piece in pieces:
        field, closed, after = piece.partition("}}")
        name = field.strip().removeprefix(".")
        if not closed or name not in facts:
            raise UsageError(
                f"log-opt tag: {{{{{field}}}}}: there are {', '.join(TAG_FIELDS)}, each as {{{{.ID}}}}"
            )
        before += facts[name] + after
    return before
