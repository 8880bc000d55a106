"""delete: what is left of a container that has stopped; with --force, of any."""

from __future__ import annotations

import os

from minicontainer.errors import CorruptData, NotFound
from minicontainer.libcontainer import state as states
from minicontainer.libcontainer.container import Container
from minicontainer.runtime.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.runtime.main import Context

USAGE = "[FLAGS] CONTAINER-ID"
FLAGS = [Flag("force f", "switch", "kill a container that runs; nothing to delete is no error")]


def main(context: Context) -> int:
    """0."""
    name = context.container_id()
    force: bool = context.flags["force"]
    try:
        container = Container.load(name, context.root)
    except (NotFound, CorruptData):
        if not force:
            raise
        # Whoever made it was killed before it was recorded, or its record is lost.
        if name == os.path.basename(name) and name not in ("", ".", ".."):
            from minicontainer.libcontainer import claim

            claim.take_back(os.path.join(context.root, name))
            states.remove(os.path.join(context.root, name))
        return 0
    # A container that waits for its start has no program to lose.
    container.delete(force=force or container.status() == "created")
    return 0
