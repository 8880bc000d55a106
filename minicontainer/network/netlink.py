"""The network's door: rtnetlink(7) messages and nft(8) transactions, each one step.

::

    a function here ──► pyroute2's message ──► linux/netlink.py's Socket ──► the kernel
    a function here ──► nft, a program     ──► the kernel

This is the only file that imports pyroute2, inside `_messages`: its three message classes are a tenth
of ``import pyroute2`` (asyncio, nftables, plan9, ...), so they are imported past
``pyroute2/__init__.py``.  Cost of each, measured side by side in a process that has msgspec: all
100 ms, ``pyroute2.iproute`` without the rest 60, this 15.

One message does what the kernel takes in one: a bridge is made and up, a veth pair is made with one
end on the bridge and the other in the container.  nft is a program, and slow to delete a table
(it waits for an RCU grace period, 10 to 30 ms): it is started by one function and waited for by
another, so that links are made and deleted meanwhile.
"""

from __future__ import annotations

import os

from minicontainer.errors import Unsupported
from minicontainer.linux.door import quote, step
from minicontainer.linux.netlink import HEADER, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL
from minicontainer.linux.netlink import Socket as Socket  # what every function here is given

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

AF_INET = 2

RTM_NEWLINK = 16
RTM_DELLINK = 17
RTM_GETLINK = 18
RTM_NEWADDR = 20
RTM_NEWROUTE = 24
RTM_GETROUTE = 26

IFF_UP = 1
RT_TABLE_MAIN = 254
RTPROT_BOOT = 3
RTN_UNICAST = 1

_LONGEST = 1 << 16


class Messages:
    """pyroute2's classes for struct ifinfomsg, ifaddrmsg and rtmsg with their attributes."""

    __slots__ = ("address", "link", "route")

    def __init__(self, link: Any, address: Any, route: Any) -> None:
        self.link = link
        self.address = address
        self.route = route


_imported: Messages | None = None


def warm_up() -> None:
    """Import what encodes messages, while there is time."""
    _messages()


def _messages() -> Messages:
    global _imported
    if _imported is None:
        _imported = _import_messages()
    return _imported


def _import_messages() -> Messages:
    """Import pyroute2's message classes without running ``pyroute2/__init__.py``.

    A bare module stands in for the package meanwhile.  What was imported beneath it is then taken
    out of sys.modules, so that a later ``import pyroute2`` in this process gets the whole of it.
    """
    import sys

    whole = "pyroute2" in sys.modules
    if not whole:
        import importlib.machinery
        import types

        spec = importlib.machinery.PathFinder.find_spec("pyroute2")
        if spec is None:
            raise ModuleNotFoundError("No module named 'pyroute2'", name="pyroute2")
        bare = types.ModuleType("pyroute2")
        bare.__path__ = list(spec.submodule_search_locations or [])
        sys.modules["pyroute2"] = bare
    try:
        from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
        from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
        from pyroute2.netlink.rtnl.rtmsg import rtmsg
    finally:
        if not whole:
            for name in [name for name in sys.modules if name.partition(".")[0] == "pyroute2"]:
                del sys.modules[name]
    return Messages(ifinfmsg, ifaddrmsg, rtmsg)


def _encode(message: Any, attrs: list[tuple[str, Any]], **fields: int) -> bytes:
    """What follows the header: pyroute2's message with its fields and attributes set."""
    message.update(fields)
    message["attrs"] = attrs
    message["header"] = {"type": 0, "flags": 0, "sequence_number": 0, "pid": 0}
    message.encode()
    return bytes(message.data[HEADER.size :])


def _decode(message_class: Any, body: bytes) -> Any:
    message = message_class(HEADER.pack(HEADER.size + len(body), 0, 0, 0, 0) + body)
    message.decode()
    return message


@step(
    "rtnetlink(7)",
    why="make the switch that the containers' cables are plugged into",
    shell=lambda a: (
        f"ip link add name {quote(a['name'])} address {a['mac']} group {a['group']} up type bridge"
    ),
    watch=lambda a: [("link", a["name"])],
)
def new_bridge(route: Socket, name: str, mac: str, group: int) -> None:
    """RTM_NEWLINK of kind bridge, up.  EEXIST if any link has the name."""
    attrs = [
        ("IFLA_IFNAME", name),
        ("IFLA_ADDRESS", mac),
        ("IFLA_GROUP", group),
        ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "bridge")]}),
    ]
    body = _encode(_messages().link(), attrs, flags=IFF_UP, change=IFF_UP)
    route.ask(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, name)


@step(
    "rtnetlink(7)",
    why="lay a cable: one end on the bridge, the other inside the container",
    shell=lambda a: (
        f"ip link add name {quote(a['name'])} group {a['group']} master {quote(a['bridge'])} up type veth"
        f" peer name {quote(a['peer'])} address {a['mac']} netns {quote(a['netns'])}"
    ),
    watch=lambda a: [("link", a["name"])],
)
def new_veth(route: Socket, name: str, bridge: str, group: int, peer: str, mac: str, netns: str) -> None:
    """RTM_NEWLINK of kind veth(4): ``name`` on ``bridge`` here, ``peer`` in the namespace ``netns``.

    The peer comes down: its driver refuses to open it (ENOTCONN) before the two know each other.
    """
    import _socket

    fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        peer_attrs = [("IFLA_IFNAME", peer), ("IFLA_ADDRESS", mac), ("IFLA_NET_NS_FD", fd)]
        data = {"attrs": [("VETH_INFO_PEER", {"attrs": peer_attrs})]}
        attrs = [
            ("IFLA_IFNAME", name),
            ("IFLA_GROUP", group),
            ("IFLA_MASTER", _socket.if_nametoindex(bridge)),
            ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", "veth"), ("IFLA_INFO_DATA", data)]}),
        ]
        body = _encode(_messages().link(), attrs, flags=IFF_UP, change=IFF_UP)
        route.ask(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, body, name)
    finally:
        os.close(fd)


@step(
    "rtnetlink(7)",
    why="give the interface its address; the kernel adds the route to the addresses around it",
    shell=lambda a: f"ip address add {a['address']}/{a['prefix_length']} broadcast + dev {quote(a['name'])}",
    watch=lambda a: [("link", a["name"])],
)
def add_address(route: Socket, name: str, address: str, prefix_length: int) -> None:
    """RTM_NEWADDR on interface ``name`` of the socket's namespace, which must be this process's."""
    import _socket

    host_part = (1 << (32 - prefix_length)) - 1
    broadcast = int.from_bytes(_socket.inet_aton(address), "big") | host_part
    attrs = [
        ("IFA_LOCAL", address),
        ("IFA_ADDRESS", address),
        ("IFA_BROADCAST", _socket.inet_ntoa(broadcast.to_bytes(4, "big"))),
    ]
    index = _socket.if_nametoindex(name)
    body = _encode(_messages().address(), attrs, family=AF_INET, prefixlen=prefix_length, index=index)
    route.ask(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, body, name)


@step(
    "rtnetlink(7)",
    why="send what is for anybody else to the bridge, and so to the host",
    shell=lambda a: f"ip route add default via {a['gateway']}",
)
def add_default_route(route: Socket, gateway: str) -> None:
    """RTM_NEWROUTE of 0.0.0.0/0 in the main table; ENETUNREACH if no interface reaches the gateway."""
    body = _encode(
        _messages().route(),
        [("RTA_GATEWAY", gateway)],
        family=AF_INET,
        table=RT_TABLE_MAIN,
        proto=RTPROT_BOOT,
        type=RTN_UNICAST,
    )
    route.ask(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, body, gateway)


@step(
    "rtnetlink(7)",
    why="pull the container's cable: deleting one end of a veth pair deletes both",
    shell=lambda a: f"ip link delete {quote(a['name'])}",
    watch=lambda a: [("link", a["name"])],
)
def delete_link(route: Socket, name: str) -> None:
    """RTM_DELLINK by name; ENODEV without it."""
    route.ask(RTM_DELLINK, 0, _encode(_messages().link(), [("IFLA_IFNAME", name)]), name)


@step(
    "rtnetlink(7)",
    why="take the bridge and every cable on it away; as one group the kernel waits for them once",
    shell=lambda a: f"ip link delete group {a['group']}",
    watch=lambda a: [("link", a["name"])],
)
def delete_group(route: Socket, group: int, name: str) -> None:
    """RTM_DELLINK by link group; ``name`` is the bridge in it.  ENODEV if no link is in the group."""
    route.ask(RTM_DELLINK, 0, _encode(_messages().link(), [("IFLA_GROUP", group)]), name)


def group_of(route: Socket, name: str) -> int | None:
    """The link group of interface ``name``, or None if there is no such interface."""
    try:
        answers = route.ask(RTM_GETLINK, 0, _encode(_messages().link(), [("IFLA_IFNAME", name)]), name)
    except OSError as error:
        if error.errno != 19:  # ENODEV
            raise
        return None
    return int(_decode(_messages().link, answers[0]).get_attr("IFLA_GROUP") or 0)


def destinations(route: Socket) -> list[str]:
    """Where this host's IPv4 routes lead, all tables, without the default: ``a.b.c.d/n``."""
    body = _encode(_messages().route(), [], family=AF_INET)
    routes = [_decode(_messages().route, answer) for answer in route.ask(RTM_GETROUTE, NLM_F_DUMP, body)]
    return [f"{found}/{one['dst_len']}" for one in routes if (found := one.get_attr("RTA_DST"))]


class Transaction:
    """An nft that is running; the end of a ``with`` block waits for it."""

    __slots__ = ("_output", "_pid")

    def __init__(self, pid: int, output: int) -> None:
        self._pid = pid
        self._output = output

    def __repr__(self) -> str:
        return str(self._pid)

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Raise Unsupported with what nft said if it was refused, unless there is an error already."""
        said = self._wait()
        if said and kind is None:
            raise Unsupported(f"nft could not change this host's packet rules: {said}")

    def _wait(self) -> str:
        """Empty when the transaction was done; a transaction is done whole or not at all."""
        said = b""
        try:
            while part := os.read(self._output, _LONGEST):
                said += part
        finally:
            os.close(self._output)
        _, status = os.waitpid(self._pid, 0)
        if status == 0:
            return ""
        lines = said.decode(errors="replace").split("\n")
        return lines[0].removeprefix("internal:0:0-0: ") or f"it ended with wait status {status}"


@step(
    "nft(8)",
    why="change the host's packet rules in one transaction",
    shell=lambda a: f"echo {quote(a['transaction'])} | nft -j -f -",
)
def start_nft(transaction: str, lock_fd: int) -> Transaction:
    """Start ``nft -j -f -`` on a JSON transaction (libnftables-json(5)).  ENOENT without nft.

    It holds ``lock_fd`` open, and with it the flock(2): should we be killed, whoever takes the lock
    next finds the transaction done.
    """
    program = _find("nft")
    feed = os.memfd_create("nft")
    answer, output = os.pipe()
    try:
        os.write(feed, transaction.encode())
        os.lseek(feed, 0, os.SEEK_SET)
        pid = os.posix_spawn(
            program,
            # nft opens /dev/stdin for "-", which a host without udev may lack.
            ["nft", "-j", "-f", "/proc/self/fd/0"],
            {"PATH": os.defpath, "LC_ALL": "C"},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, feed, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
                (os.POSIX_SPAWN_DUP2, lock_fd, 3),
            ],
            setsigmask=(),
        )
    except BaseException:
        os.close(answer)
        raise
    finally:
        os.close(feed)
        os.close(output)
    return Transaction(pid, answer)


def _find(program: str) -> str:
    """The path of ``program``; the sbin folders are searched too, which su leaves out of PATH."""
    for folder in (*os.get_exec_path(), "/usr/sbin", "/sbin"):
        path = os.path.join(folder, program)
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(2, os.strerror(2), program)
