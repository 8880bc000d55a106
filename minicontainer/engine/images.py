"""Removing and naming images, as the engine does it: containers keep theirs, and the journal is told."""

from __future__ import annotations

from contextlib import suppress

from minicontainer.engine import events
from minicontainer.errors import CorruptData, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.engine import Engine


def remove(engine: Engine, text: str, *, force: bool, every_name: bool = False) -> list[str]:
    """`ImageStore.remove` with the containers that use the image; one event for each reference and
    one for the image itself, as Docker's: both named by its id."""
    image_id = ""
    with suppress(NotFound, CorruptData):  # the removal says so, or knows what to do
        image_id = engine.images.resolve(text).id
    lines = engine.images.remove(text, force=force, every_name=every_name, in_use=engine.containers_of)
    for line in lines:
        what, _, name = line.partition(": ")
        if what == "Untagged":
            events.of_image(engine.folders, "untag", image_id or name)
        elif name == image_id:
            events.of_image(engine.folders, "delete", image_id)
    return lines


def tag(engine: Engine, text: str, reference: str) -> None:
    """`ImageStore.tag`, and its event."""
    image_id = engine.images.resolve(text).id
    engine.images.tag(text, reference)
    events.of_image(engine.folders, "tag", image_id, reference)
