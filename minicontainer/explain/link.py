"""One network interface of this network namespace, read by ioctl (netdevice(7)) and sysfs.

ioctl, and not /sys/class/net, because a sysfs mount shows the network namespace of whoever mounted
it, and a container's init looks before it has one of its own.  Reading changes nothing, so it is no
step.
"""

from __future__ import annotations

import os
import sys

SIOCGIFFLAGS = 0x8913
SIOCGIFADDR = 0x8915
SIOCGIFNETMASK = 0x891B
SIOCGIFMTU = 0x8921
SIOCGIFHWADDR = 0x8927
IFF_UP = 1


def read(name: str) -> dict[str, str]:
    """``{"eth0 state": "up", "eth0 address": "10.0.0.2/24", ...}``; empty without such an interface."""
    import _socket

    query = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC, 0)
    try:
        facts = _facts(query.fileno(), name)
    finally:
        query.close()
    return {f"{name} {what}": value for what, value in facts.items()}


def _facts(fd: int, name: str) -> dict[str, str]:
    answer = _ask(fd, name, SIOCGIFFLAGS)
    if answer is None:
        return {}
    facts = {"state": "up" if int.from_bytes(answer[16:18], sys.byteorder) & IFF_UP else "down"}
    if (address := _ask(fd, name, SIOCGIFADDR)) and (mask := _ask(fd, name, SIOCGIFNETMASK)):
        length = int.from_bytes(mask[20:24], "big").bit_count()
        facts["address"] = ".".join(map(str, address[20:24])) + f"/{length}"
    if hardware := _ask(fd, name, SIOCGIFHWADDR):
        facts["mac"] = hardware[18:24].hex(":")
    if mtu := _ask(fd, name, SIOCGIFMTU):
        facts["mtu"] = str(int.from_bytes(mtu[16:20], sys.byteorder))
    try:
        facts["bridge"] = os.path.basename(os.readlink(f"/sys/class/net/{name}/master"))
    except OSError:  # of no bridge, or without this namespace's sysfs
        return facts
    return facts


def _ask(fd: int, name: str, request: int) -> bytes | None:
    """struct ifreq filled by the kernel; None if it has no answer (ENODEV, EADDRNOTAVAIL)."""
    import fcntl

    try:
        return fcntl.ioctl(fd, request, os.fsencode(name)[:15].ljust(40, b"\0"))
    except OSError:
        return None
