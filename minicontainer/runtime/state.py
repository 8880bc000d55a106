"""state: the container's state as JSON (runtime.md, State, and runc's additions to it)."""

from __future__ import annotations

import os
import time

from minicontainer.libcontainer.container import Container
from minicontainer.oci import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.runtime.flags import Flag
    from minicontainer.runtime.main import Context

USAGE = "CONTAINER-ID"
FLAGS: list[Flag] = []


def main(context: Context) -> int:
    """0."""
    container = Container.load(context.container_id(), context.root)
    os.write(1, jsontext.dumps(described(container), "  ").encode() + b"\n")
    return 0


def described(container: Container) -> dict[str, Any]:
    """ociVersion, id, pid, status, bundle, rootfs, created, annotations, owner."""
    record = container.record
    status = container.status()
    found = {
        "ociVersion": record.oci_version,
        "id": record.id,
        "pid": 0 if status == "stopped" else record.pid,
        "status": status,
        "bundle": record.bundle,
        "rootfs": record.rootfs,
        "created": timestamp(record.created),
        "owner": owner(record.owner),
    }
    return {**found, "annotations": record.annotations} if record.annotations else found


def timestamp(seconds: float) -> str:
    """RFC 3339 with nanoseconds, in UTC."""
    fraction = f"{seconds % 1:.9f}"[1:]
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + "Z"


def owner(uid: int) -> str:
    """The name of a user of the host, or the number of one without."""
    if uid == 0:
        return "root"
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
