"""What this host can do, found by doing it.

A test says what it needs, and is skipped with the reason where the host lacks it::

    @pytest.mark.needs("mount namespace", "command:runc", "controller:memory")

    command:NAME        a program on the PATH (or in the sbin folders)
    capability:NAME     effective in this process (capabilities(7)), as capability:sys_resource
    controller:NAME     a cgroup controller that is bound somewhere writable, as controller:io
    anything else       a probe below, tried once, in a child process that then ends

A tier (a folder of tests/) needs what `TIERS` says; its every test inherits that.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile

from minicontainer.linux import capabilities, mount, namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

TIERS: dict[str, tuple[str, ...]] = {
    "unit": (),
    "architecture": (),
    "kernel": ("mount namespace",),
    "integration": ("mount namespace", "network namespace", "control groups"),
    "conformance": ("mount namespace", "control groups"),
    "engines": ("mount namespace", "network namespace", "control groups"),
    "faults": ("mount namespace", "control groups"),
    "security": ("mount namespace", "control groups"),
}


@functools.cache
def lacks(capability: str) -> str:
    """Why this host cannot give ``capability``; empty when it can.  ValueError for an unknown name."""
    kind, colon, name = capability.partition(":")
    if colon:
        return FAMILIES[kind](name)
    return PROBES[capability]()


def tier_lacks(tier: str) -> str:
    """Why no test of ``tests/<tier>`` can run here; empty when they can."""
    return next((reason for need in TIERS.get(tier, ()) if (reason := lacks(need))), "")


def in_child(attempt: Callable[[], object]) -> str:
    """Run ``attempt`` in a forked child; the text of its OSError, or nothing when it succeeds."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        text = ""
        try:
            attempt()
        except OSError as error:
            text = str(error)
        except BaseException as error:
            text = repr(error)
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read().decode()
    _, status = os.waitpid(child, 0)
    return text or (f"the probe ended with {status}" if status else "")


def _namespace(name: str, flag: int) -> Callable[[], str]:
    def probe() -> str:
        refused = in_child(lambda: namespaces.unshare(flag))
        return f"no {name} namespace: unshare(2): {refused}" if refused else ""

    return probe


def _overlay() -> str:
    def attempt(folder: str) -> None:
        namespaces.unshare(namespaces.FLAGS["mount"])
        mount.mount("none", "/", None, mount.MS_REC | mount.MS_PRIVATE, None)
        for name in ("lower", "upper", "work", "merged"):
            os.mkdir(f"{folder}/{name}")
        options = f"lowerdir={folder}/lower,upperdir={folder}/upper,workdir={folder}/work"
        mount.mount("overlay", f"{folder}/merged", "overlay", 0, options)

    with tempfile.TemporaryDirectory() as folder:
        refused = in_child(lambda: attempt(folder))
    return f"no overlay mounts in {tempfile.gettempdir()}: {refused}" if refused else ""


def _id_mapped_mounts() -> str:
    def attempt(folder: str) -> None:
        from minicontainer.errors import Unsupported
        from minicontainer.storage.mapped import Mapping, attach

        namespaces.unshare(namespaces.FLAGS["mount"])
        mount.mount("none", "/", None, mount.MS_REC | mount.MS_PRIVATE, None)
        try:
            attach(folder, folder, Mapping([(0, 1, 1)], [(0, 1, 1)]).namespace())
        except Unsupported as error:
            raise OSError(0, str(error)) from None

    with tempfile.TemporaryDirectory() as folder:
        refused = in_child(lambda: attempt(folder))
    return f"no id-mapped mounts in {tempfile.gettempdir()}: {refused}" if refused else ""


def _real_time() -> str:
    """In a group of its own, as a container is: with CONFIG_RT_GROUP_SCHED that needs a share of its own."""
    from minicontainer import cgroups

    if reason := lacks("control groups"):
        return reason
    group = cgroups.manager(f"/minicontainer/probe{os.getpid()}")

    def attempt() -> None:
        group.add(0)
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))

    group.create()
    try:
        refused = in_child(attempt)
    finally:
        group.delete()
    return f"no real-time scheduling in a control group: {refused}" if refused else ""


def _nat() -> str:
    if reason := lacks("command:nft"):
        return reason
    rules = "add table ip probe; add chain ip probe post { type nat hook postrouting priority 100; }"

    def attempt() -> None:
        namespaces.unshare(namespaces.FLAGS["network"])
        ran = subprocess.run(["nft", rules], capture_output=True, text=True, check=False)
        if ran.returncode:
            raise OSError(0, (ran.stderr.strip().splitlines() or ["no reason given"])[0])

    refused = in_child(attempt)
    return f"no NAT by nftables: {refused}" if refused else ""


def _control_groups() -> str:
    writable = any(os.access(folder, os.W_OK) for folder in bound_controllers().values())
    return "" if writable else "no writable control group"


def _cgroup_v1() -> str:
    def attempt(folder: str) -> None:
        namespaces.unshare(namespaces.FLAGS["mount"])
        mount.mount("none", "/", None, mount.MS_REC | mount.MS_PRIVATE, None)
        mount.mount("none", folder, "cgroup", 0, f"none,name=probe{os.getpid()}")

    with tempfile.TemporaryDirectory() as folder:
        refused = in_child(lambda: attempt(folder))
    return f"no hierarchy of cgroup v1 can be made: {refused}" if refused else ""


def _command(name: str) -> str:
    path = f"{os.environ.get('PATH', os.defpath)}:{SBIN}"
    return "" if shutil.which(name, path=path) else f"{name} is not installed"


def _capability(name: str) -> str:
    wanted = f"CAP_{name.upper()}"
    held = capabilities.current()["effective"] & capabilities.mask([wanted])
    return "" if held else f"this process lacks {wanted}"


def _controller(name: str) -> str:
    folder = bound_controllers().get(name)
    if folder is None:
        return f"no cgroup controller {name} is bound on this host"
    return "" if os.access(folder, os.W_OK) else f"{folder} is not writable"


def bound_controllers() -> dict[str, str]:
    """Mount point by controller (cgroups(7)): v1 by mount option, v2 by ``cgroup.controllers``."""
    found: dict[str, str] = {}
    with open("/proc/self/mountinfo") as table:
        for line in table:
            before, _, after = line.partition(" - ")
            folder, (kind, _, options) = before.split()[4], after.split()[:3]
            if kind == "cgroup":
                found.update(dict.fromkeys(set(options.split(",")) - {"rw", "ro", "xattr"}, folder))
            elif kind == "cgroup2":
                with open(f"{folder}/cgroup.controllers") as names:
                    found.update(dict.fromkeys(names.read().split(), folder))
    return found


FAMILIES = {"command": _command, "capability": _capability, "controller": _controller}
PROBES: dict[str, Callable[[], str]] = {
    **{f"{kind} namespace": _namespace(kind, flag) for kind, flag in namespaces.FLAGS.items()},
    "overlay": _overlay,
    "id-mapped mounts": _id_mapped_mounts,
    "nat": _nat,
    "real-time scheduling": _real_time,
    "control groups": _control_groups,
    "cgroup v1": _cgroup_v1,
}


def report() -> list[str]:
    """One line per tier: whether it runs here, and if not why."""
    lines = []
    for tier in TIERS:
        reason = tier_lacks(tier)
        lines.append(f"tier {tier:13}{'skipped: ' + reason if reason else 'runs'}")
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join(report()) + "\n")
