"""Which namespaces a container has: new ones, the host's, and others' by their path."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time

import pytest

import minicontainer
from minicontainer.errors import CommandNotFound, InvalidConfig
from minicontainer.linux import namespaces
from tests.bundles import NAMESPACES, Bundle
from tests.conformance.runtimes import Runtime
from tests.kernel.linux.child import mounted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.kernel.libcontainer.containers import Containers

MAPPING = [{"containerID": 0, "hostID": 100_000, "size": 65_536}]


def shared(pid: int) -> set[str]:
    """The kinds of namespaces that a process has in common with us."""
    return {
        kind
        for kind in namespaces.FLAGS
        if namespaces.supported(kind)
        and os.readlink(namespaces.path(pid, kind)) == os.readlink(namespaces.path("self", kind))
    }


def mountinfo(bundle: Bundle) -> list[str]:
    """The mounts of a bundle that this process sees: others may mount elsewhere meanwhile."""
    with open("/proc/self/mountinfo") as table:
        return [line for line in table if os.path.realpath(bundle.path) in line]


def inode(pid: int | str, kind: str) -> str:
    return os.readlink(namespaces.path(pid, kind))


def test_each_namespace_that_was_asked_for_is_new(containers: Containers, bundle: Bundle) -> None:
    found = shared(containers.sleeping(bundle).record.pid)
    assert found == {kind for kind in namespaces.FLAGS if namespaces.supported(kind)} - set(NAMESPACES)


@pytest.mark.parametrize("kind", ["pid", "network", "ipc", "cgroup"])
def test_what_was_not_asked_for_is_the_host_s(containers: Containers, bundle: Bundle, kind: str) -> None:
    bundle.without_namespace(kind)
    if kind == "network":  # sysfs belongs to the network namespace's owner, which is not us in all hosts
        bundle.change({"mounts": [m for m in bundle.config["mounts"] if m["destination"] != "/sys"]})
    assert kind in shared(containers.sleeping(bundle).record.pid)


def test_without_a_mount_namespace_nothing_of_the_host_changes_for_long(
    containers: Containers, bundle: Bundle
) -> None:
    before = mountinfo(bundle)
    bundle.without_namespace("mount")
    container = containers.sleeping(bundle)
    assert inode(container.record.pid, "mount") == inode("self", "mount")
    inside = containers.exec(container, {"cwd": "/", "args": ["/bin/ls", "/"], "env": ["PATH=/bin"]})
    assert sorted(inside.out.split()) == sorted(os.listdir(bundle.rootfs))
    assert f" {os.path.realpath(bundle.rootfs)}/proc " in "".join(mountinfo(bundle))
    container.delete(force=True)
    assert mountinfo(bundle) == before


def test_without_a_mount_namespace_a_failure_leaves_no_mounts(containers: Containers, bundle: Bundle) -> None:
    before = mountinfo(bundle)
    bundle.without_namespace("mount")
    bundle.program("/not/there")
    with pytest.raises(CommandNotFound):
        containers.create(bundle)
    assert mountinfo(bundle) == before


def test_a_mount_namespace_by_its_path(containers: Containers, bundle: Bundle) -> None:
    before = mountinfo(bundle)
    with subprocess.Popen(["unshare", "--mount", "sh", "-c", "echo; exec sleep 1000"], stdout=-1) as other:
        assert other.stdout is not None
        other.stdout.readline()
        bundle.namespace("mount", f"/proc/{other.pid}/ns/mnt")
        found = containers.run(bundle, "ls /; ls -d /proc/self")
        root = os.readlink(f"/proc/{other.pid}/root")
        other.kill()
    assert found.out.split() == [*sorted(os.listdir(bundle.rootfs)), "/proc/self"]
    assert root == "/"
    assert mountinfo(bundle) == before


def test_a_mount_namespace_without_our_own_files(
    containers: Containers, bundle: Bundle, tmp_path: Path
) -> None:
    """What init needs, its parent has imported; in a process of its own, for here all is."""
    bundle.change({"linux.sysctl": {"net.ipv4.ip_forward": "1"}, "linux.personality": {"domain": "LINUX32"}})
    bundle.mount("/etc", "tmpfs", "tmpfs", "tmpcopyup")
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro")
    bundle.script("cat /proc/sys/net/ipv4/ip_forward; head -1 /etc/passwd | cut -d: -f1")
    ours = os.path.dirname(minicontainer.__file__)
    hide = f"mount -t tmpfs none {ours}; echo; exec sleep 1000"
    with subprocess.Popen(["unshare", "--mount", "sh", "-ec", hide], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        bundle.namespace("mount", f"/proc/{other.pid}/ns/mnt")
        found = Runtime("minicontainer", str(tmp_path / "state")).run(bundle, containers.new_id())
        other.kill()
    assert found.out == "1\nroot\n", found


def test_a_host_name_needs_a_uts_namespace(containers: Containers, bundle: Bundle) -> None:
    here = os.uname().nodename
    bundle.without_namespace("uts")
    with pytest.raises(InvalidConfig, match="hostname needs a uts namespace"):
        containers.create(bundle)
    assert os.uname().nodename == here


def test_names(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"hostname": "my-host", "domainname": "example.org"})
    found = containers.run(bundle, "hostname; cat /proc/sys/kernel/domainname")
    assert found.out == "my-host\nexample.org\n"


def test_a_host_name_that_is_too_long(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"hostname": "n" * 65})
    with pytest.raises(OSError, match="Invalid argument") as caught:
        containers.create(bundle)
    assert caught.value.context == "hostname"  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["network", "ipc", "uts", "pid", "cgroup"])
def test_another_container_s_namespace_is_joined_by_its_path(
    containers: Containers, bundle: Bundle, kind: str
) -> None:
    first = containers.sleeping(bundle)
    bundle.namespace(kind, namespaces.path(first.record.pid, kind))
    bundle.change({"hostname": None})
    second = containers.sleeping(bundle)
    assert inode(second.record.pid, kind) == inode(first.record.pid, kind)
    assert inode("self", kind) != inode(first.record.pid, kind)
    others = set(NAMESPACES) - {kind}
    assert not [o for o in others if inode(second.record.pid, o) == inode(first.record.pid, o)]


def test_joining_a_pid_namespace_leaves_us_where_we_are(containers: Containers, bundle: Bundle) -> None:
    first = containers.sleeping(bundle)
    bundle.namespace("pid", namespaces.path(first.record.pid, "pid"))
    containers.sleeping(bundle)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    assert inode("self", "pid") == os.readlink("/proc/self/ns/pid_for_children")


def test_a_namespace_of_another_kind_is_refused(containers: Containers, bundle: Bundle) -> None:
    bundle.namespace("network", "/proc/self/ns/uts")
    with pytest.raises(OSError, match="Invalid argument") as caught:
        containers.create(bundle)
    assert caught.value.context == "linux.namespaces (network)"  # type: ignore[attr-defined]


def test_a_path_that_is_missing_is_named(containers: Containers, bundle: Bundle) -> None:
    bundle.namespace("ipc", "/no/such/namespace")
    with pytest.raises(FileNotFoundError, match="/no/such/namespace") as caught:
        containers.create(bundle)
    assert caught.value.context == "linux.namespaces (ipc)"  # type: ignore[attr-defined]


def test_an_unknown_kind_is_refused(containers: Containers, bundle: Bundle) -> None:
    bundle.namespace("nonsense")
    with pytest.raises(InvalidConfig, match="unknown namespace type 'nonsense'"):
        containers.create(bundle)


def test_the_loopback_interface_is_up(containers: Containers, bundle: Bundle) -> None:
    found = containers.run(
        bundle, "ping -c 1 -w 2 127.0.0.1 >/dev/null 2>&1 && echo answers; cat /proc/net/dev"
    )
    assert len([line for line in found.out.splitlines() if ":" in line]) >= 1
    assert "lo:" in found.out


def test_a_cgroup_namespace_has_the_container_s_group_as_its_root(
    containers: Containers, bundle: Bundle
) -> None:
    container = containers.sleeping(bundle)
    found = containers.exec(container, {"cwd": "/", "args": ["cat", "/proc/1/cgroup"]})
    with open(f"/proc/{container.record.pid}/cgroup") as file:
        outside = file.read()
    own = [line for line in outside.splitlines() if line.endswith(container.record.id)]
    assert own
    for line in own:
        assert f"{line.split('/')[0]}/" in found.out.splitlines()


# -- user namespaces


@pytest.fixture
def mapped(busybox_root: Path) -> Iterator[Bundle]:
    """A bundle with a user namespace, where the mapped users can reach it."""
    folder = tempfile.mkdtemp(prefix="minicontainer-test-")
    os.chmod(folder, 0o755)
    bundle = Bundle(f"{folder}/bundle", str(busybox_root))
    bundle.namespace("user")
    bundle.change({"linux.uidMappings": MAPPING, "linux.gidMappings": MAPPING, "linux.resources": {}})
    for where, folders, names in os.walk(bundle.rootfs):
        for name in (*folders, *names):
            os.lchown(os.path.join(where, name), 100_000, 100_000)
    os.chown(bundle.rootfs, 100_000, 100_000)
    yield bundle
    shutil.rmtree(folder)


needs_user = pytest.mark.needs("user namespace")


@needs_user
def test_root_inside_is_nobody_outside(containers: Containers, mapped: Bundle) -> None:
    pid = containers.sleeping(mapped).record.pid
    assert inode(pid, "user") != inode("self", "user")
    with open(f"/proc/{pid}/status") as table:
        lines = dict(line.rstrip("\n").split(":\t", 1) for line in table if ":\t" in line)
    assert lines["Uid"].split() == ["100000"] * 4
    assert lines["Gid"].split() == ["100000"] * 4
    with open(f"/proc/{pid}/uid_map") as file:
        assert file.read().split() == ["0", "100000", "65536"]
    with open(f"/proc/{pid}/gid_map") as file:
        assert file.read().split() == ["0", "100000", "65536"]


@needs_user
def test_inside_it_is_root(containers: Containers, mapped: Bundle) -> None:
    found = containers.run(mapped, "id -u; touch /file && stat -c '%u %g' /file; chown 5:6 /file")
    assert found.out == "0\n0 0\n"
    made = os.stat(f"{mapped.rootfs}/file")
    assert (made.st_uid, made.st_gid) == (100_005, 100_006)


@needs_user
def test_another_user_inside_a_user_namespace(containers: Containers, mapped: Bundle) -> None:
    mapped.change({"process.user": {"uid": 33, "gid": 44, "additionalGids": [55]}})
    found = containers.run(mapped, "id -u; id -g; id -G")
    assert found.out == "33\n44\n44 55\n"


@needs_user
def test_every_mount_works_in_a_user_namespace(containers: Containers, mapped: Bundle) -> None:
    mapped.change({"linux.maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/acpi"],
                   "linux.readonlyPaths": ["/proc/sys", "/proc/bus"]})  # fmt: skip
    container = containers.sleeping(mapped)
    for mount in mapped.config["mounts"]:
        line = mounted(mount["destination"], container.record.pid)
        assert line is not None, mount
        assert line.fstype == mount["type"]
    assert "ro" in mounted("/sys", container.record.pid).options  # type: ignore[union-attr]
    found = containers.exec(
        container,
        {"cwd": "/", "args": ["sh", "-c", "cat /proc/1/comm; head -c 2 /dev/zero | wc -c; ls -ld /dev/null"]},
    )
    assert found.out.splitlines()[:2] == ["sleep", "2"]
    assert "1,   3" in found.out


@needs_user
def test_nothing_of_the_host_is_reachable_from_a_user_namespace(
    containers: Containers, mapped: Bundle
) -> None:
    pid = containers.sleeping(mapped).record.pid
    with open(f"/proc/{pid}/mountinfo") as table:
        points = {line.split()[4] for line in table}
    devices = {point for point in points if point.startswith("/dev/")}
    assert points - devices == {"/", "/proc", "/dev", "/sys"}


@needs_user
def test_the_container_s_root_may_mount_and_the_host_does_not_see_it(
    containers: Containers, mapped: Bundle
) -> None:
    held = ["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]
    mapped.change({"process.capabilities": dict.fromkeys(("bounding", "effective", "permitted"), held)})
    found = containers.run(mapped, "mount -t tmpfs none /mnt && grep -c ' /mnt tmpfs' /proc/mounts")
    assert found.out == "1\n"
    assert os.listdir(f"{mapped.rootfs}/mnt") == []


@needs_user
def test_a_user_namespace_without_mappings_is_refused(containers: Containers, bundle: Bundle) -> None:
    bundle.namespace("user")
    with pytest.raises(InvalidConfig, match="a new user namespace needs mappings") as caught:
        containers.create(bundle)
    assert caught.value.context == "linux.gidMappings"  # type: ignore[attr-defined]


@needs_user
def test_a_mapping_that_the_kernel_refuses(containers: Containers, bundle: Bundle) -> None:
    bundle.namespace("user")
    twice = [*MAPPING, *MAPPING]
    bundle.change({"linux.uidMappings": twice, "linux.gidMappings": MAPPING})
    with pytest.raises(OSError, match="uid_map") as caught:
        containers.create(bundle)
    assert caught.value.context == "linux.uidMappings"  # type: ignore[attr-defined]


@needs_user
def test_exec_joins_the_user_namespace_too(containers: Containers, mapped: Bundle) -> None:
    container = containers.sleeping(mapped)
    found = containers.exec(
        container, {"cwd": "/", "args": ["sh", "-c", "id -u; readlink /proc/self/ns/user"]}
    )
    assert found.out.split() == ["0", inode(container.record.pid, "user")]


# -- time namespaces


@pytest.mark.needs("time namespace")
def test_clocks_with_offsets(containers: Containers, bundle: Bundle) -> None:
    bundle.namespace("time")
    bundle.change(
        {"linux.timeOffsets": {"boottime": {"secs": 864_000}, "monotonic": {"secs": 5, "nanosecs": 7}}}
    )
    container = containers.sleeping(bundle)
    pid = container.record.pid
    assert inode(pid, "time") != inode("self", "time")
    found = containers.exec(
        container, {"cwd": "/", "args": ["cat", "/proc/uptime", "/proc/1/timens_offsets"]}
    )
    uptime, offsets = found.out.split("\n", 1)
    assert float(uptime.split()[0]) > 864_000
    assert [line.split() for line in offsets.splitlines()] == [
        ["monotonic", "5", "7"], ["boottime", "864000", "0"],
    ]  # fmt: skip
    assert time.clock_gettime(time.CLOCK_BOOTTIME) < 864_000
    assert os.readlink("/proc/self/ns/time_for_children") == inode("self", "time")


@pytest.mark.needs("time namespace")
def test_offsets_of_an_unknown_clock(containers: Containers, bundle: Bundle) -> None:
    bundle.namespace("time")
    bundle.change({"linux.timeOffsets": {"wall": {"secs": 1}}})
    with pytest.raises(OSError, match="timens_offsets") as caught:
        containers.create(bundle)
    assert caught.value.context == "linux.timeOffsets.wall"  # type: ignore[attr-defined]
    assert os.readlink("/proc/self/ns/time_for_children") == inode("self", "time")
