"""linux.netDevices: interfaces of the host that become the container's (runtime-spec 1.3, config-linux.md,
Network Devices).

::

    parent, in the host's namespace                     the container's network namespace
      all are there?  their lasting addresses
      RTM_NEWLINK + IFLA_NET_NS_FD + new name  ───────►  name, MAC address and MTU come along
                                                         RTM_NEWADDR for each address, then up

The parent does it, for init may be in a user namespace without rights over the host's interfaces.
When the container's namespace ends, the kernel gives physical interfaces back, and ends virtual ones.
"""

from __future__ import annotations

import os

from minicontainer.libcontainer.rootfs import field
from minicontainer.linux import namespaces, rtnetlink
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

    from minicontainer.oci.runtime import Linux, NetDevice


def move(linux: Linux, pid: int) -> None:
    """Move linux.netDevices to the network namespace of a container, whose init is ``pid``.

    OSError ENODEV, with nothing moved, where one is missing; EEXIST where the name is taken there.
    """
    joined = next((n.path for n in linux.namespaces if n.type == "network"), None)
    namespace = os.open(joined or namespaces.path(pid, "network"), os.O_RDONLY | os.O_CLOEXEC)
    here = rtnetlink.connect()
    try:
        there = _inside(namespace)
        try:
            _move(linux.net_devices, namespace, here, there)
        finally:
            there.close()
    finally:
        here.close()
        os.close(namespace)


def _move(devices: dict[str, NetDevice], namespace: int, here: socket, there: socket) -> None:
    addresses = {}
    for name in devices:
        with field(f"linux.netDevices.{name}"):
            addresses[name] = rtnetlink.lasting_addresses(here, rtnetlink.index_of(here, name))
    for name, device in devices.items():
        inside = device.name or name
        with field(f"linux.netDevices.{name}"):
            rtnetlink.move_link(here, name, namespace, inside)
            for address in addresses[name]:
                rtnetlink.add_address(there, inside, address)
            rtnetlink.link_up(there, inside)


def _inside(namespace: int) -> socket:
    """A socket to the network namespace at descriptor ``namespace``."""
    own = os.open(namespaces.path("self", "network"), os.O_RDONLY | os.O_CLOEXEC)
    try:
        because("a netlink socket speaks to the network namespace that it is opened in")
        namespaces.setns(namespace, namespaces.FLAGS["network"])
        try:
            return rtnetlink.connect()
        finally:
            because("this process stays where it was")
            namespaces.setns(own, namespaces.FLAGS["network"])
    finally:
        os.close(own)
