"""Mount options (config.md, Mounts, Linux mount options; mount(8)) as what the kernel's calls take."""

from __future__ import annotations

from minicontainer.linux import mount as m
from minicontainer.linux import mountfd as fd

# option -> (bits set, bits cleared)
FLAGS = {
    "async": (0, m.MS_SYNCHRONOUS),
    "atime": (0, m.MS_NOATIME),
    "defaults": (0, 0),
    "dev": (0, m.MS_NODEV),
    "diratime": (0, m.MS_NODIRATIME),
    "dirsync": (m.MS_DIRSYNC, 0),
    "exec": (0, m.MS_NOEXEC),
    "lazytime": (m.MS_LAZYTIME, 0),
    "loud": (0, m.MS_SILENT),
    "mand": (m.MS_MANDLOCK, 0),
    "noatime": (m.MS_NOATIME, 0),
    "nodev": (m.MS_NODEV, 0),
    "nodiratime": (m.MS_NODIRATIME, 0),
    "noexec": (m.MS_NOEXEC, 0),
    "nolazytime": (0, m.MS_LAZYTIME),
    "nomand": (0, m.MS_MANDLOCK),
    "norelatime": (0, m.MS_RELATIME),
    "nostrictatime": (0, m.MS_STRICTATIME),
    "nosuid": (m.MS_NOSUID, 0),
    "nosymfollow": (m.MS_NOSYMFOLLOW, 0),
    "relatime": (m.MS_RELATIME, 0),
    "remount": (m.MS_REMOUNT, 0),
    "ro": (m.MS_RDONLY, 0),
    "rw": (0, m.MS_RDONLY),
    "silent": (m.MS_SILENT, 0),
    "strictatime": (m.MS_STRICTATIME, 0),
    "suid": (0, m.MS_NOSUID),
    "symfollow": (0, m.MS_NOSYMFOLLOW),
    "sync": (m.MS_SYNCHRONOUS, 0),
}
BIND = {"bind": m.MS_BIND, "rbind": m.MS_BIND | m.MS_REC}
PROPAGATION = {
    "private": m.MS_PRIVATE,
    "rprivate": m.MS_PRIVATE | m.MS_REC,
    "slave": m.MS_SLAVE,
    "rslave": m.MS_SLAVE | m.MS_REC,
    "shared": m.MS_SHARED,
    "rshared": m.MS_SHARED | m.MS_REC,
    "unbindable": m.MS_UNBINDABLE,
    "runbindable": m.MS_UNBINDABLE | m.MS_REC,
}
# What mount_setattr(2) calls the flags that a bind mount can have of its own.
ATTRIBUTES = {
    m.MS_RDONLY: fd.MOUNT_ATTR_RDONLY,
    m.MS_NOSUID: fd.MOUNT_ATTR_NOSUID,
    m.MS_NODEV: fd.MOUNT_ATTR_NODEV,
    m.MS_NOEXEC: fd.MOUNT_ATTR_NOEXEC,
    m.MS_NODIRATIME: fd.MOUNT_ATTR_NODIRATIME,
    m.MS_NOSYMFOLLOW: fd.MOUNT_ATTR_NOSYMFOLLOW,
}
ATIME = {m.MS_NOATIME: fd.MOUNT_ATTR_NOATIME, m.MS_STRICTATIME: fd.MOUNT_ATTR_STRICTATIME, m.MS_RELATIME: 0}
# rro, rnosuid, ...: for every mount of the tree.
RECURSIVE = {f"r{name}": bits for name, bits in FLAGS.items() if (bits[0] | bits[1]) in (*ATTRIBUTES, *ATIME)}
IDMAP = ("idmap", "ridmap")
# Their files have labels of their own, or none.
UNLABELLED = ("proc", "sysfs", "mqueue", "cgroup", "cgroup2")


class Options:
    """Mount options, sorted by the call that takes them.

    ``flags`` for mount(2); ``cleared`` the bits that were asked to be off; ``propagation`` one
    MS_* each; ``data`` what only the file system understands; ``attributes`` (set, cleared) for
    mount_setattr(2), of this mount, ``recursive`` of the whole tree; ``idmap`` is how owners are mapped
    (idmap.py); ``copy_up`` whether a tmpfs begins with what was there.
    """

    __slots__ = (
        "cleared", "copy_up", "data", "flags", "idmap", "propagation", "recursive_clear", "recursive_set",
    )  # fmt: skip

    def __init__(self, options: list[str]) -> None:
        self.flags = 0
        self.cleared = 0
        self.recursive_set = 0
        self.recursive_clear = 0
        self.propagation: list[int] = []
        self.idmap = ""
        self.copy_up = False
        data = []
        for option in options:
            if option in FLAGS:
                on, off = FLAGS[option]
                self.flags = self.flags & ~off | on
                self.cleared = self.cleared & ~on | off
            elif option in BIND:
                self.flags |= BIND[option]
            elif option in PROPAGATION:
                self.propagation.append(PROPAGATION[option])
            elif option in RECURSIVE:
                on, off = RECURSIVE[option]
                self.recursive_set |= on
                self.recursive_clear |= off
            elif option in IDMAP:
                self.idmap = option
            elif option == "tmpcopyup":
                self.copy_up = True
            else:
                data.append(option)
        self.data = ",".join(data)

    @property
    def bind(self) -> bool:
        """Whether a part of another tree is shown, rather than a new file system mounted."""
        return bool(self.flags & m.MS_BIND)


def attributes(on: int, off: int) -> tuple[int, int]:
    """MS_* bits to set and to clear, as mount_setattr(2)'s (attr_set, attr_clr).

    A change of the atime mode clears all of MOUNT_ATTR__ATIME first, as the call requires; one that is
    only taken back leaves relatime, the kernel's default.
    """
    attr_set = sum(attribute for bit, attribute in ATTRIBUTES.items() if on & bit)
    attr_clr = sum(attribute for bit, attribute in ATTRIBUTES.items() if off & bit)
    for bit, attribute in ATIME.items():
        if off & bit:
            attr_clr |= fd.MOUNT_ATTR__ATIME
        if on & bit:
            attr_set |= attribute
            attr_clr |= fd.MOUNT_ATTR__ATIME
    return attr_set, attr_clr


def with_defaults(data: str, **values: str) -> str:
    """Data with ``name=value`` for the names that it does not have yet."""
    given = {option.partition("=")[0] for option in data.split(",")}
    return ",".join(filter(None, [data, *(f"{k}={v}" for k, v in values.items() if k not in given)]))


def labelled(data: str, label: str, fstype: str | None) -> str:
    """Data with linux.mountLabel for SELinux; quoted, since a label may have commas."""
    if fstype in UNLABELLED:
        return data
    return ",".join(filter(None, [data, f'context="{label}"']))
