"""The OCI runtime specification's documents as types (runtime-spec 1.2, config.md, config-linux.md).

Attributes carry the specification's names in snake case; JSON carries them in camel case.  Unknown
properties are ignored, as the specification asks.  `load_spec` names the field that is wrong:
``config.json: Expected `str`, got `int` - at `$.process.cwd```.
"""

from __future__ import annotations

import msgspec

from minicontainer.errors import InvalidConfig

SPEC_VERSION = "1.2.0"


class Document(msgspec.Struct, rename="camel", omit_defaults=True):
    """What every document shares: camel-case names, defaults left out when written."""


class User(Document, omit_defaults=False):
    uid: int = 0
    gid: int = 0
    umask: int | None = None
    additional_gids: list[int] = []


class Capabilities(Document):
    bounding: list[str] = []
    effective: list[str] = []
    inheritable: list[str] = []
    permitted: list[str] = []
    ambient: list[str] = []


class Rlimit(Document):
    type: str
    soft: int
    hard: int


class Box(Document):
    height: int = 0
    width: int = 0


class Process(Document):
    cwd: str
    args: list[str] = []
    env: list[str] = []
    terminal: bool = False
    console_size: Box | None = None
    user: User = msgspec.field(default_factory=User)
    capabilities: Capabilities | None = None
    rlimits: list[Rlimit] = []
    no_new_privileges: bool = False
    oom_score_adj: int | None = None


class Root(Document):
    path: str
    readonly: bool = False


class Mount(Document):
    destination: str
    type: str | None = None
    source: str | None = None
    options: list[str] = []


class Namespace(Document):
    type: str
    path: str | None = None


class IDMapping(Document):
    size: int
    container_id: int = msgspec.field(name="containerID")
    host_id: int = msgspec.field(name="hostID")


class Device(Document):
    """A device node to make inside the container (config-linux.md, Devices)."""

    type: str
    path: str
    major: int = 0
    minor: int = 0
    file_mode: int | None = None
    uid: int | None = None
    gid: int | None = None


class DeviceRule(Document):
    """One entry of linux.resources.devices; None for major or minor means every number."""

    allow: bool
    type: str | None = None
    major: int | None = None
    minor: int | None = None
    access: str | None = None


class Memory(Document):
    """Bytes; -1 is unlimited.  ``swap`` is memory plus swap, as in v1 (memory.memsw)."""

    limit: int | None = None
    reservation: int | None = None
    swap: int | None = None
    kernel: int | None = None
    kernel_tcp: int | None = msgspec.field(default=None, name="kernelTCP")
    swappiness: int | None = None
    disable_oom_killer: bool | None = msgspec.field(default=None, name="disableOOMKiller")
    use_hierarchy: bool | None = None


class CPU(Document):
    """``quota`` and ``period`` in microseconds; ``shares`` in v1's scale (2..262144)."""

    shares: int | None = None
    quota: int | None = None
    burst: int | None = None
    period: int | None = None
    realtime_runtime: int | None = None
    realtime_period: int | None = None
    cpus: str | None = None
    mems: str | None = None
    idle: int | None = None


class Pids(Document):
    limit: int


class WeightDevice(Document):
    major: int
    minor: int
    weight: int | None = None
    leaf_weight: int | None = None


class ThrottleDevice(Document):
    """``rate`` in bytes per second or operations per second."""

    major: int
    minor: int
    rate: int


class BlockIO(Document):
    """``weight`` in v1's scale (10..1000)."""

    weight: int | None = None
    leaf_weight: int | None = None
    weight_device: list[WeightDevice] = []
    throttle_read_bps_device: list[ThrottleDevice] = []
    throttle_write_bps_device: list[ThrottleDevice] = []
    throttle_read_iops_device: list[ThrottleDevice] = msgspec.field(
        default_factory=list, name="throttleReadIOPSDevice"
    )
    throttle_write_iops_device: list[ThrottleDevice] = msgspec.field(
        default_factory=list, name="throttleWriteIOPSDevice"
    )


class HugepageLimit(Document):
    page_size: str
    limit: int


class Resources(Document):
    """linux.resources; ``unified`` maps cgroup v2 file names to what is written into them."""

    devices: list[DeviceRule] = []
    memory: Memory | None = None
    cpu: CPU | None = None
    pids: Pids | None = None
    block_io: BlockIO | None = msgspec.field(default=None, name="blockIO")
    hugepage_limits: list[HugepageLimit] = []
    unified: dict[str, str] = {}


class TimeOffset(Document):
    secs: int = 0
    nanosecs: int = 0


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


class Spec(Document):
    """config.json."""

    # By a factory, since the specification asks for it and defaults are left out.
    oci_version: str = msgspec.field(default_factory=lambda: SPEC_VERSION)
    process: Process | None = None
    root: Root | None = None
    hostname: str | None = None
    domainname: str | None = None
    mounts: list[Mount] = []
    linux: Linux | None = None
    annotations: dict[str, str] = {}


class State(Document):
    """The state of a container (runtime.md, State); ``status`` is creating, created, running, stopped."""

    id: str
    status: str
    bundle: str
    pid: int = 0
    # By a factory, since the specification asks for it and defaults are left out.
    oci_version: str = msgspec.field(default_factory=lambda: SPEC_VERSION)
    annotations: dict[str, str] = {}


def load_spec(data: bytes, source: str = "config.json") -> Spec:
    """The configuration in ``data``.  Raises InvalidConfig with the field's path."""
    try:
        return msgspec.json.decode(data, type=Spec)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidConfig(f"{source}: {error}") from None


def dump(document: Document) -> bytes:
    """``document`` as JSON, indented by two, with a last newline."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
