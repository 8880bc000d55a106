"""How a container reaches others: ``--network none``, ``host`` or ``bridge`` (the default).

::

    none     a network namespace with its loopback, and nothing else
    host     no namespace: the host's own interfaces
    bridge   container A            host                        container B
             ┌──────────┐  veth  ┌───────────────────┐  veth  ┌──────────┐
             │   eth0 ──┼────────┼─ minicontainer0 ──┼────────┼── eth0   │
             │172.29.0.2│        │  172.29.0.1/16    │        │172.29.0.3│
             └──────────┘        │   │ forwarded,    │        └──────────┘
                                 │   │ masqueraded   │
                                 │  eth0 ────────────┼──► outside
                                 └───────────────────┘

    bridge.py ──► record.py     what is taken, in ROOT/networks/bridge.json
              ├─► pool.py       which range, which address
              ├─► nftables.py   the rules, and whether they stand
              └─► netlink.py    the door: rtnetlink messages, nft
    files.py                    /etc/hostname, /etc/hosts, /etc/resolv.conf
"""

from __future__ import annotations

MODES = ("bridge", "host", "none")


def mode(name: str) -> str:
    """``name`` if it is one of `MODES`, with Docker's alias ``default``.  Raises NotFound."""
    if name in MODES:
        return name
    if name == "default":
        return MODES[0]
    from minicontainer.errors import NotFound

    raise NotFound(f"network {name} not found: it is one of {', '.join(MODES)}")
