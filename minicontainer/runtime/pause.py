"""pause and resume: the control group's freezer."""

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
    container = Container.load(context.container_id(), context.root)
    if context.verb == "pause":
        container.pause()
    else:
        container.resume()
    return 0
