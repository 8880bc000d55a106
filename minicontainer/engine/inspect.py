"""What ``inspect`` shows: containers and images as documents with Docker's field names."""

from __future__ import annotations

from minicontainer import __version__
from minicontainer.engine import security
from minicontainer.engine.engine import Engine, Found
from minicontainer.engine.logs import timestamp
from minicontainer.engine.records import Bind, Container, HostConfig, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.engine.health import Healthcheck
    from minicontainer.image.model import Image
    from minicontainer.oci.image import Healthcheck as ImageHealthcheck

    AnyHealthcheck = Healthcheck | ImageHealthcheck

NEVER = "0001-01-01T00:00:00Z"  # Go's zero time, which Docker shows for what has not happened


def _time(seconds: float) -> str:
    return timestamp(int(seconds * 10**9)) if seconds else NEVER


def container(engine: Engine, found: Found) -> dict[str, Any]:
    """A container as ``docker container inspect`` shows it (Engine API, ContainerInspect)."""
    record, status = found.container, found.status
    folder = engine.folders.container(record.id)
    words = [*(record.config.entrypoint or []), *record.config.cmd]
    return {
        "Id": record.id,
        "Created": _time(record.created),
        "Path": words[0],
        "Args": words[1:],
        "State": state(found),
        "Image": record.image_id,
        "ResolvConfPath": f"{folder}/resolv.conf",
        "HostnamePath": f"{folder}/hostname",
        "HostsPath": f"{folder}/hosts",
        "LogPath": f"{folder}/log.json" if record.host.log_driver == "json-file" else "",
        "Name": f"/{record.name}",
        "RestartCount": status.restarts,
        "Driver": record.driver,
        "Platform": "linux",
        "AppArmorProfile": security.parse(record.host.security_opt).apparmor,
        "HostConfig": _host_config(record),
        "GraphDriver": {
            "Name": record.driver,
            "Data": engine.driver(record.driver).places(folder, record.chain),
        },
        "Mounts": [_mount(bind) for bind in record.host.mounts if bind.type == "bind"],
        "Config": _config(record),
        "NetworkSettings": _network(record, status),
    }


def sizes(engine: Engine, found: Found) -> dict[str, int]:
    """What ``--size`` adds: bytes of what the container wrote, and of that with its image."""
    from minicontainer.engine.sizes import Sizes

    measure = Sizes(engine)
    written = measure.written(found.container)
    return {"SizeRw": written, "SizeRootFs": written + measure.image(found.container.image_id)}


def state(found: Found) -> dict[str, Any]:
    """The part ``State``."""
    status = found.status
    return {
        "Status": found.state,
        "Running": found.running or found.restarting,  # as Docker: container/state.go, SetRestarting
        "Paused": found.paused,
        "Restarting": found.restarting,
        "OOMKilled": status.oom_killed,
        "Dead": False,
        "Pid": status.pid,
        "ExitCode": status.exit_code,
        "Error": status.error,
        "StartedAt": _time(status.started),
        "FinishedAt": _time(status.finished),
        **_health(found),
    }


def _health(found: Found) -> dict[str, Any]:
    if found.health is None:
        return {}
    log = [
        {
            "Start": timestamp(one.start),
            "End": timestamp(one.end),
            "ExitCode": one.exit_code,
            "Output": one.output,
        }
        for one in found.health.log
    ]
    return {
        "Health": {
            "Status": found.health_status,
            "FailingStreak": found.health.failing_streak,
            "Log": log,
        }
    }


def _host_config(record: Container) -> dict[str, Any]:
    host = record.host
    options = security.parse(host.security_opt)
    binds = [b for b in host.mounts if b.type == "bind"]
    return {
        "Binds": [
            ":".join([b.source, b.target, *([",".join(b.options)] if b.options else [])]) for b in binds
        ],
        "Tmpfs": {b.target: ",".join(b.options) for b in host.mounts if b.type == "tmpfs"},
        "NetworkMode": host.network_mode,
        "PortBindings": {},
        "PublishAllPorts": False,
        "VolumesFrom": None,
        "Links": None,
        "AutoRemove": host.auto_remove,
        "RestartPolicy": {"Name": host.restart_policy, "MaximumRetryCount": host.restart_retries},
        "CapAdd": host.cap_add,
        "CapDrop": host.cap_drop,
        "Privileged": host.privileged,
        "Devices": [
            {"PathOnHost": source, "PathInContainer": target, "CgroupPermissions": access}
            for source, target, access in host.devices
        ],
        "DeviceCgroupRules": host.device_cgroup_rules or None,
        "GroupAdd": host.group_add or None,
        "IpcMode": host.ipc_mode,
        "PidMode": host.pid_mode,
        "UTSMode": host.uts_mode,
        "UsernsMode": host.userns_mode,
        "CgroupnsMode": host.cgroupns_mode,
        "IDMappings": _mappings(host),
        "SecurityOpt": host.security_opt or None,
        "MaskedPaths": options.masked(privileged=host.privileged),
        "ReadonlyPaths": options.readonly(privileged=host.privileged),
        "ShmSize": host.shm_size,
        "Sysctls": host.sysctls or None,
        "LogConfig": {"Type": host.log_driver, "Config": host.log_opts},
        "ReadonlyRootfs": host.read_only,
        "Init": host.init,
        "OomScoreAdj": host.oom_score_adj,
        "Memory": host.memory,
        "MemoryReservation": host.memory_reservation,
        "MemorySwap": host.memory_swap,
        "NanoCpus": host.nano_cpus,
        "CpuPeriod": host.cpu_period,
        "CpuQuota": host.cpu_quota,
        "CpuShares": host.cpu_shares,
        "CpusetCpus": host.cpuset_cpus,
        "CpusetMems": host.cpuset_mems,
        "PidsLimit": host.pids_limit or None,
        "BlkioWeight": host.blkio_weight,
        "BlkioWeightDevice": [{"Path": path, "Weight": weight} for path, weight in host.blkio_weight_device],
        **{f"BlkioDevice{name}": _rates(rates) for name, rates in _throttles(host).items()},
        "CpuRealtimePeriod": host.cpu_rt_period,
        "CpuRealtimeRuntime": host.cpu_rt_runtime,
        "KernelMemory": host.kernel_memory,
        "MemorySwappiness": host.memory_swappiness if host.memory_swappiness >= 0 else None,
        "OomKillDisable": host.oom_kill_disable,
        "Annotations": host.annotations or None,
        "ContainerIDFile": host.container_id_file,
        "Dns": host.dns,
        "DnsOptions": host.dns_options,
        "DnsSearch": host.dns_search,
        "ExtraHosts": host.extra_hosts or None,
        "Ulimits": [{"Name": u.name, "Soft": u.soft, "Hard": u.hard} for u in host.ulimits],
    }


def _throttles(host: HostConfig) -> dict[str, list[tuple[str, int]]]:
    return {
        "ReadBps": host.device_read_bps,
        "WriteBps": host.device_write_bps,
        "ReadIOps": host.device_read_iops,
        "WriteIOps": host.device_write_iops,
    }


def _rates(rates: list[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"Path": path, "Rate": rate} for path, rate in rates]


def _mappings(host: HostConfig) -> dict[str, list[str]] | None:
    """A user namespace's, as podman shows them; Docker has none of its own."""
    if not host.uid_mappings:
        return None
    return {
        name: [":".join(map(str, one)) for one in ranges]
        for name, ranges in (("UidMap", host.uid_mappings), ("GidMap", host.gid_mappings))
    }


def _mount(bind: Bind) -> dict[str, Any]:
    propagation = [option for option in bind.options if option.endswith(("private", "slave", "shared"))]
    return {
        "Type": "bind",
        "Source": bind.source,
        "Destination": bind.target,
        "Mode": ",".join(bind.options),
        "RW": "ro" not in bind.options,
        "Propagation": propagation[-1] if propagation else "rprivate",
    }


def _config(record: Container) -> dict[str, Any]:
    config = record.config
    return {
        "Hostname": config.hostname,
        "Domainname": config.domainname,
        "User": config.user,
        "AttachStdin": config.attach and (config.open_stdin or "stdin" in config.streams),
        "AttachStdout": config.attach and "stdout" in (config.streams or ["stdout"]),
        "AttachStderr": config.attach and "stderr" in (config.streams or ["stderr"]),
        "Tty": config.tty,
        "OpenStdin": config.open_stdin,
        "Env": config.env,
        "Cmd": config.cmd or None,
        **_healthcheck(config.healthcheck),
        "Image": config.image,
        "WorkingDir": config.working_dir,
        "Entrypoint": config.entrypoint or None,
        "Labels": config.labels,
        "Volumes": None,
        "OnBuild": None,
        "StopSignal": config.stop_signal or "SIGTERM",
        **({} if config.stop_timeout is None else {"StopTimeout": config.stop_timeout}),
    }


def _healthcheck(asked: AnyHealthcheck | None) -> dict[str, Any]:
    """A container's or an image's; what was not asked for is left out."""
    if asked is None:
        return {}
    names = {
        "Test": "test",
        "Interval": "interval",
        "Timeout": "timeout",
        "StartPeriod": "start_period",
        "StartInterval": "start_interval",
        "Retries": "retries",
    }
    values = {shown: getattr(asked, name) for shown, name in names.items()}
    return {"Healthcheck": {shown: value for shown, value in values.items() if value}}


def _network(record: Container, status: Status) -> dict[str, Any]:
    at = status.network
    endpoint = {
        "MacAddress": at.get("mac", ""),
        "Gateway": at.get("gateway", ""),
        "IPAddress": at.get("address", ""),
        "IPPrefixLen": at.get("prefix_length", 0),
    }
    return {**endpoint, "Ports": {}, "Networks": {record.host.network_mode: endpoint}}


def image(found: Image, driver: str) -> dict[str, Any]:
    """An image as ``docker image inspect`` shows it (Engine API, ImageInspect)."""
    config = found.config
    return {
        "Id": found.id,
        "RepoTags": found.references,
        "RepoDigests": [f"{r.rpartition(':')[0]}@{found.manifest_digest}" for r in found.references],
        "Created": found.created,
        "Author": found.document.author or "",
        "Architecture": found.document.architecture,
        "Os": found.document.os,
        "Size": found.size,
        "Config": {
            "User": config.user,
            "Env": config.env,
            "Cmd": config.cmd,
            **_healthcheck(config.healthcheck),
            "Entrypoint": config.entrypoint,
            "WorkingDir": config.working_dir,
            "Labels": config.labels,
            "ExposedPorts": config.exposed_ports,
            "Volumes": config.volumes,
            "StopSignal": config.stop_signal,
        },
        "GraphDriver": {"Name": driver, "Data": None},
        "RootFS": {"Type": "layers", "Layers": found.diff_ids},
        "DockerVersion": f"minicontainer {__version__}",
    }
