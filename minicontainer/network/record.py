"""What the bridge network has taken: ROOT/networks/bridge.json, there while the bridge is.

::

    {"home": "3f0c... net:[4026531840]",    boot id and network namespace of the links
     "bridge": "minicontainer0",            also the name of the nftables table
     "group": 1734982011,                   the link group of all our links: random, so it says whose
     "range": "172.29.0.0/16",
     "forwarding_before": "0",              net.ipv4.ip_forward as it was found
     "ready": true,                         false while the bridge is being made or taken away
     "endpoints": {ID: {"host_interface": "mc0123456789ab", "address": "172.29.0.2", ...}}}

It is written before what it describes is made, and shortened after that is gone: whatever a killed
process left is in it.  Nothing in it outlives a reboot, so it is renamed into place but not synced;
a record of another boot, or one that a power failure cut to nothing, is no record.
"""

from __future__ import annotations

import os

from minicontainer.errors import CorruptData, InvalidConfig
from minicontainer.oci import document
from minicontainer.util.files import read, write_atomic


class Endpoint(document.Document):
    """A container's place on a network; addresses as text, ``mac`` as ``02:42:ac:1d:00:02``."""

    CAMEL = False
    ALWAYS = ("network",)

    interface: str
    host_interface: str
    address: str
    prefix_length: int
    gateway: str
    mac: str
    network: str = "bridge"


class Record(document.Document):
    """The document above."""

    CAMEL = False
    ALWAYS = ("ready",)

    home: str
    bridge: str
    group: int
    range: str
    forwarding_before: str
    endpoints: dict[str, Endpoint]
    ready: bool = False


def home() -> str:
    """This boot and this network namespace, the two without which no link of ours exists."""
    boot = read("/proc/sys/kernel/random/boot_id").decode().strip()
    return f"{boot} {os.readlink('/proc/thread-self/ns/net')}"


def load(path: str) -> Record | None:
    """The record of this boot and namespace, or None.  Raises CorruptData with the path and field."""
    try:
        data = read(path)
    except FileNotFoundError:
        return None
    if not data.strip(b"\0"):
        return None
    try:
        record = document.load(Record, data, f"{path} is damaged")
    except InvalidConfig as error:
        raise CorruptData(str(error)) from None
    return record if record.home == home() else None


def save(path: str, record: Record) -> None:
    """Replace the record."""
    write_atomic(path, document.pack(record), sync=False)
