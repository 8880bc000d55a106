"""Files of the kernel through which a container could tell the host what to do.

==============================  ================================================================
CVE-2025-31133                  runc: what masks a file is the container's /dev/null
CVE-2025-52565                  runc: /dev/console is bound from a name in /dev/pts
CVE-2025-52881                  runc: what is written to /proc goes to another file there
CVE-2019-16884, CVE-2023-28642  runc: ... or to a file of the image, and no label is set
CVE-2022-0811                   CRI-O: a sysctl of the whole host
CVE-2015-3630, CVE-2018-10892   Docker: /proc and /sys files that are the host's are writable
CVE-2022-0492                   the kernel: release_agent, from a container that may mount cgroups
CVE-2023-25809                  runc: /sys/fs/cgroup is writable
==============================  ================================================================
"""

from __future__ import annotations

import os

import pytest

from minicontainer.engine import security
from minicontainer.errors import InvalidConfig
from minicontainer.libcontainer import rootfs, sysctl
from minicontainer.linux import file, mount, openat2, procfs
from tests.security.attacks import at, in_mount_namespace, switch_off

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers


# -- CVE-2025-31133


def masked(containers: Containers, bundle: Bundle) -> str:
    """What a masked file shows when /dev/null was exchanged for a link just before."""
    for name in ("masked", "chosen"):
        with open(f"{bundle.rootfs}/etc/{name}", "w") as made:
            made.write(name)
    bundle.change({"linux.readonlyPaths": ["/proc/sys"], "linux.maskedPaths": ["/etc/masked"]})

    def exchange_it() -> None:
        os.unlink("/dev/null")
        os.symlink("/etc/chosen", "/dev/null")

    with at("symlink", exchange_it):  # the devices are made, nothing is masked yet
        return containers.run(bundle, "cat /etc/masked; echo owned > /etc/masked; cat /etc/chosen").out


def test_cve_2025_31133_what_masks_is_the_host_s_null_device(containers: Containers, bundle: Bundle) -> None:
    assert masked(containers, bundle) == "chosen"  # and the masked file showed nothing


def test_cve_2025_31133_by_name(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_name(self: object, path: str) -> None:
        mount.mount("/dev/null", path, None, mount.MS_BIND)

    monkeypatch.setattr(rootfs.Rootfs, "_mask", by_name)
    assert masked(containers, bundle) == "chosenowned\n"


def in_place_of_null(containers: Containers, bundle: Bundle, tmp_path: Path) -> str:
    """Make a container where the host's /dev/null is something else."""
    (tmp_path / "false").write_text("false")
    bundle.change({"linux.maskedPaths": ["/etc/passwd"]})

    def act() -> str:
        mount.mount(str(tmp_path / "false"), "/dev/null", None, mount.MS_BIND)
        container = containers.create(bundle)
        with open(f"/proc/{container.record.pid}/root/etc/passwd") as shown:
            text = shown.read()
        container.delete(force=True)
        return text

    return in_mount_namespace(act)


def test_cve_2025_31133_the_null_device_is_verified(
    containers: Containers, bundle: Bundle, tmp_path: Path
) -> None:
    assert "is not the null device" in in_place_of_null(containers, bundle, tmp_path)


def test_cve_2025_31133_not_verified(
    containers: Containers, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_off(monkeypatch, "_require_null", lambda held: None)
    assert in_place_of_null(containers, bundle, tmp_path) == "false"


# -- CVE-2025-52565


def console(containers: Containers, bundle: Bundle) -> str:
    """What /dev/console is when /dev/pts was exchanged between making the terminal and binding it."""
    with open(f"{bundle.rootfs}/etc/chosen", "w") as made:
        made.write("chosen")
    bundle.change({"process.terminal": True})
    bundle.script("stat -c %F /dev/console > /found; head -c 6 /etc/chosen")

    def exchange_it() -> None:
        mount.mount("tmpfs", "/dev/pts", "tmpfs")
        for number in range(4):
            os.symlink("/etc/chosen", f"/dev/pts/{number}")

    masters: list[int] = []
    with at("create", exchange_it, place="/dev/console"):
        container = containers.create(bundle, on_console=masters.append)
    kind = os.stat(f"/proc/{container.record.pid}/root/dev/console").st_mode & 0o170000
    container.delete(force=True)
    for master in masters:
        os.close(master)
    return {0o020000: "terminal", 0o100000: "chosen"}[kind]


def test_cve_2025_52565_the_console_is_the_terminal(containers: Containers, bundle: Bundle) -> None:
    assert console(containers, bundle) == "terminal"


def test_cve_2025_52565_by_name(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_name() -> None:
        terminal = os.ttyname(0)
        file.create("/dev/console", 0o600)
        mount.mount(terminal, "/dev/console", None, mount.MS_BIND)

    switch_off(monkeypatch, "bind_console", by_name)
    assert console(containers, bundle) == "chosen"


# -- CVE-2025-52881


def written(containers: Containers, bundle: Bundle) -> tuple[str, str]:
    """(shmmni, domainname) where one of them was put over the other just before it is written to."""
    bundle.change({"linux.sysctl": {"kernel.shmmni": "77"}, "domainname": "own"})

    def redirect() -> None:
        mount.mount("/proc/sys/kernel/domainname", "/proc/sys/kernel/shmmni", None, mount.MS_BIND)

    with at("write_procfs", redirect):
        found = containers.run(
            bundle,
            "cat /proc/sys/kernel/domainname; umount /proc/sys/kernel/shmmni; cat /proc/sys/kernel/shmmni",
        ).out.split()
    return found[-1], found[0]


@pytest.fixture
def _unmounting(bundle: Bundle) -> None:
    """Only to look at what is below, when all is done."""
    every = [*bundle.config["process"]["capabilities"]["bounding"], "CAP_SYS_ADMIN"]
    bundle.change({"process.capabilities": dict.fromkeys(("bounding", "effective", "permitted"), every)})


@pytest.mark.usefixtures("_unmounting")
def test_cve_2025_52881_a_setting_goes_where_it_should(containers: Containers, bundle: Bundle) -> None:
    assert written(containers, bundle) == ("77", "own")


@pytest.mark.usefixtures("_unmounting")
def test_cve_2025_52881_by_name(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = openat2.openat2

    def by_name(proc: int, path: bytes, flags: int, resolve: int) -> int:
        if path.startswith(b"sys/"):
            return os.open(b"/proc/" + path, flags)
        return verified(proc, path, flags, resolve)

    monkeypatch.setattr(openat2, "openat2", by_name)
    setting, name = written(containers, bundle)
    assert setting != "77"
    assert name == "77"


# -- CVE-2019-16884, CVE-2019-19921, CVE-2023-28642: labels


def label(tmp_path: Path, *, held: bool) -> str:
    """Write a label when the container has put files of its own over /proc; what those then say."""
    proc = procfs.hold()
    fake = tmp_path / "proc"
    attr = fake / procfs.own(proc, "attr")
    attr.mkdir(parents=True)
    (attr / "exec").write_text("")
    (fake / "self").symlink_to(attr.parent.name)

    def act() -> str:
        mount.mount(str(fake), "/proc", None, mount.MS_BIND)
        try:
            if held:
                procfs.write_procfs(proc, procfs.own(proc, "attr/exec"), "no such label")
            else:
                with open("/proc/self/attr/exec", "w") as believed:
                    believed.write("no such label")
        except OSError:
            # No security module has such a label: it refuses, where there is one.
            return "told the kernel: " + (attr / "exec").read_text()
        return (attr / "exec").read_text()

    try:
        # A child has another number, and so no files in the false /proc: what is there is ours.
        os.rename(fake / procfs.own(proc, "attr").split("/")[0], fake / "1")
        (fake / "self").unlink()
        (fake / "self").symlink_to("1")
        attr = fake / "1" / "attr"
        return in_mount_namespace(act)
    finally:
        os.close(proc)


def test_cve_2019_16884_a_label_is_told_to_the_kernel(tmp_path: Path) -> None:
    assert label(tmp_path, held=True) in ("", "told the kernel: ")


def test_cve_2019_16884_by_name(tmp_path: Path) -> None:
    assert label(tmp_path, held=False) == "no such label"


def test_cve_2023_28642_what_is_not_procfs_is_not_held(tmp_path: Path) -> None:
    os.symlink("/proc", tmp_path / "link")
    for place in (tmp_path, tmp_path / "link", "/proc/self"):
        with pytest.raises(OSError, match=r"procfs|Not a directory"):
            procfs.hold(str(place))


# -- CVE-2022-0811

ABROAD = [
    "kernel.core_pattern", "kernel/core_pattern", "net/../kernel/core_pattern", "net.ipv4/../../x",
    "vm.swappiness", "kernel.shm_rmid_forced+kernel.core_pattern", "net//../kernel/core_pattern",
    "kernel.hostname", "", ".",
]  # fmt: skip


@pytest.mark.parametrize("name", ABROAD)
def test_cve_2022_0811_a_setting_of_the_host_is_refused(
    containers: Containers, bundle: Bundle, name: str
) -> None:
    bundle.change({"linux.sysctl": {name: "1"}})
    with pytest.raises(InvalidConfig):
        containers.create(bundle)


def test_cve_2022_0811_without_the_list(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sysctl, "file_of", lambda name, linux: "sys/" + name.replace(".", "/"))
    with open("/proc/sys/vm/overcommit_ratio") as setting:
        same = setting.read().strip()
    bundle.change({"linux.sysctl": {"vm.overcommit_ratio": same}})
    with at("write_procfs", lambda: open("/found", "w").close()):
        containers.run(bundle, "true")
    assert os.path.exists(f"{bundle.rootfs}/found")  # the kernel took it, for the whole host


# -- CVE-2015-3630, CVE-2018-10892, and what core_pattern and uevent_helper do

HOST_S = [
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger",
    "/sys/kernel/uevent_helper", "/proc/irq/default_smp_affinity",
]  # fmt: skip
# Appending to a file opens it for writing, and nothing is written.
OPEN_ALL = "for f in " + " ".join(HOST_S) + "; do [ -e $f ] && ( : >> $f ) && echo $f; done"


def test_cve_2015_3630_the_host_s_settings_are_read_only(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"linux.readonlyPaths": list(security.READONLY)})
    assert containers.run(bundle, OPEN_ALL).out == ""


def test_cve_2015_3630_without_read_only_paths(containers: Containers, bundle: Bundle) -> None:
    found = next(mount for mount in bundle.config["mounts"] if mount["destination"] == "/sys")
    found["options"] = ["nosuid"]
    opened = containers.run(bundle, OPEN_ALL).out.split()
    assert opened == [path for path in HOST_S if os.path.exists(path)]


def test_cve_2018_10892_what_tells_of_the_host_is_masked(containers: Containers, bundle: Bundle) -> None:
    readable = containers.run(bundle, "cat /proc/interrupts | wc -l").out
    bundle.change({"linux.maskedPaths": list(security.MASKED)})
    assert containers.run(bundle, "cat /proc/interrupts | wc -l").out == "0\n" != readable


# -- CVE-2022-0492, CVE-2023-25809

AGENT = (
    "mkdir /tmp/g && mount -t cgroup -o none,name={} x /tmp/g &&"
    "echo /owned > /tmp/g/release_agent && cat /tmp/g/release_agent; umount /tmp/g"
)


def agent(containers: Containers, bundle: Bundle, *more: str) -> str:
    """A container with the host's cgroup namespace names a program for the host to run."""
    bundle.without_namespace("cgroup")
    given = [*bundle.config["process"]["capabilities"]["bounding"], *more]
    bundle.change({"process.capabilities": dict.fromkeys(("bounding", "effective", "permitted"), given)})
    return containers.run(bundle, AGENT.format(f"mcsec{os.getpid()}")).out


def test_cve_2022_0492_no_release_agent(containers: Containers, bundle: Bundle) -> None:
    assert agent(containers, bundle) == ""


@pytest.mark.needs("cgroup v1")
def test_cve_2022_0492_with_cap_sys_admin(containers: Containers, bundle: Bundle) -> None:
    assert agent(containers, bundle, "CAP_SYS_ADMIN") == "/owned\n"


def make_a_group(containers: Containers, bundle: Bundle, *options: str) -> str:
    """A container with the host's cgroup namespace makes a group there; below its own, to be sure.

    It sees the host's hierarchy (v2), or of each only its own group (v1).
    """
    bundle.without_namespace("cgroup")
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", *options)
    name = containers.new_id()
    script = (
        f"own=$(find /sys/fs/cgroup -type d -name {name}); [ $own ] || own=$(echo /sys/fs/cgroup/*);"
        "for d in $own; do [ -e $d/cgroup.procs ] && mkdir $d/x && echo made && rmdir $d/x; done"
    )
    return containers.run(bundle, script, id=name).out


def test_cve_2023_25809_the_groups_are_read_only(containers: Containers, bundle: Bundle) -> None:
    assert make_a_group(containers, bundle, "ro") == ""


def test_cve_2023_25809_not_read_only(containers: Containers, bundle: Bundle) -> None:
    assert "made\n" in make_a_group(containers, bundle)
