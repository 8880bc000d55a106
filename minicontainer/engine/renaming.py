"""``rename``: the link among the names is renamed, in one step; then container.json is told.

A kill between the two leaves a record with the old name and a link with the new one.  The link is right:
whoever reads the container finds it (`Engine.read`), and the next that writes the record mends it.
"""

from __future__ import annotations

from minicontainer.engine import events, records
from minicontainer.errors import Conflict, MinicontainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.engine import Engine


def rename(engine: Engine, text: str, name: str) -> None:
    """Give the container another name.  Raises NotFound, Conflict (it is taken, or is its own)."""
    container_id = engine.find(text).container.id
    engine.mend_owner(name)
    with engine.folders.container_lock(container_id):
        container = engine.load_locked(container_id).container
        old = container.name
        if name == old:
            raise Conflict("Renaming a container with the same name as its current name")
        with engine.folders.lock():
            try:
                engine.names.rename(old, name)
            except MinicontainerError as error:
                raise Conflict(f"Error when allocating new name: {error}") from None
        container.name = name
        records.save(f"{engine.folders.container(container_id)}/container.json", container)
        events.of_container(engine.folders, container, "rename", oldName=f"/{old}")
