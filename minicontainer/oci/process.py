"""A process in the OCI runtime specification's documents (config.md, Process): init's, and each of exec's.

Apart from the rest (runtime.py), for exec reads no more of config.json than this.
"""

from __future__ import annotations

from minicontainer.oci.document import Document, Uint32, Uint64, load


class User(Document):
    ALWAYS = ("uid", "gid")

    uid: Uint32 = 0
    gid: Uint32 = 0
    umask: Uint32 | None = None
    additional_gids: list[Uint32] = []


class Capabilities(Document):
    bounding: list[str] = []
    effective: list[str] = []
    inheritable: list[str] = []
    permitted: list[str] = []
    ambient: list[str] = []


class Rlimit(Document):
    type: str
    soft: Uint64
    hard: Uint64


class Box(Document):
    height: Uint32 = 0
    width: Uint32 = 0


class Scheduler(Document):
    """sched_setattr(2); ``runtime``, ``deadline``, ``period`` in nanoseconds."""

    policy: str
    nice: int = 0
    priority: int = 0
    flags: list[str] = []
    runtime: Uint64 = 0
    deadline: Uint64 = 0
    period: Uint64 = 0


class IOPriority(Document):
    NAMES = {"io_class": "class"}

    io_class: str
    priority: int = 0


class ExecCPUAffinity(Document):
    """Lists of processors (cpuset(7), List format) for exec: before and after it joins the cgroup."""

    initial: str | None = None
    final: str | None = None


class Process(Document):
    NAMES = {"exec_cpu_affinity": "execCPUAffinity"}
    ALWAYS = ("user",)  # REQUIRED by config.md, though not by its schema

    cwd: str
    args: list[str] = []
    env: list[str] = []
    terminal: bool = False
    console_size: Box | None = None
    user: User = User()
    capabilities: Capabilities | None = None
    rlimits: list[Rlimit] = []
    no_new_privileges: bool = False
    oom_score_adj: int | None = None
    apparmor_profile: str | None = None
    selinux_label: str | None = None
    scheduler: Scheduler | None = None
    io_priority: IOPriority | None = None
    exec_cpu_affinity: ExecCPUAffinity | None = None


class Owner(Document):
    """As much of config.json."""

    process: Process


def load_process(data: bytes, source: str = "config.json") -> Process:
    """The process of the configuration in ``data``.  Raises InvalidConfig with the field's path."""
    return load(Owner, data, source).process
