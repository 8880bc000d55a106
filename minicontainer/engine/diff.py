"""``diff``: what a container changed in its file system.

Docker keeps the mount points that every container has in a layer of their own below the writable one
(moby: daemon/initlayer), so that nobody sees them as changes.  Here they lie in the writable one, and
are passed over; and so is a folder that changed only because one of them was made in it.
"""

from __future__ import annotations

from minicontainer.engine.engine import Engine
from minicontainer.storage.changes import ADDED, CHANGED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minicontainer.storage.changes import Change

MADE_FOR_MOUNTS = frozenset(
    (
        b"/dev", b"/dev/console", b"/dev/pts", b"/dev/shm", b"/dev/mqueue", b"/proc", b"/sys", b"/etc",
        b"/etc/hostname", b"/etc/hosts", b"/etc/resolv.conf", b"/sys/fs", b"/sys/fs/cgroup",
    )
)  # fmt: skip


def diff(engine: Engine, text: str) -> Iterator[Change]:
    """The changes of the container that ``text`` names, folders before what is in them.

    Raises NotFound, CorruptData.
    """
    container = engine.find(text).container
    driver = engine.driver(container.driver)
    return _visible(driver.changes(engine.folders.container(container.id), container.chain))


def _visible(changes: Iterator[Change]) -> Iterator[Change]:
    """Without what is there for the mounts alone."""
    held: Change | None = None  # a folder above a mount point, until something else is found in it
    for change in changes:
        if held is not None and change.path.startswith(held.path + b"/"):
            if change.path in MADE_FOR_MOUNTS and change.kind == ADDED:
                continue
            yield held
        held = None
        if change.path not in MADE_FOR_MOUNTS:
            yield change
        elif change.kind == CHANGED:
            if change.is_folder:
                held = change
            else:
                yield change
        elif change.kind != ADDED:
            yield change
