"""mount(2), umount2(2), pivot_root(2), chdir(2): the file-system tree of a mount namespace."""

from __future__ import annotations

import ctypes
import os

from minicontainer.linux.door import flags as flag_names
from minicontainer.linux.door import plain, quote, step
from minicontainer.linux.libc import check, function, number, syscall

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_SYNCHRONOUS = 16
MS_REMOUNT = 32
MS_MANDLOCK = 64
MS_DIRSYNC = 128
MS_NOSYMFOLLOW = 256
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_SILENT = 32768
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MS_STRICTATIME = 1 << 24
MS_LAZYTIME = 1 << 25

MNT_FORCE = 1
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

_PROPAGATION = {MS_PRIVATE: "private", MS_SLAVE: "slave", MS_SHARED: "shared", MS_UNBINDABLE: "unbindable"}
_OPTIONS = {
    MS_RDONLY: "ro",
    MS_NOSUID: "nosuid",
    MS_NODEV: "nodev",
    MS_NOEXEC: "noexec",
    MS_SYNCHRONOUS: "sync",
    MS_NOATIME: "noatime",
    MS_NODIRATIME: "nodiratime",
    MS_RELATIME: "relatime",
    MS_STRICTATIME: "strictatime",
    MS_NOSYMFOLLOW: "nosymfollow",
}

_mount = function("mount", ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_umount2 = function("umount2", ctypes.c_char_p, ctypes.c_int)
_decode_mount_flags = flag_names("MS_", __name__)


def _bytes(value: str | bytes | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


def _command(a: object) -> str:
    call: dict[str, object] = dict(a)  # type: ignore[call-overload]
    bits = call["flags"]
    assert isinstance(bits, int)
    target = quote(call["target"])
    recursive = "r" if bits & MS_REC else ""
    for bit, name in _PROPAGATION.items():
        if bits & bit:
            return f"mount --make-{recursive}{name} {target}"
    options = [name for bit, name in _OPTIONS.items() if bits & bit]
    if bits & MS_REMOUNT:
        options = ["remount", *(["bind"] if bits & MS_BIND else []), *options]
        return f"mount -o {','.join(options)} {target}"
    if bits & MS_BIND:
        return f"mount --{recursive}bind {quote(call['source'])} {target}"
    if bits & MS_MOVE:
        return f"mount --move {quote(call['source'])} {target}"
    if call["data"]:
        options.append(plain(call["data"]))
    chosen = f" -o {quote(','.join(options))}" if options else ""
    return f"mount -t {plain(call['fstype'])}{chosen} {quote(call['source'])} {target}"


@step(
    "mount(2)",
    why="attach a file system, or change how one is attached",
    shell=_command,
    show={"flags": _decode_mount_flags},
    watch=lambda a: [
        ("propagation" if any(a["flags"] & bit for bit in _PROPAGATION) else "mount", plain(a["target"]))
    ],
)
def mount(
    source: str | bytes | None,
    target: str | bytes,
    fstype: str | None = None,
    flags: int = 0,
    data: str | bytes | None = None,
    on: int = -1,
) -> None:
    """mount(2).  OSError carries the target as its path.

    With ``on``, the mount point is the folder at that descriptor, whatever its name ``target`` leads
    to by now.  The call takes no descriptor: so the folder becomes the working folder, and the mount
    point is ".".
    """
    if on >= 0:
        os.fchdir(on)
    place = b"." if on >= 0 else _bytes(target)
    check(_mount(_bytes(source), place, _bytes(fstype), flags, _bytes(data)), target)


@step(
    "umount2(2)",
    why="detach a file system",
    shell=lambda a: f"umount{' -l' if a['flags'] & MNT_DETACH else ''} {quote(a['target'])}",
    show={"flags": lambda value: "|".join(
        name for bit, name in ((MNT_FORCE, "MNT_FORCE"), (MNT_DETACH, "MNT_DETACH"),
                               (UMOUNT_NOFOLLOW, "UMOUNT_NOFOLLOW")) if value & bit) or "0"},
    watch=lambda a: [("mount", plain(a["target"]))],
)  # fmt: skip
def umount2(target: str | bytes, flags: int = 0) -> None:
    """umount2(2)."""
    check(_umount2(_bytes(target), flags), target)


@step(
    "pivot_root(2)",
    why="make the container's root file system the root of this mount namespace",
    shell=lambda a: f"pivot_root {quote(a['new_root'])} {quote(a['put_old'])}",
    watch=lambda a: [("mount", "/")],
)
def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2); with both ".", the old root is stacked under the new one (see its NOTES)."""
    syscall(number("pivot_root"), os.fsencode(new_root), os.fsencode(put_old), path=new_root)


@step(
    "chroot(2)",
    why="make a folder the root of this process",
    shell=lambda a: f"exec chroot {quote(a['path'])}",
)
def chroot(path: str) -> None:
    """chroot(2): the working directory stays where it is."""
    os.chroot(path)


@step(
    "chdir(2)",
    why="go to a folder",
    shell=lambda a: f"cd {quote(a['path'])}",
)
def chdir(path: str | int) -> None:
    """chdir(2), or fchdir(2) for a descriptor."""
    os.chdir(path)
