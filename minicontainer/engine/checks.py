"""What will and will not work on this host, and why: the checks behind ``minicontainer doctor``.

Every check is one function that looks or tries, and yields `Check`s.  Tries happen in a child, in
namespaces that end with it (linux/probe.py), so the host is the same afterwards; the kernel may load
a module, as it would for a run.
"""

from __future__ import annotations

import errno
import os

import msgspec

from minicontainer.engine import host, userns
from minicontainer.linux import capabilities, mount, namespaces, probe, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GIB = 1 << 30


class Check(msgspec.Struct):
    """One finding.  ``needed``: without it ``run`` cannot work; else ``without`` says what is lost."""

    area: str
    name: str
    ok: bool
    needed: bool
    found: str
    without: str = ""


NAMESPACES = {  # config-linux.md's name -> (needed, what is lost without it)
    "mount": (True, "no container can be isolated"),
    "pid": (True, "no container can be isolated"),
    "uts": (True, "a container has no host name of its own"),
    "ipc": (True, "a container has no shared memory of its own"),
    "network": (True, "--network bridge and none are refused; --network host needs no namespace"),
    "cgroup": (True, "a container sees the host's control groups"),
    "user": (False, "no container can map its users to others"),
    "time": (False, "no container can have clocks of its own"),
}
CALLS = {  # (needed, what is lost)
    "clone3": (True, "no container can be made"),
    "pidfd_open": (True, "a container's process cannot be told from a later one of its number"),
    "pidfd_send_signal": (True, "a container's process cannot be signalled safely"),
    "close_range": (True, "our open files would leak into the container"),
    "openat2": (True, "paths inside an image could lead out of it"),
    "open_tree": (True, "binds are held by descriptor before the host's tree is left"),
    "move_mount": (True, "what was held cannot be attached"),
    "fsopen": (False, "whether overlay works is guessed by the file system's type"),
    "mount_setattr": (True, "no read-only paths: Linux 5.12 is the oldest that runs containers here"),
}
CAPABILITIES = {  # what a run needs beyond CAP_SYS_ADMIN, and what is lost without it
    "CAP_SYS_ADMIN": (True, "nothing can be mounted, no namespace made"),
    "CAP_SYS_CHROOT": (True, "exec cannot enter a container's root file system"),
    "CAP_SETUID": (True, "a container cannot change its user"),
    "CAP_SETGID": (True, "a container cannot change its groups"),
    "CAP_SETPCAP": (True, "capabilities cannot be taken from a container"),
    "CAP_CHOWN": (True, "images cannot be unpacked with their owners"),
    "CAP_DAC_OVERRIDE": (True, "images cannot be unpacked or committed"),
    "CAP_FOWNER": (True, "images cannot be unpacked with their permissions"),
    "CAP_MKNOD": (True, "a container's device nodes cannot be made"),
    "CAP_KILL": (True, "a container of another user cannot be stopped"),
    "CAP_NET_ADMIN": (False, "--network bridge is refused"),
    "CAP_SYS_PTRACE": (False, "exec cannot open another user's namespaces"),
    "CAP_SYS_RESOURCE": (False, "--ulimit cannot raise a hard limit, and oom scores cannot be lowered"),
}
CONTROLLERS = {  # v2's name -> (v1's, options that need it)
    "memory": ("memory", "-m is refused"),
    "cpu": ("cpu", "--cpus is refused"),
    "cpuset": ("cpuset", "--cpuset-cpus is refused"),
    "pids": ("pids", "--pids-limit is refused"),
    "io": ("blkio", "limits on block devices are refused"),
}
PACKAGES = {
    "prctl": "python-prctl", "msgspec": "msgspec", "click": "click", "pyroute2": "pyroute2",
    "psutil": "psutil", "zstandard": "zstandard",
}  # fmt: skip


def examine(root: str) -> Iterator[Check]:
    """Every check, in order; ``root`` is the state folder, which need not exist."""
    for area, check in AREAS:
        try:
            for found in check(root):
                found.area = area
                yield found
        except OSError as error:
            told = f"cannot be examined: {error.filename}: {error.strerror}"
            yield Check(area, area, ok=False, needed=True, found=told, without="see the error")


def _check(name: str, ok: bool, found: str, without: str = "", *, needed: bool = False) -> Check:
    return Check("", name, ok, needed, found, "" if ok else without)


def _system(root: str) -> Iterator[Check]:
    kernel = os.uname()
    yield _check("system", True, f"{host.operating_system()}, Linux {kernel.release}, {kernel.machine}")
    root_user = os.geteuid() == 0
    found = f"uid {os.geteuid()}" + (", root of a user namespace" if userns.own_ids("uid") else "")
    yield _check("user", root_user, found, "run it with sudo", needed=True)
    for name, (needed, without) in CALLS.items():
        reason = probe.missing(name)
        yield _check(f"{name}(2)", reason is None, reason or "there", without, needed=needed)


def _namespaces(root: str) -> Iterator[Check]:
    for kind, (needed, without) in NAMESPACES.items():
        error = probe.refusal(lambda kind=kind: namespaces.unshare(namespaces.FLAGS[kind]))  # type: ignore[misc]
        found = f"refused: {error.strerror}" if error else "a new one can be made"
        limit = host.text(f"/proc/sys/user/max_{_limit_name(kind)}_namespaces")
        if limit:
            found += f", at most {limit}"
        yield _check(f"{kind} namespace", error is None, found, without, needed=needed)
    yield from _unprivileged()


def _limit_name(kind: str) -> str:
    return {"mount": "mnt", "network": "net"}.get(kind, kind)


def _unprivileged() -> Iterator[Check]:
    """Distributions' own switches against user namespaces of ordinary users."""
    for name, off in (("unprivileged_userns_clone", "0"), ("apparmor_restrict_unprivileged_userns", "1")):
        value = host.text(f"/proc/sys/kernel/{name}")
        if value:
            without = "ordinary users may not make user namespaces; root may"
            yield _check(f"kernel.{name}", value != off, value, without)


def _mounts(root: str) -> Iterator[Check]:
    for name, attempt in (("a mount of our own", _try_tmpfs), ("a new /proc", _try_proc)):
        error = probe.refusal(attempt)
        found = f"refused: {error.strerror}" if error else "works"
        without = "no container can be made; inside another container, that one must be privileged"
        yield _check(name, error is None, found, without, needed=True)


def _private_mounts(more: int = 0) -> None:
    namespaces.unshare(process.CLONE_NEWNS | more)
    mount.mount(None, "/", None, mount.MS_REC | mount.MS_PRIVATE)


def _try_tmpfs() -> None:
    _private_mounts()
    mount.mount("tmpfs", "/", "tmpfs")


def _try_proc() -> None:
    _private_mounts(process.CLONE_NEWPID)
    error = probe.refusal(lambda: mount.mount("proc", "/proc", "proc"))
    if error:
        raise error


def _storage(root: str) -> Iterator[Check]:
    from minicontainer.storage.probe import why_not_overlay

    folder = host.nearest(root)
    writable = os.access(folder, os.W_OK)
    without = "choose another folder with --root"
    yield _check(
        "state folder", writable, f"{root} can{'' if writable else 'not'} be written", without, needed=True
    )
    if writable:
        reason = _in_temporary_folder(folder, why_not_overlay)
        without = "layers are copied instead (vfs): slower, and each container takes a whole image's space"
        yield _check("overlayfs", reason is None, reason or f"works below {folder}", without)
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    yield _check("disk space", free >= GIB, f"{free / GIB:.1f} GiB free", "images may not fit")


def _in_temporary_folder(parent: str, work: Callable[[str], str | None]) -> str | None:
    import shutil
    import tempfile

    folder = tempfile.mkdtemp(prefix=".minicontainer-doctor-", dir=parent)
    try:
        return work(folder)
    except OSError as error:
        return f"refused: {error.strerror}"
    finally:
        shutil.rmtree(folder)


def _cgroups(root: str) -> Iterator[Check]:
    from minicontainer.cgroups.host import hierarchies

    found = hierarchies()
    places = {**found.bound, **found.named, **({"unified": found.unified} if found.unified else {})}
    writable = {
        place for place in places.values() if place not in found.read_only and os.access(place, os.W_OK)
    }
    said = f"{found.version}, {len(writable)} of {len(set(places.values()))} hierarchies writable"
    without = "no container's processes can be found and ended together: mount a cgroup file system writable"
    needed = not userns.own_ids("uid")  # an ordinary user's containers can do without (cgroups/none.py)
    yield _check("control groups", bool(writable), said, without, needed=needed)
    for name, (old, without) in CONTROLLERS.items():
        old_place = found.bound.get(old)
        bound = (old_place or found.unified) in writable and bool(
            old_place or name in found.unified_controllers
        )
        where = found.where(old if old_place else name)
        yield _check(f"{name} controller", bound, where, without)
    yield _devices("devices" in found.bound, found.where("devices"), bool(found.unified))


def _devices(v1: bool, where: str, unified: bool) -> Check:
    """v2 has no devices controller but BPF programs attached to groups (cgroup-v2.rst, Device controller)."""
    if v1 or not unified:
        return _check("devices", v1, where, "access to devices is not limited")
    return _check("devices", True, "by BPF programs on cgroup v2")


def _network(root: str) -> Iterator[Check]:
    error = probe.refusal(_try_bridge)
    found = f"refused: {error.strerror}" if error else "work"
    yield _check("bridge and veth", error is None, found, "--network bridge is refused: modprobe bridge veth")
    error = probe.refusal(_try_rules)
    found = f"refused: {error.strerror}" if error else "work"
    without = "--network bridge has no way out: install nftables, modprobe nft_chain_nat nft_masq"
    yield _check("nft and NAT", error is None, found, without)
    forward = host.text("/proc/sys/net/ipv4/ip_forward")
    changeable = forward == "1" or not os.statvfs("/proc/sys/net").f_flag & os.ST_RDONLY
    told = {"1": "on", "0": "off; --network bridge turns it on"}.get(forward, "unknown")
    yield _check("IPv4 forwarding", changeable, told, "/proc/sys is read-only: --network bridge is refused")


def _try_bridge() -> None:
    from minicontainer.network import netlink

    namespaces.unshare(process.CLONE_NEWNET)
    with netlink.Socket() as route:
        netlink.new_bridge(route, "probe0", "02:00:00:00:00:01", 1)
        netlink.new_veth(route, "probe1", "probe0", 1, "probe2", "02:00:00:00:00:02", "/proc/self/ns/net")


def _try_rules() -> None:
    """The very transaction that the bridge network makes, in a network namespace of nobody's."""
    from minicontainer.errors import MinicontainerError
    from minicontainer.network import netlink, nftables

    namespaces.unshare(process.CLONE_NEWNET)
    rules = nftables.setting_up("probe0", "192.0.2.0/24", nftables.Standing(False, False, []))
    nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    try:
        with netlink.start_nft(rules, nothing):
            return
    except MinicontainerError as error:
        raise OSError(errno.EPROTO, str(error)) from None  # the reason is in the words
    finally:
        os.close(nothing)


def _security(root: str) -> Iterator[Check]:
    effective = capabilities.current()["effective"]
    for name, (needed, without) in CAPABILITIES.items():
        held = bool(effective >> capabilities.NUMBERS[name] & 1)
        if not held:
            yield _check(name, held, "not held", without, needed=needed)
    every = (1 << capabilities.last() + 1) - 1
    lacking = [n for n in capabilities.names(every & ~effective) if n not in CAPABILITIES]
    found = f"all held but {', '.join(lacking)}" if lacking else "all others held"
    yield _check("capabilities", True, found)
    seccomp = dict(line.split(":\t") for line in host.text("/proc/self/status").splitlines() if ":\t" in line)
    mode = seccomp.get("Seccomp")
    told = {"0": "in this kernel", "2": "a filter is on us: are we in a container?"}.get(
        mode or "", "not in this kernel"
    )
    yield _check("seccomp", mode is not None, told, "no container can be given a filter")
    modules = host.security_modules()
    yield _check("security modules", True, ", ".join(modules) or "none, or securityfs is not mounted")


def _limits(root: str) -> Iterator[Check]:
    import psutil

    memory = psutil.virtual_memory()
    yield _check("memory", True, f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free")
    yield _check("processors", True, f"{len(os.sched_getaffinity(0))} of {psutil.cpu_count()} for us")
    for name in ("kernel/pid_max", "fs/nr_open", "fs/mount-max"):
        yield _check(name.replace("/", "."), True, host.text(f"/proc/sys/{name}") or "unknown")


def _packages(root: str) -> Iterator[Check]:
    from importlib.util import find_spec

    for module, package in PACKAGES.items():
        there = find_spec(module) is not None
        yield _check(
            package, there, "installed" if there else "missing", f"pip install {package}", needed=True
        )


AREAS: tuple[tuple[str, Callable[[str], Iterator[Check]]], ...] = (
    ("kernel", _system),
    ("namespaces", _namespaces),
    ("mounts", _mounts),
    ("storage", _storage),
    ("control groups", _cgroups),
    ("network", _network),
    ("security", _security),
    ("resources", _limits),
    ("packages", _packages),
)
