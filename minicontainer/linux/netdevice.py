"""netdevice(7): interface flags by ioctl, for the one interface every network namespace is born with."""

from __future__ import annotations

import fcntl
import struct

from minicontainer.linux.door import step

SIOCGIFFLAGS = 0x8913
SIOCSIFFLAGS = 0x8914
IFF_UP = 1


@step(
    "netdevice(7)",
    why="127.0.0.1 works: a new network namespace has a loopback interface, and it is down",
    shell=lambda a: f"ip link set {a['name']} up",
    watch=lambda a: [("link", a["name"])],
)
def interface_up(name: str) -> None:
    """Set IFF_UP on interface ``name`` of this network namespace."""
    import _socket  # socket.py costs as much as the rest of this call: it imports selectors and enum

    control = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC, 0)
    try:
        request = struct.pack("16sH14x", name.encode(), 0)
        (current,) = struct.unpack_from("H", fcntl.ioctl(control.fileno(), SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(control.fileno(), SIOCSIFFLAGS, struct.pack("16sH14x", name.encode(), current | IFF_UP))
    finally:
        control.close()
