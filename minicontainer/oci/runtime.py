"""The OCI runtime specification's documents as types (runtime-spec 1.2, with what 1.3 adds for Linux:
config.md, config-linux.md, runtime.md).

A field that is declared here is honoured, or refused by the code that would; document.py says how
the classes are read and written.
"""

from __future__ import annotations

from minicontainer.oci.document import Document, Uint16, Uint32, Uint64, load
from minicontainer.oci.process import Box as Box
from minicontainer.oci.process import Capabilities as Capabilities
from minicontainer.oci.process import ExecCPUAffinity as ExecCPUAffinity
from minicontainer.oci.process import IOPriority as IOPriority
from minicontainer.oci.process import Process as Process
from minicontainer.oci.process import Rlimit as Rlimit
from minicontainer.oci.process import Scheduler as Scheduler
from minicontainer.oci.process import User as User

SPEC_VERSION = "1.2.0"
FIRST_VERSION, LAST_VERSION = "1.0.0", "1.3.0"  # of the documents that are understood


class Root(Document):
    path: str
    readonly: bool = False


class IDMapping(Document):
    NAMES = {"container_id": "containerID", "host_id": "hostID"}

    container_id: Uint32
    host_id: Uint32
    size: Uint32


class Mount(Document):
    destination: str
    type: str | None = None
    source: str | None = None
    options: list[str] = []
    uid_mappings: list[IDMapping] = []
    gid_mappings: list[IDMapping] = []


class Namespace(Document):
    type: str
    path: str | None = None


class Device(Document):
    """A device node to make inside the container (config-linux.md, Devices)."""

    type: str
    path: str
    major: Uint32 = 0
    minor: Uint32 = 0
    file_mode: Uint32 | None = None
    uid: Uint32 | None = None
    gid: Uint32 | None = None


class NetDevice(Document):
    """An interface of the host to move into the container (runtime-spec 1.3, Network Devices)."""

    name: str | None = None


class DeviceRule(Document):
    """One entry of linux.resources.devices; None for major or minor means every number."""

    allow: bool
    type: str | None = None
    major: int | None = None
    minor: int | None = None
    access: str | None = None


class Memory(Document):
    """Bytes; -1 is unlimited.  ``swap`` is memory plus swap, as in v1 (memory.memsw)."""

    NAMES = {"kernel_tcp": "kernelTCP", "disable_oom_killer": "disableOOMKiller"}

    limit: int | None = None
    reservation: int | None = None
    swap: int | None = None
    kernel: int | None = None
    kernel_tcp: int | None = None
    swappiness: Uint64 | None = None
    disable_oom_killer: bool | None = None
    use_hierarchy: bool | None = None
    check_before_update: bool | None = None


class CPU(Document):
    """``quota`` and ``period`` in microseconds; ``shares`` in v1's scale (2..262144)."""

    shares: Uint64 | None = None
    quota: int | None = None
    burst: Uint64 | None = None
    period: Uint64 | None = None
    realtime_runtime: int | None = None
    realtime_period: Uint64 | None = None
    cpus: str | None = None
    mems: str | None = None
    idle: int | None = None


class Pids(Document):
    limit: int


class WeightDevice(Document):
    major: int
    minor: int
    weight: Uint16 | None = None
    leaf_weight: Uint16 | None = None


class ThrottleDevice(Document):
    """``rate`` in bytes per second or operations per second."""

    major: int
    minor: int
    rate: Uint64


class BlockIO(Document):
    """``weight`` in v1's scale (10..1000)."""

    NAMES = {
        "throttle_read_iops_device": "throttleReadIOPSDevice",
        "throttle_write_iops_device": "throttleWriteIOPSDevice",
    }

    weight: Uint16 | None = None
    leaf_weight: Uint16 | None = None
    weight_device: list[WeightDevice] = []
    throttle_read_bps_device: list[ThrottleDevice] = []
    throttle_write_bps_device: list[ThrottleDevice] = []
    throttle_read_iops_device: list[ThrottleDevice] = []
    throttle_write_iops_device: list[ThrottleDevice] = []


class HugepageLimit(Document):
    page_size: str
    limit: Uint64


class InterfacePriority(Document):
    name: str
    priority: Uint32


class Network(Document):
    """linux.resources.network: net_cls and net_prio, which exist in v1 only."""

    NAMES = {"class_id": "classID"}

    class_id: Uint32 | None = None
    priorities: list[InterfacePriority] = []


class Rdma(Document):
    hca_handles: Uint32 | None = None
    hca_objects: Uint32 | None = None


class Resources(Document):
    """linux.resources; ``unified`` maps cgroup v2 file names to what is written into them."""

    NAMES = {"block_io": "blockIO"}

    devices: list[DeviceRule] = []
    memory: Memory | None = None
    cpu: CPU | None = None
    pids: Pids | None = None
    block_io: BlockIO | None = None
    hugepage_limits: list[HugepageLimit] = []
    network: Network | None = None
    rdma: dict[str, Rdma] = {}
    unified: dict[str, str] = {}


class TimeOffset(Document):
    secs: int = 0
    nanosecs: Uint32 = 0


class SyscallArg(Document):
    index: Uint32
    value: Uint64
    op: str
    value_two: Uint64 | None = None


class Syscall(Document):
    names: list[str]
    action: str
    errno_ret: Uint32 | None = None
    args: list[SyscallArg] = []


class Seccomp(Document):
    default_action: str
    default_errno_ret: Uint32 | None = None
    architectures: list[str] = []
    flags: list[str] | None = None
    listener_path: str | None = None
    listener_metadata: str | None = None
    syscalls: list[Syscall] = []


class IntelRdt(Document):
    NAMES = {"clos_id": "closID", "enable_cmt": "enableCMT", "enable_mbm": "enableMBM"}

    clos_id: str | None = None
    l3_cache_schema: str | None = None
    mem_bw_schema: str | None = None
    schemata: list[str] = []
    enable_cmt: bool = False
    enable_mbm: bool = False
    enable_monitoring: bool = False


class MemoryPolicy(Document):
    """set_mempolicy(2) (runtime-spec 1.3)."""

    mode: str
    nodes: str | None = None
    flags: list[str] = []


class Personality(Document):
    domain: str
    flags: list[str] = []


class Linux(Document):
    namespaces: list[Namespace] = []
    uid_mappings: list[IDMapping] = []
    gid_mappings: list[IDMapping] = []
    time_offsets: dict[str, TimeOffset] = {}
    devices: list[Device] = []
    cgroups_path: str | None = None
    resources: Resources | None = None
    rootfs_propagation: str | None = None
    masked_paths: list[str] = []
    readonly_paths: list[str] = []
    sysctl: dict[str, str] = {}
    personality: Personality | None = None
    seccomp: Seccomp | None = None
    mount_label: str | None = None
    intel_rdt: IntelRdt | None = None
    memory_policy: MemoryPolicy | None = None
    net_devices: dict[str, NetDevice] = {}


class Hook(Document):
    """A program of the host's to run at a point of the life cycle; ``timeout`` in seconds."""

    path: str
    args: list[str] = []
    env: list[str] = []
    timeout: int | None = None


class Hooks(Document):
    prestart: list[Hook] = []
    create_runtime: list[Hook] = []
    create_container: list[Hook] = []
    start_container: list[Hook] = []
    poststart: list[Hook] = []
    poststop: list[Hook] = []


class Spec(Document):
    """config.json."""

    ALWAYS = ("oci_version",)

    oci_version: str = SPEC_VERSION
    process: Process | None = None
    root: Root | None = None
    hostname: str | None = None
    domainname: str | None = None
    mounts: list[Mount] = []
    linux: Linux | None = None
    hooks: Hooks | None = None
    annotations: dict[str, str] = {}


class State(Document):
    """The state of a container (runtime.md, State); ``status`` is creating, created, running, stopped."""

    ALWAYS = ("pid",)

    oci_version: str
    id: str
    status: str
    pid: int
    bundle: str
    annotations: dict[str, str] = {}


def load_spec(data: bytes, source: str = "config.json") -> Spec:
    """The configuration in ``data``.  Raises InvalidConfig with the field's path."""
    return load(Spec, data, source)
