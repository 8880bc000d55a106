"""Names and addresses for a container's own hosts(5) and resolv.conf(5).  All raise UsageError."""

from __future__ import annotations

from minicontainer.errors import UsageError

GATEWAY = "host-gateway"  # Docker's word for the host, as the bridge sees it


def parse_address(text: str) -> str:
    """An IPv4 or IPv6 address, as it is."""
    address = text.strip()
    if not is_address(address):
        raise UsageError(f"IP address is not correctly formatted: {text}")
    return address


def parse_extra_host(text: str) -> str:
    """``NAME:ADDRESS`` of that, ``NAME=ADDRESS``, or ``NAME:[ADDRESS]``; the address may be host-gateway."""
    equals, colon = text.find("="), text.find(":")
    cut = equals if 0 <= equals < (colon if colon >= 0 else len(text)) else colon
    name, address = text[:cut], text[cut + 1 :]
    if cut < 0 or not name:
        raise UsageError(f'bad format for add-host: "{text}"')
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if address != GATEWAY and not is_address(address):
        raise UsageError(f'invalid IP address in add-host: "{address}"')
    return f"{name}:{address}"


def is_address(text: str) -> bool:
    """Whether inet_pton(3) takes it."""
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False
