"""Copying files into a tree that is not ours: ``cp``, into a container or into a folder of the host.

As unpacking a layer (unpack.py), with these differences, which are Docker's:

- nothing but folders is merged: a file does not take a folder's place, nor a folder a file's;
- names that begin with ``.wh.`` are names as any other;
- the folder that is copied into keeps its own owner, mode and time;
- the files of an archive keep their owners in a container; on the host they become the caller's.
  Then set-id bits, capabilities and other rights that were the container's go: they would be the
  caller's (as cp(1) drops them; Docker keeps them).

Members come from an archive, or straight from another tree: `members`.
"""

from __future__ import annotations

import os
import stat

from minicontainer.errors import Conflict
from minicontainer.image.tarread import (
    CHARACTER,
    DEVICE,
    FIFO,
    FILE,
    FOLDER,
    LINK,
    SYMLINK,
    Member,
)
from minicontainer.image.unpack import Target, clean
from minicontainer.storage.tree import copy_range, data_extents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from minicontainer.image.unpack import Reader
    from minicontainer.storage.nodes import Node

_KINDS = {
    stat.S_IFREG: FILE, stat.S_IFDIR: FOLDER, stat.S_IFLNK: SYMLINK, stat.S_IFCHR: CHARACTER,
    stat.S_IFBLK: DEVICE, stat.S_IFIFO: FIFO,
}  # fmt: skip
_SET_ID = stat.S_ISUID | stat.S_ISGID
_BLOCK = 512


class _NoMarks:
    """A layer's marks of deletion, for what is no layer."""

    xattr_escape: tuple[str, str] | None = None

    def placed(self, dirfd: int, name: bytes, path: bytes, *, folder: bool) -> None:
        """Nothing is remembered."""


class Place(Target):
    """A folder that is copied into.

    ``root`` is a descriptor: all links on the way resolve below it, as for a process whose root it is.
    """

    def __init__(self, root: int, *, keeps_owner: bool) -> None:
        self.marks = _NoMarks()
        self.root = os.dup(root)
        self.parent = b""
        self.dirfd = os.dup(root)
        self.times: dict[bytes, int] = {}
        self.keeps_owner = keeps_owner

    def place(self, member: Member, reader: Reader) -> None:
        """Make one member; the folder that is copied into stays as it is."""
        path = clean(member.name, member)
        parent, _, name = path.rpartition(b"/")
        if not name:
            return
        if not self.keeps_owner:
            _drop_rights(member)
        self._enter(parent)
        self._make(name, path, member, reader)

    def _may_replace(self, member: Member, status: os.stat_result) -> None:
        there = stat.S_ISDIR(status.st_mode)
        if there == (member.kind == FOLDER):
            return
        old, new = ("directory", "non-directory") if there else ("non-directory", "directory")
        raise Conflict(f"cannot overwrite {old} with {new} {member.shown()}")


def _drop_rights(member: Member) -> None:
    """What only the owner in the container was to have."""
    member.mode &= ~_SET_ID if member.kind not in (CHARACTER, DEVICE) else 0o600
    member.xattrs = {name: value for name, value in member.xattrs.items() if name.startswith("user.")}


class Content:
    """The content of the node that is under way."""

    def __init__(self) -> None:
        self.node: Node | None = None

    def copy(self, member: Member, fd: int) -> None:
        """Write it to the empty file ``fd``, inside the kernel; holes stay holes."""
        assert self.node is not None
        reader = self.node.open()
        try:
            status = os.fstat(reader)
            for start, length in data_extents(reader, status):
                copy_range(reader, fd, start, length)
            os.ftruncate(fd, status.st_size)
        finally:
            os.close(reader)


def members(nodes: Iterable[Node], content: Content) -> Iterator[Member]:
    """The nodes as an archive would have them; ``content`` is of the one given last.

    Sockets are left out: they mean nothing without the process that listens.
    """
    links: dict[tuple[int, int], bytes] = {}
    for node in nodes:
        content.node = node
        kind = _KINDS.get(stat.S_IFMT(node.status.st_mode))
        if kind is not None:
            yield _member(node, kind, links)


def _member(node: Node, kind: bytes, links: dict[tuple[int, int], bytes]) -> Member:
    status = node.status
    member = Member()
    member.name, member.kind = node.path, kind
    member.mode = stat.S_IMODE(status.st_mode)
    member.uid, member.gid = node.owner
    member.mtime = status.st_mtime_ns
    member.xattrs = node.xattrs()
    if kind in (CHARACTER, DEVICE):
        member.major, member.minor = os.major(status.st_rdev), os.minor(status.st_rdev)
    if kind == SYMLINK:
        member.linkname = node.readlink()
    if kind == FILE:
        member.size = status.st_size
    if kind != FOLDER and status.st_nlink > 1:
        first = links.setdefault((status.st_dev, status.st_ino), node.path)
        if first != node.path:
            member.kind, member.linkname, member.size = LINK, first, 0
    return member


def archived_size(size: int) -> int:
    """Bytes of a member's header and content in an archive."""
    return _BLOCK + size + -size % _BLOCK
