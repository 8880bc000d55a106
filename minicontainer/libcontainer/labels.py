"""process.apparmorProfile, process.selinuxLabel and linux.mountLabel: what the kernel's security modules
are told about a container.

::

    before namespaces:  hold()   ──► the host's /proc, verified to be a procfs
    before execve:      apply()  ──► attr/apparmor/exec   "exec docker-default"
                                     attr/exec            "system_u:system_r:container_t:s0:c1,c2"
    a file system:      context="system_u:object_r:container_file_t:s0:c1,c2"  as a mount option

The kernel takes the label at the next execve(2).  It is written through the /proc that was held: one
in the container may be something else, and a label that ends in a file of the image leaves the
program without any (CVE-2019-16884, CVE-2019-19921, CVE-2023-28642, CVE-2025-52881).

A module that this kernel does not run is an error, for who asks for a label counts on it.  The one
exception is AppArmor's ``unconfined``, which is then what the program is.
"""

from __future__ import annotations

from minicontainer.errors import InvalidConfig, Unsupported, field
from minicontainer.linux import procfs
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Process

UNCONFINED = "unconfined"
MODULES = "/sys/kernel/security/lsm"  # Linux 4.17, where securityfs is mounted
APPARMOR_ENABLED = "/sys/module/apparmor/parameters/enabled"
FILESYSTEMS = "/proc/filesystems"


def check(process: Process, mount_label: str | None) -> None:
    """Raise Unsupported for a label whose security module does not run here."""
    if _profile(process):
        _require("AppArmor", apparmor(), "process.apparmorProfile", process.apparmor_profile)
    if process.selinux_label:
        _require("SELinux", selinux(), "process.selinuxLabel", process.selinux_label)
    if mount_label:
        _require("SELinux", selinux(), "linux.mountLabel", mount_label)
        if '"' in mount_label:
            raise InvalidConfig(f"config.json: linux.mountLabel: {mount_label!r} holds a quotation mark")


def _require(module: str, runs: bool, name: str, value: str | None) -> None:
    if not runs:
        raise Unsupported(f"config.json: {name}: {value!r} cannot be applied: {module} does not run here")


def apparmor() -> bool:
    """Whether AppArmor confines processes on this kernel."""
    return _line(APPARMOR_ENABLED) == "Y"


def selinux() -> bool:
    """Whether SELinux labels processes on this kernel: it registers its file system only then."""
    modules = _line(MODULES)
    return "selinux" in modules.split(",") if modules else "nodev\tselinuxfs" in _text(FILESYSTEMS)


def hold(process: Process) -> int:
    """A descriptor of the host's /proc for `apply`, or -1 for a process without labels."""
    if not process.selinux_label and not _profile(process):
        return -1
    with field("process.selinuxLabel" if process.selinux_label else "process.apparmorProfile"):
        return procfs.hold()


def apply(process: Process, proc: int) -> None:
    """Label the program that this process executes next.  OSError as the security module gives it."""
    if profile := _profile(process):
        with field(f"process.apparmorProfile ({profile})"):
            because("AppArmor confines the program by this profile")
            data = f"exec {profile}"
            try:
                procfs.write_procfs(proc, procfs.own(proc, "attr/apparmor/exec"), data)
            except FileNotFoundError:
                # Before Linux 5.8 the file belonged to whichever module was the only one.
                procfs.write_procfs(proc, procfs.own(proc, "attr/exec"), data)
    if process.selinux_label:
        with field(f"process.selinuxLabel ({process.selinux_label})"):
            because("SELinux decides by this label what the program may do")
            procfs.write_procfs(proc, procfs.own(proc, "attr/exec"), process.selinux_label)


def _profile(process: Process) -> str:
    """The profile to apply; without AppArmor every program is unconfined already."""
    profile = process.apparmor_profile or ""
    return "" if profile == UNCONFINED and not apparmor() else profile


def _line(path: str) -> str:
    return _text(path).strip()


def _text(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except (FileNotFoundError, PermissionError):
        return ""
