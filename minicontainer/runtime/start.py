"""start: let the program of a created container run."""

from __future__ import annotations

from minicontainer.libcontainer.container import Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.runtime.flags import Flag
    from minicontainer.runtime.main import Context

USAGE = "CONTAINER-ID"
FLAGS: list[Flag] = []


def main(context: Context) -> int:
    """0."""
    Container.load(context.container_id(), context.root).start()
    return 0
