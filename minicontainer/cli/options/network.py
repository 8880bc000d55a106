"""The network of a container, its own name, and whom it asks for the names of others."""

from __future__ import annotations

from minicontainer.cli import types
from minicontainer.cli.options import many, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OPTIONS = (
    many("--add-host", type=types.EXTRA_HOST, help="Add a line to /etc/hosts: NAME:ADDRESS"),
    many("--dns", type=types.ADDRESS, help="Ask this name server, and none of the host's"),
    many("--dns-option", "--dns-opt", type=types.NAME, help="Options of resolv.conf(5)"),
    many("--dns-search", type=types.NAME, help="Domains to search for names in; .: none"),
    one("--domainname", type=types.HOST_NAME, help="NIS domain name"),
    one("-h", "--hostname", type=types.HOST_NAME, help="Host name of the container"),
    one(
        "--network", "--net", type=types.NETWORK, default="bridge",
        help="none, host or bridge (bridge)",
    ),
    many("-p", "--publish", type=types.PUBLISH, help="Publish a port (later work)"),
)  # fmt: skip


def config(flags: dict[str, Any]) -> dict[str, Any]:
    """Fields of Config."""
    return {"domainname": flags["domainname"] or "", "hostname": flags["hostname"] or ""}


def host(flags: dict[str, Any]) -> dict[str, Any]:
    """Fields of HostConfig."""
    return {
        "dns": list(flags["dns"]),
        "dns_options": list(flags["dns_option"]),
        "dns_search": list(flags["dns_search"]),
        "extra_hosts": list(flags["add_host"]),
        "network_mode": flags["network"],
    }
