"""Copying a tree of files, as ``cp -a`` does, between folders that are held.

Names are taken one component at a time from folders that are open, and no link is followed: what is
read is below the one folder, what is written below the other, whatever a name in between becomes.
"""

from __future__ import annotations

import errno
import os
import stat

from minicontainer.linux import held
from minicontainer.linux.door import quote, step

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
CHUNK = 1 << 20


@step(
    "openat(2)",
    why="copy a folder's content",
    shell=lambda a: f"cp -a {quote(held.named(a['source'], ''))}/. {quote(held.named(a['target'], ''))}",
)
def copy_tree(source: int, target: int) -> None:
    """Copy what is in folder ``source`` into folder ``target``: content, modes, owners, times, extended
    attributes; links as links, device nodes as device nodes.  ``target`` itself stays as it is.
    OSError as the kernel gives it: ENOSPC where it is too small.
    """
    reading, writing = (os.open(".", FOLDER, dir_fd=folder) for folder in (source, target))
    try:
        _copy_folder(reading, writing)
    finally:
        os.close(reading)
        os.close(writing)


def _copy_folder(source: int, target: int) -> None:
    for name in os.listdir(source):
        status = os.stat(name, dir_fd=source, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode):
            _enter(source, target, name)
        elif stat.S_ISREG(status.st_mode):
            _copy_file(source, target, name, status)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
        elif not stat.S_ISSOCK(status.st_mode):  # nobody would listen at a copy
            os.mknod(name, status.st_mode, status.st_rdev, dir_fd=target)
            os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=target)


def _enter(source: int, target: int, name: str) -> None:
    os.mkdir(name, 0o700, dir_fd=target)
    reading = os.open(name, FOLDER, dir_fd=source)
    writing = os.open(name, FOLDER, dir_fd=target)
    try:
        _copy_folder(reading, writing)
        _describe(reading, writing)
    finally:
        os.close(reading)
        os.close(writing)


def _copy_file(source: int, target: int, name: str, status: os.stat_result) -> None:
    # Not blocking: a pipe that took the file's name a moment ago would wait for a writer.
    reading = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=source)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    writing = os.open(name, flags, 0o600, dir_fd=target)
    try:
        if not os.path.samestat(status, os.fstat(reading)):
            raise OSError(errno.EAGAIN, "changed while it was copied", name)
        while os.sendfile(writing, reading, None, CHUNK):
            pass
        _describe(reading, writing)
    finally:
        os.close(reading)
        os.close(writing)


def _describe(source: int, target: int) -> None:
    """Owner, mode, extended attributes and times of one open file for another."""
    status = os.fstat(source)
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for name in os.listxattr(source):
        try:
            os.setxattr(target, name, os.getxattr(source, name))
        except OSError as error:
            # tmpfs keeps no user.* before Linux 6.6; trusted.* are the file system's own affair.
            if error.errno not in (errno.ENOTSUP, errno.EPERM):
                raise
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
