"""The bridge network: who is on it, from the first container's arrival to the last one's leaving.

::

    attach                                      release
      lock                                        lock
      drop endpoints whose link is gone           drop endpoints whose link is gone
      record the endpoint (and the bridge)        others remain: delete the link, then the endpoint
      first: start nft                            last:  record "not ready", start nft
             make the bridge, forward packets            delete the link group, stop forwarding
      lay the cable, set up its inner end                wait for nft, delete the record
      first: wait for nft, record "ready"         unlock
      unlock

What is about to be made is recorded before, what was taken away is struck out after, all under one
lock that the kernel gives back; so a process may be killed at any point, and the next to come here
finds in the record all that it could have left.  Two facts need no book-keeping: a veth pair goes
with its container's network namespace, so an endpoint without its host interface is over; and all
our links carry one random link group, so a bridge of our name in another group is somebody else's.

The host's IPv4 forwarding is switched on if it is off, and off again with the last container, unless
another bridge has come to rely on it.  (Docker and Podman switch it on and never off.)
"""

from __future__ import annotations

import os

from minicontainer.errors import Conflict, CorruptData, MinicontainerError, Unsupported
from minicontainer.linux import control, namespaces, netdevice, process
from minicontainer.linux.door import because
from minicontainer.network import netlink, nftables, pool, record
from minicontainer.network.record import Endpoint, Record
from minicontainer.util.files import PREFIX, Lock, read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from minicontainer.network.netlink import Socket

INTERFACE = "eth0"
IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"
BRIDGE_NAMES = tuple(f"minicontainer{n}" for n in range(100))


class BridgeNetwork:
    """The network in ``root``/networks; its lock is in ``run``.

    ``ranges`` are tried in turn for one that no route of the host leads into.
    """

    def __init__(self, root: str, run: str, ranges: Sequence[str] = pool.CANDIDATES) -> None:
        self.folder = os.path.join(root, "networks")
        self.path = os.path.join(self.folder, "bridge.json")
        self.run = run
        self.ranges = ranges

    def warm_up(self) -> None:
        """Import what `attach` needs."""
        netlink.warm_up()

    def attach(self, container_id: str, netns: str, mac: str | None = None, *, wanted: str = "") -> Endpoint:
        """Put the network namespace ``netns`` (a path) on the bridge, as ``eth0``.

        It gets the address ``wanted`` if that is free, else the lowest that is.
        A former endpoint of the container is taken back first.  Raises Conflict if no address is
        left, Unsupported where the host cannot do it, OSError; nothing is left then.
        """
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        with self.lock() as lock, netlink.Socket() as route:
            found = self._present(route)
            if container_id in found.endpoints:
                self._disconnect(route, found, container_id)
            endpoint = found.endpoints[container_id] = _new_endpoint(found, container_id, mac, wanted)
            self._save(found)
            try:
                self._connect(route, found, endpoint, netns, lock)
            except BaseException:
                self._undo(route, found, container_id, lock)
                raise
            return endpoint

    def release(self, container_id: str) -> None:
        """Give back what the container has here; nothing happens if it has nothing.

        Where the record is damaged, what the kernel has of it: the rest is for who mends the record.
        """
        if not os.path.exists(self.path):
            return
        with self.lock() as lock, netlink.Socket() as route:
            try:
                found = record.load(self.path)
            except CorruptData:
                _delete_link(route, _link_name(container_id))
                return
            if found is not None:
                _drop_dead(found, kept=container_id)
                self._leave(route, found, [container_id], lock)

    def reconcile(self, live: set[str]) -> list[str]:
        """Give back what containers outside ``live`` (ids) have; says what, one line each."""
        if not os.path.isdir(self.folder):
            return []
        with self.lock() as lock, netlink.Socket() as route:
            self._sweep()
            found = record.load(self.path)
            if found is None:
                return []
            told = _drop_dead(found)
            gone = [one for one in found.endpoints if one not in live]
            told += [_told(one, found.endpoints[one]) for one in gone]
            self._leave(route, found, gone, lock)
            return told if found.endpoints else [*told, f"bridge {found.bridge}"]

    def lock(self) -> Lock:
        """What `attach` and `release` hold."""
        os.makedirs(self.run, mode=0o700, exist_ok=True)
        return Lock(os.path.join(self.run, "network-bridge.lock"))

    def _save(self, found: Record) -> None:
        record.save(self.path, found)

    def sweep(self) -> list[str]:
        """Remove the temporary files of writers that were killed; which."""
        with self.lock():
            return self._sweep()

    def _sweep(self) -> list[str]:
        names = [name for name in os.listdir(self.folder) if name.startswith(f"{PREFIX}bridge.json")]
        paths = [os.path.join(self.folder, name) for name in names]
        for path in paths:
            os.unlink(path)
        return paths

    def _present(self, route: Socket) -> Record:
        """The record as it is true now, or a new one for a bridge that is to be made."""
        found = record.load(self.path)
        if found is not None:
            _drop_dead(found)
            if netlink.group_of(route, found.bridge) in (None, found.group):
                return found
        routes = [pool.Range.parse(one) for one in netlink.destinations(route)]
        return Record(
            home=record.home(),
            bridge=_free_name(),
            group=int.from_bytes(os.urandom(4), "big") >> 1 | 1,
            range=str(pool.choose_range(self.ranges, routes)),
            forwarding_before=_forwarding(),
            endpoints={},
        )

    def _connect(self, route: Socket, found: Record, endpoint: Endpoint, netns: str, lock: Lock) -> None:
        with _rules_set_up(found, lock):
            if not found.ready or netlink.group_of(route, found.bridge) is None:
                _make_bridge(route, found)
            if _forwarding() == "0":
                because("without it the kernel drops packets that are not for the host itself")
                control.write_control(IP_FORWARD, "1")
            host_end, inner_end, mac = endpoint.host_interface, endpoint.interface, endpoint.mac
            netlink.new_veth(route, host_end, found.bridge, found.group, inner_end, mac, netns)
            _set_up_inside(endpoint, netns)
        if not found.ready:
            found.ready = True
            self._save(found)

    def _undo(self, route: Socket, found: Record, container_id: str, lock: Lock) -> None:
        """Take back half an attach; if that fails too, the first error is told and the record remains."""
        try:
            self._leave(route, found, [container_id], lock)
        except (OSError, MinicontainerError):
            return

    def _leave(self, route: Socket, found: Record, gone: list[str], lock: Lock) -> None:
        if all(one in gone for one in found.endpoints):
            self._take_down(route, found, lock)
            return
        for one in gone:
            if one in found.endpoints:
                self._disconnect(route, found, one)
        self._save(found)

    def _disconnect(self, route: Socket, found: Record, container_id: str) -> None:
        _delete_link(route, found.endpoints[container_id].host_interface)
        del found.endpoints[container_id]

    def _take_down(self, route: Socket, found: Record, lock: Lock) -> None:
        found.ready = False
        self._save(found)
        with _rules_taken_down(found, lock):
            _delete_links(route, found)
            _restore_forwarding(found)
        found.endpoints.clear()
        os.unlink(self.path)


def _new_endpoint(found: Record, container_id: str, mac: str | None, wanted: str) -> Endpoint:
    addresses = pool.Range.parse(found.range)
    taken = [one.address for one in found.endpoints.values()]
    address = wanted if pool.is_free(addresses, wanted, taken) else pool.lowest_free(addresses, taken)
    return Endpoint(
        interface=INTERFACE,
        host_interface=_link_name(container_id),
        address=address,
        prefix_length=addresses.length,
        gateway=addresses.gateway,
        mac=mac or pool.mac_of(address),
    )


def _link_name(container_id: str) -> str:
    return f"mc{container_id[:12]}"  # IFNAMSIZ leaves 15


def _interfaces() -> set[str]:
    import _socket

    return {name for _, name in _socket.if_nameindex()}


def _drop_dead(found: Record, kept: str = "") -> list[str]:
    """Strike out the endpoints whose interface is gone, and so their namespace; says which."""
    present = _interfaces() | ({found.endpoints[kept].host_interface} if kept in found.endpoints else set())
    dead = [one for one, endpoint in found.endpoints.items() if endpoint.host_interface not in present]
    return [_told(one, found.endpoints.pop(one)) for one in dead]


def _told(container_id: str, endpoint: Endpoint) -> str:
    return f"address {endpoint.address} of container {container_id[:12]}"


def _free_name() -> str:
    taken = _interfaces()
    for name in BRIDGE_NAMES:
        if name not in taken:
            return name
    raise Conflict(f"every name for a bridge is taken, {BRIDGE_NAMES[0]} to {BRIDGE_NAMES[-1]}")


def _make_bridge(route: Socket, found: Record) -> None:
    """The bridge with its address, in place of a half-made one."""
    if netlink.group_of(route, found.bridge) == found.group:
        because("an attach was killed while it made this bridge")
        netlink.delete_group(route, found.group, found.bridge)
    addresses = pool.Range.parse(found.range)
    netlink.new_bridge(route, found.bridge, pool.mac_of(addresses.gateway), found.group)
    ipv6 = f"/proc/sys/net/ipv6/conf/{found.bridge}/disable_ipv6"
    if os.path.exists(ipv6):
        because("a container's router advertisement must not give the host addresses (CVE-2020-13401)")
        control.write_control(ipv6, "1")
    because("the bridge is also the host's own interface on this network, and the containers' gateway")
    netlink.add_address(route, found.bridge, addresses.gateway, addresses.length)


def _delete_links(route: Socket, found: Record) -> None:
    """Everything in our group; without the bridge, which somebody deleted, one by one."""
    if netlink.group_of(route, found.bridge) == found.group:
        netlink.delete_group(route, found.group, found.bridge)
        return
    for endpoint in found.endpoints.values():
        _delete_link(route, endpoint.host_interface)


def _delete_link(route: Socket, name: str) -> None:
    if name not in _interfaces():
        return
    try:
        netlink.delete_link(route, name)
    except OSError as error:
        if error.errno != 19:  # ENODEV: it went with its container's namespace just now
            raise


def _set_up_inside(endpoint: Endpoint, netns: str) -> None:
    """Address and default route of the inner end, made from inside its namespace."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        there = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
        try:
            because("addresses and routes can only be set from inside their network namespace")
            namespaces.setns(there, process.CLONE_NEWNET)
        finally:
            os.close(there)
        try:
            with netlink.Socket() as inside:
                because("a cable carries once both its ends are up")
                netdevice.interface_up(endpoint.interface)
                netlink.add_address(inside, endpoint.interface, endpoint.address, endpoint.prefix_length)
                netlink.add_default_route(inside, endpoint.gateway)
        finally:
            _come_back(home)
    finally:
        os.close(home)


def _come_back(home: int) -> None:
    """Return to the namespace ``home``; a second try, since all that follows would go astray."""
    try:
        because("back to the host's network namespace")
        namespaces.setns(home, process.CLONE_NEWNET)
    except OSError:
        namespaces.setns(home, process.CLONE_NEWNET)
        raise


def _rules_set_up(found: Record, lock: Lock) -> AbstractContextManager[object]:
    """nft at work, until the end of the block, on what is missing."""
    from contextlib import nullcontext

    now = nftables.standing(found.bridge)
    if found.ready and now.complete:
        return nullcontext()
    transaction = nftables.setting_up(found.bridge, found.range, now)
    because("containers go out under the host's address; nothing comes in but answers")
    try:
        return netlink.start_nft(transaction, lock.fd)
    except FileNotFoundError:
        raise Unsupported(
            "the bridge network needs the program nft (package nftables); --network host and none do not"
        ) from None


def _rules_taken_down(found: Record, lock: Lock) -> AbstractContextManager[object]:
    """nft at work, until the end of the block, on what is there of ours."""
    from contextlib import nullcontext

    now = nftables.standing(found.bridge)
    if now.nothing:
        return nullcontext()
    because("no container is left whose packets these rules are for")
    return netlink.start_nft(nftables.taking_down(found.bridge, now), lock.fd)


def _forwarding() -> str:
    return read(IP_FORWARD).decode().strip()


def _restore_forwarding(found: Record) -> None:
    if found.forwarding_before != "0" or _forwarding() == "0" or _other_bridges(found.bridge):
        return
    because("it was off before the first container came")
    control.write_control(IP_FORWARD, "0")


def _other_bridges(ours: str) -> bool:
    """Whether another bridge is here, whose owner may have found forwarding on and left it so."""
    return any(name != ours and os.path.isdir(f"/sys/class/net/{name}/bridge") for name in _interfaces())
