"""The nodes and links of a container's /dev (config-linux.md, Devices and Default Devices)."""

from __future__ import annotations

import os
import stat

from minicontainer.errors import InvalidConfig, field
from minicontainer.libcontainer import mounting
from minicontainer.libcontainer.mounts import Options
from minicontainer.linux import credentials, device, file
from minicontainer.linux import mountfd as fd
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Device, Linux, Mount, Resources

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


class Devices:
    """Those of one container, whose ``mounts`` may have put something else in their places."""

    def __init__(self, linux: Linux, mounts: list[Mount]) -> None:
        self.linux = linux
        self.mounts = mounts
        self.nodes = _nodes(linux)
        self.sources: dict[str, int] = {}

    def hold(self) -> None:
        """In a user namespace mknod is refused, whatever the capabilities: the host's nodes are bound."""
        for node in self.nodes:
            with self._field(node):
                because("a user namespace may not make device nodes: show the host's")
                self.sources[node.path] = fd.open_tree(
                    fd.AT_FDCWD, node.path, fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC
                )

    def make(self) -> None:
        """The nodes, and the links to what /proc has of each process; nothing without a mount on /dev.

        A /dev that is bound from elsewhere stays as it is: what is made there would be the host's.
        """
        over = [mount for mount in self.mounts if mounting.inside(mount.destination) == "/dev"]
        if not over:
            return
        if any(mount.type == "bind" or Options(mount.options).bind for mount in over):
            self._require_devices()
            return
        because("the modes of device nodes are as they are written")
        usual = credentials.umask(0)
        for node in self.nodes:
            with self._field(node):
                self._make_device(node)
        credentials.umask(usual)
        for path, link in DEVICE_LINKS:
            if not os.path.lexists(path):
                file.symlink(link, path)
        if os.path.lexists("/dev/pts/ptmx") and not os.path.lexists("/dev/ptmx"):
            file.symlink("pts/ptmx", "/dev/ptmx")

    def _require_devices(self) -> None:
        for node in self.linux.devices:
            with self._field(node):
                if not self._is_there(node, mounting.inside(node.path)):
                    raise InvalidConfig("/dev is bound from elsewhere, where that device is not")

    def _field(self, node: Device) -> field:
        given = self.linux.devices
        return field(f"linux.devices[{given.index(node)}] ({node.path})" if node in given else node.path)

    def _is_there(self, node: Device, path: str) -> bool:
        """Whether config.json's own mounts have put something there, or it is that very node."""
        if not os.path.lexists(path):
            return False
        if any(mounting.inside(mount.destination) == path for mount in self.mounts):
            return True
        found = os.lstat(path)
        kind = device.TYPES.get(node.type)
        return stat.S_IFMT(found.st_mode) == kind and found.st_rdev == os.makedev(node.major, node.minor)

    def _make_device(self, node: Device) -> None:
        path = mounting.inside(node.path)
        if self._is_there(node, path):
            return
        if node.path in self.sources:
            mounting.bind(self.sources.pop(node.path), path, Options([]))
            return
        if node.type not in device.TYPES:
            raise InvalidConfig(f"config.json: unknown device type {node.type!r}")
        mounting.make_folder(os.path.dirname(path))
        mode = device.TYPES[node.type] | (0o666 if node.file_mode is None else node.file_mode & 0o7777)
        device.mknod(path, mode, node.major, node.minor)
        if node.uid or node.gid:
            file.chown(path, node.uid or 0, node.gid or 0)


def _nodes(linux: Linux) -> list[Device]:
    from minicontainer.oci.runtime import Device

    asked = {node.path for node in linux.devices}
    defaults = [
        Device(type="c", path=path, major=major, minor=minor)
        for path, major, minor in DEFAULT_DEVICES
        if path not in asked
    ]
    return defaults + linux.devices


def allowing_defaults(linux: Linux) -> Resources:
    """linux.resources, whose device rules also allow what every container has (config-linux.md,
    Default Devices), and making any node: what opens one is another question."""
    from minicontainer.oci.document import replace
    from minicontainer.oci.runtime import DeviceRule, Resources

    resources = linux.resources or Resources()
    if not resources.devices:
        return resources
    usable: list[tuple[str, int, int | None]]
    usable = [("c", major, minor) for _, major, minor in DEFAULT_DEVICES]
    usable += [("c", 5, 1), ("c", 5, 2), ("c", 136, None)]  # console, ptmx, the terminals of devpts
    allowed = [DeviceRule(allow=True, type=kind, access="m") for kind in ("c", "b")]
    allowed += [DeviceRule(allow=True, type=t, major=a, minor=b, access="rwm") for t, a, b in usable]
    return replace(resources, devices=[*resources.devices, *allowed])
