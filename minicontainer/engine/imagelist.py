"""Which images `images` lists: Docker's filters (docker images, "Filtering").

================  ==========================================================================
reference         a pattern of NAME or NAME:TAG; ``*`` stands for anything but a slash
dangling          true: those without a reference; false: those with one
label             ``key`` or ``key=value``; of several, all must match
before, since     an image: those made before or after it
until             seconds since the epoch before which they were made
================  ==========================================================================
"""

from __future__ import annotations

from minicontainer.errors import UsageError
from minicontainer.util.moment import seconds_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minicontainer.image.model import Image
    from minicontainer.image.store import ImageStore

FILTERS = ("reference", "dangling", "label", "before", "since", "until")
TRUE, FALSE = ("true", "1", "t", "True", "TRUE", "T"), ("false", "0", "f", "False", "FALSE", "F")


def select(store: ImageStore, wanted: Mapping[str, list[str]]) -> list[Image]:
    """The images that match, the newest first, with those of their references that match.

    Raises UsageError, and NotFound for an unknown image in before or since.
    """
    dangling = _dangling(wanted)
    before = [store.resolve(name).created for name in wanted.get("before", [])]
    since = [store.resolve(name).created for name in wanted.get("since", [])]
    patterns = wanted.get("reference", [])
    found = []
    for image in store.images():
        if patterns:
            image.references = [name for name in image.references if _fits(name, patterns)]
        if (
            matches(image, wanted)
            and (bool(image.references) or not patterns)
            and dangling in (None, not image.references)
            and all(image.created < moment for moment in before)
            and all(image.created > moment for moment in since)
        ):
            found.append(image)
    return found


def matches(image: Image, wanted: Mapping[str, list[str]]) -> bool:
    """Whether it has every ``label``, no ``label!``, and was made before every ``until``."""
    labels = image.config.labels or {}
    return (
        all(seconds_of(image.created) < float(moment) for moment in wanted.get("until", []))
        and all(_labelled(labels, label) for label in wanted.get("label", []))
        and not any(_labelled(labels, label) for label in wanted.get("label!", []))
    )


def _dangling(wanted: Mapping[str, list[str]]) -> bool | None:
    values = wanted.get("dangling", [])
    for value in values:
        if value not in TRUE + FALSE:
            raise UsageError(f"invalid filter 'dangling=[{value}]'")
    return values[-1] in TRUE if values else None


def is_true(wanted: Mapping[str, list[str]], key: str, default: bool) -> bool:
    """The value of a filter that is true or false.  Raises UsageError."""
    found = _dangling({"dangling": wanted.get(key, [])})
    return default if found is None else found


def _labelled(labels: Mapping[str, str], label: str) -> bool:
    key, equals, value = label.partition("=")
    return key in labels and (not equals or labels[key] == value)


def _fits(name: str, patterns: list[str]) -> bool:
    """Whether a pattern fits NAME:TAG, or NAME alone."""
    return any(_match(pattern, text) for pattern in patterns for text in (name, name.rpartition(":")[0]))


def _match(pattern: str, text: str) -> bool:
    """Go's path.Match: what stands for anything does so between two slashes."""
    import fnmatch

    parts, wanted = text.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))
