"""Who a process of a container is: its account in the image, its environment, its capabilities.

What `spec.build` asks for the container's first process and `exec` for one more; so it imports little.
"""

from __future__ import annotations

from minicontainer.engine.records import HostConfig
from minicontainer.errors import InvalidConfig
from minicontainer.libcontainer.user import lookup
from minicontainer.linux import capabilities
from minicontainer.oci import process as oci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.libcontainer.user import Account

# Docker's (moby: oci/caps)
CAPABILITIES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL",
    "CAP_AUDIT_WRITE",
)  # fmt: skip


def account(root: int, user: str, host: HostConfig) -> Account:
    """Who ``user`` is in the tree at descriptor ``root``, with the groups of --group-add.

    Raises NotFound for a name that the image does not have.
    """
    found = lookup(root, user)
    for group in host.group_add:
        gid = lookup(root, f"0:{group}").gid
        if gid not in found.additional_gids:
            found.additional_gids.append(gid)
    return found


def merge_environment(first: list[str], second: list[str]) -> list[str]:
    """``NAME=value`` entries, a later one in the place of an earlier one of the same name."""
    merged: dict[str, str] = {}
    for entry in [*first, *second]:
        merged[entry.partition("=")[0]] = entry
    return list(merged.values())


def capability_list(host: HostConfig) -> list[str]:
    """Docker's default set, plus --cap-add, less --cap-drop; ALL is every one the kernel has.

    Raises InvalidConfig for a name that is not a capability.
    """
    every = list(capabilities.NAMES[: capabilities.last() + 1])
    add = {capability_name(name) for name in host.cap_add}
    drop = {capability_name(name) for name in host.cap_drop}
    if host.privileged:
        return every
    if "ALL" in add:  # even beside --cap-drop ALL, as Docker has it
        return [name for name in every if name not in drop]
    kept = (set() if "ALL" in drop else set(CAPABILITIES) - drop) | add
    return [name for name in every if name in kept]


def exec_capabilities(host: HostConfig, uid: int, *, privileged: bool) -> oci.Capabilities:
    """The sets of one more process in the container; all of them for a privileged one."""
    return capability_sets(capability_list(HostConfig(privileged=True) if privileged else host), uid)


def capability_name(text: str) -> str:
    """CAP_NET_ADMIN for ``net_admin``, ``NET_ADMIN``, ``cap_net_admin``; ALL stays."""
    name = text.upper()
    if name == "ALL":
        return name
    name = name if name.startswith("CAP_") else f"CAP_{name}"
    if name not in capabilities.NUMBERS:
        raise InvalidConfig(f"invalid capability {text!r}: see capabilities(7) for the names")
    return name


def capability_sets(names: list[str], uid: int) -> oci.Capabilities:
    """The sets of a process that is given ``names``."""
    # execve gives a root process its bounding set; an ordinary user starts with none (Docker 20.10+).
    held = names if uid == 0 else []
    return oci.Capabilities(bounding=names, effective=held, permitted=held)
