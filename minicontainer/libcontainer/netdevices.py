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

import errno
import os

from minicontainer.errors import field
from minicontainer.linux import namespaces, rtnetlink
from minicontainer.linux.door import because
from minicontainer.linux.netlink import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Linux


class Interfaces:
    """linux.netDevices of a container whose init is ``pid``, with what it takes to give them back."""

    __slots__ = ("devices", "here", "kept", "moved", "namespace", "there")

    def __init__(self, linux: Linux, pid: int) -> None:
        joined = next((n.path for n in linux.namespaces if n.type == "network"), None)
        self.devices = {name: device.name or name for name, device in linux.net_devices.items()}
        self.namespace = os.open(joined or namespaces.path(pid, "network"), os.O_RDONLY | os.O_CLOEXEC)
        self.here = Socket()
        self.there = _inside(self.namespace)
        self.kept: dict[str, list[rtnetlink.Address]] = {}
        self.moved: list[str] = []

    def close(self) -> None:
        """Let go of both namespaces."""
        self.here.close()
        self.there.close()
        os.close(self.namespace)

    def move(self) -> None:
        """Move them.

        OSError, with nothing moved: ENODEV where one is missing, EEXIST where its new name is taken.
        """
        for name, inside in self.devices.items():
            with field(f"linux.netDevices.{name}"):
                self.kept[name] = rtnetlink.lasting_addresses(self.here, rtnetlink.index_of(self.here, name))
                # The kernel would move it first, and then refuse the name.
                if rtnetlink.exists(self.there, inside):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), inside)
        for name, inside in self.devices.items():
            with field(f"linux.netDevices.{name}"):
                rtnetlink.move_link(self.here, name, self.namespace, inside)
                self.moved.append(name)
                self._settle(self.there, inside, name)

    def give_back(self) -> None:
        """Undo `move`: virtual interfaces would end with the container's namespace."""
        own = os.open(namespaces.path("self", "network"), os.O_RDONLY | os.O_CLOEXEC)
        try:
            for name in reversed(self.moved):
                because("the container failed, and the interface is the host's again")
                rtnetlink.move_link(self.there, self.devices[name], own, name)
                self._settle(self.here, name, name)
        finally:
            os.close(own)

    def _settle(self, sock: Socket, name: str, asked: str) -> None:
        for address in self.kept[asked]:
            rtnetlink.add_address(sock, name, address)
        rtnetlink.link_up(sock, name)


def _inside(namespace: int) -> Socket:
    """A socket to the network namespace at descriptor ``namespace``."""
    own = os.open(namespaces.path("self", "network"), os.O_RDONLY | os.O_CLOEXEC)
    try:
        because("a netlink socket speaks to the network namespace that it is opened in")
        namespaces.setns(namespace, namespaces.FLAGS["network"])
        try:
            return Socket()
        finally:
            because("this process stays where it was")
            namespaces.setns(own, namespaces.FLAGS["network"])
    finally:
        os.close(own)
