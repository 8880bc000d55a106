"""Layers with other owners: id-mapped mounts (mount_setattr(2), MOUNT_ATTR_IDMAP, Linux 5.12).

A container in a user namespace has other ids than its files on disk::

    on disk     0 ... 65535           the image's ids, in layers and in the writable layer alike
      │  id-mapped mount              what a copy with chown did before
      ▼
    the kernel  100000 ... 165535     what the host sees of its processes, and the merged root
      │  user namespace
      ▼
    inside      0 ... 65535           what its programs see

So nothing is copied, containers with different mappings share their layers, and what a container
wrote is committed as it lies on disk.  Overlay takes such layers from Linux 5.19; it makes its work
folder as whoever mounts it, who must be an owner that the mapping knows.
"""

from __future__ import annotations

import errno
import os

from minicontainer.errors import Unsupported
from minicontainer.linux import credentials, prctl
from minicontainer.linux import mountfd as fd
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from minicontainer.util.idmaps import Range as Range


class Mapping:
    """Which ids of the host a container's are: ranges (first inside, first of the host, how many)."""

    __slots__ = ("gids", "uids")

    def __init__(self, uids: list[Range], gids: list[Range]) -> None:
        self.uids = uids
        self.gids = gids

    def uid(self, inside: int) -> int:
        """The host's uid; -1 for one that the container has not."""
        return _outside(self.uids, inside)

    def gid(self, inside: int) -> int:
        """The host's gid; -1 for one that the container has not."""
        return _outside(self.gids, inside)

    def namespace(self) -> int:
        """A descriptor of a new user namespace with this mapping, which the caller closes."""
        from minicontainer.util import idmaps

        return idmaps.namespace(self.uids, self.gids)


def _outside(ranges: list[Range], inside: int) -> int:
    return next((host + inside - first for first, host, size in ranges if first <= inside < first + size), -1)


def attach(source: str, target: str, namespace: int) -> None:
    """Show the tree at ``source`` at ``target``, owned as the user namespace maps it.

    Raises Unsupported where the kernel or the file system has no id-mapped mounts.
    """
    because(f"a view of {source} with the container's owners")
    tree = fd.open_tree(fd.AT_FDCWD, source, fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC)
    try:
        because("its files belong to the host's ids that the container's stand for")
        fd.mount_setattr(tree, "", fd.AT_EMPTY_PATH, fd.MOUNT_ATTR_IDMAP, userns_fd=namespace)
        fd.move_mount(tree, "", fd.AT_FDCWD, target, fd.MOVE_MOUNT_F_EMPTY_PATH)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOSYS):
            raise Unsupported(
                f"--userns: this kernel cannot map the owners of {source}: id-mapped mounts need Linux 5.12, "
                "and a file system that takes part (ext4, btrfs, xfs; tmpfs since 6.3)"
            ) from None
        raise
    finally:
        os.close(tree)


class Acting:
    """Inside ``with``, files that this process makes belong to the container's root.

    setfsuid(2) changes only that; no capability is lost meanwhile (SECBIT_NO_SETUID_FIXUP), for it
    is still the host's root who mounts and walks.
    """

    def __init__(self, mapping: Mapping | None) -> None:
        self.mapping = mapping

    def __enter__(self) -> None:
        if self.mapping is not None:
            because("this is a change of whose files are made, not of what may be done")
            prctl.set_securebits(prctl.SECBIT_NO_SETUID_FIXUP)
            credentials.setfsgid(self.mapping.gid(0))
            credentials.setfsuid(self.mapping.uid(0))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.mapping is not None:
            credentials.setfsuid(os.geteuid())
            credentials.setfsgid(os.getegid())
            prctl.set_securebits(0)
