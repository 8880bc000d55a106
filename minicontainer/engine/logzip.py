"""Rotated logs that are compressed: gzip files (RFC 1952) that say which file they were.

::

    1f 8b 08 08 ........ 04 03  "1046.2099\\0"  deflate...  CRC-32  length
                         │ │     │
                   fastest Unix  FNAME: device and inode of the file, for a follower that still has it open

A follower knows its place among rotated files by their inodes; while it keeps the file open, no
younger one gets that number.  Little is imported here: every `logs` does.
"""

from __future__ import annotations

import os

COMPRESSED = ".gz"
MAGIC = b"\x1f\x8b\x08"
_HEADER = MAGIC + b"\x08" + bytes(4) + b"\x04\x03"
_CHUNK = 1 << 20


def compress(source: str, target: str) -> None:
    """Make ``target`` of ``source``, whole or not at all, and remove that.

    Killed between the two, both are there, with the same content; before, nothing is left of it: the file
    has no name until it is whole (open(2), O_TMPFILE).  Raises OSError.
    """
    import zlib

    from minicontainer.util.files import write_all

    fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    out = -1
    try:
        out = os.open(os.path.dirname(target), os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o640)
        deflate, crc, length = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS), 0, 0
        write_all(out, _HEADER + _name(os.fstat(fd)) + b"\0")
        while data := os.read(fd, _CHUNK):
            crc, length = zlib.crc32(data, crc), length + len(data)
            write_all(out, deflate.compress(data))
        write_all(out, deflate.flush() + _number(crc) + _number(length))
        _give_name(out, target)
    finally:
        os.close(fd)
        if out >= 0:
            os.close(out)
    os.unlink(source)


def _give_name(fd: int, target: str) -> None:
    """As open(2) shows it; only with a descriptor of the folder does os.link() follow the link there."""
    own = os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.link(str(fd), target, src_dir_fd=own)
    finally:
        os.close(own)


def _number(value: int) -> bytes:
    """As RFC 1952 ends a file with two of."""
    return (value & 0xFFFFFFFF).to_bytes(4, "little")


def identity(fd: int) -> bytes:
    """Which file this is, or was before it was compressed."""
    head = os.pread(fd, 64, 0)
    if not head.startswith(MAGIC):
        return _name(os.fstat(fd))
    return head[len(_HEADER) :].partition(b"\0")[0]


def _name(status: os.stat_result) -> bytes:
    return b"%d.%d" % (status.st_dev, status.st_ino)


def plain(fd: int) -> int:
    """``fd``, or in its place a descriptor of what was compressed, in memory; as far as it is whole."""
    if not os.pread(fd, len(MAGIC), 0).startswith(MAGIC):
        return fd
    import zlib

    from minicontainer.util.files import write_all

    memory = os.memfd_create("log", os.MFD_CLOEXEC)
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
    while data := os.read(fd, _CHUNK):
        try:
            write_all(memory, inflate.decompress(data))
        except zlib.error:
            break  # a disk's fault; what came before it is there
    os.close(fd)
    os.lseek(memory, 0, os.SEEK_SET)
    return memory
