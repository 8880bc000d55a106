"""Mappings of ids (user_namespaces(7)), and a user namespace that stands for one.

::

    uid_map, gid_map     first inside   first outside   how many     a line for each range

mount_setattr(2) takes a mapping as a user namespace that has it.  Nobody needs to be in there: it
lives as long as its descriptor.
"""

from __future__ import annotations

import os

from minicontainer.linux import control, namespaces, process
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Range = tuple[int, int, int]  # first inside, first outside, how many


def lines(ranges: Iterable[Range]) -> str:
    """The ranges as uid_map and gid_map take them."""
    return "\n".join(f"{inside} {outside} {size}" for inside, outside, size in ranges)


def namespace(uids: Iterable[Range], gids: Iterable[Range]) -> int:
    """A descriptor of a new user namespace with these mappings, which the caller closes."""
    waiting, release = os.pipe2(os.O_CLOEXEC)
    because("a mapping is named to the kernel by a user namespace that has it")
    pid, pidfd = process.clone3(process.CLONE_NEWUSER)
    if pid == 0:
        os.close(release)
        os.read(waiting, 1)  # until the parent holds the namespace, or is gone
        os._exit(0)
    os.close(pidfd)
    os.close(waiting)
    try:
        for name, ranges in (("gid", gids), ("uid", uids)):
            because(f"which {name}s of the host stand for others")
            control.write_control(f"/proc/{pid}/{name}_map", lines(ranges))
        return os.open(namespaces.path(pid, "user"), os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(release)
        process.wait(pid)
