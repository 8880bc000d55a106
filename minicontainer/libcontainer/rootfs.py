"""The mount namespace of a container: its root, its mounts, its devices.

In this order, in init, which is alone in a new mount namespace::

    host's tree          1. take hold of everything that will be bound: open_tree(2) descriptors
      │                  2. nothing mounted from now on reaches the host (propagation)
      │                  3. bind the root file system onto itself: pivot_root needs a mount
      ▼
    pivot_root(".", ".") the container's root is "/", and the host's tree lies on top of it
    umount2(".")         4. detached at once: while it is there, ".." at the root leads to it
      ▼
    container's tree     5. mounts, in the order of config.json; then devices, links, sysctls
                         6. read-only and masked paths, read-only root

Because everything after step 4 is resolved in a tree that holds nothing else, no symbolic link in
an image can lead a mount outside (CVE-2021-30465 and its kin).  What comes from the host was opened
before; so were proc and sysfs in a user namespace, where the kernel makes them only while a full
one is still mounted.

Inside, another container that shares a volume may exchange names while we work.  So each mount
point is opened once, and what was opened is looked at and mounted on (openat2.reach); what hides a file
is verified to be the null device; and the kernel's settings are written through a procfs that was
held before, not through the container's /proc (linux/procfs.py).
"""

from __future__ import annotations

import os
import stat

from minicontainer.errors import InvalidConfig, field
from minicontainer.libcontainer import mounting, mounts
from minicontainer.libcontainer.devices import Devices
from minicontainer.libcontainer.mounting import COPY, ON_DESCRIPTORS
from minicontainer.libcontainer.mounts import Options
from minicontainer.linux import mount as m
from minicontainer.linux import mountfd as fd
from minicontainer.linux import openat2
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.libcontainer.cgroup_mounts import CgroupMount
    from minicontainer.oci.runtime import Linux, Mount, Spec

KERNELS_OWN = ("/proc", "/sys", "/dev")
# What lxcfs and others put over the kernel's own answers (runc allows the same).
IN_PROC = (
    "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime",
    "/proc/loadavg", "/proc/slabinfo", "/proc/net/dev", "/proc/sys/kernel/ns_last_pid",
)  # fmt: skip
# What the kernel gives a user namespace only where one is mounted already (mount_too_revealing).
REVEALING = ("proc", "sysfs")
NULL_DEVICE = os.makedev(1, 3)
WHY = {
    "proc": "ps and /proc/self show this pid namespace, not the host's",
    "sysfs": "/sys shows the devices of this network namespace",
    "devpts": "terminals of the container's own, numbered from 0",
    "mqueue": "POSIX message queues of this ipc namespace",
}


class Rootfs:
    """The file-system tree of one container, made by its init."""

    def __init__(self, spec: Spec, bundle: str, linux: Linux, hierarchies: list[CgroupMount]) -> None:
        if spec.root is None:
            raise InvalidConfig("config.json: root is missing")
        self.spec = spec
        self.linux = linux
        self.hierarchies = hierarchies
        self.bundle = bundle
        self.path = os.path.join(bundle, spec.root.path)
        self.readonly = spec.root.readonly
        self.user_namespace = any(n.type == "user" for n in linux.namespaces)
        # Otherwise the mounts are others' as well.
        self.own_mounts = any(n.type == "mount" and not n.path for n in linux.namespaces)
        if not self.own_mounts:
            from minicontainer.libcontainer import borrowing  # noqa: F401 - later nothing can be imported
        self.options = [Options(mount.options) for mount in spec.mounts]
        if any(options.copy_up for options in self.options):
            from minicontainer.linux import copying  # noqa: F401 - later nothing can be imported
        self.sources: dict[int, int] = {}
        self.made: dict[int, int] = {}
        self.devices = Devices(linux, spec.mounts)
        self.null = -1
        self.settings = _settings(linux)  # file below /proc by the name of a sysctl
        self.proc = -1
        self.null_attached = False
        self.dev_readonly = False
        self.pivots = True
        self.hooked = False  # by hooks that want to see the host's tree
        self.host = -1

    # -- before pivot_root: the host's tree

    def map_owners(self) -> None:
        """Hold the id-mapped mounts, in the parent: see idmap.py.  `drop` lets them go there."""
        for index, mount in enumerate(self.spec.mounts):
            options = self.options[index]
            if options.idmap or mount.uid_mappings or mount.gid_mappings:
                from minicontainer.libcontainer import idmap

                idmap.check(index, mount, options)
                with field(f"mounts[{index}].source"):
                    self.sources[index] = self._open_source(mount, options)
                idmap.apply(self.sources[index], index, mount, options, self.linux)

    def drop(self) -> None:
        """Close what `map_owners` opened: init has its own descriptors of it."""
        while self.sources:
            os.close(self.sources.popitem()[1])

    def enter(self) -> None:
        """Steps 1 to 4.  Afterwards "/" is the container's, and there is nothing else."""
        asked = self.linux.rootfs_propagation or "rprivate"
        if asked not in mounts.PROPAGATION:
            raise InvalidConfig(f"config.json: linux.rootfsPropagation: unknown value {asked!r}")
        self._hold()
        if not self.own_mounts:
            if any(n.type == "mount" for n in self.linux.namespaces):
                from minicontainer.libcontainer.borrowing import borrow  # imported by the parent

                borrow(self.path)
            self.leave_host()
            return
        if asked.endswith("slave"):
            because("no mount made from here on is seen by the host")
            m.mount(None, "/", None, m.MS_SLAVE | m.MS_REC)
        else:
            because("no mount made from here on is seen outside, and none outside is seen here")
            m.mount(None, "/", None, m.MS_PRIVATE | m.MS_REC)
        with field("root.path"):
            because("pivot_root needs the new root to be a mount point")
            m.mount(self.path, self.path, None, m.MS_BIND | m.MS_REC)
            self.leave_host()

    def leave_host(self) -> None:
        """Step 4."""
        if not self.own_mounts:
            m.chdir(self.path)
            because("the root of others in this mount namespace stays what it is")
            m.chroot(".")
            m.chdir("/")
            return
        because("so that the new root and the place of the old one are both .")
        m.chdir(self.path)
        if not self.pivots:
            self._cover_host()
            return
        m.pivot_root(".", ".")
        because("the old root lies on the new one: the host's files are gone from this mount namespace")
        m.umount2(".", m.MNT_DETACH)
        because("out of the folder that is gone, to the new root")
        m.chdir("/")

    def _cover_host(self) -> None:
        """For a host that runs from its initramfs, which pivot_root(2) refuses to move: the host's tree
        stays in this mount namespace, below the container's root."""
        because("the container's tree is moved over the root of this mount namespace")
        m.mount(".", "/", None, m.MS_MOVE)
        m.chroot(".")
        m.chdir("/")

    def show_host(self) -> None:
        """For hooks that expect what other runtimes have before their pivot_root (config.md, Hooks): "/"
        is the host's tree again, and the container's whole tree is where the bundle has it."""
        if not self.own_mounts:
            m.chdir(self.host)
            os.close(self.host)
            because("to the root of the others in this mount namespace, where the container's is a folder")
            m.chroot(".")
            return
        because("hooks look for the container's files below the bundle")
        fd.move_mount(self.host, "", fd.AT_FDCWD, "/", fd.MOVE_MOUNT_F_EMPTY_PATH)
        m.chdir(self.host)
        os.close(self.host)
        m.pivot_root(".", self.path.lstrip("/"))
        m.chdir("/")

    def _hold(self) -> None:
        # The host's /dev/null, before the image can put something else in its place.
        because("hold what will hide files that the container should not read")
        self.null = fd.open_tree(fd.AT_FDCWD, "/dev/null", fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC)
        _require_null(self.null)
        if self.hooked:
            self._hold_host()
        if self.settings:
            from minicontainer.linux import procfs  # imported by the parent

            self.proc = procfs.hold()
        if self.hierarchies:
            from minicontainer.libcontainer import cgroup_mounts  # imported by the parent

            cgroup_mounts.hold(self.hierarchies)
        for index, mount in enumerate(self.spec.mounts):
            if index not in self.sources:
                self._hold_mount(index, mount, self.options[index])
        if self.user_namespace:
            self.devices.hold()

    def _hold_host(self) -> None:
        if not self.own_mounts:
            self.host = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            return
        because("hold the host's tree, for hooks")
        self.host = fd.open_tree(fd.AT_FDCWD, "/", COPY | fd.AT_RECURSIVE)
        because("a copy of a shared mount is shared with it, and pivot_root refuses such a place")
        fd.mount_setattr(self.host, "", fd.AT_EMPTY_PATH | fd.AT_RECURSIVE, propagation=m.MS_PRIVATE)

    def _hold_mount(self, index: int, mount: Mount, options: Options) -> None:
        if options.flags & m.MS_REMOUNT:
            return
        if options.bind or mount.type == "bind":
            with field(f"mounts[{index}].source"):
                self.sources[index] = self._open_source(mount, options)
        elif self.user_namespace and mount.type in REVEALING:
            with field(f"mounts[{index}] ({mount.destination})"):
                self.made[index] = mounting.make_detached(mount, options)

    def _open_source(self, mount: Mount, options: Options) -> int:
        if not mount.source:
            raise InvalidConfig("config.json: a bind mount needs a source")
        source = os.path.join(self.bundle, mount.source)
        recursive = fd.AT_RECURSIVE if options.flags & m.MS_REC else 0
        because(f"hold {source} before the host's tree goes out of reach")
        return fd.open_tree(fd.AT_FDCWD, source, fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC | recursive)

    # -- after pivot_root: the container's tree

    def fill(self) -> None:
        """Step 5: mounts, devices, links, sysctls."""
        for index, mount in enumerate(self.spec.mounts):
            with field(f"mounts[{index}] ({mount.destination})"):
                self.mount(index, mount)
        self.devices.make()
        if self.settings:
            self._set()

    def _set(self) -> None:
        from minicontainer.linux import procfs  # imported by the parent

        for name, path in self.settings.items():
            with field(f"linux.sysctl.{name}"):
                because("a kernel setting of the container's own namespaces")
                procfs.write_procfs(self.proc, path, self.linux.sysctl[name])
        os.close(self.proc)

    def mount(self, index: int, mount: Mount) -> None:
        """One of `fill`'s."""
        target = mounting.inside(mount.destination)
        options = self.options[index]
        _refuse_in_proc(mount, target)
        if index in self.sources:
            mounting.bind(mounting.newest(self.sources.pop(index), options), target, options)
        elif mount.type == "cgroup":
            from minicontainer.libcontainer import cgroup_mounts  # imported by the parent

            cgroup_mounts.mount(self.hierarchies, target, options)
        elif options.flags & m.MS_REMOUNT:
            self._leave_writable(target, options)
            mounting.remount(target, options)
        else:
            mounting.make_folder(target)
            self._leave_writable(target, options)
            if self.linux.mount_label:
                options.data = mounts.labelled(options.data, self.linux.mount_label, mount.type)
            because(WHY.get(mount.type or "", f"a new file system at {target}"))
            if index in self.made:
                mounting.attach(mounting.newest(self.made.pop(index), options), openat2.reach(target))
            elif options.copy_up:
                mounting.mount_copy(target, mount, options)
            else:
                mounting.mount_on(target, mount.source or mount.type, mount.type, options.flags, options.data)
            for bits in options.propagation:
                mounting.mount_on(target, None, None, bits)

    def _leave_writable(self, target: str, options: Options) -> None:
        """A read-only /dev must first get its nodes; `protect` makes it so."""
        if target == "/dev" and options.flags & m.MS_RDONLY:
            options.flags &= ~m.MS_RDONLY
            self.dev_readonly = True

    def protect(self) -> None:
        """Step 6: read-only and masked paths (config-linux.md), and the root's own mount."""
        for index, path in enumerate(self.linux.readonly_paths):
            with field(f"linux.readonlyPaths[{index}] ({path})"):
                self._make_readonly(path)
        for index, path in enumerate(self.linux.masked_paths):
            with field(f"linux.maskedPaths[{index}] ({path})"):
                self._mask(path)
        os.close(self.null)
        if (self.linux.rootfs_propagation or "").endswith(("shared", "unbindable")):
            because("what a container started inside this one may see of its mounts")
            m.mount(None, "/", None, mounts.PROPAGATION[self.linux.rootfs_propagation or ""])
        if self.dev_readonly:
            because("no node is made or removed from now on")
            fd.mount_setattr(fd.AT_FDCWD, "/dev", 0, fd.MOUNT_ATTR_RDONLY)
        if self.readonly:
            because("the program may not change its image")
            # Not by a remount, which would take away what else the mount is: nosuid, nodev, ...
            fd.mount_setattr(fd.AT_FDCWD, "/", 0, fd.MOUNT_ATTR_RDONLY)

    def _make_readonly(self, path: str) -> None:
        try:
            place = openat2.reach(path, follow=True)
        except FileNotFoundError:
            return  # the specification: paths that do not exist are ignored
        because(f"{path} may be read but not written")
        held = fd.open_tree(place, "", COPY | fd.AT_EMPTY_PATH | fd.AT_RECURSIVE)
        because("read-only before anybody can reach it")
        fd.mount_setattr(held, "", fd.AT_EMPTY_PATH | fd.AT_RECURSIVE, fd.MOUNT_ATTR_RDONLY)
        because(f"a second, read-only view of {path} lies on the first")
        mounting.attach(held, place)

    def _mask(self, path: str) -> None:
        try:
            place = openat2.reach(path, follow=True)
        except FileNotFoundError:
            return
        because(f"{path} says more about the host than the container should know")
        if stat.S_ISDIR(os.fstat(place).st_mode):
            m.mount("tmpfs", path, "tmpfs", m.MS_RDONLY, "nr_blocks=1,nr_inodes=1", on=place)
            os.close(place)
        elif not self.null_attached:
            self.null_attached = True
            fd.move_mount(self.null, "", place, "", ON_DESCRIPTORS)
            os.close(place)
        else:
            # A mount can be copied only where it is attached: the first masked path is the pattern.
            mounting.attach(fd.open_tree(self.null, "", COPY | fd.AT_EMPTY_PATH), place)


def _settings(linux: Linux) -> dict[str, str]:
    if not linux.sysctl:
        return {}
    from minicontainer.libcontainer import sysctl
    from minicontainer.linux import procfs  # noqa: F401 - later nothing can be imported

    found = {}
    for name in linux.sysctl:
        with field(f"linux.sysctl.{name}"):
            found[name] = sysctl.file_of(name, linux)
    return found


def _require_null(held: int) -> None:
    status = os.fstat(held)
    if not stat.S_ISCHR(status.st_mode) or status.st_rdev != NULL_DEVICE:
        raise InvalidConfig("/dev/null of this host is not the null device: nothing could be masked with it")


def _refuse_in_proc(mount: Mount, target: str) -> None:
    """What protects the host there is by path: neither a link nor a mount may go around it."""
    asked = mounting.absolute(mount.destination)
    if asked in KERNELS_OWN and target != asked:
        raise InvalidConfig(f"{mount.destination} is a symbolic link in the image; it must be a folder")
    if target.startswith("/proc/") and target not in IN_PROC:
        raise InvalidConfig(f"cannot mount on {mount.destination}: it is inside /proc")
    if target == "/proc" and mount.type not in ("proc", "bind"):
        raise InvalidConfig(f"cannot mount {mount.type} on {mount.destination}: only proc belongs there")
