"""Trees of files as they are: removing, copying, measuring, extended attributes.

Containers make these trees, so nothing is assumed of them: names are bytes, symbolic links are
never followed, and depth is bounded neither by Python's recursion limit nor by open files.
"""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

AGAIN = 100  # times that a folder may fill again while it is removed
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Labels of the host's security modules: they describe this host, not the file (as Docker leaves them).
_HOST_XATTRS = ("security.selinux", "security.ima", "security.evm")


_known_marks: list[str] = []


def marks() -> str:
    """The prefix of overlay's own attributes: in a user namespace those that an ordinary user may set
    (overlayfs.rst, userxattr)."""
    if not _known_marks:
        from minicontainer.util.files import read

        own = read("/proc/self/uid_map").split() != [b"0", b"0", b"4294967295"]
        _known_marks.append("user.overlay." if own else "trusted.overlay.")
    return _known_marks[0]


def remove_tree(path: str | bytes) -> None:
    """Remove ``path`` and all below it, if it is there.

    Goes down by openat(2) and up by ``..``, so that a tree deeper than PATH_MAX goes as well.
    """
    parent, name = os.path.split(os.fsencode(path))
    try:
        at = os.open(parent or b".", _FOLDER & ~os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        at = _remove_below(at, name)
    finally:
        os.close(at)


def remove_at(dirfd: int, name: bytes) -> None:
    """Remove ``name`` in ``dirfd`` and all below it."""
    at = os.open(b".", _FOLDER, dir_fd=dirfd)
    try:
        at = _remove_below(at, name)
    finally:
        os.close(at)


def _remove_below(at: int, name: bytes) -> int:
    """Remove ``name`` in folder ``at``; the descriptor of that folder (another one, maybe)."""
    names = [[name]]
    entered: list[bytes] = []
    again = AGAIN
    while names:
        if not names[-1]:
            names.pop()
            if entered:
                at = _move(at, b"..")
                name = entered.pop()
                try:
                    os.rmdir(name, dir_fd=at)
                except OSError as error:
                    if error.errno != errno.ENOTEMPTY or not again:
                        raise
                    again -= 1  # somebody has just put something there
                    names[-1].append(name)
            continue
        name = names[-1].pop()
        try:
            os.unlink(name, dir_fd=at)
        except FileNotFoundError:
            continue
        except IsADirectoryError:
            at = _move(at, name)
            entered.append(name)
            names.append([os.fsencode(n) for n in os.listdir(at)])
    return at


def _move(at: int, name: bytes) -> int:
    there = os.open(name, _FOLDER, dir_fd=at)
    os.close(at)
    return there


def walk(root: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """(path below ``root``, lstat) of all below ``root``, folders before their content, sorted by name."""
    stack = [b""]
    while stack:
        path = stack.pop()
        full = os.path.join(root, path) if path else root
        if path:
            status = os.lstat(full)
            yield path, status
            if not stat.S_ISDIR(status.st_mode):
                continue
        names = sorted(os.listdir(full), reverse=True)
        stack.extend(os.path.join(path, name) if path else name for name in names)


def usage(root: str | bytes) -> tuple[int, int]:
    """Bytes of the files below ``root``, each inode once, and the number of inodes."""
    size = 0
    seen = set()
    for _, status in walk(os.fsencode(root)):
        if status.st_ino not in seen:
            seen.add(status.st_ino)
            size += status.st_size if not stat.S_ISDIR(status.st_mode) else 0
    return size, len(seen)


def xattrs(path: bytes, *, overlay: bool, follow: bool = False) -> dict[str, bytes]:
    """The extended attributes that belong to the file ``path`` (xattr(7)), not to the host.

    ``follow``: the path is a link of /proc/self/fd.

    ``overlay``: the file lies in an overlay's upper folder, whose own marks are left out, and where
    Linux 6.7 and later keep what a container sets as ``trusted.overlay.X`` under
    ``trusted.overlay.overlay.X`` (overlayfs.rst, Nested overlayfs mounts).
    """
    try:
        names = os.listxattr(path, follow_symlinks=follow)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return {}
        raise
    found = {}
    own = marks() if names and overlay else ""
    for name in sorted(names):
        if name in _HOST_XATTRS:
            continue
        shown = name
        if overlay and name.startswith(own):
            if not name.startswith(own + "overlay."):
                continue
            shown = name.replace("overlay.", "", 1)
        found[shown] = os.getxattr(path, name, follow_symlinks=follow)
    return found


def copy_tree(source: bytes, target: bytes) -> None:
    """Copy all below ``source`` into the folder ``target``, and the folder's own attributes.

    Keeps hard links, holes, ownership, modes, times, extended attributes and device nodes.
    """
    links: dict[int, bytes] = {}
    folders = [(source, target, os.lstat(source))]
    for path, status in walk(source):
        old, new = os.path.join(source, path), os.path.join(target, path)
        if stat.S_ISDIR(status.st_mode):
            os.mkdir(new, 0o700)
            folders.append((old, new, status))
            continue
        if status.st_nlink > 1:
            if status.st_ino in links:
                os.link(links[status.st_ino], new, follow_symlinks=False)
                continue
            links[status.st_ino] = new
        _copy_one(old, new, status)
        _copy_attributes(old, new, status)
    for old, new, status in reversed(folders):  # last, since filling a folder changes its time
        _copy_attributes(old, new, status)


def _copy_one(old: bytes, new: bytes, status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        _copy_file(old, new, status)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(old), new)
    else:
        os.mknod(new, status.st_mode, status.st_rdev)


def _copy_file(old: bytes, new: bytes, status: os.stat_result) -> None:
    reader = os.open(old, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    writer = -1
    try:
        writer = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        for start, length in data_extents(reader, status):
            copy_range(reader, writer, start, length)
        os.ftruncate(writer, status.st_size)
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)


def data_extents(fd: int, status: os.stat_result) -> Iterator[tuple[int, int]]:
    """(offset, length) of each part of a regular file that is not a hole (lseek(2), SEEK_DATA)."""
    if status.st_blocks * 512 >= status.st_size:
        if status.st_size:
            yield 0, status.st_size
        return
    position = 0
    while position < status.st_size:
        try:
            start = os.lseek(fd, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole is left
                return
            raise
        position = min(os.lseek(fd, start, os.SEEK_HOLE), status.st_size)
        if position > start:
            yield start, position - start


def copy_range(reader: int, writer: int, start: int, length: int) -> None:
    """Copy bytes to the same offset of another file, inside the kernel (sharing blocks if it can)."""
    end = start + length
    while start < end:
        try:
            done = os.copy_file_range(reader, writer, end - start, start, start)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
            os.lseek(writer, start, os.SEEK_SET)
            done = os.sendfile(writer, reader, start, end - start)
        if not done:  # shorter than it was
            return
        start += done


def _copy_attributes(old: bytes, new: bytes, status: os.stat_result) -> None:
    os.chown(new, status.st_uid, status.st_gid, follow_symlinks=False)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(new, stat.S_IMODE(status.st_mode))  # after chown, which clears set-id bits
    for name, value in xattrs(old, overlay=False).items():
        os.setxattr(new, name, value, follow_symlinks=False)
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
