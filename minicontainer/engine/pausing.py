"""``pause`` and ``unpause``: a container's processes are frozen where they are, and go on there.

Whether one is paused is written nowhere: the kernel is asked (the freezer, cgroups(7)), so nothing can
disagree with it.  A ``commit`` freezes as well, with the container's lock held; both verbs take that lock, so
that the end of a commit does not undo a pause.

What is to end must be let go: on cgroup v1 a frozen process does not even die of SIGKILL.
"""

from __future__ import annotations

import errno

from minicontainer import cgroups
from minicontainer.cgroups.host import hierarchies
from minicontainer.engine import events
from minicontainer.errors import Conflict
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cgroups.host import Hierarchies
    from minicontainer.engine.engine import Engine

_hierarchies: list[Hierarchies] = []  # read once: a list of containers asks for each


def frozen(container_id: str) -> bool:
    """Whether the kernel holds all processes of the container still."""
    if not _hierarchies:
        _hierarchies.append(hierarchies())
    try:
        return cgroups.manager(f"{cgroups.PARENT}/{container_id}", _hierarchies[0]).frozen()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV):  # its group was removed just now
            raise
        return False


def pause(engine: Engine, text: str) -> None:
    """Freeze a running container.  Raises NotFound, Conflict, Unsupported (it has no control group)."""
    container_id = engine.find(text).container.id
    with engine.folders.container_lock(container_id):
        found = engine.load_locked(container_id)
        if found.restarting:
            found.require_running()
        if not found.running:
            raise Conflict(f"Container {container_id} is not running")
        if found.paused:
            raise Conflict(f"Container {container_id} is already paused")
        because("pause: its processes stay as they are, and use no processor")
        try:
            engine.runtime(found).pause()
        except (Conflict, FileNotFoundError):  # it has ended just now
            raise Conflict(f"Container {container_id} is not running") from None
        events.of_container(engine.folders, found.container, "pause")


def unpause(engine: Engine, text: str) -> None:
    """Thaw a paused container.  Raises NotFound, Conflict."""
    container_id = engine.find(text).container.id
    if not let_go(engine, container_id):
        raise Conflict(f"Container {container_id} is not paused")


def let_go(engine: Engine, container_id: str) -> bool:
    """Thaw the container if it is paused; whether it was."""
    with engine.folders.container_lock(container_id):
        found = engine.load_locked(container_id)
        if not found.paused:
            return False
        because("its processes go on where they were")
        try:
            engine.runtime(found).resume()
        except (Conflict, FileNotFoundError):  # it has ended just now
            return False
        events.of_container(engine.folders, found.container, "unpause")
        return True
