"""The bridge network's record, and the links and rules that the kernel has.

A bridge is there while a container is on it: one without any port, or a table of its name without
the bridge, was left behind by whoever made it, of whichever root.  A link ``mc...`` is a container's,
whose id begins as its name goes on.
"""

from __future__ import annotations

import errno
import os

from minicontainer.engine.check.finding import Finding
from minicontainer.engine.check.life import describe
from minicontainer.errors import Conflict, CorruptData
from minicontainer.linux.door import because
from minicontainer.network import bridge as bridges
from minicontainer.network import netlink, nftables, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minicontainer.engine.check.life import Lives
    from minicontainer.engine.engine import Engine
    from minicontainer.network.bridge import BridgeNetwork

LINK = "mc"
SHORT = 12  # digits of an id in a link's name


def look(engine: Engine, lives: Lives) -> Iterator[Finding]:
    """See the table in the package."""
    network = engine.bridge()
    try:
        known = record.load(network.path)
    except CorruptData:
        said = f"{describe(network.path)}: no container can join the bridge network until it is removed"
        mend = None if _users(lives) else lambda: _forget(network)
        yield Finding("network record", network.path, said, mend)
        known = None
    if known is not None:
        yield from _endpoints(network, known, lives)
        yield from _bridge(known)
    yield from _links(lives)
    yield from _strangers(network, known)


def _users(lives: Lives) -> list[str]:
    """Running containers that are on the bridge."""
    found = (lives.found.get(one) for one in lives.running())
    return [
        one.container.id for one in found if one is not None and one.container.host.network_mode == "bridge"
    ]


def _forget(network: BridgeNetwork) -> str:
    os.unlink(network.path)
    return f"removed {network.path}; nobody was on the network, and the next container makes it anew"


def _endpoints(network: BridgeNetwork, known: record.Record, lives: Lives) -> Iterator[Finding]:
    gone = [one for one in known.endpoints if not lives.holds(one)]
    for one in gone:
        yield Finding(
            "address", f"{known.endpoints[one].address} on {known.bridge}",
            f"container {one[:12]}, which it was given to, does not run",
            lambda: _reconcile(network, lives.running()),
        )  # fmt: skip
    if not known.endpoints:
        yield Finding(
            "network record", network.path, f"nobody is on {known.bridge}",
            lambda: _reconcile(network, lives.running()),
        )  # fmt: skip


def _reconcile(network: BridgeNetwork, live: set[str]) -> str:
    told = network.reconcile(live)
    return f"gave back {', '.join(told)}" if told else "the bridge network was in order already"


def _bridge(known: record.Record) -> Iterator[Finding]:
    if not known.ready or not known.endpoints:
        return
    said = "the next container that joins makes it again; those that run are cut off until they are restarted"
    if not os.path.isdir(f"/sys/class/net/{known.bridge}"):
        yield Finding("link", known.bridge, f"the bridge was removed by somebody: {said}")
    elif not _standing(known.bridge):
        said = (
            "somebody removed them, and containers have no way out; the next one that joins makes them again"
        )
        yield Finding("rules", f"nft table ip {known.bridge}", said)


def _standing(name: str) -> bool:
    return nftables.standing(name).complete


def _names() -> list[str]:
    return sorted(os.listdir("/sys/class/net"))


def _links(lives: Lives) -> Iterator[Finding]:
    """Host's ends of cables whose container does not run."""
    idle = {one[:SHORT]: one for one in lives.found if not lives.holds(one)}
    for name in _names():
        if name.startswith(LINK) and name[len(LINK) :] in idle:
            said = f"container {name[len(LINK) :]} does not run"
            yield Finding("link", name, said, lambda n=name: _delete_link(n))  # type: ignore[misc]


def _delete_link(name: str) -> str:
    with netlink.Socket() as route:
        because("its container does not run")
        netlink.delete_link(route, name)
    return f"deleted the link {name}"


def _strangers(network: BridgeNetwork, known: record.Record | None) -> Iterator[Finding]:
    """Bridges that nobody is on, and tables without a bridge."""
    own = known.bridge if known is not None else ""
    present = set(_names())
    for name in bridges.BRIDGE_NAMES:
        ports = f"/sys/class/net/{name}/brif"
        if name != own and name in present and os.path.isdir(ports) and not os.listdir(ports):
            said = "nobody is on this bridge, and no record tells of it"
            yield Finding("link", name, said, lambda n=name: _take_down(network, n))  # type: ignore[misc]
    for name in _tables():
        if name != own and name not in present and name in bridges.BRIDGE_NAMES:
            said = f"there is no bridge {name} that they are for"
            where = f"nft table ip {name}"
            yield Finding("rules", where, said, lambda n=name: _take_down(network, n))  # type: ignore[misc]


def _tables() -> list[str]:
    try:
        return nftables.tables()
    except OSError as error:
        # No nf_tables in this kernel, or not for us: then we made none.
        if error.errno not in (errno.EPERM, errno.EPROTONOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL):
            raise
        return []


def _take_down(network: BridgeNetwork, name: str) -> str:
    """A bridge without ports, and its table, under the network's lock."""
    with network.lock() as lock, netlink.Socket() as route:
        known = record.load(network.path)
        if known is not None and known.bridge == name:
            raise Conflict(f"the bridge {name} is in use again")
        standing = nftables.standing(name)
        if not standing.nothing:
            because("no bridge of that name is there that these rules are for")
            with netlink.start_nft(nftables.taking_down(name, standing), lock.fd):
                pass
        if os.path.isdir(f"/sys/class/net/{name}"):
            because("nobody is on this bridge")
            netlink.delete_link(route, name)
    return f"took down the bridge {name} and its rules"
