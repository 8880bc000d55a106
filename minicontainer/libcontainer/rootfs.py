"""The mount namespace of a container: its root, its mounts, its devices.

In this order, in init, which is alone in a new mount namespace::

    host's tree          1. nothing mounted from now on reaches the host (propagation)
      │                  2. take hold of everything that will be bound: open_tree(2) descriptors
      │                  3. bind the root file system onto itself: pivot_root needs a mount
      ▼
    pivot_root(".", ".") the container's root is "/"; the host's tree lies under it, unreachable
      │                  by any path, until the end: the kernel lets a user namespace mount proc
      │                  and sysfs only where a full one is still mounted
      ▼
    container's tree     4. mounts, in the order of config.json; then devices, links, sysctls
                         5. read-only and masked paths
                         6. the host's tree is detached; read-only root

Because everything after pivot_root is resolved in a tree that holds nothing else, no symbolic link
in an image can lead a mount outside (CVE-2021-30465 and its kin).  What comes from the host was
opened before.
"""

from __future__ import annotations

import os
import stat

from minicontainer.errors import InvalidConfig
from minicontainer.libcontainer import mounts
from minicontainer.libcontainer.mounts import Options
from minicontainer.linux import control, device
from minicontainer.linux import mount as m
from minicontainer.linux import mountfd as fd
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from minicontainer.oci.runtime import Device, Linux, Mount, Spec

# config-linux.md, Default Devices; modes and numbers as in the kernel's devices.txt.
DEFAULT_DEVICES = (
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
)
DEVICE_LINKS = (
    ("/dev/fd", "/proc/self/fd"),
    ("/dev/stdin", "/proc/self/fd/0"),
    ("/dev/stdout", "/proc/self/fd/1"),
    ("/dev/stderr", "/proc/self/fd/2"),
)
WHY = {
    "proc": "ps and /proc/self show this pid namespace, not the host's",
    "sysfs": "/sys shows the devices of this network namespace",
    "devpts": "terminals of the container's own, numbered from 0",
    "mqueue": "POSIX message queues of this ipc namespace",
    "cgroup2": "the container can see its own limits",
}


class field:  # noqa: N801 - used as `with field("mounts[2]"):`
    """Errors from inside are marked with the field of config.json that asked for the operation."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not hasattr(error, "context"):
            error.context = self.name  # type: ignore[attr-defined]


class CgroupMount:
    """One hierarchy to show in /sys/fs/cgroup: its folder's name there, file system, options."""

    __slots__ = ("fstype", "name", "options")

    def __init__(self, name: str, fstype: str, options: str) -> None:
        self.name = name
        self.fstype = fstype
        self.options = options


class Rootfs:
    """The file-system tree of one container, made by its init."""

    def __init__(self, spec: Spec, bundle: str, linux: Linux, hierarchies: list[CgroupMount]) -> None:
        if spec.root is None:
            raise InvalidConfig("config.json: root is missing")
        self.spec = spec
        self.linux = linux
        self.hierarchies = hierarchies
        self.path = os.path.join(bundle, spec.root.path)
        self.readonly = spec.root.readonly
        self.user_namespace = any(n.type == "user" for n in linux.namespaces)
        self.sources: dict[int, int] = {}
        self.devices = _devices(linux)
        self.device_sources: dict[str, int] = {}
        self.null = -1
        self.old_root = -1

    # -- before pivot_root: the host's tree

    def enter(self) -> None:
        """Steps 1 to 3, and pivot_root.  Afterwards "/" is the container's."""
        self._separate()
        self.null = os.open("/dev/null", os.O_PATH | os.O_CLOEXEC)
        self._hold_sources()
        with field("root.path"):
            because("pivot_root needs the new root to be a mount point")
            m.mount(self.path, self.path, None, m.MS_BIND | m.MS_REC)
            if self._shares():
                m.mount(None, self.path, None, m.MS_PRIVATE)
                m.mount(self.path, self.path, None, m.MS_BIND | m.MS_REC)
        self.old_root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        because("so that the new root and the place of the old one are both .")
        m.chdir(self.path)
        m.pivot_root(".", ".")
        because("out of the old root, which now lies under the new one")
        m.chdir("/")

    def _shares(self) -> bool:
        return (self.linux.rootfs_propagation or "").endswith("shared")

    def _separate(self) -> None:
        asked = self.linux.rootfs_propagation or "rslave"
        if asked not in mounts.PROPAGATION:
            raise InvalidConfig(f"config.json: linux.rootfsPropagation: unknown value {asked!r}")
        # Slave, so that what the host mounts later under a bound folder can still be passed on.
        bits = mounts.PROPAGATION[asked] | m.MS_REC
        if asked.endswith("private"):
            because("no mount made from here on is seen outside, and none outside is seen here")
        else:
            because("no mount made from here on is seen by the host")
        m.mount(None, "/", None, bits)

    def _hold_sources(self) -> None:
        for index, mount in enumerate(self.spec.mounts):
            options = Options(mount.options)
            if options.bind or mount.type == "bind":
                with field(f"mounts[{index}].source"):
                    self.sources[index] = self._open_source(mount, options)
        if self.user_namespace:
            # mknod is refused in a user namespace, whatever the capabilities: the host's node is bound.
            for index, node in enumerate(self.devices):
                with field(f"linux.devices[{index}]"):
                    because("a user namespace may not make device nodes: show the host's")
                    self.device_sources[node.path] = fd.open_tree(
                        fd.AT_FDCWD, node.path, fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC
                    )

    def _open_source(self, mount: Mount, options: Options) -> int:
        if not mount.source:
            raise InvalidConfig("config.json: a bind mount needs a source")
        source = os.path.join(os.path.dirname(self.path), mount.source)
        recursive = fd.AT_RECURSIVE if options.flags & m.MS_REC else 0
        because(f"hold {source} before the host's tree goes out of reach")
        return fd.open_tree(fd.AT_FDCWD, source, fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC | recursive)

    # -- after pivot_root: the container's tree

    def fill(self) -> None:
        """Step 4: mounts, devices, links, sysctls."""
        for index, mount in enumerate(self.spec.mounts):
            with field(f"mounts[{index}] ({mount.destination})"):
                self._mount(index, mount)
        self._make_devices()
        for name, value in self.linux.sysctl.items():
            with field(f"linux.sysctl.{name}"):
                because("a kernel setting of the container's own namespaces")
                control.write_control("/proc/sys/" + name.replace(".", "/"), value)

    def _mount(self, index: int, mount: Mount) -> None:
        target = _absolute(mount.destination)
        options = Options(mount.options)
        if index in self.sources:
            self._bind(self.sources.pop(index), target, options)
        elif mount.type == "cgroup":
            self._mount_cgroups(target, options)
        else:
            _make_folder(target)
            if mount.type in ("proc", "sysfs"):
                _must_be_real(target)
            because(WHY.get(mount.type or "", f"a new file system at {target}"))
            m.mount(mount.source or mount.type, target, mount.type, options.flags, options.data or None)
            for bits in options.propagation:
                m.mount(None, target, None, bits)

    def _bind(self, source: int, target: str, options: Options) -> None:
        """Attach the tree held by ``source`` at ``target``, a folder or a file like the source."""
        folder = stat.S_ISDIR(os.stat(source).st_mode)
        if os.path.exists(target) and os.path.isdir(target) != folder:
            # The kernel's ENOTDIR, or EINVAL of move_mount, would not say it.
            kinds = ("a folder", "a file") if folder else ("a file", "a folder")
            raise InvalidConfig(f"cannot mount {kinds[0]} onto {target}, which is {kinds[1]}")
        if folder:
            _make_folder(target)
        else:
            _make_file(target)
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
        fd.move_mount(source, "", fd.AT_FDCWD, target, fd.MOVE_MOUNT_F_EMPTY_PATH)
        os.close(source)

    def _mount_cgroups(self, target: str, options: Options) -> None:
        _make_folder(target)
        if len(self.hierarchies) == 1 and self.hierarchies[0].fstype == "cgroup2":
            because(WHY["cgroup2"])
            m.mount("cgroup", target, "cgroup2", options.flags)
            return
        because("a folder for each of the host's cgroup hierarchies")
        m.mount("tmpfs", target, "tmpfs", options.flags & ~m.MS_RDONLY, "mode=755")
        for hierarchy in self.hierarchies:
            folder = f"{target}/{hierarchy.name}"
            os.mkdir(folder, 0o755)
            because(WHY["cgroup2"])
            m.mount("cgroup", folder, hierarchy.fstype, options.flags, hierarchy.options or None)
        if options.flags & m.MS_RDONLY:
            because("the container may read its limits, not change them")
            m.mount(None, target, None, m.MS_REMOUNT | m.MS_BIND | options.flags)

    def _make_devices(self) -> None:
        if not any(mount.destination.rstrip("/") == "/dev" for mount in self.spec.mounts):
            return
        for index, node in enumerate(self.devices):
            with field(f"linux.devices[{index}] ({node.path})"):
                self._make_device(node)
        for path, link in DEVICE_LINKS:
            if not os.path.lexists(path):
                os.symlink(link, path)
        if os.path.lexists("/dev/pts/ptmx") and not os.path.lexists("/dev/ptmx"):
            os.symlink("pts/ptmx", "/dev/ptmx")

    def _make_device(self, node: Device) -> None:
        path = _absolute(node.path)
        if node.path in self.device_sources:
            self._bind(self.device_sources.pop(node.path), path, Options([]))
            return
        if node.type not in device.TYPES:
            raise InvalidConfig(f"config.json: unknown device type {node.type!r}")
        _make_folder(os.path.dirname(path))
        mode = device.TYPES[node.type] | (0o666 if node.file_mode is None else node.file_mode & 0o7777)
        device.mknod(path, mode, node.major, node.minor)
        os.chown(path, node.uid or 0, node.gid or 0)

    def protect(self) -> None:
        """Step 5: read-only and masked paths (config-linux.md)."""
        for index, path in enumerate(self.linux.readonly_paths):
            with field(f"linux.readonlyPaths[{index}] ({path})"):
                self._make_readonly(path)
        for index, path in enumerate(self.linux.masked_paths):
            with field(f"linux.maskedPaths[{index}] ({path})"):
                self._mask(path)

    def _make_readonly(self, path: str) -> None:
        because(f"{path} may be read but not written")
        try:
            held = fd.open_tree(
                fd.AT_FDCWD, path, fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC | fd.AT_RECURSIVE
            )
        except FileNotFoundError:
            return  # the specification: paths that do not exist are ignored
        fd.mount_setattr(held, "", fd.AT_EMPTY_PATH | fd.AT_RECURSIVE, fd.MOUNT_ATTR_RDONLY)
        fd.move_mount(held, "", fd.AT_FDCWD, path, fd.MOVE_MOUNT_F_EMPTY_PATH)
        os.close(held)

    def _mask(self, path: str) -> None:
        try:
            folder = stat.S_ISDIR(os.stat(path).st_mode)
        except FileNotFoundError:
            return
        because(f"{path} says more about the host than the container should know")
        if folder:
            m.mount("tmpfs", path, "tmpfs", m.MS_RDONLY, "nr_blocks=1,nr_inodes=1")
            return
        # The host's /dev/null, opened before the image could put something else in its place.
        held = fd.open_tree(self.null, "", fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC | fd.AT_EMPTY_PATH)
        fd.move_mount(held, "", fd.AT_FDCWD, path, fd.MOVE_MOUNT_F_EMPTY_PATH)
        os.close(held)

    def leave_host(self) -> None:
        """Step 6: detach the host's tree; the root is read-only if that was asked for."""
        because("stand on the old root, so that . names it")
        m.chdir(self.old_root)
        os.close(self.old_root)
        os.close(self.null)
        because("what is unmounted here must stay mounted on the host")
        m.mount(None, ".", None, m.MS_SLAVE | m.MS_REC)
        because("the host's files are gone from this mount namespace")
        m.umount2(".", m.MNT_DETACH)
        m.chdir("/")
        if not self._shares():
            m.mount(None, "/", None, mounts.PROPAGATION[self.linux.rootfs_propagation or "rprivate"])
        if self.readonly:
            because("the program may not change its image")
            m.mount(None, "/", None, m.MS_REMOUNT | m.MS_BIND | m.MS_RDONLY)


def _devices(linux: Linux) -> list[Device]:
    from minicontainer.oci.runtime import Device

    asked = {node.path for node in linux.devices}
    defaults = [
        Device(type="c", path=path, major=major, minor=minor)
        for path, major, minor in DEFAULT_DEVICES
        if path not in asked
    ]
    return defaults + linux.devices


def _absolute(destination: str) -> str:
    # config.md: a relative destination is taken from "/" (deprecated, but written by some).
    return os.path.normpath("/" + destination.lstrip("/"))


def _make_folder(path: str) -> None:
    os.makedirs(path, 0o755, exist_ok=True)


def _make_file(path: str) -> None:
    _make_folder(os.path.dirname(path))
    if not os.path.exists(path):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def _must_be_real(path: str) -> None:
    """The protection of /proc and /sys is by path: a link in their place would go around it."""
    if os.path.realpath(path) != path:
        raise InvalidConfig(f"{path} is a symbolic link in the root file system; it must be a folder")
