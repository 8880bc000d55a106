"""What keeps a container apart: namespaces, capabilities, devices, security options."""

from __future__ import annotations

from minicontainer.cli import types
from minicontainer.cli.command import flag
from minicontainer.cli.options import many, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OPTIONS = (
    many("--cap-add", type=types.NAME, help="Add Linux capabilities"),
    many("--cap-drop", type=types.NAME, help="Drop Linux capabilities"),
    one("--cgroupns", type=types.CGROUPNS, default="private", help="Cgroup namespace: private or host"),
    many("--device", type=types.DEVICE, help="Give a device of the host: PATH[:CPATH][:rwm]"),
    many("--device-cgroup-rule", type=types.DEVICE_RULE, help="Allow devices by number: 'c 1:* rwm'"),
    many("--gidmap", type=types.ID_MAPPING, help="Map group ids: CONTAINER:HOST[:SIZE]"),
    many("--group-add", type=types.NAME, help="Add groups of the image, by name or number"),
    one(
        "--ipc", type=types.IPC, default="private",
        help="IPC namespace: private, shareable, none, host or container:NAME",
    ),
    one("--pid", type=types.PID, help="PID namespace: host or container:NAME"),
    flag("--privileged", help="Give all capabilities, devices and kernel settings"),
    many(
        "--security-opt", type=types.SECURITY_OPT,
        help="no-new-privileges, seccomp=, apparmor=, label=, mask=, unmask=, systempaths=unconfined",
    ),
    many("--sysctl", type=types.SYSCTL, help="Kernel settings: NAME=VALUE"),
    many("--uidmap", type=types.ID_MAPPING, help="Map user ids: CONTAINER:HOST[:SIZE]"),
    one(
        "--userns", type=types.USERNS,
        help="User namespace: host, auto[:size=N], private or container:NAME",
    ),
    one("--uts", type=types.UTS, help="UTS namespace: host or container:NAME"),
)  # fmt: skip


def host(flags: dict[str, Any]) -> dict[str, Any]:
    """Fields of HostConfig."""
    return {
        "cap_add": list(flags["cap_add"]),
        "cap_drop": list(flags["cap_drop"]),
        "cgroupns_mode": flags["cgroupns"],
        "device_cgroup_rules": list(flags["device_cgroup_rule"]),
        "devices": list(flags["device"]),
        "gid_mappings": list(flags["gidmap"]),
        "group_add": list(flags["group_add"]),
        "ipc_mode": flags["ipc"],
        "pid_mode": flags["pid"] or "",
        "privileged": flags["privileged"],
        "security_opt": list(flags["security_opt"]),
        "sysctls": dict(flags["sysctl"]),
        "uid_mappings": list(flags["uidmap"]),
        "userns_mode": flags["userns"] or "",
        "uts_mode": flags["uts"] or "",
    }
