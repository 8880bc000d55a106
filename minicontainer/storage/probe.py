"""Whether overlayfs works on a folder: tried, where the kernel lets us try without mounting.

fsopen(2) makes an overlay that is attached nowhere and vanishes with its descriptor, so the kernel
itself answers (it refuses, for instance, an upper folder that lies on an overlay).  Before Linux
5.2 the marks are tried and the file system's type is looked at.
"""

from __future__ import annotations

import errno
import os
import stat

from minicontainer.storage import temporary
from minicontainer.storage.tree import marks, remove_tree

_NO_UPPER = ("overlay", "aufs", "nfs", "nfs4", "9p", "ecryptfs", "fuse", "zfs")


def why_not_overlay(root: str) -> str | None:
    """The reason, in a few words, why overlay cannot keep its upper folders below ``root``; or None."""
    layers = os.path.join(root, "layers")
    os.makedirs(layers, mode=0o700, exist_ok=True)
    folder, fd = temporary.new_folder(layers)
    try:
        for name in ("lower", "upper", "work"):
            os.mkdir(os.path.join(folder, name))
        return _marks(folder) or _overlay(folder)
    finally:
        remove_tree(folder)
        os.close(fd)


def _marks(folder: str) -> str | None:
    try:
        os.mknod(os.path.join(folder, "lower", "whiteout"), stat.S_IFCHR, 0)
        os.setxattr(os.path.join(folder, "lower"), marks() + "opaque", b"y")
    except OSError as error:
        return f"its marks for deleted files are refused ({error.strerror})"
    return None


def _overlay(folder: str) -> str | None:
    from minicontainer.linux import mountfd
    from minicontainer.linux.door import because

    try:
        because("find out whether this kernel has overlay")
        context = mountfd.fsopen("overlay")
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return _by_type(folder)
        return f"this kernel has no overlay ({error.strerror})"
    options = [(f"{name}dir", os.path.join(folder, name)) for name in ("lower", "upper", "work")]
    try:
        for key, value in options:
            mountfd.fsconfig(context, mountfd.FSCONFIG_SET_STRING, key, value)
        if marks().startswith("user."):
            mountfd.fsconfig(context, mountfd.FSCONFIG_SET_FLAG, "userxattr")
        mountfd.fsconfig(context, mountfd.FSCONFIG_CMD_CREATE)
    except OSError as error:
        return f"the kernel refuses a trial ({error.strerror})"
    finally:
        os.close(context)
    return None


def _by_type(folder: str) -> str | None:
    from minicontainer.util.files import read

    if b"\toverlay\n" not in read("/proc/filesystems"):
        return "this kernel has no overlay"
    device = os.stat(folder).st_dev
    number = f"{os.major(device)}:{os.minor(device)}".encode()
    for line in read("/proc/self/mountinfo").splitlines():
        fields = line.split()
        if fields[2] == number:  # proc(5): major:minor, then after "-" the type
            kind = fields[fields.index(b"-") + 1].decode()
            return f"it lies on {kind}" if kind.startswith(_NO_UPPER) else None
    return None
