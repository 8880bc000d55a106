"""v1 net_cls and net_prio controllers (Documentation/admin-guide/cgroup-v1/net_cls.rst, net_prio.rst).

::

    classID      net_cls.classid       marks packets for tc(8) and nftables: 0xAAAABBBB is AAAA:BBBB
    priorities   net_prio.ifpriomap    "eth0 5": of what is sent through that interface
"""

from __future__ import annotations

from minicontainer.cgroups.setting import Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Network


def settings(network: Network) -> list[Setting]:
    """The interfaces are those of the caller's network namespace."""
    found = []
    if network.class_id:
        found.append(Setting("net_cls", "net_cls.classid", network.class_id, "network.classID"))
    for entry in network.priorities:
        value = f"{entry.name} {entry.priority}"
        found.append(Setting("net_prio", "net_prio.ifpriomap", value, "network.priorities"))
    return found
