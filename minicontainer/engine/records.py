"""What the engine writes about a container, and where.

::

    ROOT/                              survives a reboot
        containers/
            <id>/
                container.json         Container: what was asked for; written before the folder has
                                       this name, and replaced by `rename` and `update`
                status.json            Status: what became of it; replaced by its monitor
                config.json            the OCI configuration; with rootfs/ this folder is the bundle
                rootfs/                where the monitor mounts the root file system, seen by it alone
                health.json            health.Health: what its health check says; replaced by its monitor
                hosts hostname resolv.conf   bound into the container
                log.json log.json.1    what the program wrote (logs.py)
                ...                    the writable layer, as the storage driver lays it out
            .tmp-*/                    being made, renamed to <id> when it is whole; or being removed
            .names/<name>              symbolic link to ../<id>: a name is taken exactly once; where
                                       container.json says another, the link is right
    RUN/                               a reboot may forget it
        runtime/<id>/                  libcontainer's state
        monitors/<id>/attach.sock      clients come here
                      stopped canceled   empty: what a user's signal means to its policy (restart_policy.py)
        locks/                         <id>, and "containers"

Locks are taken in this order, and never the other way round: a container's own, then ``containers``
(taking a name, giving it back), then the image store's, then the network's.

A container runs if its status says so *and* the monitor named there lives (pid and start time).  If
the monitor is gone, the status is a lie that `Engine` mends the next time it looks::

    state                 finished, error    the monitor ended ...           mended to
    starting, running     neither            while the program ran           exited, 137
    starting              error              giving back a failed start      created, with the error
    running               finished           giving back what had ended      exited, with its code
    restarting, starting  finished           before or while it restarted    exited, with its code
"""

from __future__ import annotations

import os
import time

from minicontainer.engine.health import Health, Healthcheck, Result
from minicontainer.errors import CorruptData, InvalidConfig
from minicontainer.libcontainer.state import start_time
from minicontainer.oci import document
from minicontainer.util import files
from minicontainer.util.suppress import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    K = TypeVar("K", bound=document.Document)

SOCKET = "attach.sock"  # where clients of a container meet its monitor
ALL = "containers"  # the lock of what they share
CLAIMS = ("starting", "running", "restarting")  # states that say that a monitor lives
HEALTH = "health.json"


class Kept(document.Document):
    """A record: what is not there has its default, what an older or later release wrote is passed over."""

    CAMEL = False


class Bind(Kept):
    """One mount that was asked for.  ``type`` is bind or tmpfs; ``options`` are the OCI's."""

    type: str
    target: str
    source: str = ""
    options: list[str] = []


class Ulimit(Kept):
    """``name`` as ulimit(1) without RLIMIT_; -1 is unlimited."""

    name: str
    soft: int
    hard: int


class Config(Kept):
    """What runs: Docker's Config.  An ``entrypoint`` of None is the image's, an empty one is none."""

    image: str = ""
    hostname: str = ""
    domainname: str = ""
    user: str = ""
    env: list[str] = []
    entrypoint: list[str] | None = None
    cmd: list[str] = []
    working_dir: str = ""
    labels: dict[str, str] = {}
    tty: bool = False
    open_stdin: bool = False
    attach: bool = True
    stop_signal: str = ""
    stop_timeout: int | None = None
    streams: list[str] = []  # of --attach: only these are attached
    healthcheck: Healthcheck | None = None


class HostConfig(Kept):
    """What it may use of the host: Docker's HostConfig.  Sizes in bytes; 0 is no limit."""

    network_mode: str = "bridge"
    mounts: list[Bind] = []
    memory: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0
    nano_cpus: int = 0
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_shares: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    pids_limit: int = 0
    blkio_weight: int = 0
    blkio_weight_device: list[tuple[str, int]] = []
    device_read_bps: list[tuple[str, int]] = []
    device_write_bps: list[tuple[str, int]] = []
    device_read_iops: list[tuple[str, int]] = []
    device_write_iops: list[tuple[str, int]] = []
    cpu_rt_period: int = 0
    cpu_rt_runtime: int = 0
    kernel_memory: int = 0
    memory_swappiness: int = -1
    oom_kill_disable: bool = False
    cap_add: list[str] = []
    cap_drop: list[str] = []
    privileged: bool = False
    read_only: bool = False
    ulimits: list[Ulimit] = []
    init: bool = False
    no_new_privileges: bool = False
    oom_score_adj: int = 0
    auto_remove: bool = False
    restart_policy: str = "no"
    restart_retries: int = 0
    # Isolation: modes as isolation.py has them; devices are (host's path, container's path, access),
    # mappings (first id inside, first id of the host, how many).
    devices: list[tuple[str, str, str]] = []
    device_cgroup_rules: list[str] = []
    sysctls: dict[str, str] = {}
    pid_mode: str = ""
    ipc_mode: str = "private"
    uts_mode: str = ""
    cgroupns_mode: str = "private"
    userns_mode: str = ""
    uid_mappings: list[tuple[int, int, int]] = []
    gid_mappings: list[tuple[int, int, int]] = []
    group_add: list[str] = []
    shm_size: int = 64 << 20
    security_opt: list[str] = []
    log_driver: str = "json-file"
    log_opts: dict[str, str] = {}
    dns: list[str] = []
    dns_options: list[str] = []
    dns_search: list[str] = []
    extra_hosts: list[str] = []  # NAME:ADDRESS
    annotations: dict[str, str] = {}
    container_id_file: str = ""


class Container(Kept):
    """container.json.  ``chain`` are the chain ids of the image's layers, lowest first; ``created``
    in seconds since the epoch."""

    id: str
    name: str
    created: float
    image_id: str
    chain: list[str]
    driver: str
    config: Config
    host: HostConfig


class Status(Kept):
    """status.json.  ``state`` is created, starting, running, restarting or exited; times in seconds since
    the epoch.

    ``address`` is the last one on the bridge, which the next start asks for again.  ``released``: the
    monitor of a container with --rm has given all back, and waits for the container's lock.  Of its policy
    (restart_policy.py): whether it ever ``ran``, ``restarts`` since a user started it, the last ``delay`` in
    seconds, and whether a user had ``stopped`` it when it ended.
    """

    state: str = "created"
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started: float = 0.0
    finished: float = 0.0
    monitor: int = 0
    monitor_start: int = 0
    network: dict[str, object] = {}
    address: str = ""
    released: bool = False
    ran: bool = False
    restarts: int = 0
    delay: float = 0.0
    stopped: bool = False


class Folders:
    """The paths below the two roots."""

    def __init__(self, root: str, run: str) -> None:
        self.root = root
        self.run = run
        self.containers = f"{root}/containers"
        self.names = f"{root}/containers/.names"
        self.runtime = f"{run}/runtime"
        self.monitors = f"{run}/monitors"
        self.locks = f"{run}/locks"

    def make(self) -> None:
        """Make the folders that every command needs.

        Nobody else gets to the containers' files: a setuid program of an image would be the host's
        (CVE-2021-41091).
        """
        for path in (self.containers, self.names, self.runtime, self.monitors, self.locks):
            os.makedirs(path, 0o700, exist_ok=True)

    def container(self, container_id: str) -> str:
        """A container's own folder, which is its bundle."""
        return f"{self.containers}/{container_id}"

    def lock(self) -> files.Lock:
        """The lock ``containers``."""
        return files.Lock(f"{self.locks}/{ALL}")

    def container_lock(self, container_id: str) -> ContainerLock:
        """A container's own."""
        return ContainerLock(f"{self.locks}/{container_id}", self.container(container_id))


class ContainerLock(files.Lock):
    """A container's lock, whose file goes with the container.

    Who waited for it, and finds the container gone, has the lock of nothing.
    """

    def __init__(self, path: str, folder: str) -> None:
        super().__init__(path)
        self.folder = folder

    def release(self) -> None:
        """Give the lock back, and remove its file if the container is gone."""
        if self.fd >= 0 and not os.path.isdir(self.folder):
            with suppress(FileNotFoundError):
                os.unlink(self.path)
        super().release()


def load_container(folder: str) -> Container:
    """container.json of ``folder``.  Raises FileNotFoundError, CorruptData."""
    return _load(f"{folder}/container.json", Container)


def load_status(folder: str) -> Status:
    """status.json of ``folder``.  Raises FileNotFoundError, CorruptData."""
    return _load(f"{folder}/status.json", Status)


def load_health(folder: str) -> Health:
    """health.json of ``folder``.  Raises FileNotFoundError, CorruptData."""
    return _load(f"{folder}/{HEALTH}", Health)


def known_health(folder: str) -> Health:
    """The same, or a new one.  That of a damaged one says so in its log: the next probe mends it."""
    try:
        return load_health(folder)
    except FileNotFoundError:
        return Health()
    except CorruptData as error:
        now = time.time_ns()
        return Health(log=[Result(start=now, end=now, exit_code=-1, output=str(error))])


def save(path: str, record: document.Document, *, sync: bool = True) -> None:
    """Write a record as JSON."""
    files.write_atomic(path, document.pack(record), sync=sync)


def monitored(status: Status) -> bool:
    """Whether the monitor that the status names is alive."""
    return bool(status.monitor) and start_time(status.monitor) == status.monitor_start


def without_monitor(status: Status) -> Status:
    """What became of a container whose monitor is gone: see the table above."""
    if status.finished:
        state, code, error = "exited", status.exit_code, status.error
    elif status.error:
        state, code, error = "created", status.exit_code, status.error
    else:
        state, code, error = "exited", 137, "its monitor was killed"
    return Status(
        state=state,
        exit_code=code,
        error=error,
        oom_killed=status.oom_killed,
        address=status.address,
        started=status.started,
        finished=status.finished or (time.time() if state == "exited" else 0.0),
        ran=status.ran,
        restarts=status.restarts,
        stopped=status.stopped,
    )


def _load(path: str, kind: type[K]) -> K:
    try:
        return document.load(kind, files.read(path), f"{path} is damaged")
    except InvalidConfig as error:
        raise CorruptData(str(error)) from None
