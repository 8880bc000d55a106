"""The three files of /etc that tell a program about its network: hostname(5), hosts(5), resolv.conf(5).

Only their content: whoever makes the container writes them and mounts them over the image's own.
A container on the host's network gets the host's own hosts and resolv.conf instead.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minicontainer.network.record import Endpoint

# What Docker and Podman fall back to when no nameserver of the host can be reached from a container.
PUBLIC_NAMESERVERS = ("8.8.8.8", "8.8.4.4")

HOST_GATEWAY = "host-gateway"
RESOLV_CONF = "/etc/resolv.conf"
# systemd-resolved's file for those who cannot use its stub at 127.0.0.53 (systemd-resolved(8)).
UPLINK_RESOLV_CONF = "/run/systemd/resolve/resolv.conf"

_HOSTS = """\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::0\tip6-localnet
ff00::0\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def hostname(name: str) -> str:
    """/etc/hostname: the name and a newline."""
    return f"{name}\n"


def extra(hosts: Iterable[str], endpoint: Endpoint | None) -> str:
    """Lines for the ``NAME:ADDRESS`` of --add-host; host-gateway is the endpoint's gateway."""
    pairs = [entry.partition(":")[::2] for entry in hosts]
    gateway = endpoint.gateway if endpoint is not None else ""
    lines = [(gateway if address == HOST_GATEWAY else address, name) for name, address in pairs]
    return "".join(f"{address}\t{name}\n" for address, name in lines if address)


def hosts(name: str, endpoint: Endpoint | None) -> str:
    """/etc/hosts as Docker writes it: the loopback names, and ``name`` at the endpoint's address.

    ``name`` may be a full domain name; its first part is an alias then.  Without an endpoint
    (``--network none``) there is no address to give.
    """
    if endpoint is None:
        return _HOSTS
    short = name.partition(".")[0]
    names = name if short == name else f"{name} {short}"
    return f"{_HOSTS}{endpoint.address}\t{names}\n"


def resolv_conf(host_text: str) -> str:
    """The host's resolv.conf for a container on the bridge.

    Nameservers on the host's loopback are dropped, since in the container that is the container's
    own, and IPv6 ones, since the bridge has no IPv6; public ones stand in if none is left, as with
    Docker.  Everything else (search, options, comments) stays.
    """
    lines = host_text.splitlines()
    kept = [line for line in lines if _nameserver(line) is None or _reachable(_nameserver(line) or "")]
    if not any(_nameserver(line) for line in kept):
        kept += [f"nameserver {address}" for address in PUBLIC_NAMESERVERS]
    return "".join(f"{line}\n" for line in kept)


def replaced(text: str, servers: list[str], search: list[str], options: list[str]) -> str:
    """resolv.conf with what was asked for in the place of the host's; an empty list keeps that.

    A search of ``.`` is none at all.  The order is Docker's: search, nameserver, options.
    """
    if not servers and not search and not options:
        return text
    lines = [line.split() for line in text.splitlines()]
    had = {
        key: [line[1:] for line in lines if line[:1] == [key]] for key in ("nameserver", "search", "options")
    }
    found = {
        "search": [search] if search else had["search"][-1:],
        "nameserver": [[server] for server in servers] or had["nameserver"],
        "options": [options] if options else had["options"],
    }
    if search == ["."]:
        del found["search"]
    return "".join(f"{key} {' '.join(words)}\n" for key, entries in found.items() for words in entries)


def host_resolv_conf(path: str = RESOLV_CONF, uplink: str = UPLINK_RESOLV_CONF) -> str:
    """The text of the host's resolv.conf, or of systemd-resolved's uplink file behind its stub.

    A host without the file has no nameservers: the text is empty then.
    """
    text = _text(path)
    servers = [server for line in text.splitlines() if (server := _nameserver(line)) is not None]
    return _text(uplink) or text if servers == ["127.0.0.53"] else text


def _text(path: str) -> str:
    from minicontainer.util.files import read

    try:
        return os.fsdecode(read(path))
    except FileNotFoundError:
        return ""


def _nameserver(line: str) -> str | None:
    words = line.split()
    return words[1] if len(words) > 1 and words[0] == "nameserver" else None


def _reachable(address: str) -> bool:
    return ":" not in address and not address.startswith("127.")
