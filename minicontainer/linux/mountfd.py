"""The file-descriptor mount calls (Linux 5.2 and later): a mount is made first and attached after.

    fsopen ─► fsconfig ... ─► fsmount ─┐
                                       ├─► (mount_setattr) ─► move_mount
    open_tree(OPEN_TREE_CLONE) ────────┘

Descriptors instead of paths: what was checked is what is mounted, and nothing can be exchanged for
a symbolic link in between.
"""

from __future__ import annotations

import ctypes
import os

from minicontainer.linux import held, libc
from minicontainer.linux.door import constant, flags, plain, quote, step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.linux.door import Arguments

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_NO_AUTOMOUNT = 0x800
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = os.O_CLOEXEC

MOVE_MOUNT_F_EMPTY_PATH = 0x00000004
MOVE_MOUNT_T_EMPTY_PATH = 0x00000040

FSOPEN_CLOEXEC = 1
FSMOUNT_CLOEXEC = 1
FSCONFIG_SET_FLAG = 0
FSCONFIG_SET_STRING = 1
FSCONFIG_SET_FD = 5
FSCONFIG_CMD_CREATE = 6
FSCONFIG_CMD_RECONFIGURE = 7

MOUNT_ATTR_RDONLY = 0x00000001
MOUNT_ATTR_NOSUID = 0x00000002
MOUNT_ATTR_NODEV = 0x00000004
MOUNT_ATTR_NOEXEC = 0x00000008
MOUNT_ATTR_NOATIME = 0x00000010
MOUNT_ATTR_STRICTATIME = 0x00000020
MOUNT_ATTR__ATIME = 0x00000070
MOUNT_ATTR_NODIRATIME = 0x00000080
MOUNT_ATTR_IDMAP = 0x00100000
MOUNT_ATTR_NOSYMFOLLOW = 0x00200000


class _MountAttr(ctypes.Structure):
    """struct mount_attr (linux/mount.h)."""

    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def _tree_flags(value: int) -> str:
    # OPEN_TREE_CLONE and the AT_* bits share one number.
    own = flags("OPEN_TREE_", __name__)(value & (OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC))
    rest = value & ~(OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)
    return f"{own}|{flags('AT_', __name__)(rest)}" if rest else own


def _propagation(value: int) -> str:
    from minicontainer.linux import mount

    return flags("MS_", mount.__name__)(value)


# attribute -> mount(8)'s options that set and clear it
_MOUNT_OPTIONS = {
    MOUNT_ATTR_RDONLY: ("ro", "rw"),
    MOUNT_ATTR_NOSUID: ("nosuid", "suid"),
    MOUNT_ATTR_NODEV: ("nodev", "dev"),
    MOUNT_ATTR_NOEXEC: ("noexec", "exec"),
    MOUNT_ATTR_NODIRATIME: ("nodiratime", "diratime"),
    MOUNT_ATTR_NOSYMFOLLOW: ("nosymfollow", "symfollow"),
}
_ATIME_OPTIONS = {0: "relatime", MOUNT_ATTR_NOATIME: "noatime", MOUNT_ATTR_STRICTATIME: "strictatime"}


def _options(attr_set: int, attr_clr: int, userns_fd: int = 0) -> list[str]:
    """MOUNT_ATTR_* as mount(8) writes them."""
    found = [on for bit, (on, _) in _MOUNT_OPTIONS.items() if attr_set & bit]
    found += [off for bit, (_, off) in _MOUNT_OPTIONS.items() if attr_clr & ~attr_set & bit]
    atime = attr_set & MOUNT_ATTR__ATIME
    if atime or attr_clr & MOUNT_ATTR__ATIME == MOUNT_ATTR__ATIME:
        found.append(_ATIME_OPTIONS.get(atime, hex(atime)))
    if attr_set & MOUNT_ATTR_IDMAP:
        found.append(f"X-mount.idmap=/proc/{os.getpid()}/fd/{userns_fd}")
    return found


def _listed(options: list[str]) -> str:
    return f" with {','.join(options)}" if options else ""


def _propagation_command(propagation: int, at_flags: int) -> str:
    recursive = "r" if at_flags & AT_RECURSIVE else ""
    return f"mount --make-{recursive}{_propagation(propagation)[3:].lower()}"


def _set_command(a: Arguments) -> str:
    """mount_setattr in the words of mount(8); of a mount that is attached nowhere yet, as a comment."""
    options = _options(a["attr_set"], a["attr_clr"], a.get("userns_fd", 0))
    later = [_propagation_command(a["propagation"], a["flags"])] if a["propagation"] else []
    if not a["path"]:
        words = [f"-o {','.join(options)}"] if options else []
        return f"# {' and '.join(words + later) or 'as it is'}, once it is attached"
    place = quote(a["path"])
    commands = [f"mount -o remount,bind,{','.join(options)} {place}"] if options else []
    return " && ".join(commands + [f"{command} {place}" for command in later])


def _fs_option(command: int, key: str | None, value: str | bytes | None) -> str:
    """One option of a file system as mount -o takes it; empty for a command that sets none."""
    if command not in (FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING):
        return ""
    return plain(key) if value is None else f"{plain(key)}={plain(value)}"


@step(
    "open_tree(2)",
    why="take hold of a mount, or of a detached copy of it",
    shell=lambda a: f"# hold {quote(held.named(a['dirfd'], plain(a['path'])))}, to be attached below",
    show={"dirfd": constant("AT_FDCWD", __name__), "flags": _tree_flags},
)
def open_tree(dirfd: int, path: str | bytes, flags: int) -> int:
    """A descriptor of the mount at ``path``; with OPEN_TREE_CLONE, of a detached copy (Linux 5.2)."""
    fd = libc.syscall(libc.SYS_OPEN_TREE, dirfd, os.fsencode(path), flags, path=path)
    source = held.named(dirfd, plain(path))
    return held.hold(fd, held.Held(source, recursive=bool(flags & AT_RECURSIVE)))


@step(
    "move_mount(2)",
    why="attach a detached mount where it belongs",
    shell=lambda a: held.attach(a["from_fd"], held.named(a["to_fd"], plain(a["to_path"]))),
    show={
        "from_fd": constant("AT_FDCWD", __name__),
        "to_fd": constant("AT_FDCWD", __name__),
        "flags": flags("MOVE_MOUNT_", __name__),
    },
    watch=lambda a: [("mount", held.named(a["to_fd"], plain(a["to_path"])))],
)
def move_mount(from_fd: int, from_path: str, to_fd: int, to_path: str | bytes, flags: int) -> None:
    """move_mount(2) (Linux 5.2)."""
    libc.syscall(
        libc.SYS_MOVE_MOUNT, from_fd, os.fsencode(from_path), to_fd, os.fsencode(to_path), flags, path=to_path
    )


@step(
    "mount_setattr(2)",
    why="change how a mount behaves, in one call for the whole tree",
    shell=lambda a: _set_command(a),
    show={
        "dirfd": constant("AT_FDCWD", __name__),
        "flags": flags("AT_", __name__),
        "propagation": _propagation,
        "attr_set": flags("MOUNT_ATTR_", __name__),
        "attr_clr": flags("MOUNT_ATTR_", __name__),
    },
    watch=lambda a: [("mount", plain(a["path"]))] if a["path"] else [],
)
def mount_setattr(
    dirfd: int,
    path: str | bytes,
    flags: int,
    attr_set: int = 0,
    attr_clr: int = 0,
    propagation: int = 0,
    userns_fd: int = 0,
) -> None:
    """mount_setattr(2) (Linux 5.12); ``flags`` are AT_* bits."""
    attr = _MountAttr(attr_set, attr_clr, propagation, userns_fd)
    known = None if path else held.of(dirfd)
    if known is not None:
        known.options += _options(attr_set, attr_clr, userns_fd)
        known.later += [_propagation_command(propagation, flags)] if propagation else []
    libc.syscall(
        libc.SYS_MOUNT_SETATTR,
        dirfd, os.fsencode(path), flags, ctypes.byref(attr), ctypes.sizeof(attr),
        path=path,
    )  # fmt: skip


@step(
    "fsopen(2)",
    why="begin to configure a new file system",
    shell=lambda a: f"# a new {plain(a['fstype'])}, to be attached below",
)
def fsopen(fstype: str, flags: int = FSOPEN_CLOEXEC) -> int:
    """A descriptor of a file-system context (Linux 5.2)."""
    fd = libc.syscall(libc.SYS_FSOPEN, os.fsencode(fstype), flags, path=fstype)
    return held.hold(fd, held.Held(fstype, fstype=fstype))


@step(
    "fsconfig(2)",
    why="set one option of the new file system",
    shell=lambda a: (
        f"# -o {option}" if (option := _fs_option(a["command"], a["key"], a["value"])) else "# and make it"
    ),
    show={"command": constant("FSCONFIG_", __name__)},
)
def fsconfig(
    fd: int, command: int, key: str | None = None, value: str | bytes | None = None, aux: int = 0
) -> None:
    """fsconfig(2) (Linux 5.2)."""
    known = held.of(fd)
    if known is not None and key == "source":
        known.source = plain(value)
    elif known is not None and command in (FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING):
        known.options.append(_fs_option(command, key, value))
    libc.syscall(
        libc.SYS_FSCONFIG,
        fd, command,
        None if key is None else os.fsencode(key),
        None if value is None else os.fsencode(value),
        aux,
        path=key,
    )  # fmt: skip


@step(
    "fsmount(2)",
    why="make a detached mount of the configured file system",
    shell=lambda a: f"# a mount of that{_listed(_options(a['attributes'], 0))}",
    show={"attributes": flags("MOUNT_ATTR_", __name__)},
)
def fsmount(fd: int, flags: int = FSMOUNT_CLOEXEC, attributes: int = 0) -> int:
    """A descriptor of the new mount (Linux 5.2)."""
    mount = libc.syscall(libc.SYS_FSMOUNT, fd, flags, attributes)
    known = held.of(fd)
    if known is not None:
        known.options += _options(attributes, 0)
        held.hold(mount, known)
    return mount
