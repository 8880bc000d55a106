"""``export``: a container's file system as one tar archive."""

from __future__ import annotations

from minicontainer.engine import events
from minicontainer.engine.engine import Engine
from minicontainer.engine.view import View
from minicontainer.image.outstream import OutStream
from minicontainer.image.tarwrite import write_layer
from minicontainer.storage.nodes import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minicontainer.storage.nodes import Node


def export(engine: Engine, text: str, fd: int) -> None:
    """Write the archive to ``fd``, owners as the container sees them; what is mounted in it is left out.

    A container that runs goes on: what vanishes meanwhile is left out.  Raises NotFound.
    """
    with View(engine, text, binds=False) as view:
        sink = OutStream(fd)
        write_layer(_below(walk(view.root, b".", view.owner)), sink)
        sink.finish()
        events.of_container(engine.folders, view.container, "export")


def _below(nodes: Iterator[Node]) -> Iterator[Node]:
    """All but the root itself, which every root file system has."""
    for node in nodes:
        if node.path != b".":
            node.path = node.path.removeprefix(b"./")
            yield node
