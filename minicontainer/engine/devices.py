"""Device nodes of the host for a container: ``--device``, ``--device-cgroup-rule``, ``--privileged``.

``--device`` gives the node and the right to use it, which are two things: the node is made in the
container's /dev (bound from the host's in a user namespace, which may make none), the right is a
rule of the devices controller.
"""

from __future__ import annotations

import os
import stat

from minicontainer.errors import InvalidConfig
from minicontainer.oci import runtime as oci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.records import HostConfig

_TERMINALS = {"pts", "shm", "mqueue", "fd", "console", "ptmx", ".udev"}


class Node:
    """One device: the node to make, where the host has it, and what may be done with it (rwm)."""

    __slots__ = ("access", "device", "source")

    def __init__(self, device: oci.Device, source: str, access: str) -> None:
        self.device = device
        self.source = source
        self.access = access


def asked(host: HostConfig) -> list[Node]:
    """What ``--device`` names; of a folder, every device below it.  Raises InvalidConfig."""
    found: list[Node] = []
    for source, target, access in host.devices:
        path = os.path.realpath(source)
        if os.path.isdir(path):
            nodes: list[oci.Device] = []
            _collect(path, set(), nodes)
            if not nodes:
                raise InvalidConfig(_why(source, "no device nodes in this folder"))
            for node in nodes:
                place = node.path
                node.path = target + place.removeprefix(path)
                found.append(Node(node, place, access))
            continue
        found.append(Node(_node(source, path, target), path, access))
    return found


def _node(source: str, path: str, target: str) -> oci.Device:
    try:
        status = os.stat(path)
    except OSError as error:
        raise InvalidConfig(_why(source, (error.strerror or "").lower())) from None
    found = _device(status, target)
    if found is None:
        raise InvalidConfig(_why(source, "not a device node"))
    return found


def _why(source: str, reason: str) -> str:
    return f'error gathering device information while adding custom device "{source}": {reason}'


def rules(host: HostConfig) -> list[oci.DeviceRule]:
    """linux.resources.devices: nothing but what was asked for; the runtime allows the usual devices."""
    if host.privileged:
        return [oci.DeviceRule(allow=True, access="rwm")]
    found = [oci.DeviceRule(allow=False, access="rwm")]
    for node in asked(host):
        device = node.device
        found.append(
            oci.DeviceRule(
                allow=True, type=device.type, major=device.major, minor=device.minor, access=node.access
            )
        )
    return found + [_rule(text) for text in host.device_cgroup_rules]


def _rule(text: str) -> oci.DeviceRule:
    """``c 1:* rwm``, whose form was checked before."""
    kind, numbers, access = text.split()
    major, _, minor = numbers.partition(":")
    return oci.DeviceRule(allow=True, type=kind, major=_number(major), minor=_number(minor), access=access)


def _number(text: str) -> int | None:
    return None if text == "*" else int(text)


def of_host() -> list[oci.Device]:
    """Every device node in the host's /dev, for --privileged; terminals are the container's own."""
    found: list[oci.Device] = []
    _collect("/dev", _TERMINALS, found)
    return found


def _collect(folder: str, skipped: set[str], found: list[oci.Device]) -> None:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name in skipped or entry.is_symlink():
            continue
        if entry.is_dir():
            _collect(entry.path, skipped, found)
            continue
        node = _device(entry.stat(), entry.path)
        if node is not None:
            found.append(node)


def _device(status: os.stat_result, path: str) -> oci.Device | None:
    kind = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
    if not kind:
        return None
    return oci.Device(
        type=kind,
        path=path,
        major=os.major(status.st_rdev),
        minor=os.minor(status.st_rdev),
        file_mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
    )
