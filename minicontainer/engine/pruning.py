"""Removing what nobody uses: containers that do not run, images that no container is made of.

::

    containers()   created, exited                                    ─┐  label, label!, until:
    images()       dangling: without a reference; ``every``: unused   ─┘  all must hold
                   by any container, whatever that does               ──► Removed

What a container was made of is kept as long as the container is there, so that it can be started again;
and what has come into use since it was looked for is passed over, without a word.
"""

from __future__ import annotations

from minicontainer.engine import events
from minicontainer.engine.listing import labelled
from minicontainer.engine.sizes import Sizes, layers_of
from minicontainer.errors import Conflict, MinicontainerError, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from minicontainer.engine.engine import Engine, Found


class Removed:
    """``lines`` say what was removed, ``size`` is in bytes, ``errors`` tell of what could not be removed."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.size = 0
        self.errors: list[MinicontainerError | OSError] = []


def containers(engine: Engine, wanted: Mapping[str, list[str]]) -> Removed:
    """Remove the containers that do not run and match; ``lines`` are their ids.

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
            removed.lines.append(found.container.id)
            removed.size += size
    events.of_pruning(engine.folders, "container", removed.size)
    return removed


def images(engine: Engine, wanted: Mapping[str, list[str]], *, every: bool = False) -> Removed:
    """Remove images that no container uses and that match, those without a reference or ``every`` one.

    ``lines`` are Docker's (``untagged: NAME``, ``deleted: ID``), ``size`` is of layers that no image has
    any more.
    """
    from minicontainer.engine import images as removal
    from minicontainer.engine.imagelist import matches

    removed = Removed()
    store = engine.images
    present = store.images()
    layers = {chain_id: size for image in present for chain_id, size in layers_of(image)}
    for image in present:
        if (image.references and not every) or not matches(image, wanted):
            continue
        try:
            lines = removal.remove(engine, image.id, force=False, every_name=True)
        except (Conflict, NotFound):
            continue  # a container uses it, or somebody was faster
        except (MinicontainerError, OSError) as error:
            removed.errors.append(error)
        else:
            removed.lines += [line[0].lower() + line[1:] for line in lines]
            removed.size += sum(layers.get(line.partition(": ")[2], 0) for line in lines)
    events.of_pruning(engine.folders, "image", removed.size)
    return removed


def _matches(found: Found, wanted: Mapping[str, list[str]]) -> bool:
    return (
        all(found.container.created < float(moment) for moment in wanted.get("until", []))
        and all(labelled(found, label) for label in wanted.get("label", []))
        and not any(labelled(found, label) for label in wanted.get("label!", []))
    )
