"""spec: a config.json to begin with: `sh` with a terminal, the namespaces and limits of a usual container."""

from __future__ import annotations

import os

from minicontainer.errors import Conflict, NotFound, UsageError
from minicontainer.oci.document import dump
from minicontainer.oci.runtime import (
    Capabilities,
    DeviceRule,
    IDMapping,
    Linux,
    Mount,
    Namespace,
    Process,
    Resources,
    Rlimit,
    Root,
    Spec,
)
from minicontainer.runtime.flags import Flag
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.runtime.main import Context

USAGE = "[FLAGS]"
FLAGS = [
    Flag("bundle b", "text", "the folder to write it to (the current one)"),
    Flag("rootless", "switch", "for who is not root: with a user namespace, without limits"),
]
HELD = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
QUIET = ["nosuid", "noexec", "nodev"]
MASKED = [
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
    "/sys/devices/virtual/powercap",
]  # fmt: skip
READ_ONLY = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]


def main(context: Context) -> int:
    """0."""
    if context.words:
        raise UsageError('"spec" takes no arguments')
    bundle = context.flags["bundle"] or "."
    if not os.path.isdir(bundle):
        raise NotFound(f"--bundle: {bundle} is not a folder")
    path = os.path.join(bundle, "config.json")
    if os.path.lexists(path):
        raise Conflict(f"{path} exists; remove it first")
    document = rootless(usual()) if context.flags["rootless"] else usual()
    files.write_atomic(path, dump(document), mode=0o666 & ~_umask())
    return 0


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def usual() -> Spec:
    """What `runc spec` writes, in effect."""
    return Spec(
        process=Process(
            terminal=True,
            args=["sh"],
            env=["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            cwd="/",
            capabilities=Capabilities(bounding=HELD, effective=HELD, permitted=HELD),
            rlimits=[Rlimit(type="RLIMIT_NOFILE", hard=1024, soft=1024)],
            no_new_privileges=True,
        ),
        root=Root(path="rootfs", readonly=True),
        hostname="minicontainer",
        mounts=[
            Mount("/proc", "proc", "proc"),
            Mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
            Mount(
                "/dev/pts", "devpts", "devpts",
                ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            ),
            Mount("/dev/shm", "tmpfs", "shm", [*QUIET, "mode=1777", "size=65536k"]),
            Mount("/dev/mqueue", "mqueue", "mqueue", QUIET),
            Mount("/sys", "sysfs", "sysfs", [*QUIET, "ro"]),
            Mount("/sys/fs/cgroup", "cgroup", "cgroup", [*QUIET, "relatime", "ro"]),
        ],
        linux=Linux(
            resources=Resources(devices=[DeviceRule(allow=False, access="rwm")]),
            namespaces=[Namespace(n) for n in ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            masked_paths=MASKED,
            readonly_paths=READ_ONLY,
        ),
    )  # fmt: skip


def rootless(document: Spec) -> Spec:
    """The same for the user who asks: himself as root inside, the host's network, no limits."""
    linux = document.linux
    assert linux is not None
    linux.resources = None
    linux.namespaces = [n for n in linux.namespaces if n.type not in ("network", "cgroup")]
    linux.namespaces.append(Namespace("user"))
    linux.uid_mappings = [IDMapping(container_id=0, host_id=os.geteuid(), size=1)]
    linux.gid_mappings = [IDMapping(container_id=0, host_id=os.getegid(), size=1)]
    # Group 5 is not mapped; sysfs belongs to the network namespace, which is the host's.
    sys_mount = Mount("/sys", "none", "/sys", ["rbind", *QUIET, "ro"])
    document.mounts = [
        sys_mount if mount.destination == "/sys" else mount
        for mount in document.mounts
        if mount.destination != "/sys/fs/cgroup"
    ]
    for mount in document.mounts:
        mount.options = [option for option in mount.options if not option.startswith("gid=")]
    return document
