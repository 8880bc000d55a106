"""The environment of a program: ``-e`` and ``--env-file``.

A file's lines are Docker's (docker-run(1), --env-file)::

    # a comment, as is an empty line
    NAME=value, taken to the end of the line: quotes and blanks are part of it
    NAME                      this command's own value; left out where it has none
"""

from __future__ import annotations

import os

from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def parse_entry(text: str, own: Mapping[str, str]) -> str | None:
    """``NAME=value`` for ``NAME=value`` or ``NAME``; None for a NAME that ``own`` lacks.

    Raises UsageError.
    """
    name, equals, _ = text.partition("=")
    if not name or "\0" in text:
        raise UsageError(f"invalid environment variable: {text}")
    if equals:
        return text
    return f"{name}={own[name]}" if name in own else None


def read_file(path: str, own: Mapping[str, str]) -> list[str]:
    """The entries of an environment file.  Raises UsageError, and OSError if it cannot be read."""
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")
    entries = []
    for number, line in enumerate(lines, 1):
        try:
            entry = _line(line, own, first=number == 1)
        except UsageError as error:
            raise UsageError(f"invalid env file ({path}): line {number}: {error}") from None
        if entry is not None:
            entries.append(entry)
    return entries


def read_labels(path: str) -> list[str]:
    """The lines of a file of labels: ``KEY=VALUE`` or ``KEY``.  Raises UsageError, OSError."""
    with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
        lines = [line.strip() for line in file]
    found = [line for line in lines if line and not line.startswith("#")]
    for line in found:
        name = line.partition("=")[0]
        if any(character.isspace() for character in name):
            raise UsageError(f"invalid label file ({path}): label '{name}' contains whitespaces")
    return found


def _line(line: bytes, own: Mapping[str, str], *, first: bool) -> str | None:
    try:
        text = line.decode("utf-8-sig" if first else "utf-8").removesuffix("\r").lstrip()
    except UnicodeDecodeError:
        raise UsageError("not UTF-8") from None
    if not text or text.startswith("#"):
        return None
    name = text.partition("=")[0]
    if not name:
        raise UsageError(f"no variable name on line '{text}'")
    if any(character.isspace() for character in name):
        raise UsageError(f"variable '{name}' contains whitespaces")
    return parse_entry(text, own)


def collect(flags: Iterable[str], files: Iterable[str], own: Mapping[str, str] | None = None) -> list[str]:
    """All entries, files first, each name once with its last value.

    ``own`` is this process's environment unless given.  Raises UsageError, OSError.
    """
    own = os.environ if own is None else own
    entries = [entry for path in files for entry in read_file(path, own)]
    entries += [entry for text in flags if (entry := parse_entry(text, own)) is not None]
    return list({entry.partition("=")[0]: entry for entry in entries}.values())
