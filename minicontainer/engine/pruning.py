"""``container prune``: every container that does not run is removed."""

from __future__ import annotations

from minicontainer.engine.listing import labelled
from minicontainer.engine.sizes import Sizes
from minicontainer.errors import Conflict, MinicontainerError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minicontainer.engine.engine import Engine, Found


class Removed:
    """``ids`` of what was removed, ``size`` in bytes of what they had written, ``errors`` of the others."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.size = 0
        self.errors: list[MinicontainerError | OSError] = []


def prune(engine: Engine, wanted: Mapping[str, list[str]]) -> Removed:
    """Remove the containers that do not run and match.

    ``wanted``: ``until``, seconds since the epoch before which they were made; ``label``, all of which
    they have; ``label!``, none of which they have.
    """
    removed = Removed()
    sizes = Sizes(engine)
    for found in engine.containers():
        if found.state not in ("created", "exited") or not _matches(found, wanted):
            continue
        try:
            size = sizes.written(found.container)
            engine.remove(found.container.id)
        except (Conflict, NotFound, FileNotFoundError):
            continue  # it was started, or removed, just now
        except (MinicontainerError, OSError) as error:
            removed.errors.append(error)
        else:
            removed.ids.append(found.container.id)
            removed.size += size
    return removed


def _matches(found: Found, wanted: Mapping[str, list[str]]) -> bool:
    return (
        all(found.container.created < float(moment) for moment in wanted.get("until", []))
        and all(labelled(found, label) for label in wanted.get("label", []))
        and not any(labelled(found, label) for label in wanted.get("label!", []))
    )
