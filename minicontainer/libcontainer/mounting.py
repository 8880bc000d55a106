"""One mount: its place, made where the image lacks it; made there, attached, filled, or changed.

What Rootfs decides is done here; rootfs.py says in which order, and why by descriptors.
"""

from __future__ import annotations

import os
import stat

from minicontainer.errors import InvalidConfig
from minicontainer.libcontainer import mounts
from minicontainer.linux import file, openat2
from minicontainer.linux import mount as m
from minicontainer.linux import mountfd as fd
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.libcontainer.mounts import Options
    from minicontainer.oci.runtime import Mount

COPY = fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC
ON_DESCRIPTORS = fd.MOVE_MOUNT_F_EMPTY_PATH | fd.MOVE_MOUNT_T_EMPTY_PATH


def absolute(destination: str) -> str:
    """config.md: a relative destination is taken from "/" (deprecated, but written by some)."""
    return os.path.normpath("/" + destination.lstrip("/"))


def inside(destination: str) -> str:
    """Where ``destination`` leads in the container's tree, its links followed even to what is missing:
    an image's /etc/resolv.conf may point into a /run that is still empty."""
    return os.path.realpath(absolute(destination))


def make_folder(path: str) -> None:
    """Make ``path`` and what is missing above it."""
    if not os.path.isdir(path):
        make_folder(os.path.dirname(path))
        file.mkdir(path)


def make_file(path: str) -> None:
    """Make an empty file, unless there is one, and what is missing above it."""
    make_folder(os.path.dirname(path))
    if not os.path.exists(path):
        file.create(path)


def mount_on(target: str, source: str | None, fstype: str | None, flags: int, data: str = "") -> None:
    """Mount on the folder that ``target`` is now, if no link is on the way."""
    place = openat2.reach(target)
    try:
        m.mount(source, target, fstype, flags, data or None, on=place)
    finally:
        os.close(place)


def remount(target: str, options: Options) -> None:
    """Change the mount at ``target``, or the file system in it."""
    if not options.bind:
        mount_on(target, None, None, options.flags, options.data)
        return
    place = openat2.reach(target)
    because(f"how {target} may be used from now on")
    # Not by mount(2), which would clear what is not named: locked flags may not be (mount_namespaces(7)).
    attr_set, attr_clr = mounts.attributes(options.flags, options.cleared)
    fd.mount_setattr(place, "", fd.AT_EMPTY_PATH, attr_set, attr_clr)
    os.close(place)


def mount_copy(target: str, mount: Mount, options: Options) -> None:
    """A tmpfs that begins with what is below it."""
    from minicontainer.linux import copying

    if mount.type != "tmpfs":
        raise InvalidConfig(f"tmpcopyup is for a tmpfs, not for {mount.type}")
    below = openat2.reach(target)
    status = os.fstat(below)
    data = mounts.with_defaults(
        options.data, mode=f"{status.st_mode & 0o7777:o}", uid=str(status.st_uid), gid=str(status.st_gid)
    )
    mount_on(target, mount.source or mount.type, mount.type, options.flags & ~m.MS_RDONLY, data)
    above = openat2.reach(target)
    because(f"{target} begins with what the image has there")
    copying.copy_tree(below, above)
    os.close(below)
    os.close(above)
    if options.flags & m.MS_RDONLY:
        because("its content may be read, not changed")
        mount_on(target, None, None, m.MS_REMOUNT | options.flags)


def attach(held: int, place: int) -> None:
    """Attach a detached mount to the file or folder at ``place``; both descriptors are closed."""
    fd.move_mount(held, "", place, "", ON_DESCRIPTORS)
    os.close(held)
    os.close(place)


def bind(source: int, target: str, options: Options) -> None:
    """Attach the tree held by ``source`` at ``target``, a folder or a file like the source."""
    folder = stat.S_ISDIR(os.stat(source).st_mode)
    if os.path.exists(target) and os.path.isdir(target) != folder:
        # The kernel's ENOTDIR, or EINVAL of move_mount, would not say it.
        kinds = ("a folder", "a file") if folder else ("a file", "a folder")
        raise InvalidConfig(f"cannot mount {kinds[0]} onto {target}, which is {kinds[1]}")
    if folder:
        make_folder(target)
    else:
        make_file(target)
    attr_set, attr_clr = mounts.attributes(options.flags, options.cleared)
    if attr_set or attr_clr:
        because(f"how {target} may be used, set before it can be seen")
        fd.mount_setattr(source, "", fd.AT_EMPTY_PATH, attr_set, attr_clr)
    attr_set, attr_clr = mounts.attributes(options.recursive_set, options.recursive_clear)
    if attr_set or attr_clr:
        fd.mount_setattr(source, "", fd.AT_EMPTY_PATH | fd.AT_RECURSIVE, attr_set, attr_clr)
    for bits in options.propagation or [m.MS_PRIVATE | m.MS_REC]:
        recursive = fd.AT_RECURSIVE if bits & m.MS_REC else 0
        because("which mounts made later pass between the host and here")
        fd.mount_setattr(source, "", fd.AT_EMPTY_PATH | recursive, propagation=bits & ~m.MS_REC)
    because(f"a part of the host's tree appears at {target}")
    attach(source, openat2.reach(target))


def newest(held: int, options: Options) -> int:
    """A mount that was held before others were made, as if it were made after them.

    Since Linux 6.8 /proc/self/mountinfo is sorted by age; config.md wants the order of config.json.
    Kernels before 6.15 cannot copy a mount that is attached nowhere: what is held is used as it is.
    """
    import errno

    recursive = fd.AT_RECURSIVE if options.flags & m.MS_REC else 0
    because("a copy, so that it is listed after what was mounted before it")
    try:
        copy = fd.open_tree(held, "", COPY | fd.AT_EMPTY_PATH | recursive)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return held
    os.close(held)
    return copy


def make_detached(mount: Mount, options: Options) -> int:
    """A new file system that is attached nowhere yet."""
    assert mount.type is not None
    because("a user namespace may make it only while the host's can still be seen")
    context = fd.fsopen(mount.type)
    try:
        fd.fsconfig(context, fd.FSCONFIG_SET_STRING, "source", mount.source or mount.type)
        for option in filter(None, options.data.split(",")):
            key, equals, value = option.partition("=")
            command = fd.FSCONFIG_SET_STRING if equals else fd.FSCONFIG_SET_FLAG
            fd.fsconfig(context, command, key, value if equals else None)
        fd.fsconfig(context, fd.FSCONFIG_CMD_CREATE)
        attributes, _ = mounts.attributes(options.flags, 0)
        return fd.fsmount(context, attributes=attributes)
    finally:
        os.close(context)
