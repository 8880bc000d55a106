"""sethostname(2), setdomainname(2): the names in a uts namespace."""

from __future__ import annotations

import ctypes
import os

from minicontainer.linux.door import quote, step
from minicontainer.linux.libc import check, function

_sethostname = function("sethostname", ctypes.c_char_p, ctypes.c_size_t)
_setdomainname = function("setdomainname", ctypes.c_char_p, ctypes.c_size_t)


@step(
    "sethostname(2)",
    why="give the container a host name of its own",
    shell=lambda a: f"hostname {quote(a['name'])}",
    watch=lambda a: [("hostname", "")],
)
def sethostname(name: str) -> None:
    """At most 64 bytes, else EINVAL."""
    data = os.fsencode(name)
    check(_sethostname(data, len(data)), name)


@step(
    "setdomainname(2)",
    why="give the container a NIS domain name of its own",
    shell=lambda a: f"domainname {quote(a['name'])}",
    watch=lambda a: [("domainname", "")],
)
def setdomainname(name: str) -> None:
    """At most 64 bytes, else EINVAL."""
    data = os.fsencode(name)
    check(_setdomainname(data, len(data)), name)
