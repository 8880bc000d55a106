"""``cp``: files into a container and out of it.

::

    SOURCE                               what passes                         TARGET
    a tree of the host          ─┐                                       ┌─ a folder of the container
    a tree of the container      ├─►  nodes, renamed  ──►  members  ─────┼─ a folder of the host
    an archive (standard input) ─┘                   └─►  an archive     └─ an archive (standard output)

How names come about (docker-cp(1), Description)::

    TARGET exists, a folder      TARGET/NAME, or into TARGET itself for a SOURCE that ends in "/."
    TARGET exists, a file        SOURCE takes its place; an error for a folder
    TARGET does not exist        SOURCE under this name; an error for a file if TARGET ends in "/"

A link is copied as a link, unless SOURCE ends in "/" or ``follow`` is given; a TARGET that is a link
means what it leads to.  Inside the container "what it leads to" is found as a process of the container
would: by openat2(2) below a descriptor of its root (view.py), never by a path of the host.

Owners and modes come along into a container (with ``as_user``, the container's user is the owner of
all); on the host the files are the caller's.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from itertools import chain

from minicontainer.engine import events, identity
from minicontainer.errors import Conflict, NotFound, UsageError
from minicontainer.image.place import Content, Place, archived_size, members
from minicontainer.image.tarread import LINK
from minicontainer.image.unpack import clean
from minicontainer.linux.openat2 import open_in_root
from minicontainer.storage.nodes import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import BinaryIO

    from minicontainer.engine.view import View
    from minicontainer.image.tarread import Member, TarReader
    from minicontainer.image.unpack import Reader

    Told = Callable[[int], None]
    Change = Callable[[Member], None]

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS = 10
_END_OF_ARCHIVE = 1024


class Side:
    """One side's file system: how its names are looked up, and what is said of one that is missing."""

    __slots__ = ("at", "missing")

    def __init__(self, at: Callable[[str, int], int], missing: Callable[[str], str]) -> None:
        self.at = at
        self.missing = missing

    def look(self, path: str, *, follow: bool = False) -> int:
        """An O_PATH descriptor of ``path``.  Raises NotFound."""
        try:
            return self.at(path, _LOOK & ~os.O_NOFOLLOW if follow else _LOOK)
        except FileNotFoundError:
            raise NotFound(self.missing(_bare(path))) from None
        except NotADirectoryError:
            raise NotFound(f"{path}: not a directory") from None


def host() -> Side:
    """This process's own."""
    return Side(
        lambda path, flags: os.open(path, flags | os.O_CLOEXEC),
        lambda path: f"lstat {os.path.abspath(path)}: no such file or directory",
    )


def container(view: View) -> Side:
    """A container's; its paths are absolute, and ``..`` does not lead out."""
    return Side(
        lambda path, flags: open_in_root(view.root, path, flags),
        lambda path: f"Could not find the file {path} in container {view.text}",
    )


def inside(path: str) -> str:
    """A container's path as `Side.look` takes it: absolute, without ``..``; a ``/`` or ``/.`` stays."""
    if not path:
        raise UsageError("bad parameter: path cannot be empty")
    bare = posixpath.normpath(f"/{path}").replace("//", "/")
    return bare + ("" if bare == "/" else "/." if path.endswith("/.") else "/" if path.endswith("/") else "")


class Source:
    """What is copied, held by ``fd``; ``name`` is what it is called, ``linked_name`` in an archive."""

    __slots__ = ("fd", "folder", "linked_name", "name")

    def __init__(self, side: Side, path: str, *, follow: bool) -> None:
        self.name = self.linked_name = _name_of(path)
        self.fd = side.look(path)
        if follow and stat.S_ISLNK(os.fstat(self.fd).st_mode):
            self.linked_name = os.path.basename(os.readlink("", dir_fd=self.fd)) or self.name
            os.close(self.fd)
            self.fd = side.look(path, follow=True)
        self.folder = stat.S_ISDIR(os.fstat(self.fd).st_mode)


def _name_of(path: str) -> str:
    """The last part of a path; ``.`` for one that means what is in a folder."""
    last = path.rstrip("/").rpartition("/")[2]
    return "." if last in ("", ".", "..") else last


class Destination:
    """Where it goes: the folder that is copied into, which exists, and the name there."""

    __slots__ = ("folder", "name")

    def __init__(self, side: Side, path: str, source: Source) -> None:
        wanted, status = _settled(side, path)
        if status is not None and stat.S_ISDIR(status.st_mode):
            self.folder, self.name = wanted, source.name
            return
        if status is not None and source.folder:
            raise Conflict("cannot copy directory")
        if not source.folder and _bare(path) != path:
            raise NotFound("no such directory")
        above, slash, self.name = wanted.rpartition("/")
        self.folder = above or slash or "."
        os.close(_folder(side, self.folder))


def _folder(side: Side, path: str) -> int:
    """A descriptor of a folder.  Raises NotFound for anything else."""
    return side.look(f"{path}/.", follow=True)


def _bare(path: str) -> str:
    """A path without the ``/`` or ``/.`` at its end that asserts a folder."""
    while len(path) > 1 and path.endswith(("/", "/.")):
        path = path[: -1 if path.endswith("/") else -2]
    return path or "/"


def _settled(side: Side, path: str) -> tuple[str, os.stat_result | None]:
    """What ``path`` means, and its lstat: of what a link leads to, which need not exist."""
    wanted = _bare(path)
    for _ in range(_MOST_LINKS):
        try:
            fd = side.at(wanted, _LOOK)
        except FileNotFoundError:
            return wanted, None
        except NotADirectoryError:
            raise NotFound(f"{path}: not a directory") from None
        try:
            status = os.fstat(fd)
            if not stat.S_ISLNK(status.st_mode):
                return wanted, status
            wanted = posixpath.join(posixpath.dirname(wanted), os.readlink("", dir_fd=fd))
        finally:
            os.close(fd)
    raise Conflict(f"too many symlinks in {path}")


def copy_in(view: View, path: str, target: str, *, follow: bool, as_user: bool, told: Told) -> None:
    """Copy ``path`` of the host to ``target`` in the container; ``told`` hears of each file's bytes.

    Raises NotFound, Conflict, UsageError, and OSError as the kernel gives it.
    """
    source = Source(host(), path, follow=follow)
    try:
        destination = Destination(container(view), inside(target), source)
        name = f"{posixpath.normpath('/' + destination.folder)}/{destination.name}"
        content = Content()
        found = members(walk(source.fd, os.fsencode(name)), content)
        _fill(Place(view.root, keeps_owner=True), found, content, told, view, as_user=as_user)
    finally:
        os.close(source.fd)
    events.of_container(view.engine.folders, view.container, "extract-to-dir", path=target)


def extract(view: View, stream: BinaryIO, target: str, *, as_user: bool, told: Told) -> None:
    """Unpack an archive (plain, gzip, zstd) into the folder ``target`` of the container.

    Raises NotFound, CorruptData, Conflict.
    """
    from minicontainer.image.source import StreamSource
    from minicontainer.image.tarread import TarReader

    folder, status = _settled(container(view), inside(target))
    if status is None or not stat.S_ISDIR(status.st_mode):
        raise NotFound(f'destination "{view.text}:{target}" must be a directory')
    reader = TarReader(StreamSource(_unpacked(stream)))
    found = _below(os.fsencode(posixpath.normpath(folder)), reader)
    _fill(Place(view.root, keeps_owner=True), found, reader, told, view, as_user=as_user)
    events.of_container(view.engine.folders, view.container, "extract-to-dir", path=target)


def copy_out(view: View, path: str, target: str, *, follow: bool, told: Told) -> None:
    """Copy ``path`` of the container to ``target`` on the host.  Raises as `copy_in`."""
    source = Source(container(view), inside(path), follow=follow)
    try:
        side = host()
        destination = Destination(side, target, source)
        root = _folder(side, destination.folder)
        try:
            content = Content()
            found = members(walk(source.fd, os.fsencode(destination.name), view.owner), content)
            _fill(Place(root, keeps_owner=False), found, content, told)
        finally:
            os.close(root)
    finally:
        os.close(source.fd)
    events.of_container(view.engine.folders, view.container, "archive-path", path=path)


def archive(view: View, path: str, fd: int, *, follow: bool) -> None:
    """Write ``path`` of the container to ``fd`` as an archive, owners as the container sees them."""
    from minicontainer.image.outstream import OutStream
    from minicontainer.image.tarwrite import write_layer

    source = Source(container(view), inside(path), follow=follow)
    try:
        sink = OutStream(fd)
        write_layer(walk(source.fd, os.fsencode(source.linked_name), view.owner), sink)
        sink.finish()
    finally:
        os.close(source.fd)
    events.of_container(view.engine.folders, view.container, "archive-path", path=path)


def _owner(view: View, *, as_user: bool) -> Change:
    """Whose the files become: their owners' in the container, or all the container's user's."""
    user = identity.account(view.root, view.container.config.user, view.container.host) if as_user else None

    def change(member: Member) -> None:
        ids = (user.uid, user.gid) if user is not None else (member.uid, member.gid)
        member.uid, member.gid = view.outside(*ids)

    return change


def _fill(
    place: Place,
    found: Iterable[Member],
    reader: Reader,
    told: Told,
    view: View | None = None,
    *,
    as_user: bool = False,
) -> None:
    """Make each member; in a container (``view``) with its owners."""
    try:
        if view is None:
            _fill_with(place, found, reader, told)
            return
        change = _owner(view, as_user=as_user)
        try:
            with view.acting():
                _fill_with(place, found, reader, told, change)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            what = "container rootfs" if view.container.host.read_only else "mounted volume"
            raise Conflict(f"{what} is marked read-only") from None
    finally:
        place.close()


def _fill_with(
    place: Place, found: Iterable[Member], reader: Reader, told: Told, change: Change | None = None
) -> None:
    for member in found:
        if change is not None:
            change(member)
        try:
            place.place(member, reader)
        except OSError as error:
            raise OSError(error.errno, error.strerror, os.fsdecode(member.name)) from None
        told(archived_size(member.size))
    place.finish()
    told(_END_OF_ARCHIVE)


def _below(folder: bytes, reader: TarReader) -> Iterator[Member]:
    """The archive's members, in ``folder``; their hard links too."""
    for member in reader:
        member.name = folder + b"/" + clean(member.name, member)
        if member.kind == LINK:
            member.linkname = folder + b"/" + clean(member.linkname, member)
        yield member


def _unpacked(stream: BinaryIO) -> Iterator[bytes]:
    from minicontainer.image.source import CHUNK, compression, plain

    first = stream.read(CHUNK)
    rest = iter(lambda: stream.read(CHUNK), b"")
    return plain(chain([first] if first else [], rest), compression(first))
