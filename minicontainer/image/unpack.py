"""Unpacking a layer: a tar archive from anywhere, into a folder that it must not leave.

No path of the archive is ever given to the kernel as it stands::

    member name ──► cleaned: no leading "/", no "." or ".." left     (image-spec, layer.md)
        parent  ──► openat2(root, parent, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
        last    ──► made in that descriptor by *at(2) calls that follow no link

so symbolic links made by earlier members resolve inside the folder, as they will for the container,
and a name that climbs out is refused.  A later member replaces an earlier one of the same name,
except that a folder over a folder only updates it.
"""

from __future__ import annotations

import errno
import os
import stat

from minicontainer.errors import CorruptData, Unsupported
from minicontainer.image.tarread import (
    CHARACTER,
    DEVICE,
    FIFO,
    FILE,
    FOLDER,
    LINK,
    SYMLINK,
    Member,
    TarReader,
)
from minicontainer.linux.openat2 import RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS, openat2
from minicontainer.storage.tree import remove_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from minicontainer.image.source import Source
    from minicontainer.storage.contract import Layer

    class Reader(Protocol):
        """Who has the content of the member under way: a TarReader, or place.Content."""

        def copy(self, member: Member, fd: int) -> None:
            """Write it to the empty file ``fd``."""

    class Marks(Protocol):
        """What unpacking asks of a layer, but for its marks of deletion."""

        @property
        def xattr_escape(self) -> tuple[str, str] | None:
            """See `Layer`."""

        def placed(self, dirfd: int, name: bytes, path: bytes, *, folder: bool) -> None:
            """See `Layer`."""


WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
_AUFS = b".wh..wh."
_INSIDE = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
_PARENT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_NODES = {CHARACTER: stat.S_IFCHR, DEVICE: stat.S_IFBLK, FIFO: stat.S_IFIFO}
_FORMATS = {**_NODES, FOLDER: stat.S_IFDIR, SYMLINK: stat.S_IFLNK}
# Errors that the archive causes, not this host.
_ARCHIVE = (
    errno.ENAMETOOLONG, errno.EINVAL, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EEXIST,
    errno.EXDEV, errno.EMLINK, errno.ERANGE, errno.E2BIG, errno.EFBIG,
)  # fmt: skip


def unpack(source: Source, layer: Layer) -> int:
    """Unpack the archive into ``layer``; the bytes of its files, symbolic links among them.

    CorruptData names the member that does not fit; OSError (a full disk, a right that is missing)
    carries the member's name as its path.
    """
    reader = TarReader(source)
    target = Target(layer)
    size = 0
    try:
        for member in reader:
            try:
                target.place(member, reader)
            except OSError as error:
                if error.errno in _ARCHIVE:
                    raise CorruptData(f"member {member.shown()}: {error.strerror}") from None
                raise OSError(error.errno, error.strerror, os.fsdecode(member.name)) from None
            except (OverflowError, ValueError) as error:
                raise CorruptData(f"member {member.shown()}: {error}") from None
            size += len(member.linkname) if member.kind == SYMLINK else member.size
        target.finish()
    finally:
        target.close()
    return size


def clean(name: bytes, member: Member) -> bytes:
    """``name`` below the root, as ``a/b``; ``b""`` for the root itself.  CorruptData if it climbs out."""
    if b"\0" in name:
        raise CorruptData(f"member {member.shown()} has a zero byte in its name")
    parts: list[bytes] = []
    for part in name.split(b"/"):
        if part == b"..":
            if not parts:
                raise CorruptData(f"member {member.shown()} leads out of the layer")
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/".join(parts)


class Target:
    """The folder being filled, and the descriptor of the parent of the latest member."""

    keeps_owner = True

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        self.marks: Marks = layer
        self.root = os.open(layer.path, _PARENT)
        self.parent = b""
        self.dirfd = os.dup(self.root)
        self.times: dict[bytes, int] = {}  # of folders, set when nothing is added any more

    def close(self) -> None:
        os.close(self.dirfd)
        os.close(self.root)

    def finish(self) -> None:
        """Set the folders' times, deepest first."""
        for path in sorted(self.times, reverse=True):
            fd = self._open(path)
            try:
                os.utime(f"/proc/self/fd/{fd}", ns=(self.times[path], self.times[path]))
            finally:
                os.close(fd)

    def place(self, member: Member, reader: Reader) -> None:
        """Make one member."""
        path = clean(member.name, member)
        parent, _, name = path.rpartition(b"/")
        if not name:
            self._root(member)
        elif name.startswith(WHITEOUT):
            self._enter(parent)
            self._whiteout(name, parent, member)
        else:
            self._enter(parent)
            self._make(name, path, member, reader)
            self.marks.placed(self.dirfd, name, path, folder=member.kind == FOLDER)

    def _root(self, member: Member) -> None:
        if member.kind != FOLDER:
            raise CorruptData(f"member {member.shown()} is no folder, and would be the root")
        self._enter(b"")
        self._attributes(b".", member)
        self.times[b""] = member.mtime

    def _whiteout(self, name: bytes, parent: bytes, member: Member) -> None:
        if name == OPAQUE:
            self.layer.opaque(self.dirfd, parent)
        elif not name.startswith(_AUFS):  # other marks of aufs mean nothing to anybody else
            hidden = name[len(WHITEOUT) :]
            if hidden in (b"", b".", b".."):
                raise CorruptData(f"member {member.shown()} deletes no name")
            path = parent + b"/" + hidden if parent else hidden
            self.layer.whiteout(self.dirfd, hidden, path)

    def _enter(self, parent: bytes) -> None:
        """Make ``dirfd`` the folder ``parent``, which is made (0755, root's) if it is not there."""
        if parent == self.parent:
            return
        try:
            fd = self._open(parent)
        except (FileNotFoundError, NotADirectoryError):
            fd = self._make_parents(parent)
        os.close(self.dirfd)
        self.dirfd, self.parent = fd, parent

    def _open(self, path: bytes) -> int:
        if not path:
            return os.dup(self.root)
        for _ in range(64):
            try:
                return openat2(self.root, path, _PARENT, _INSIDE)
            except BlockingIOError:  # a rename elsewhere made ".." in a link doubtful: look again
                continue
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), path)

    def _make_parents(self, path: bytes) -> int:
        made = b""
        fd = os.dup(self.root)
        for part in path.split(b"/"):
            made = made + b"/" + part if made else part
            try:
                deeper = self._open(made)
            except (FileNotFoundError, NotADirectoryError):
                try:
                    self._make_parent(fd, part, made)
                    deeper = self._open(made)
                except BaseException:
                    os.close(fd)
                    raise
            os.close(fd)
            fd = deeper
        return fd

    def _make_parent(self, fd: int, name: bytes, path: bytes) -> None:
        try:
            os.mkdir(name, 0o755, dir_fd=fd)
        except FileExistsError:
            status = os.stat(name, dir_fd=fd, follow_symlinks=False)
            if not stat.S_ISCHR(status.st_mode) or status.st_rdev:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
            os.unlink(name, dir_fd=fd)  # a whiteout of this layer
            os.mkdir(name, 0o755, dir_fd=fd)
        self.marks.placed(fd, name, path, folder=True)

    def _make(self, name: bytes, path: bytes, member: Member, reader: Reader) -> None:
        try:
            self._make_new(name, member, reader)
        except FileExistsError:
            if member.kind == LINK and clean(member.linkname, member) == path:
                return  # a link to itself: removing its name would be the end of it
            status = os.stat(name, dir_fd=self.dirfd, follow_symlinks=False)
            self._may_replace(member, status)
            if member.kind != FOLDER or not stat.S_ISDIR(status.st_mode):
                self._remove(name, path, status)
                self._make_new(name, member, reader)
        if member.kind == LINK:
            return  # its attributes are those of what it links to
        if member.kind != FILE:
            self._attributes(name, member)
        if member.kind == FOLDER:
            self.times[path] = member.mtime

    def _may_replace(self, member: Member, status: os.stat_result) -> None:
        """A later member of a layer takes the place of whatever was there."""

    def _remove(self, name: bytes, path: bytes, status: os.stat_result) -> None:
        """Make room for a member, and forget what was known of the folders that may have been there."""
        remove_at(self.dirfd, name)
        if stat.S_ISDIR(status.st_mode):
            inside = path + b"/"
            self.times = {p: t for p, t in self.times.items() if p != path and not p.startswith(inside)}

    def _make_new(self, name: bytes, member: Member, reader: Reader) -> None:
        if member.kind == FILE:
            fd = os.open(name, _NEW_FILE, 0o600, dir_fd=self.dirfd)
            try:
                reader.copy(member, fd)
                self._file_attributes(fd, member)
            finally:
                os.close(fd)
        elif member.kind == FOLDER:
            os.mkdir(name, 0o700, dir_fd=self.dirfd)
        elif member.kind == SYMLINK:
            os.symlink(member.linkname, name, dir_fd=self.dirfd)
        elif member.kind == LINK:
            self._link(name, member)
        else:
            self._node(name, member)

    def _link(self, name: bytes, member: Member) -> None:
        parent, _, target = clean(member.linkname, member).rpartition(b"/")
        if not target:
            raise CorruptData(f"member {member.shown()} is a hard link to the root")
        try:
            fd = self._open(parent)
        except FileNotFoundError:
            raise self._no_target(member) from None
        try:
            if not self._exists(fd, target):
                raise self._no_target(member)
            if stat.S_ISDIR(os.stat(target, dir_fd=fd, follow_symlinks=False).st_mode):
                raise CorruptData(f"member {member.shown()} is a hard link to a folder")
            os.link(target, name, src_dir_fd=fd, dst_dir_fd=self.dirfd, follow_symlinks=False)
        finally:
            os.close(fd)

    @staticmethod
    def _no_target(member: Member) -> CorruptData:
        target = ascii(os.fsdecode(member.linkname))
        return CorruptData(f"member {member.shown()} is a hard link to {target}, which is not in the layer")

    @staticmethod
    def _exists(fd: int, name: bytes) -> bool:
        try:
            os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _node(self, name: bytes, member: Member) -> None:
        device = os.makedev(member.major, member.minor) if member.kind != FIFO else 0
        if member.kind == CHARACTER and device == 0:
            raise CorruptData(f"member {member.shown()} is device 0/0: overlay's mark for a deleted file")
        os.mknod(name, _NODES[member.kind] | 0o600, device, dir_fd=self.dirfd)

    def _file_attributes(self, fd: int, member: Member) -> None:
        if self.keeps_owner:
            _own(fd, member)
        os.fchmod(fd, member.mode & 0o7777)  # after chown, which clears set-id bits
        if member.xattrs:
            self._xattrs(f"/proc/self/fd/{fd}".encode(), member)
        os.utime(fd, ns=(member.mtime, member.mtime))

    def _attributes(self, name: bytes, member: Member) -> None:
        # The name may be another file's by now, where a container runs: it is looked up once.
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.dirfd)
        try:
            if stat.S_IFMT(os.fstat(fd).st_mode) != _FORMATS[member.kind]:
                raise OSError(errno.EAGAIN, "it was exchanged meanwhile", name)
            held = f"/proc/self/fd/{fd}".encode()
            if self.keeps_owner:
                _own(held, member)
            if member.kind != SYMLINK:
                os.chmod(held, member.mode & 0o7777)
            if member.xattrs:
                self._xattrs(held, member)
            if member.kind != FOLDER:
                os.utime(held, ns=(member.mtime, member.mtime))
        finally:
            os.close(fd)

    def _xattrs(self, path: bytes, member: Member) -> None:
        escape = self.marks.xattr_escape
        for name, value in member.xattrs.items():
            stored = name
            if escape is not None and name.startswith(escape[0]):
                stored = escape[1] + name[len(escape[0]) :]
            try:
                os.setxattr(path, stored, value)
            except OSError as error:
                # A file system without them still holds a useful image; Docker goes on, too.
                if error.errno != errno.ENOTSUP:
                    raise


def _own(file: int | bytes, member: Member) -> None:
    """Give a file its owner: one that is open, or a link of /proc/self/fd.

    Raises Unsupported for one that an ordinary user's namespace has not.
    """
    try:
        os.chown(file, member.uid, member.gid)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise Unsupported(
            f"member {member.shown()} belongs to {member.uid}:{member.gid}, ids that this user namespace has "
            "not: without root, give this user more of them in /etc/subuid and /etc/subgid"
        ) from None
