"""rtnetlink(7), as far as an interface that moves to another network namespace needs it.

pyroute2 does all of this and more, and takes 100 milliseconds to be imported; these are the messages
themselves (linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h), each followed by attributes::

    ifinfomsg  u8 family, u8 pad, u16 type, s32 index, u32 flags, u32 changed     RTM_*LINK
    ifaddrmsg  u8 family, u8 prefix, u8 flags, u8 scope, u32 index                RTM_*ADDR

A socket speaks to the network namespace that it was opened in, wherever its process goes.
"""

from __future__ import annotations

import errno
import struct

from minicontainer.linux.door import step
from minicontainer.linux.netlink import NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, attribute, attributes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.linux.netlink import Socket

RTM_NEWLINK, RTM_GETLINK, RTM_NEWADDR, RTM_GETADDR = 16, 18, 20, 22
IFLA_IFNAME, IFLA_NET_NS_FD = 3, 28
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS = 1, 2, 4, 8
IFA_F_PERMANENT = 0x80
RT_SCOPE_UNIVERSE = 0
IFF_UP = 1

_LINK = struct.Struct("=BBHiII")
_ADDRESS = struct.Struct("=BBBBI")


class Address:
    """An address as RTM_NEWADDR takes it again: the kernel's own attributes, and text for people."""

    __slots__ = ("attributes", "family", "prefix", "text")

    def __init__(self, family: int, prefix: int, attributes: list[tuple[int, bytes]]) -> None:
        import _socket

        self.family = family
        self.prefix = prefix
        self.attributes = attributes
        given = dict(attributes)
        self.text = f"{_socket.inet_ntop(family, given.get(IFA_LOCAL) or given[IFA_ADDRESS])}/{prefix}"

    def __str__(self) -> str:
        return self.text


def index_of(sock: Socket, name: str) -> int:
    """The index of interface ``name``; OSError ENODEV if there is none."""
    message = _LINK.pack(0, 0, 0, 0, 0, 0) + attribute(IFLA_IFNAME, name.encode() + b"\0")
    (link,) = sock.ask(RTM_GETLINK, 0, message, name)
    return int(_LINK.unpack_from(link)[3])


def exists(sock: Socket, name: str) -> bool:
    """Whether there is an interface ``name``."""
    try:
        index_of(sock, name)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        return False
    return True


def lasting_addresses(sock: Socket, index: int) -> list[Address]:
    """The addresses of an interface that are permanent and of global scope (RFC 4007, 4)."""
    found = []
    message = _ADDRESS.pack(0, 0, 0, 0, 0)
    for address in sock.ask(RTM_GETADDR, NLM_F_DUMP, message, str(index)):
        family, prefix, flags, scope, owner = _ADDRESS.unpack_from(address)
        if owner != index or scope != RT_SCOPE_UNIVERSE:
            continue
        given = attributes(address[_ADDRESS.size :])
        wide = given.get(IFA_FLAGS)
        if (struct.unpack("=I", wide)[0] if wide else flags) & IFA_F_PERMANENT:
            kept = [(t, given[t]) for t in (IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST) if t in given]
            found.append(Address(family, prefix, kept))
    return found


@step(
    "rtnetlink(7)",
    why="an interface of the host's becomes the container's",
    shell=lambda a: f"ip link set {a['name']} netns /proc/self/fd/{a['namespace']} name {a['new_name']}",
    watch=lambda a: [("link", a["name"])],
)
def move_link(sock: Socket, name: str, namespace: int, new_name: str) -> None:
    """Move interface ``name`` to the network namespace at descriptor ``namespace``.

    EEXIST where that has a ``new_name`` already, EINVAL for one that cannot move (a loopback, ...).
    """
    message = _LINK.pack(0, 0, 0, index_of(sock, name), 0, 0)
    message += attribute(IFLA_NET_NS_FD, struct.pack("=I", namespace))
    message += attribute(IFLA_IFNAME, new_name.encode() + b"\0")
    sock.ask(RTM_NEWLINK, 0, message, name)


@step(
    "rtnetlink(7)",
    why="it keeps its address: the kernel took that away when it moved",
    shell=lambda a: f"ip address add {a['address']} dev {a['name']}",
    watch=lambda a: [("link", a["name"])],
)
def add_address(sock: Socket, name: str, address: Address) -> None:
    """Give interface ``name`` an address that `lasting_addresses` found."""
    index = index_of(sock, name)
    message = _ADDRESS.pack(address.family, address.prefix, IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, index)
    message += b"".join(attribute(kind, data) for kind, data in address.attributes)
    sock.ask(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, message, name)


@step(
    "rtnetlink(7)",
    why="packets pass: an interface that moves is down afterwards",
    shell=lambda a: f"ip link set {a['name']} up",
    watch=lambda a: [("link", a["name"])],
)
def link_up(sock: Socket, name: str) -> None:
    """Set IFF_UP on interface ``name`` of the namespace that ``sock`` was opened in."""
    message = _LINK.pack(0, 0, 0, index_of(sock, name), IFF_UP, IFF_UP)
    sock.ask(RTM_NEWLINK, 0, message, name)
