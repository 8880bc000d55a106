"""Which namespaces a container has of its own, which it shares, and with whom.

============  ==================================================================================
``--pid``     its own; ``host``; ``container:NAME``, whose processes see each other
``--ipc``     ``private``; ``shareable``: its own, that others may join; ``container:NAME``, which
              brings that container's /dev/shm; ``host``; ``none``: private, without /dev/shm
``--uts``     its own; ``host``; ``container:NAME``
``--cgroupns``  ``private`` or ``host``
``--userns``  the host's; of its own with ``auto`` or ``private`` (userns.py); ``container:NAME``
============  ==================================================================================

A mode ``container:NAME`` is kept as ``container:ID``; the namespace is looked up at each start, so
the other container must run by then.
"""

from __future__ import annotations

import os

from minicontainer.errors import Conflict, UsageError
from minicontainer.linux import mountfd as fd
from minicontainer.linux import namespaces
from minicontainer.linux.door import because
from minicontainer.oci import runtime as oci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.engine import Engine, Found
    from minicontainer.engine.records import Container, HostConfig

SHARED = "container:"
SHM = "/dev/shm"

# Kernel settings that belong to a namespace (docker-run(1), --sysctl), by the namespace's kind.
IPC_SYSCTLS = frozenset(
    [
        "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
        "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced",
    ]
)  # fmt: skip


def sysctl_kind(name: str) -> str | None:
    """The kind of namespace that has the kernel setting ``name``; None for one of the whole host."""
    if name in IPC_SYSCTLS or name.startswith("fs.mqueue."):
        return "ipc"
    if name.startswith("net."):
        return "network"
    return None


def check(container: Container) -> None:
    """Raise UsageError for modes that contradict each other, or a setting that is not the container's."""
    host = container.host
    if host.uts_mode and container.config.hostname:
        raise UsageError("conflicting options: hostname and the UTS mode")
    if host.network_mode != "bridge" and any(entry.endswith(":host-gateway") for entry in host.extra_hosts):
        raise UsageError("host-gateway is an address of the bridge: it needs --network bridge")
    shared = {"ipc": host.ipc_mode, "network": host.network_mode}
    for name in host.sysctls:
        kind = sysctl_kind(name)
        mode = shared.get(kind or "", "")
        if mode == "host" or mode.startswith(SHARED):
            whose = "the host's" if mode == "host" else "another container's"
            raise UsageError(f"sysctl '{name}' is not allowed: the {kind} namespace is {whose}")


def resolve(engine: Engine, host: HostConfig) -> None:
    """Names of containers become ids, in ``host``.  Raises NotFound, Conflict."""
    for attribute in ("pid_mode", "ipc_mode", "uts_mode", "userns_mode"):
        mode: str = getattr(host, attribute)
        if mode.startswith(SHARED):
            found = engine.find(mode.removeprefix(SHARED))
            setattr(host, attribute, SHARED + found.container.id)
            if attribute == "ipc_mode":
                _require_shareable(found)
            if attribute == "userns_mode":
                host.uid_mappings = found.container.host.uid_mappings
                host.gid_mappings = found.container.host.gid_mappings


def _require_shareable(found: Found) -> None:
    mode = found.container.host.ipc_mode
    if mode not in ("shareable", "host") and not mode.startswith(SHARED):
        raise Conflict(
            f"cannot join IPC of container {found.container.id}: non-shareable IPC "
            "(hint: use IpcMode:shareable for the donor container)"
        )


def joined(engine: Engine, host: HostConfig) -> dict[str, int]:
    """kind -> pid of the init whose namespace is to be joined.  Raises Conflict for one that ended."""
    modes = {"user": host.userns_mode, "ipc": host.ipc_mode, "uts": host.uts_mode, "pid": host.pid_mode}
    found = {}
    for kind, mode in modes.items():
        if mode.startswith(SHARED):
            other = engine.load(mode.removeprefix(SHARED))
            if not other.running:
                name = "PID" if kind == "pid" else kind.upper()
                raise Conflict(f"cannot join {name} of a non running container: {other.container.id}")
            found[kind] = other.status.pid
    return found


def namespaces_of(host: HostConfig, joins: dict[str, int], *, own_ids: bool) -> list[oci.Namespace]:
    """linux.namespaces; ``own_ids``: with a user namespace."""
    kinds = {
        "user": own_ids,
        "mount": True,
        "pid": host.pid_mode != "host",
        "ipc": host.ipc_mode != "host",
        "cgroup": host.cgroupns_mode != "host",
        "network": host.network_mode != "host",
        "uts": host.uts_mode != "host" and (host.network_mode != "host" or host.uts_mode != ""),
    }
    return [
        oci.Namespace(type=kind, path=namespaces.path(joins[kind], kind) if kind in joins else None)
        for kind, wanted in kinds.items()
        if wanted
    ]


def share_memory(pid: int) -> None:
    """Attach the /dev/shm of process ``pid`` over our own, in this mount namespace only.

    Not in the container's folder, which is removed with all that is in it.
    """
    own = os.open(namespaces.path("self", "mount"), os.O_RDONLY | os.O_CLOEXEC)
    theirs = os.open(namespaces.path(pid, "mount"), os.O_RDONLY | os.O_CLOEXEC)
    try:
        because("only from inside can a mount of that container be copied")
        namespaces.setns(theirs, namespaces.FLAGS["mount"])
        try:
            because("its shared memory is a part of the ipc namespace to its programs")
            flags = fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC | fd.AT_SYMLINK_NOFOLLOW
            tree = fd.open_tree(fd.AT_FDCWD, SHM, flags)
        finally:
            because("back to the monitor's own mounts")
            namespaces.setns(own, namespaces.FLAGS["mount"])
        fd.move_mount(tree, "", fd.AT_FDCWD, SHM, fd.MOVE_MOUNT_F_EMPTY_PATH)
        os.close(tree)
    finally:
        os.close(own)
        os.close(theirs)
