"""What is seen from outside: namespaces by their inodes, control groups by their files, the host's tree."""

from __future__ import annotations

import os
import stat

import pytest

from minicontainer.cgroups.host import hierarchies
from minicontainer.linux import namespaces
from tests.bundles import NAMESPACES
from tests.conformance.conftest import new_id
from tests.conformance.runtimes import program_runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

    from tests.bundles import Bundle
    from tests.conformance.runtimes import Runtime
    from tests.outcome import Outcome

    Run = Callable[..., Outcome]

MIB = 1 << 20


def inode(pid: int | str, kind: str) -> str:
    return os.readlink(namespaces.path(pid, kind))


def sleeping(runtime: Runtime, bundle: Bundle) -> int:
    """A container that sleeps: its init's pid."""
    bundle.program("/bin/sleep", "1000")
    name = new_id()
    runtime.create(bundle, name)
    runtime.order("start", name)
    pid = runtime.pid(name)
    program_runs(pid, "/bin/sleep", "1000")
    return pid


# -- namespaces


def test_every_namespace_that_was_asked_for_is_new(runtime: Runtime, bundle: Bundle) -> None:
    pid = sleeping(runtime, bundle)
    assert not [kind for kind in NAMESPACES if inode(pid, kind) == inode("self", kind)]
    assert inode(pid, "user") == inode("self", "user")


@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "cgroup"])
def test_the_host_s_namespace(runtime: Runtime, bundle: Bundle, kind: str) -> None:
    bundle.without_namespace(kind)
    bundle.change({"hostname": None})
    assert inode(sleeping(runtime, bundle), kind) == inode("self", kind)


@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "pid"])
def test_a_namespace_by_its_path(runtime: Runtime, bundle: Bundle, kind: str) -> None:
    first = sleeping(runtime, bundle)
    bundle.namespace(kind, namespaces.path(first, kind))
    bundle.change({"hostname": None, "linux.cgroupsPath": f"/{new_id()}"})
    second = sleeping(runtime, bundle)
    assert inode(first, kind) == inode(second, kind)
    assert inode(first, "mount") != inode(second, "mount")


@pytest.mark.needs("user namespace")
def test_a_user_namespace(runtime: Runtime, bundle: Bundle) -> None:
    mapping = [
        {"containerID": 0, "hostID": 0, "size": 1000},
        {"containerID": 1000, "hostID": 200_000, "size": 10},
    ]
    bundle.namespace("user")
    bundle.change({"linux.uidMappings": mapping, "linux.gidMappings": mapping})
    bundle.change({"linux.resources": {}, "process.user": {"uid": 1001, "gid": 1002}})
    pid = sleeping(runtime, bundle)
    assert inode(pid, "user") != inode("self", "user")
    with open(f"/proc/{pid}/uid_map") as file:
        assert file.read().split() == ["0", "0", "1000", "1000", "200000", "10"]
    status = os.stat(f"/proc/{pid}/stat")
    assert (status.st_uid, status.st_gid) == (200_001, 200_002)
    with open(f"/proc/{pid}/mountinfo") as table:
        types = {line.split()[4]: line.partition(" - ")[2].split()[0] for line in table}
    assert (types["/proc"], types["/sys"], types["/dev/pts"]) == ("proc", "sysfs", "devpts")


# -- control groups


def control(bundle: Bundle, v1: str, v2: str) -> str:
    """The content of a control file of the bundle's group; the test is skipped without the controller."""
    found = hierarchies()
    path = bundle.config["linux"]["cgroupsPath"]
    controller = v1.partition(".")[0]
    mount = found.bound.get(controller)
    if mount is None:
        mount, v1 = found.unified, v2
    if mount is None:
        pytest.skip(f"the {controller} controller is {found.where(controller)}")
    with open(f"{mount}{path}/{v1}") as file:
        return file.read().strip()


LIMITS: dict[str, tuple[str, dict[str, Any], str, str, set[str]]] = {
    # name: controller, linux.resources, v1's file, v2's file, what either holds
    "memory": (
        "memory", {"memory": {"limit": 64 * MIB}}, "memory.limit_in_bytes", "memory.max", {str(64 * MIB)},
    ),
    "pids": ("pids", {"pids": {"limit": 33}}, "pids.max", "pids.max", {"33"}),
    "cpu quota": (
        "cpu", {"cpu": {"quota": 50_000, "period": 200_000}}, "cpu.cfs_quota_us", "cpu.max",
        {"50000", "50000 200000"},
    ),
    "cpu shares": ("cpu", {"cpu": {"shares": 1024}}, "cpu.shares", "cpu.weight", {"1024", "100", "39"}),
    "cpuset": ("cpuset", {"cpu": {"cpus": "0"}}, "cpuset.cpus", "cpuset.cpus", {"0"}),
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_reaches_the_kernel(runtime: Runtime, bundle: Bundle, name: str) -> None:
    controller, resources, v1, v2, expected = LIMITS[name]
    found = hierarchies()
    if controller not in found.bound and controller not in found.unified_controllers:
        pytest.skip(f"the {controller} controller is {found.where(controller)}")
    for key, value in resources.items():
        bundle.change({f"linux.resources.{key}": value})
    sleeping(runtime, bundle)
    assert control(bundle, v1, v2) in expected


def test_init_is_in_the_group_that_was_named(runtime: Runtime, bundle: Bundle) -> None:
    pid = sleeping(runtime, bundle)
    with open(f"/proc/{pid}/cgroup") as file:
        lines = [line.strip() for line in file]
    assert [line for line in lines if line.endswith(bundle.config["linux"]["cgroupsPath"])]


def test_the_group_is_gone_with_the_container(run: Run, bundle: Bundle) -> None:
    run("true")
    found = hierarchies()
    path = bundle.config["linux"]["cgroupsPath"]
    mounts = {*found.bound.values(), *found.named.values(), *filter(None, [found.unified])}
    assert [mount for mount in mounts if os.path.exists(mount + path)] == []


@pytest.mark.parametrize(
    ("access", "readable", "writable"), [("r", True, False), ("rw", True, True), (None, False, False)]
)
def test_device_rules(run: Run, bundle: Bundle, access: str | None, readable: bool, writable: bool) -> None:
    found = hierarchies()
    if found.bound and "devices" not in found.bound:
        pytest.skip(f"the devices controller is {found.where('devices')}")
    rules: list[dict[str, Any]] = [{"allow": False, "access": "rwm"}]
    if access:
        rules.append({"allow": True, "type": "c", "major": 1, "minor": 11, "access": access})
    bundle.change({"linux.resources.devices": rules})
    # Making a node is always allowed (what opens it is the question); its number is /dev/kmsg's.
    held = ["CAP_MKNOD", "CAP_SYSLOG"]
    bundle.change({"process.capabilities": dict.fromkeys(("bounding", "effective", "permitted"), held)})
    ran = run(
        "mknod /dev/k c 1 11; (: < /dev/k) 2>/dev/null && echo r; (: >> /dev/k) 2>/dev/null && echo w; true"
    )
    assert ran.out == ("r\n" if readable else "") + ("w\n" if writable else "")


# -- files of the host


def test_a_folder_and_a_file_of_the_host(run: Run, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "old").write_text("from the host\n")
    (tmp_path / "file").write_text("read-only\n")
    bundle.mount("/folder", "bind", str(tmp_path / "folder"), "rbind", "rw")
    bundle.mount("/etc/file", "bind", str(tmp_path / "file"), "bind", "ro")
    found = run("cat /folder/old /etc/file; echo new > /folder/new; echo x >> /etc/file || echo refused")
    assert found.out == "from the host\nread-only\nrefused\n"
    assert (tmp_path / "folder" / "new").read_text() == "new\n"
    assert (tmp_path / "file").read_text() == "read-only\n"


@pytest.mark.parametrize("option", ["ro", "nosuid", "nodev", "noexec"])
def test_options_of_a_bind_mount(run: Run, bundle: Bundle, tmp_path: Path, option: str) -> None:
    bundle.mount("/mnt", "bind", str(tmp_path), "rbind", option)
    found = run("grep ' /mnt ' /proc/self/mountinfo | cut -d' ' -f6")
    assert option in found.out.strip().split(",")


@pytest.mark.parametrize("climbing", [False, True])
def test_a_link_of_the_image_leads_nowhere_outside(
    run: Run, bundle: Bundle, tmp_path: Path, climbing: bool
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    target = "../" * 30 + str(outside).lstrip("/") if climbing else str(outside)
    os.symlink(target, f"{bundle.rootfs}/link")
    bundle.mount("/link/mnt", "tmpfs", "tmpfs")
    found = run(f"grep -c ' {outside}/mnt ' /proc/self/mountinfo")
    # crun refuses a link to what is missing; the others make it, inside.
    assert found.out == "1\n" or (found.code and found.err)
    assert list(outside.iterdir()) == []


def test_proc_as_a_link_is_refused(run: Run, bundle: Bundle) -> None:
    os.rmdir(f"{bundle.rootfs}/proc")
    os.symlink("/etc", f"{bundle.rootfs}/proc")
    found = run("echo ran")
    assert found.code != 0
    assert found.out == ""


def test_a_working_directory_behind_a_descriptor_is_refused(run: Run, bundle: Bundle) -> None:
    for number in range(3, 12):
        bundle.change({"process.cwd": f"/proc/self/fd/{number}/../../../.."})
        bundle.change({"linux.cgroupsPath": f"/{new_id()}"})
        found = run("cat /etc/hostname 2>/dev/null; ls -d /root; true")
        assert found.code != 0 or found.out in ("/root\n",), number


def test_descriptors_of_the_caller_stay_outside(runtime: Runtime, bundle: Bundle, tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(fd, True)
    pid = sleeping(runtime, bundle)
    os.close(fd)
    opened = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    assert str(tmp_path) not in opened


def test_a_terminal(runtime: Runtime, bundle: Bundle) -> None:
    bundle.change({"process.terminal": True, "process.consoleSize": {"height": 20, "width": 70}})
    bundle.script("stty size; tty; test -c /dev/console && echo console; exec sleep 1000")
    name = new_id()
    master = runtime.create(bundle, name, terminal=True)
    try:
        runtime.order("start", name)
        shown = b""
        while b"console" not in shown:
            shown += os.read(master, 4096)
        assert shown.split() == [b"20", b"70", b"/dev/pts/0", b"console"]
        found = os.stat(f"/proc/{runtime.pid(name)}/root/dev/console")
        assert stat.S_ISCHR(found.st_mode)
    finally:
        os.close(master)
