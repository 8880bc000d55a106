"""The OCI configuration of a container: what was asked for, over Docker's defaults.

Defaults are facts of Docker's (moby: oci/defaults.go, oci/caps): capabilities, mounts, devices,
masked and read-only paths (security.py).  Where Docker leaves the choice to the host (cgroup
namespace), ours is the private one.
"""

from __future__ import annotations

import os
import stat

from minicontainer import cgroups
from minicontainer.engine import devices, isolation, seccomp, security, userns
from minicontainer.engine.identity import capability_list, capability_sets, merge_environment
from minicontainer.engine.records import Bind, Config, Container, HostConfig
from minicontainer.errors import InvalidConfig, Unsupported
from minicontainer.libcontainer.options import INIT_ANNOTATION
from minicontainer.oci import runtime as oci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cgroups.manager import Manager
    from minicontainer.engine.records import Ulimit
    from minicontainer.libcontainer.user import Account

DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

UNLIMITED = 2**64 - 1
CPU_PERIOD = 100_000  # microseconds, as Docker converts --cpus


def build(
    container: Container, account: Account, folder: str, files: list[str], joins: dict[str, int] | None = None
) -> oci.Spec:
    """config.json of ``container``; ``files`` are the names in ``folder`` bound into /etc.

    ``joins`` are the processes whose namespaces it joins, by kind (isolation.py).
    """
    host = container.host
    config = container.config
    return oci.Spec(
        process=_process(config, host, account, container.id),
        root=oci.Root(path="rootfs", readonly=host.read_only),
        hostname=None if host.network_mode == "host" or host.uts_mode else config.hostname,
        domainname=config.domainname or None,
        mounts=_mounts(host, folder, files),
        linux=_linux(container, joins or {}),
        annotations={**host.annotations, **({INIT_ANNOTATION: "true"} if host.init else {})},
    )


def _process(config: Config, host: HostConfig, account: Account, container_id: str) -> oci.Process:
    options = security.parse(host.security_opt)
    labels = security.selinux_labels(options.label, container_id, privileged=host.privileged)
    return oci.Process(
        cwd=config.working_dir or "/",
        args=[*(config.entrypoint or []), *config.cmd],
        env=_environment(config, account, container_id),
        terminal=config.tty,
        user=oci.User(uid=account.uid, gid=account.gid, additional_gids=account.additional_gids),
        capabilities=capability_sets(capability_list(host), account.uid),
        rlimits=[_rlimit(limit) for limit in host.ulimits],
        no_new_privileges=host.no_new_privileges or options.no_new_privileges,
        apparmor_profile=security.apparmor_profile(options.apparmor, privileged=host.privileged),
        selinux_label=labels[0] if labels else None,
        oom_score_adj=_oom_score(host),
    )


def _rlimit(limit: Ulimit) -> oci.Rlimit:
    """-1 is no limit; the specification's numbers have no sign, and their largest is RLIM_INFINITY."""
    soft, hard = (UNLIMITED if value == -1 else value for value in (limit.soft, limit.hard))
    return oci.Rlimit(f"RLIMIT_{limit.name.upper()}", soft, hard)


def _oom_score(host: HostConfig) -> int | None:
    """A caller that the kernel spares (a login daemon's -1000) does not pass that on."""
    if host.oom_score_adj:
        return host.oom_score_adj
    with open("/proc/self/oom_score_adj") as file:
        return 0 if int(file.read()) < 0 else None


def _environment(config: Config, account: Account, container_id: str) -> list[str]:
    defaults = [DEFAULT_PATH, f"HOSTNAME={config.hostname}", f"HOME={account.home}"]
    if config.tty:
        defaults.append("TERM=xterm")
    return merge_environment(defaults, config.env)


def _mounts(host: HostConfig, folder: str, files: list[str]) -> list[oci.Mount]:
    kernel_access = "rw" if host.privileged else "ro"
    safe = ["nosuid", "noexec", "nodev"]
    mounts = [
        oci.Mount("/proc", "proc", "proc", safe),
        oci.Mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        oci.Mount(
            "/dev/pts", "devpts", "devpts",
            ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", *_tty_group(host)],
        ),
        oci.Mount("/sys", "sysfs", "sysfs", [*safe, kernel_access]),
        oci.Mount("/sys/fs/cgroup", "cgroup", "cgroup", [*safe, "relatime", kernel_access]),
        oci.Mount("/dev/mqueue", "mqueue", "mqueue", safe),
        *_shared_memory(host, safe),
    ]  # fmt: skip
    given = {bind.target.rstrip("/") for bind in host.mounts}
    etc = [
        oci.Mount(f"/etc/{name}", "bind", f"{folder}/{name}", ["rbind", "rprivate"])
        for name in files
        if f"/etc/{name}" not in given
    ]
    defaults = [mount for mount in mounts if mount.destination not in given]
    # Shorter targets first: a mount at /a must not cover one at /a/b.
    asked = sorted((_asked(bind) for bind in host.mounts), key=lambda mount: mount.destination.count("/"))
    return defaults + etc + asked + _bound_devices(host)


def _shared_memory(host: HostConfig, safe: list[str]) -> list[oci.Mount]:
    """/dev/shm, which is a part of the ipc namespace to its users."""
    if host.ipc_mode == "none":
        return []
    if host.ipc_mode == "host" or host.ipc_mode.startswith(isolation.SHARED):
        return [oci.Mount("/dev/shm", "bind", "/dev/shm", ["rbind", "rprivate"])]
    return [oci.Mount("/dev/shm", "tmpfs", "shm", [*safe, "mode=1777", f"size={host.shm_size}"])]


def _tty_group(host: HostConfig) -> list[str]:
    """Terminals belong to the group tty, where the container has one."""
    mapped = _ids(host, "gid") or [(0, 0, 6)]
    return ["gid=5"] if any(inside <= 5 < inside + size for inside, _, size in mapped) else []


def _bound_devices(host: HostConfig) -> list[oci.Mount]:
    """A user namespace may make no node: one of another name than the host's is bound."""
    if not _ids(host, "uid"):
        return []
    return [
        oci.Mount(node.device.path, "bind", node.source, ["bind", "rprivate"])
        for node in devices.asked(host)
        if node.device.path != node.source
    ]


def _asked(bind: Bind) -> oci.Mount:
    if bind.type == "tmpfs":
        return oci.Mount(bind.target, "tmpfs", "tmpfs", ["nosuid", "nodev", "noexec", *bind.options])
    options = list(bind.options)
    if not {"bind", "rbind"} & set(options):
        options.insert(0, "rbind")
    return oci.Mount(bind.target, "bind", bind.source, options)


def _linux(container: Container, joins: dict[str, int]) -> oci.Linux:
    host = container.host
    options = security.parse(host.security_opt)
    labels = security.selinux_labels(options.label, container.id, privileged=host.privileged)
    own_ids = not host.userns_mode.startswith(isolation.SHARED)
    return oci.Linux(
        namespaces=isolation.namespaces_of(host, joins, own_ids=bool(_ids(host, "uid"))),
        uid_mappings=_mappings(_ids(host, "uid")) if own_ids else [],
        gid_mappings=_mappings(_ids(host, "gid")) if own_ids else [],
        devices=_devices(host),
        cgroups_path=f"{cgroups.PARENT}/{container.id}",
        resources=resources(host),
        rootfs_propagation=_propagation(host),
        masked_paths=options.masked(privileged=host.privileged),
        readonly_paths=options.readonly(privileged=host.privileged),
        sysctl=dict(host.sysctls),
        seccomp=seccomp.linux_seccomp(options.seccomp, capability_list(host), privileged=host.privileged),
        mount_label=labels[1] if labels else None,
    )


def _devices(host: HostConfig) -> list[oci.Device]:
    nodes = devices.of_host() if host.privileged else []
    asked = devices.asked(host)
    if _ids(host, "uid"):
        asked = [node for node in asked if node.device.path == node.source]
    given = {node.device.path for node in asked}
    return [node for node in nodes if node.path not in given] + [node.device for node in asked]


def _ids(host: HostConfig, kind: str) -> list[tuple[int, int, int]]:
    """The ranges of the container's user namespace.

    Where this process is in one already, the container gets one inside with the same ids: the kernel's
    own file systems are then its own, and the namespace that the monitors share is out of its reach.
    """
    asked = host.uid_mappings if kind == "uid" else host.gid_mappings
    return asked or userns.own_ids(kind)


def _mappings(mappings: list[tuple[int, int, int]]) -> list[oci.IDMapping]:
    return [
        oci.IDMapping(container_id=inside, host_id=outside, size=size) for inside, outside, size in mappings
    ]


def _propagation(host: HostConfig) -> str | None:
    asked = {option for bind in host.mounts for option in bind.options}
    if asked & {"shared", "rshared"}:
        return "shared"
    return "rslave" if asked & {"slave", "rslave"} else None


def resources(host: HostConfig) -> oci.Resources:
    """The limits in the specification's units."""
    memory = oci.Memory(
        limit=host.memory or None,
        reservation=host.memory_reservation or None,
        swap=host.memory_swap or None,
        swappiness=host.memory_swappiness if host.memory_swappiness >= 0 else None,
        disable_oom_killer=host.oom_kill_disable or None,
    )
    cpu = oci.CPU(
        shares=host.cpu_shares or None,
        quota=host.nano_cpus * CPU_PERIOD // 10**9 if host.nano_cpus else host.cpu_quota or None,
        period=CPU_PERIOD if host.nano_cpus else host.cpu_period or None,
        realtime_period=host.cpu_rt_period or None,
        realtime_runtime=host.cpu_rt_runtime or None,
        cpus=host.cpuset_cpus or None,
        mems=host.cpuset_mems or None,
    )
    block = oci.BlockIO(
        weight=host.blkio_weight or None,
        weight_device=[_weight(*entry) for entry in host.blkio_weight_device],
        throttle_read_bps_device=[_throttle(*entry) for entry in host.device_read_bps],
        throttle_write_bps_device=[_throttle(*entry) for entry in host.device_write_bps],
        throttle_read_iops_device=[_throttle(*entry) for entry in host.device_read_iops],
        throttle_write_iops_device=[_throttle(*entry) for entry in host.device_write_iops],
    )
    return oci.Resources(
        devices=devices.rules(host),
        memory=memory if memory != oci.Memory() else None,
        cpu=cpu if cpu != oci.CPU() else None,
        pids=oci.Pids(host.pids_limit) if host.pids_limit else None,
        block_io=block if block != oci.BlockIO() else None,
    )


def check_limits(host: HostConfig, manager: Manager) -> None:
    """Raise Unsupported for a limit that this host cannot enforce.

    Memory's limit brings one for swap, as much again (docker-run(1)), which nobody asked for: where
    the kernel does not count swap, it is left out.
    """
    if host.memory and not host.memory_swap:
        host.memory_swap = host.memory * 2
        try:
            manager.check(resources(host))
        except Unsupported:
            host.memory_swap = 0
        else:
            return
    manager.check(resources(host))


def _throttle(path: str, rate: int) -> oci.ThrottleDevice:
    return oci.ThrottleDevice(*_block_device(path), rate)


def _weight(path: str, weight: int) -> oci.WeightDevice:
    return oci.WeightDevice(*_block_device(path), weight)


def _block_device(path: str) -> tuple[int, int]:
    """(major, minor).  Raises InvalidConfig."""
    try:
        status = os.stat(path)
    except OSError as error:
        raise InvalidConfig(f"device {path}: {error.strerror}") from None
    if not stat.S_ISBLK(status.st_mode):
        raise InvalidConfig(f"{path} is not a block device")
    return os.major(status.st_rdev), os.minor(status.st_rdev)
