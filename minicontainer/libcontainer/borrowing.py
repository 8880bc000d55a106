"""A container that shares its mounts with others: one whose config.json has no new mount namespace.

What is mounted in its root must go with it.  So that root is made a mount first, by the creator where
it is in the creator's namespace (Record.borrowed), and `give_back` takes it away with all in it.
"""

from __future__ import annotations

from minicontainer.errors import field
from minicontainer.linux import mount as m
from minicontainer.linux.door import because


def borrow(path: str) -> None:
    """Make the root of a container that shares its mounts with others a mount, to be taken away with
    all that is mounted in it.  In the caller's own namespace that is the caller's to do; in one that
    the container joins, the mounts stay as long as that namespace."""
    with field("root.path"):
        because("what is mounted in it goes when this mount goes")
        m.mount(path, path, None, m.MS_BIND | m.MS_REC)
        because("no mount made from here on is seen in other mount namespaces")
        m.mount(None, path, None, m.MS_PRIVATE | m.MS_REC)


def give_back(path: str) -> None:
    """Undo `borrow`; nothing to do if it is gone already."""
    import errno

    because("the mounts of a container that had no mount namespace of its own")
    try:
        m.umount2(path, m.MNT_DETACH | m.UMOUNT_NOFOLLOW)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
