"""Image references: ``[HOST[:PORT]/]PATH[:TAG][@DIGEST]`` (distribution-spec, "Pulling manifests"; Docker).

A name without a tag means ``:latest``.  A name without a host stays without one: where it would be
pulled from is not the store's business.  The grammar is checked by hand, since ``re`` costs more to
import than this file.
"""

from __future__ import annotations

from minicontainer.errors import UsageError

_LOWER = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_WORD = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
_HEX = frozenset("0123456789abcdef")
MAX_NAME = 255


class Reference:
    """A parsed reference: ``name`` without tag, ``tag`` and ``digest`` or None."""

    __slots__ = ("digest", "name", "tag")

    def __init__(self, name: str, tag: str | None, digest: str | None) -> None:
        self.name = name
        self.tag = tag
        self.digest = digest

    def tagged(self) -> str:
        """``NAME:TAG``, as the index has it."""
        return f"{self.name}:{self.tag or 'latest'}"


def parse(text: str) -> Reference:
    """The reference in ``text``.  UsageError with Docker's words if it is none."""
    rest, at, digest = text.partition("@")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:  # the colon was a port's
        name, colon, tag = rest, "", ""
    if colon and not _is_tag(tag):
        raise UsageError(f"invalid reference format: bad tag in {text!r}")
    if at and not is_digest(digest):
        raise UsageError(f"invalid reference format: bad digest in {text!r}")
    _check_name(name, text)
    return Reference(name, tag or None, digest or None)


def is_digest(text: str) -> bool:
    """Whether ``text`` is ``sha256:`` and 64 hex digits."""
    return text.startswith("sha256:") and len(text) == 71 and is_hex(text[7:])


def is_hex(text: str) -> bool:
    """Whether ``text`` has only lower-case hex digits, and at least one."""
    return bool(text) and _HEX.issuperset(text)


def _is_tag(tag: str) -> bool:
    return 0 < len(tag) <= 128 and tag[0] in _WORD and all(c in _WORD or c in ".-" for c in tag)


def _check_name(name: str, text: str) -> None:
    first, slash, path = name.partition("/")
    if slash and (any(c in first for c in ".:") or first == "localhost" or first != first.lower()):
        host, colon, port = first.partition(":")
        good = host and all(c in _WORD or c in ".-" for c in host) and (port.isdigit() if colon else True)
        if not good:
            raise UsageError(f"invalid reference format: bad host name in {text!r}")
    else:
        path = name
    if path != path.lower():
        raise UsageError(f"invalid reference format: repository name {path!r} must be lowercase")
    if len(name) > MAX_NAME or not all(_is_component(part) for part in path.split("/")):
        raise UsageError(f"invalid reference format: {text!r}")
    if len(name) == 64 and is_hex(name):
        raise UsageError(f"invalid repository name {name!r}: it cannot be told from an image id")


def _is_component(part: str) -> bool:
    """Lower-case letters and digits, between them one period, one or two underscores, or dashes."""
    if not part or part[0] not in _LOWER or part[-1] not in _LOWER:
        return False
    separator = ""
    for character in part:
        if character in _LOWER:
            if separator and separator not in (".", "_", "__") and separator.strip("-"):
                return False
            separator = ""
        elif character in "._-":
            separator += character
        else:
            return False
    return True
