"""One mount: made on a folder that is held, attached from a descriptor, filled, or changed.

What Rootfs decides is done here; rootfs.py says in which order, and why by descriptors.
"""

from __future__ import annotations

import os

from minicontainer.errors import InvalidConfig
from minicontainer.libcontainer import mounts
from minicontainer.linux import mount as m
from minicontainer.linux import mountfd as fd
from minicontainer.linux import openat2
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.libcontainer.mounts import Options
    from minicontainer.oci.runtime import Mount

COPY = fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC
ON_DESCRIPTORS = fd.MOVE_MOUNT_F_EMPTY_PATH | fd.MOVE_MOUNT_T_EMPTY_PATH


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
