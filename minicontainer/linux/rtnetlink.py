"""rtnetlink(7), as far as an interface that moves to another network namespace needs it.

pyroute2 does all of this and more, and takes 100 milliseconds to be imported; these are the messages
themselves (linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h)::

    nlmsghdr   u32 length, u16 type, u16 flags, u32 sequence, u32 port
      ifinfomsg  u8 family, u8 pad, u16 type, s32 index, u32 flags, u32 changed     RTM_*LINK
      ifaddrmsg  u8 family, u8 prefix, u8 flags, u8 scope, u32 index                RTM_*ADDR
        rtattr     u16 length, u16 type, data, padded to 4; again and again

A socket speaks to the network namespace that it was opened in, wherever its process goes.
"""

from __future__ import annotations

import errno
import os
import struct

from minicontainer.linux.door import step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Iterator

AF_NETLINK = 16
NETLINK_ROUTE = 0
NLM_F_REQUEST, NLM_F_ACK, NLM_F_EXCL, NLM_F_CREATE, NLM_F_DUMP = 0x1, 0x4, 0x200, 0x400, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
RTM_NEWLINK, RTM_GETLINK, RTM_NEWADDR, RTM_GETADDR = 16, 18, 20, 22
IFLA_IFNAME, IFLA_NET_NS_FD = 3, 28
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS = 1, 2, 4, 8
IFA_F_PERMANENT = 0x80
RT_SCOPE_UNIVERSE = 0
IFF_UP = 1
BUFFER = 65536

_HEADER = struct.Struct("=IHHII")
_LINK = struct.Struct("=BBHiII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")


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


def connect() -> socket:
    """A socket to this network namespace.  It only opens, so it is no step."""
    import _socket  # see netdevice.py

    made = _socket.socket(AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, NETLINK_ROUTE)
    made.bind((0, 0))
    return made


def index_of(sock: socket, name: str) -> int:
    """The index of interface ``name``; OSError ENODEV if there is none."""
    message = _LINK.pack(0, 0, 0, 0, 0, 0) + _attribute(IFLA_IFNAME, name.encode() + b"\0")
    for kind, payload in _ask(sock, RTM_GETLINK, NLM_F_ACK, message, name):
        if kind == RTM_NEWLINK:
            return int(_LINK.unpack_from(payload)[3])
    raise OSError(errno.ENODEV, os.strerror(errno.ENODEV), name)


def exists(sock: socket, name: str) -> bool:
    """Whether there is an interface ``name``."""
    try:
        index_of(sock, name)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        return False
    return True


def lasting_addresses(sock: socket, index: int) -> list[Address]:
    """The addresses of an interface that are permanent and of global scope (RFC 4007, 4)."""
    found = []
    message = _ADDRESS.pack(0, 0, 0, 0, 0)
    for kind, payload in _ask(sock, RTM_GETADDR, NLM_F_DUMP, message, str(index)):
        family, prefix, flags, scope, owner = _ADDRESS.unpack_from(payload)
        if kind != RTM_NEWADDR or owner != index or scope != RT_SCOPE_UNIVERSE:
            continue
        attributes = list(_attributes(payload[_ADDRESS.size :]))
        wide = dict(attributes).get(IFA_FLAGS)
        if (struct.unpack("=I", wide)[0] if wide else flags) & IFA_F_PERMANENT:
            kept = [(t, data) for t, data in attributes if t in (IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST)]
            found.append(Address(family, prefix, kept))
    return found


@step(
    "rtnetlink(7)",
    why="an interface of the host's becomes the container's",
    shell=lambda a: f"ip link set {a['name']} netns /proc/self/fd/{a['namespace']} name {a['new_name']}",
    show={"sock": lambda value: str(value.fileno())},
    watch=lambda a: [("link", a["name"])],
)
def move_link(sock: socket, name: str, namespace: int, new_name: str) -> None:
    """Move interface ``name`` to the network namespace at descriptor ``namespace``.

    EEXIST where that has a ``new_name`` already, EINVAL for one that cannot move (a loopback, ...).
    """
    message = _LINK.pack(0, 0, 0, index_of(sock, name), 0, 0)
    message += _attribute(IFLA_NET_NS_FD, struct.pack("=I", namespace))
    message += _attribute(IFLA_IFNAME, new_name.encode() + b"\0")
    _tell(sock, RTM_NEWLINK, NLM_F_ACK, message, name)


@step(
    "rtnetlink(7)",
    why="it keeps its address: the kernel took that away when it moved",
    shell=lambda a: f"ip address add {a['address']} dev {a['name']}",
    show={"sock": lambda value: str(value.fileno())},
    watch=lambda a: [("link", a["name"])],
)
def add_address(sock: socket, name: str, address: Address) -> None:
    """Give interface ``name`` an address that `lasting_addresses` found."""
    index = index_of(sock, name)
    message = _ADDRESS.pack(address.family, address.prefix, IFA_F_PERMANENT, RT_SCOPE_UNIVERSE, index)
    message += b"".join(_attribute(kind, data) for kind, data in address.attributes)
    _tell(sock, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, message, name)


@step(
    "rtnetlink(7)",
    why="packets pass: an interface that moves is down afterwards",
    shell=lambda a: f"ip link set {a['name']} up",
    show={"sock": lambda value: str(value.fileno())},
    watch=lambda a: [("link", a["name"])],
)
def link_up(sock: socket, name: str) -> None:
    """Set IFF_UP on interface ``name`` of the namespace that ``sock`` was opened in."""
    message = _LINK.pack(0, 0, 0, index_of(sock, name), IFF_UP, IFF_UP)
    _tell(sock, RTM_NEWLINK, NLM_F_ACK, message, name)


def _tell(sock: socket, kind: int, flags: int, message: bytes, about: str) -> None:
    _ask(sock, kind, flags, message, about)  # an acknowledgement holds nothing; a refusal is raised


def _ask(sock: socket, kind: int, flags: int, message: bytes, about: str) -> list[tuple[int, bytes]]:
    """The (type, payload) of each message of the answer.  OSError with ``about`` for a refusal."""
    sock.send(_HEADER.pack(_HEADER.size + len(message), kind, flags | NLM_F_REQUEST, 1, 0) + message)
    found: list[tuple[int, bytes]] = []
    while True:
        data = sock.recv(BUFFER)
        while data:
            length, answer, *_ = _HEADER.unpack_from(data)
            payload, data = data[_HEADER.size : length], data[_padded(length) :]
            if answer == NLMSG_ERROR and (code := struct.unpack_from("=i", payload)[0]):
                raise OSError(-code, os.strerror(-code), about)
            if answer in (NLMSG_ERROR, NLMSG_DONE):
                return found
            found.append((answer, payload))


def _attribute(kind: int, data: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(length, kind) + data + b"\0" * (_padded(length) - length)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[_padded(length) :]


def _padded(length: int) -> int:
    return length + 3 & ~3
