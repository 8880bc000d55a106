"""Facts about this host, as ``info`` and ``doctor`` report them; read, never changed."""

from __future__ import annotations

import os

import msgspec

from minicontainer.cgroups.host import hierarchies
from minicontainer.engine import userns
from minicontainer.util import files

SECURITY_MODULES = "/sys/kernel/security/lsm"


class Facts(msgspec.Struct, rename="pascal"):
    """Written as JSON with the names of ``docker info``: KernelVersion, NCPU, MemTotal, ..."""

    name: str
    kernel_version: str
    operating_system: str
    architecture: str
    ncpu: int = msgspec.field(name="NCPU")
    mem_total: int  # bytes
    swap_total: int  # bytes
    cgroup_driver: str
    cgroup_version: str  # 1, 2, or hybrid: v1 controllers beside a cgroup2 mount
    driver: str  # of storage
    docker_root_dir: str
    security_options: list[str]
    os_type: str = msgspec.field(name="OSType", default="linux")


def facts(root: str, storage_driver: str) -> Facts:
    """What there is to say about the host of the state folder ``root``."""
    import psutil

    kernel = os.uname()
    return Facts(
        name=kernel.nodename,
        kernel_version=kernel.release,
        operating_system=operating_system(),
        architecture=kernel.machine,
        ncpu=psutil.cpu_count() or 1,
        mem_total=psutil.virtual_memory().total,
        swap_total=psutil.swap_memory().total,
        cgroup_driver="cgroupfs",
        cgroup_version={"v1": "1", "v2": "2"}.get(version := hierarchies().version, version),
        driver=storage_driver,
        docker_root_dir=root,
        security_options=security_options(),
    )


def operating_system(root: str = "/") -> str:
    """PRETTY_NAME of os-release(5), ``Linux`` where there is none."""
    for name in ("etc/os-release", "usr/lib/os-release"):
        for line in text(os.path.join(root, name)).splitlines():
            if line.startswith("PRETTY_NAME="):
                return line.partition("=")[2].strip("\"'")
    return "Linux"


def security_modules() -> list[str]:
    """The Linux security modules that are active; empty also where securityfs is not mounted."""
    return [name for name in text(SECURITY_MODULES).strip().split(",") if name]


def security_options() -> list[str]:
    """What guards containers here, in docker info's words."""
    found = [name for name in security_modules() if name in ("apparmor", "selinux")]
    if namespaced("cgroup"):
        found.append("cgroupns")
    if userns.own_ids("uid"):
        found.append("rootless")
    return found


def namespaced(file: str) -> bool:
    """Whether this kernel has the kind of namespace that /proc/self/ns calls ``file``."""
    return os.path.exists(f"/proc/self/ns/{file}")


def text(path: str) -> str:
    """A file's content, "" where it cannot be read."""
    try:
        return files.read(path).decode(errors="replace").strip()
    except OSError:
        return ""


def nearest(path: str) -> str:
    """``path``, or the nearest folder above it that exists."""
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path
