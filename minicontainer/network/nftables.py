"""The packet rules of the bridge network, and whether they stand.

::

    table ip minicontainer0 {
        chain postrouting {                 # what leaves the host leaves with the host's address
            type nat hook postrouting priority srcnat;
            ip saddr 172.29.0.0/16 oifname != "minicontainer0" masquerade
        }
        chain forward {                     # in come answers, and nobody who was not asked
            type filter hook forward priority filter;
            iifname != "minicontainer0" oifname "minicontainer0" ct state established,related accept
            iifname != "minicontainer0" oifname "minicontainer0" drop
        }
    }

The table is named after the bridge, comes whole in one transaction and goes whole; nft is started
only if the kernel, asked by one message, does not have it.

Docker sets the policy of the host's FORWARD chain to drop.  A packet must pass every chain on the
hook, so no rule in a table of ours can let it through; what can is a rule in DOCKER-USER, the chain that
Docker keeps for the rules of others and never empties.  Where that chain is, the transaction also puts
these rules first in it, with the bridge's name as their comment, by which they are found again:

    iifname "minicontainer0" oifname "docker0" return     # Docker's own isolation still judges these
    iifname "minicontainer0" oifname "br-*" return
    iifname "minicontainer0" accept
    oifname "minicontainer0" accept                       # our chain above has its say on them

A Docker on iptables-legacy has its chain where nft cannot reach it; there a person has to say
``iptables-legacy -I DOCKER-USER -i minicontainer0 -j ACCEPT`` and the same with ``-o``.
"""

from __future__ import annotations

import struct

from minicontainer.linux.netlink import NETLINK_NETFILTER, NLM_F_DUMP, Socket, attributes
from minicontainer.oci import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Commands = list[dict[str, Any]]

DOCKER_TABLE = "filter"
DOCKER_CHAIN = "DOCKER-USER"

# linux/netfilter/nf_tables.h
NFNL_SUBSYS_NFTABLES = 10
NFT_MSG_GETTABLE = 1
NFT_MSG_GETCHAIN = 4
NFT_MSG_GETRULE = 7
NFPROTO_IPV4 = 2
NFTA_TABLE_NAME = 1
NFTA_CHAIN_TABLE = 1
NFTA_CHAIN_NAME = 3
NFTA_RULE_TABLE = 1
NFTA_RULE_CHAIN = 2
NFTA_RULE_HANDLE = 3
NFTA_RULE_USERDATA = 7
UDATA_RULE_COMMENT = 0  # libnftnl/udata.h: type, length, text


class Standing:
    """What the kernel has: our table, Docker's chain, the handles of our rules in that chain."""

    __slots__ = ("docker", "handles", "table")

    def __init__(self, table: bool, docker: bool, handles: list[int]) -> None:
        self.table = table
        self.docker = docker
        self.handles = handles

    @property
    def complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.table and (not self.docker or bool(self.handles))

    @property
    def nothing(self) -> bool:
        """Whether nothing of ours is there."""
        return not self.table and not self.handles


def standing(bridge: str) -> Standing:
    """Ask the kernel; three messages, no process."""
    with Socket(NETLINK_NETFILTER) as netfilter:
        table = _exists(netfilter, NFT_MSG_GETTABLE, {NFTA_TABLE_NAME: bridge})
        chain = {NFTA_CHAIN_TABLE: DOCKER_TABLE, NFTA_CHAIN_NAME: DOCKER_CHAIN}
        docker = _exists(netfilter, NFT_MSG_GETCHAIN, chain)
        return Standing(table, docker, _handles(netfilter, bridge) if docker else [])


def tables() -> list[str]:
    """The names of all tables of family ip."""
    with Socket(NETLINK_NETFILTER) as netfilter:
        answers = netfilter.ask(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE, NLM_F_DUMP, _request({}))
    names = [attributes(answer[4:]).get(NFTA_TABLE_NAME, b"") for answer in answers]
    return [name.rstrip(b"\0").decode() for name in names]


def setting_up(bridge: str, pool: str, now: Standing) -> str:
    """The transaction that makes the table, in place of one that is there."""
    table = {"table": {"family": "ip", "name": bridge}}
    # A deletion makes the whole transaction wait for an RCU grace period: only where there is something.
    commands: Commands = [{"delete": table}] if now.table else []
    commands += [{"add": table}, *_postrouting(bridge, pool), *_forward(bridge), *_withdrawn(now)]
    if now.docker:
        commands += _permitted(bridge)
    return _document(commands)


def taking_down(bridge: str, now: Standing) -> str:
    """The transaction that removes what is there of ours."""
    commands = _withdrawn(now)
    if now.table:
        commands.append({"delete": {"table": {"family": "ip", "name": bridge}}})
    return _document(commands)


def _document(commands: Commands) -> str:
    return jsontext.dumps({"nftables": commands})


def _chain(bridge: str, name: str, kind: str, priority: int) -> dict[str, Any]:
    chain = {"family": "ip", "table": bridge, "name": name, "type": kind, "hook": name, "prio": priority}
    return {"add": {"chain": {**chain, "policy": "accept"}}}


def _rule(table: str, chain: str, *expressions: dict[str, Any]) -> dict[str, Any]:
    return {"add": {"rule": {"family": "ip", "table": table, "chain": chain, "expr": list(expressions)}}}


def _match(left: dict[str, Any], operator: str, right: Any) -> dict[str, Any]:
    return {"match": {"op": operator, "left": left, "right": right}}


def _interface(key: str, operator: str, name: str) -> dict[str, Any]:
    return _match({"meta": {"key": key}}, operator, name)


def _postrouting(bridge: str, pool: str) -> Commands:
    address, _, length = pool.partition("/")
    source = {"payload": {"protocol": "ip", "field": "saddr"}}
    inside = _match(source, "==", {"prefix": {"addr": address, "len": int(length)}})
    leaving = _interface("oifname", "!=", bridge)
    return [
        _chain(bridge, "postrouting", "nat", 100),
        _rule(bridge, "postrouting", inside, leaving, {"masquerade": None}),
    ]


def _forward(bridge: str) -> Commands:
    coming_in = (_interface("iifname", "!=", bridge), _interface("oifname", "==", bridge))
    answers = _match({"ct": {"key": "state"}}, "in", ["established", "related"])
    return [
        _chain(bridge, "forward", "filter", 0),
        _rule(bridge, "forward", *coming_in, answers, {"accept": None}),
        _rule(bridge, "forward", *coming_in, {"drop": None}),
    ]


def _permitted(bridge: str) -> Commands:
    """The rules in Docker's chain; each is inserted before the others, so the last comes first."""
    ours = _interface("iifname", "==", bridge)
    rules = [
        [_interface("oifname", "==", bridge), {"accept": None}],
        [ours, {"accept": None}],
        [ours, _interface("oifname", "==", "br-*"), {"return": None}],
        [ours, _interface("oifname", "==", "docker0"), {"return": None}],
    ]
    where = {"family": "ip", "table": DOCKER_TABLE, "chain": DOCKER_CHAIN, "comment": bridge}
    return [{"insert": {"rule": {**where, "expr": rule}}} for rule in rules]


def _withdrawn(now: Standing) -> Commands:
    where = {"family": "ip", "table": DOCKER_TABLE, "chain": DOCKER_CHAIN}
    return [{"delete": {"rule": {**where, "handle": handle}}} for handle in now.handles]


def _request(names: dict[int, str]) -> bytes:
    """struct nfgenmsg and attributes of text."""
    body = struct.pack("=BBH", NFPROTO_IPV4, 0, 0)
    for kind, name in names.items():
        text = name.encode() + b"\0"
        body += struct.pack("=HH", 4 + len(text), kind) + text + bytes(-len(text) % 4)
    return body


def _exists(netfilter: Socket, kind: int, names: dict[int, str]) -> bool:
    try:
        netfilter.ask(NFNL_SUBSYS_NFTABLES << 8 | kind, 0, _request(names))
    except FileNotFoundError:
        return False
    return True


def _handles(netfilter: Socket, bridge: str) -> list[int]:
    """The handles of the rules in Docker's chain whose comment is ``bridge``."""
    names = {NFTA_RULE_TABLE: DOCKER_TABLE, NFTA_RULE_CHAIN: DOCKER_CHAIN}
    rules = netfilter.ask(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, NLM_F_DUMP, _request(names))
    parsed = [attributes(rule[4:]) for rule in rules]
    return [
        int.from_bytes(rule[NFTA_RULE_HANDLE], "big")
        for rule in parsed
        if _comment(rule.get(NFTA_RULE_USERDATA, b"")) == bridge
    ]


def _comment(data: bytes) -> str:
    """The comment in a rule's user data: (type, length, value) after one another."""
    while len(data) >= 2:
        kind, length = data[0], data[1]
        if kind == UDATA_RULE_COMMENT:
            return data[2 : 2 + length].rstrip(b"\0").decode(errors="replace")
        data = data[2 + length :]
    return ""
