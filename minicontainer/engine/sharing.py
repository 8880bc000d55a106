"""Bind mounts that share with the host: what is mounted below either later appears below both.

::

    host            /srv ◄──────────── peers ────────────► /srv      the monitor's namespace
                                                             │ bind
                                                             ▼
                                                           /mnt      the container's

A monitor's mount namespace is a slave of the host's, so that nothing of it gets out.  A source to be
shared is therefore held before it becomes one (a copy of a shared mount is its peer), and put back
over its own path afterwards, where libcontainer finds it.
"""

from __future__ import annotations

import os

from minicontainer.errors import InvalidConfig
from minicontainer.linux import mountfd as fd
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.records import Bind

SHARED = {"shared", "rshared"}


def hold(mounts: list[Bind]) -> list[tuple[str, int]]:
    """(path, descriptor) of each source to be shared.  Raises InvalidConfig where nothing can be."""
    held = []
    for bind in mounts:
        if SHARED & set(bind.options):
            _require_shared(bind.source)
            because("what shares with the host must be taken before this namespace stops sharing")
            flags = fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC | fd.AT_RECURSIVE
            held.append((bind.source, fd.open_tree(fd.AT_FDCWD, bind.source, flags)))
    return held


def put_back(held: list[tuple[str, int]]) -> None:
    """Attach what `hold` gave over its own path, in this namespace only."""
    for path, tree in held:
        because("a mount made below it in the container is one of the host's, too")
        fd.move_mount(tree, "", fd.AT_FDCWD, path, fd.MOVE_MOUNT_F_EMPTY_PATH)
        os.close(tree)


def _require_shared(path: str) -> None:
    path = os.path.realpath(path)
    with open("/proc/self/mountinfo", errors="surrogateescape") as table:
        lines = [line.partition(" - ")[0].split() for line in table]
    # The longest mount point that the path lies in; of several there, the one mounted last.
    _, _, point, tags = max(
        (len(fields[4]), number, fields[4], fields[6:])
        for number, fields in enumerate(lines)
        if fields[4] == "/" or f"{path}/".startswith(f"{fields[4]}/")
    )
    if not any(tag.startswith("shared:") for tag in tags):
        raise InvalidConfig(f"path {path} is mounted on {point} but it is not a shared mount")
