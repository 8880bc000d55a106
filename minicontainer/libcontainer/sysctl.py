"""linux.sysctl: the settings of the container's own namespaces, and no others.

============================  =========  ==================================================
name                          namespace  source
============================  =========  ==================================================
``net.*``                     network    a tree of its own for each (sysctl/net.rst)
``kernel.msg* sem shm*``      ipc        ipc_namespaces(7)
``fs.mqueue.*``               ipc        mq_overview(7)
``kernel.domainname``         uts        ``hostname`` of config.json is for the other name
============================  =========  ==================================================

Any other setting is the whole machine's: ``kernel.core_pattern`` names a program that the kernel runs
on the host, as root, when something crashes in a container.  CRI-O once let one through behind an
allowed one (CVE-2022-0811).  A name is dotted; with a slash anywhere the roles are exchanged, so that
an interface's name may have a dot: ``net/ipv4/conf/eth0.1/forwarding`` (sysctl(8)).
"""

from __future__ import annotations

from minicontainer.errors import InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Linux

IPC = (
    "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/msg_next_id", "kernel/sem",
    "kernel/sem_next_id", "kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_next_id",
    "kernel/shm_rmid_forced", "kernel/auto_msgmni",
)  # fmt: skip


def file_of(name: str, linux: Linux) -> str:
    """The file below /proc of setting ``name``: ``sys/net/ipv4/ip_forward``.

    Raises InvalidConfig for a setting that would be another's too.
    """
    path = name
    if "/" not in name.partition(".")[0]:
        path = name.translate({ord("."): "/", ord("/"): "."})
    parts = path.split("/")
    if not all(parts) or "." in parts or ".." in parts or "\0" in path:
        raise InvalidConfig(f"{name!r} is not the name of a kernel setting")
    kind = namespace_of(path)
    if kind is None:
        raise InvalidConfig(f"{name!r} is a setting of the whole host: it belongs to no namespace")
    if not any(n.type == kind for n in linux.namespaces):
        raise InvalidConfig(f"{name!r} needs a {kind} namespace of the container's own")
    return f"sys/{path}"


def namespace_of(path: str) -> str | None:
    """The kind of namespace that the setting at ``path`` below /proc/sys belongs to."""
    if path.startswith("net/"):
        return "network"
    if path in IPC or path.startswith("fs/mqueue/"):
        return "ipc"
    return "uts" if path == "kernel/domainname" else None
