"""What `run` and `create` share: the options that say what a container is, and the container they make.

``@container_options`` puts them on a verb; `container_of` reads their values.  The verb's own options
(``--detach``, ``--sig-proxy``) say what the command does, and stay with it.
"""

from __future__ import annotations

from minicontainer.cli import types
from minicontainer.cli.command import flag, option
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minicontainer.engine.health import Healthcheck
    from minicontainer.engine.records import Config, Container, HostConfig

OPTIONS = (
    option(
        "--blkio-weight", metavar="uint16", type=types.INTEGER, default=0, help="Block IO weight, 10 to 1000"
    ),
    option("--cap-add", metavar="list", multiple=True, help="Add Linux capabilities"),
    option("--cap-drop", metavar="list", multiple=True, help="Drop Linux capabilities"),
    option(
        "--cgroupns",
        metavar="string",
        type=types.CGROUPNS,
        default="private",
        help="Cgroup namespace: private or host",
    ),
    option("--cpu-period", metavar="int", type=types.INTEGER, default=0, help="CPU CFS period, microseconds"),
    option("--cpu-quota", metavar="int", type=types.INTEGER, default=0, help="CPU CFS quota, microseconds"),
    option(
        "-c",
        "--cpu-shares",
        metavar="int",
        type=types.INTEGER,
        default=0,
        help="CPU shares (relative weight)",
    ),
    option("--cpus", metavar="decimal", type=types.CPUS, default=0, help="Number of CPUs"),
    option(
        "--cpuset-cpus",
        metavar="string",
        type=types.CPUSET_CPUS,
        default=None,
        help="CPUs to run on (0-3, 0,1)",
    ),
    option(
        "--cpuset-mems",
        metavar="string",
        type=types.CPUSET_MEMS,
        default=None,
        help="Memory nodes to use (0-3, 0,1)",
    ),
    option(
        "--device",
        metavar="list",
        type=types.DEVICE,
        multiple=True,
        help="Give a device of the host: PATH[:CPATH][:rwm]",
    ),
    option(
        "--device-cgroup-rule",
        metavar="list",
        type=types.DEVICE_RULE,
        multiple=True,
        help="Allow devices by number: 'c 1:* rwm'",
    ),
    option(
        "--device-read-bps",
        metavar="list",
        multiple=True,
        help="Limit the read rate from a device: PATH:RATE",
    ),
    option(
        "--device-write-bps",
        metavar="list",
        multiple=True,
        help="Limit the write rate to a device: PATH:RATE",
    ),
    option("--domainname", metavar="string", type=types.HOST_NAME, default=None, help="NIS domain name"),
    option("--entrypoint", metavar="string", default=None, help="Overwrite the image's entrypoint"),
    option("-e", "--env", metavar="list", type=types.ENTRY, multiple=True, help="Set environment variables"),
    option("--env-file", metavar="list", multiple=True, help="Read environment variables from a file"),
    option(
        "--gidmap",
        metavar="list",
        type=types.ID_MAPPING,
        multiple=True,
        help="Map group ids: CONTAINER:HOST[:SIZE]",
    ),
    option("--group-add", metavar="list", multiple=True, help="Add groups of the image, by name or number"),
    option("--health-cmd", metavar="string", default="", help="Command to run to check health"),
    option(
        "--health-interval",
        metavar="duration",
        type=types.NANOSECONDS,
        default=0,
        help="Time between running the check (ms|s|m|h) (30s)",
    ),
    option(
        "--health-retries",
        metavar="int",
        type=types.INTEGER,
        default=0,
        help="Consecutive failures needed to report unhealthy (3)",
    ),
    option(
        "--health-start-interval",
        metavar="duration",
        type=types.NANOSECONDS,
        default=0,
        help="Time between running the check during the start period (5s)",
    ),
    option(
        "--health-start-period",
        metavar="duration",
        type=types.NANOSECONDS,
        default=0,
        help="Time for the container to start, before failures count (0s)",
    ),
    option(
        "--health-timeout",
        metavar="duration",
        type=types.NANOSECONDS,
        default=0,
        help="Maximum time to allow one check to run (30s)",
    ),
    option(
        "-h",
        "--hostname",
        metavar="string",
        type=types.HOST_NAME,
        default=None,
        help="Host name of the container",
    ),
    flag("--init", help="Run a small init that forwards signals and reaps processes"),
    flag("-i", "--interactive", help="Keep standard input open"),
    option(
        "--ipc",
        metavar="string",
        type=types.IPC,
        default="private",
        help="IPC namespace: private, shareable, none, host or container:NAME",
    ),
    option(
        "-l",
        "--label",
        metavar="list",
        type=types.LABEL,
        multiple=True,
        help="Set meta data on the container",
    ),
    option(
        "--log-driver",
        metavar="string",
        type=types.LOG_DRIVER,
        default="json-file",
        help="Logging driver for the container: json-file or none (json-file)",
    ),
    option(
        "--log-opt",
        metavar="list",
        type=types.LOG_OPT,
        multiple=True,
        help="Log driver options: max-size=10m, max-file=3, labels=, env=",
    ),
    option("-m", "--memory", metavar="bytes", type=types.MEMORY, default=0, help="Memory limit"),
    option("--memory-reservation", metavar="bytes", type=types.MEMORY, default=0, help="Memory soft limit"),
    option(
        "--memory-swap",
        metavar="bytes",
        type=types.SWAP,
        default=0,
        help="Memory and swap together; -1: no limit",
    ),
    option("--mount", metavar="mount", type=types.MOUNT, multiple=True, help="Attach a file system"),
    option("--name", metavar="string", type=types.CONTAINER_NAME, default=None, help="Name of the container"),
    option(
        "--network",
        "--net",
        metavar="network",
        type=types.NETWORK,
        default="bridge",
        help="none, host or bridge (bridge)",
    ),
    flag("--no-healthcheck", help="Disable any health check that the image has"),
    option(
        "--oom-score-adj", metavar="int", type=types.OOM_SCORE, default=0, help="The kernel's OOM preference"
    ),
    option(
        "--pid", metavar="string", type=types.PID, default=None, help="PID namespace: host or container:NAME"
    ),
    option(
        "--pids-limit",
        metavar="int",
        type=types.INTEGER,
        default=0,
        help="Most processes and threads; -1: no limit",
    ),
    flag("--privileged", help="Give all capabilities, devices and kernel settings"),
    option(
        "-p",
        "--publish",
        metavar="list",
        type=types.PUBLISH,
        multiple=True,
        help="Publish a port (later work)",
    ),
    flag("--read-only", help="Mount the root file system read-only"),
    option(
        "--restart",
        metavar="string",
        type=types.RESTART,
        default=("no", 0),
        help="When to restart: no, always, unless-stopped, on-failure[:MAX] (no)",
    ),
    flag("--rm", help="Remove the container when it ends"),
    option(
        "--security-opt",
        metavar="list",
        type=types.SECURITY_OPT,
        multiple=True,
        help="no-new-privileges, seccomp=, apparmor=, label=, mask=, unmask=, systempaths=unconfined",
    ),
    option(
        "--shm-size", metavar="bytes", type=types.SHM_SIZE, default=64 << 20, help="Size of /dev/shm (64m)"
    ),
    option(
        "--stop-signal", metavar="string", type=types.SIGNAL, default=None, help="The signal that stops it"
    ),
    option(
        "--stop-timeout", metavar="int", type=types.INTEGER, default=None, help="Seconds it is given to stop"
    ),
    option("--sysctl", metavar="map", type=types.SYSCTL, multiple=True, help="Kernel settings: NAME=VALUE"),
    option("--tmpfs", metavar="list", type=types.TMPFS, multiple=True, help="Mount a tmpfs"),
    flag("-t", "--tty", help="Give it a terminal"),
    option(
        "--uidmap",
        metavar="list",
        type=types.ID_MAPPING,
        multiple=True,
        help="Map user ids: CONTAINER:HOST[:SIZE]",
    ),
    option(
        "--ulimit",
        metavar="ulimit",
        type=types.ULIMIT,
        multiple=True,
        help="A resource limit: NAME=SOFT[:HARD]",
    ),
    option(
        "-u", "--user", metavar="string", type=types.USER, default=None, help="USER[:GROUP], names or numbers"
    ),
    option(
        "--userns",
        metavar="string",
        type=types.USERNS,
        default=None,
        help="User namespace: host, auto[:size=N], private or container:NAME",
    ),
    option(
        "--uts", metavar="string", type=types.UTS, default=None, help="UTS namespace: host or container:NAME"
    ),
    option(
        "-v",
        "--volume",
        metavar="list",
        type=types.VOLUME,
        multiple=True,
        help="Bind a folder: SOURCE:TARGET[:ro]",
    ),
    option(
        "-w",
        "--workdir",
        metavar="string",
        type=types.WORKING_DIRECTORY,
        default=None,
        help="Working directory",
    ),
)


def container_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options of both verbs."""
    for add in reversed(OPTIONS):
        function = add(function)
    return function


def container_of(image: str, words: tuple[str, ...], flags: dict[str, Any]) -> Container:
    """What the options ask for, to be given to `Engine.create`.  Raises UsageError."""
    from minicontainer.engine.records import Container

    return Container(
        id="",
        name=flags["name"] or "",
        created=0.0,
        image_id="",
        chain=[],
        driver="",
        config=_config(image, words, flags),
        host=_host(flags),
    )


def _config(image: str, words: tuple[str, ...], flags: dict[str, Any]) -> Config:
    from minicontainer.cli.environment import collect
    from minicontainer.engine.records import Config

    entrypoint = flags["entrypoint"]
    stop = flags["stop_signal"]
    return Config(
        image=image,
        hostname=flags["hostname"] or "",
        domainname=flags["domainname"] or "",
        user=flags["user"] or "",
        env=collect(flags["env"], flags["env_file"]),
        entrypoint=None if entrypoint is None else [entrypoint] if entrypoint else [],
        cmd=list(words),
        working_dir=flags["workdir"] or "",
        labels=dict(flags["label"]),
        tty=flags["tty"],
        open_stdin=flags["interactive"],
        attach=not flags["detach"],
        stop_signal=str(stop) if stop else "",
        stop_timeout=flags["stop_timeout"],
        healthcheck=_healthcheck(flags),
    )


def _healthcheck(flags: dict[str, Any]) -> Healthcheck | None:
    names = ("interval", "timeout", "start_period", "start_interval", "retries")
    given = {name: flags[f"health_{name}"] for name in names}
    if not flags["health_cmd"] and not any(given.values()) and not flags["no_healthcheck"]:
        return None
    from minicontainer.cli.onclick import FlagError
    from minicontainer.engine.health import Healthcheck

    if flags["no_healthcheck"]:
        if flags["health_cmd"] or any(given.values()):
            raise FlagError("--no-healthcheck conflicts with --health-* options")
        return Healthcheck(test=["NONE"])
    for name, value in given.items():
        if value < 0:
            raise FlagError(f"--health-{name.replace('_', '-')} cannot be negative")
    return Healthcheck(test=["CMD-SHELL", flags["health_cmd"]] if flags["health_cmd"] else [], **given)


def _host(flags: dict[str, Any]) -> HostConfig:
    from minicontainer.cli.mounts import check_targets
    from minicontainer.engine import limits
    from minicontainer.engine.records import HostConfig

    mounts = [*flags["volume"], *flags["mount"], *flags["tmpfs"]]
    check_targets(mounts)
    asked = HostConfig(
        network_mode=flags["network"],
        mounts=mounts,
        memory=flags["memory"],
        memory_reservation=flags["memory_reservation"],
        memory_swap=flags["memory_swap"],
        nano_cpus=flags["cpus"],
        cpu_period=flags["cpu_period"],
        cpu_quota=flags["cpu_quota"],
        cpu_shares=flags["cpu_shares"],
        cpuset_cpus=flags["cpuset_cpus"] or "",
        cpuset_mems=flags["cpuset_mems"] or "",
        pids_limit=flags["pids_limit"],
        blkio_weight=flags["blkio_weight"],
        device_read_bps=[_rate(text) for text in flags["device_read_bps"]],
        device_write_bps=[_rate(text) for text in flags["device_write_bps"]],
        cap_add=list(flags["cap_add"]),
        cap_drop=list(flags["cap_drop"]),
        privileged=flags["privileged"],
        read_only=flags["read_only"],
        ulimits=list(flags["ulimit"]),
        init=flags["init"],
        oom_score_adj=flags["oom_score_adj"],
        auto_remove=flags["rm"],
        restart_policy=flags["restart"][0],
        restart_retries=flags["restart"][1],
        devices=list(flags["device"]),
        device_cgroup_rules=list(flags["device_cgroup_rule"]),
        sysctls=dict(flags["sysctl"]),
        pid_mode=flags["pid"] or "",
        ipc_mode=flags["ipc"],
        uts_mode=flags["uts"] or "",
        cgroupns_mode=flags["cgroupns"],
        userns_mode=flags["userns"] or "",
        uid_mappings=list(flags["uidmap"]),
        gid_mappings=list(flags["gidmap"]),
        group_add=list(flags["group_add"]),
        shm_size=flags["shm_size"] or 64 << 20,
        security_opt=list(flags["security_opt"]),
        log_driver=flags["log_driver"],
        log_opts=_log_options(flags),
    )
    limits.check(asked)
    if asked.auto_remove and asked.restart_policy != "no":
        raise UsageError("conflicting options: cannot specify both --restart and --rm")
    return asked


def _log_options(flags: dict[str, Any]) -> dict[str, str]:
    from minicontainer.engine import logs

    options = dict(flags["log_opt"])
    if flags["log_driver"] == "json-file":
        logs.parse_options(options)
    elif options:
        raise UsageError(f"unknown log opt '{next(iter(options))}' for none log driver")
    return options


def _rate(text: str) -> tuple[str, int]:
    from minicontainer.cli.units import parse_size

    path, colon, rate = text.rpartition(":")
    if not colon or not path.startswith("/dev/"):
        raise UsageError(f"bad format for device path: {text}: give /dev/NAME:RATE, as /dev/sda:1mb")
    return path, parse_size(rate)
