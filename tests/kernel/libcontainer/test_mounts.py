"""The mounts of a container, as /proc/PID/mountinfo shows them from outside."""

from __future__ import annotations

import os
import stat

import pytest

from minicontainer.errors import InvalidConfig
from minicontainer.linux import mount as m
from tests.kernel.libcontainer.containers import wait_until
from tests.kernel.linux.child import in_child, mounted, own_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers
    from tests.kernel.linux.child import Mounted

SHOWN = ("ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime", "nosymfollow")


def options_of(containers: Containers, bundle: Bundle, target: str) -> list[str]:
    found = mount_of(containers, bundle, target)
    return found.options


def mount_of(containers: Containers, bundle: Bundle, target: str) -> Mounted:
    container = containers.sleeping(bundle)
    found = mounted(target, container.record.pid)
    assert found is not None, f"nothing is mounted at {target}"
    return found


@pytest.mark.parametrize("option", SHOWN)
def test_options_of_a_file_system(containers: Containers, bundle: Bundle, option: str) -> None:
    bundle.mount("/mnt", "tmpfs", "tmpfs", option)
    assert option in options_of(containers, bundle, "/mnt")


@pytest.mark.parametrize("option", SHOWN)
def test_options_of_a_bind_mount(containers: Containers, bundle: Bundle, tmp_path: Path, option: str) -> None:
    bundle.mount("/mnt", "bind", str(tmp_path), "bind", option)
    assert option in options_of(containers, bundle, "/mnt")


@pytest.mark.parametrize(
    ("given", "gone"),
    [(["ro", "rw"], "ro"), (["nosuid", "suid"], "nosuid"), (["noexec", "exec"], "noexec"),
     (["nodev", "dev"], "nodev"), (["nosymfollow", "symfollow"], "nosymfollow"),
     (["noatime", "atime"], "noatime")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_the_later_of_two_opposites_counts(
    containers: Containers, bundle: Bundle, kind: str, given: list[str], gone: str, tmp_path: Path
) -> None:
    bundle.mount("/mnt", kind, str(tmp_path), *(["bind"] if kind == "bind" else []), *given)
    assert gone not in options_of(containers, bundle, "/mnt")


@pytest.mark.parametrize(
    ("option", "shown"), [("sync", "sync"), ("dirsync", "dirsync"), ("lazytime", "lazytime")]
)
def test_options_of_the_whole_file_system(
    containers: Containers, bundle: Bundle, option: str, shown: str
) -> None:
    bundle.mount("/mnt", "tmpfs", "tmpfs", option)
    assert shown in mount_of(containers, bundle, "/mnt").super_options


def test_data_goes_to_the_file_system(containers: Containers, bundle: Bundle) -> None:
    bundle.mount("/mnt", "tmpfs", "scratch", "size=1m", "mode=750", "uid=7", "nr_inodes=9")
    found = mount_of(containers, bundle, "/mnt")
    assert {"size=1024k", "mode=750", "uid=7", "nr_inodes=9"} <= set(found.super_options)
    assert found.source == "scratch"


def test_unknown_data_is_refused_with_the_mount_s_place(containers: Containers, bundle: Bundle) -> None:
    bundle.mount("/mnt", "tmpfs", "tmpfs", "nonsense=1")
    with pytest.raises(OSError, match="Invalid argument") as caught:
        containers.create(bundle)
    assert caught.value.context == "mounts[6] (/mnt)"  # type: ignore[attr-defined]
    assert caught.value.step["args"]["data"] == "nonsense=1"  # type: ignore[attr-defined]


@pytest.mark.parametrize("option", ["rro", "rnosuid", "rnodev", "rnoexec", "rnoatime", "rnosymfollow"])
def test_recursive_options_reach_every_mount_of_the_tree(
    containers: Containers, bundle: Bundle, tmp_path: Path, option: str
) -> None:
    def work() -> list[list[str]]:
        own_mounts()
        m.mount("none", str(tmp_path), "tmpfs")
        (tmp_path / "below").mkdir()
        m.mount("none", str(tmp_path / "below"), "tmpfs")
        bundle.mount("/mnt", "bind", str(tmp_path), "rbind", option)
        container = containers.sleeping(bundle)
        found = [mounted(path, container.record.pid) for path in ("/mnt", "/mnt/below")]
        containers.delete_all()
        return [line.options for line in found if line]

    # The bundle must be seen by the child, whose tmpfs covers the folder of the test.
    bundle_folder = tmp_path.parent / f"{tmp_path.name}-bundle"
    os.rename(bundle.path, bundle_folder)
    bundle.path, bundle.rootfs = str(bundle_folder), str(bundle_folder / "rootfs")
    containers.root = str(bundle_folder / "state")
    os.makedirs(containers.root)
    top, below = in_child(work)
    assert option[1:] in top
    assert option[1:] in below


@pytest.mark.parametrize(
    ("option", "flag", "gone"),
    [
        ("rrw", m.MS_RDONLY, "ro"),
        ("rsuid", m.MS_NOSUID, "nosuid"),
        ("rdev", m.MS_NODEV, "nodev"),
        ("rexec", m.MS_NOEXEC, "noexec"),
        ("ratime", m.MS_NOATIME, "noatime"),
        ("rdiratime", m.MS_NODIRATIME, "nodiratime"),
        ("rsymfollow", m.MS_NOSYMFOLLOW, "nosymfollow"),
        ("rstrictatime", m.MS_NOATIME, "noatime"),
    ],
)
def test_recursive_options_take_away_too(
    containers: Containers, bundle: Bundle, tmp_path: Path, option: str, flag: int, gone: str
) -> None:
    def work() -> list[list[str]]:
        own_mounts()
        tree = tmp_path / "tree"
        tree.mkdir()
        m.mount("none", str(tree), "tmpfs")
        (tree / "below").mkdir()
        m.mount("none", str(tree / "below"), "tmpfs")
        for path in (tree, tree / "below"):
            m.mount(None, str(path), None, m.MS_REMOUNT | m.MS_BIND | flag)
        bundle.mount("/mnt", "bind", str(tree), "rbind", option)
        container = containers.sleeping(bundle)
        found = [mounted(path, container.record.pid) for path in ("/mnt", "/mnt/below")]
        before = mounted(str(tree / "below"))
        containers.delete_all()
        assert before is not None
        return [line.options for line in [before, *found] if line]

    before, *found = in_child(work)
    assert gone in before, "of the host"
    assert len(found) == 2
    assert all(gone not in options for options in found)


def test_a_bind_is_one_mount_an_rbind_the_tree(
    containers: Containers, bundle: Bundle, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()

    def work() -> list[bool]:
        own_mounts()
        m.mount("none", str(source), "tmpfs")
        (source / "below").mkdir()
        m.mount("none", str(source / "below"), "tmpfs")
        bundle.mount("/one", "bind", str(source), "bind")
        bundle.mount("/all", "bind", str(source), "rbind")
        pid = containers.sleeping(bundle).record.pid
        found = [mounted(f"{path}/below", pid) is not None for path in ("/one", "/all")]
        containers.delete_all()
        return found

    assert in_child(work) == [False, True]


@pytest.mark.parametrize(
    ("option", "shown"),
    [("private", "private"), ("shared", "shared"), ("unbindable", "unbindable"), ("slave", "private")],
)
def test_propagation_of_a_new_file_system(
    containers: Containers, bundle: Bundle, option: str, shown: str
) -> None:
    # Nothing shares with a new file system, so as a slave it has no master.
    bundle.mount("/mnt", "tmpfs", "tmpfs", option)
    assert mount_of(containers, bundle, "/mnt").propagation == shown


@pytest.mark.parametrize(
    ("option", "shown", "arrives", "returns"),
    [("rprivate", "private", False, False), ("rslave", "slave", True, False),
     ("rshared", "shared", True, True), (None, "private", False, False)],
)  # fmt: skip
def test_propagation_between_the_host_and_a_bind_mount(
    containers: Containers,
    bundle: Bundle,
    tmp_path: Path,
    option: str | None,
    shown: str,
    arrives: bool,
    returns: bool,
) -> None:
    source = tmp_path / "source"
    source.mkdir()

    def work() -> list[object]:
        own_mounts()
        m.mount("none", str(source), "tmpfs")
        m.mount(None, str(source), None, m.MS_SHARED)
        for name in ("down", "up"):
            (source / name).mkdir()
        bundle.mount("/mnt", "bind", str(source), "rbind", *([option] if option else []))
        held = ["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]
        bundle.change(
            {
                "process.capabilities": dict.fromkeys(("bounding", "effective", "permitted"), held),
                # A bind mount can share only from a tree that was not cut off from the host's.
                "linux.rootfsPropagation": "rshared" if option == "rshared" else None,
            }
        )
        bundle.script("mount -t tmpfs none /mnt/up && touch /ready; exec sleep 1000")
        pid = containers.start(bundle).record.pid
        wait_until(lambda: os.path.exists(f"{bundle.rootfs}/ready"))
        m.mount("none", str(source / "down"), "tmpfs")
        found = mounted("/mnt", pid)
        assert found is not None
        seen = [mounted("/mnt/down", pid) is not None, mounted(str(source / "up")) is not None]
        containers.delete_all()
        return [found.propagation, *seen]

    assert in_child(work) == [shown, arrives, returns]


def test_what_the_host_mounts_later_stays_outside(
    containers: Containers, bundle: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "later").mkdir()

    def work() -> bool:
        own_mounts()
        m.mount(None, "/", None, m.MS_REC | m.MS_SHARED)
        bundle.mount("/mnt", "bind", str(tmp_path), "rbind")
        pid = containers.sleeping(bundle).record.pid
        m.mount("none", str(tmp_path / "later"), "tmpfs")
        arrived = mounted("/mnt/later", pid) is not None
        containers.delete_all()
        return arrived

    assert in_child(work) is False


def test_mounts_of_the_container_stay_inside(containers: Containers, bundle: Bundle) -> None:
    def work() -> list[str]:
        own_mounts()
        m.mount(None, "/", None, m.MS_REC | m.MS_SHARED)
        with open("/proc/self/mountinfo") as table:
            before = table.read()
        bundle.mount("/mnt", "tmpfs", "tmpfs")
        containers.sleeping(bundle)
        with open("/proc/self/mountinfo") as table:
            after = table.read()
        containers.delete_all()
        return [line for line in after.splitlines() if line not in before]

    assert in_child(work) == []


@pytest.mark.parametrize(
    ("propagation", "shown"),
    [("private", "private"), ("rprivate", "private"), ("shared", "shared"), ("unbindable", "unbindable")],
)
def test_propagation_of_the_root(
    containers: Containers, bundle: Bundle, propagation: str, shown: str
) -> None:
    bundle.change({"linux.rootfsPropagation": propagation})
    assert mount_of(containers, bundle, "/").propagation == shown


def test_an_unknown_propagation_is_refused(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"linux.rootfsPropagation": "public"})
    with pytest.raises(InvalidConfig, match="rootfsPropagation: unknown value 'public'"):
        containers.create(bundle)


# -- binds


def test_a_file_is_bound_onto_a_file_that_is_made(
    containers: Containers, bundle: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("from the host\n")
    bundle.mount("/deep/down/here", "bind", str(tmp_path / "file"), "bind", "ro")
    found = containers.run(bundle, "cat /deep/down/here; echo more >> /deep/down/here")
    assert found.out == "from the host\n"
    assert "Read-only file system" in found.err
    assert (tmp_path / "file").read_text() == "from the host\n"


def test_a_folder_is_bound_both_ways(containers: Containers, bundle: Bundle, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "host").write_text("host\n")
    bundle.mount("/srv/shared", "bind", str(shared), "rbind")
    assert containers.run(bundle, "cat /srv/shared/host; echo x > /srv/shared/guest").out == "host\n"
    assert (shared / "guest").read_text() == "x\n"


def test_a_socket_and_a_device_are_bound_like_files(
    containers: Containers, bundle: Bundle, tmp_path: Path
) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as listener:
        path = str(tmp_path / "s")
        listener.bind(path)
        bundle.mount("/socket", "bind", path, "bind")
        bundle.mount("/null", "bind", "/dev/null", "bind")
        found = containers.run(bundle, "test -S /socket && echo socket; test -c /null && echo device")
    assert found.out == "socket\ndevice\n"


def test_a_source_is_taken_from_the_bundle_when_it_is_relative(
    containers: Containers, bundle: Bundle
) -> None:
    os.mkdir(f"{bundle.path}/data")
    with open(f"{bundle.path}/data/file", "w") as file:
        file.write("relative\n")
    bundle.mount("/data", "bind", "data", "bind")
    assert containers.run(bundle, "cat /data/file").out == "relative\n"


def test_bind_is_asked_for_by_option_alone(containers: Containers, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    bundle.change({"mounts+": [{"destination": "/f", "source": str(tmp_path / "file"), "options": ["bind"]}]})
    assert containers.run(bundle, "cat /f").out == "x"


def test_a_missing_source_is_named_before_anything_is_mounted(
    containers: Containers, bundle: Bundle, tmp_path: Path
) -> None:
    missing = str(tmp_path / "missing")
    bundle.mount("/mnt", "bind", missing, "bind")
    with pytest.raises(FileNotFoundError) as caught:
        containers.create(bundle)
    assert caught.value.filename == missing
    assert caught.value.context == "mounts[6].source"  # type: ignore[attr-defined]
    assert caught.value.step["man"] == "open_tree(2)"  # type: ignore[attr-defined]


def test_a_folder_cannot_be_bound_onto_a_file(containers: Containers, bundle: Bundle, tmp_path: Path) -> None:
    bundle.mount("/etc/passwd", "bind", str(tmp_path), "bind")
    with pytest.raises(
        InvalidConfig, match="cannot mount a folder onto /etc/passwd, which is a file"
    ) as caught:
        containers.create(bundle)
    assert caught.value.context == "mounts[6] (/etc/passwd)"  # type: ignore[attr-defined]


def test_a_file_cannot_be_bound_onto_a_folder(containers: Containers, bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    bundle.mount("/etc", "bind", str(tmp_path / "file"), "bind")
    with pytest.raises(InvalidConfig, match="cannot mount a file onto /etc, which is a folder"):
        containers.create(bundle)


def test_mounts_come_in_their_order(containers: Containers, bundle: Bundle) -> None:
    bundle.mount("/a", "tmpfs", "tmpfs")
    bundle.mount("/a/b", "tmpfs", "tmpfs")
    bundle.mount("/a/b", "tmpfs", "over", "size=8k")
    pid = containers.sleeping(bundle).record.pid
    with open(f"/proc/{pid}/mountinfo") as table:
        points = [line.split()[4] for line in table]
    assert [point for point in points if point.startswith("/a")] == ["/a", "/a/b", "/a/b"]
    assert mounted("/a/b", pid).source == "over"  # type: ignore[union-attr]


# -- what an image may have put in the way


def outside_of(tmp_path: Path) -> Path:
    """A folder of the host that a link in an image might reach."""
    found = tmp_path / "outside"
    found.mkdir()
    return found


@pytest.mark.parametrize("link", ["absolute", "climbing"])
def test_a_link_in_a_target_leads_to_a_place_inside(
    containers: Containers, bundle: Bundle, tmp_path: Path, link: str
) -> None:
    outside = outside_of(tmp_path)
    to = str(outside) if link == "absolute" else "../" * 30 + str(outside).lstrip("/")
    os.symlink(to, f"{bundle.rootfs}/link")
    bundle.mount("/link/mnt", "tmpfs", "tmpfs")
    pid = containers.sleeping(bundle).record.pid
    assert mounted(f"{outside}/mnt", pid) is not None
    assert list(outside.iterdir()) == []
    assert os.path.isdir(f"{bundle.rootfs}{outside}/mnt")


def test_a_link_for_a_bound_file_leads_to_a_place_inside(
    containers: Containers, bundle: Bundle, tmp_path: Path
) -> None:
    outside = outside_of(tmp_path)
    (outside / "victim").write_text("untouched")
    (tmp_path / "file").write_text("bound")
    os.makedirs(f"{bundle.rootfs}{outside}")
    os.symlink(str(outside / "victim"), f"{bundle.rootfs}/etc/hosts-link")
    with open(f"{bundle.rootfs}{outside}/victim", "w") as file:
        file.write("inside")
    bundle.mount("/etc/hosts-link", "bind", str(tmp_path / "file"), "bind")
    assert containers.run(bundle, f"cat {outside}/victim").out == "bound"
    assert (outside / "victim").read_text() == "untouched"


@pytest.mark.parametrize("place", ["proc", "sys", "dev"])
def test_a_link_in_the_place_of_proc_sys_or_dev_is_refused(
    containers: Containers, bundle: Bundle, tmp_path: Path, place: str
) -> None:
    outside = outside_of(tmp_path)
    os.rmdir(f"{bundle.rootfs}/{place}")
    os.symlink("../" * 30 + str(outside).lstrip("/"), f"{bundle.rootfs}/{place}")
    with pytest.raises(InvalidConfig, match=f"/{place} is a symbolic link") as caught:
        containers.create(bundle)
    index = [mount["destination"] for mount in bundle.config["mounts"]].index(f"/{place}")
    assert caught.value.context == f"mounts[{index}] (/{place})"  # type: ignore[attr-defined]
    assert list(outside.iterdir()) == []


def test_missing_targets_are_made(containers: Containers, bundle: Bundle) -> None:
    for name in ("proc", "sys", "dev"):
        os.rmdir(f"{bundle.rootfs}/{name}")
    found = containers.run(bundle, "ls -d /proc/1 /sys/kernel /dev/null")
    assert found.out.split() == ["/dev/null", "/proc/1", "/sys/kernel"]
    assert stat.S_IMODE(os.stat(f"{bundle.rootfs}/proc").st_mode) == 0o755


# -- the root


def test_nothing_of_the_host_is_left(containers: Containers, bundle: Bundle) -> None:
    pid = containers.sleeping(bundle).record.pid
    with open(f"/proc/{pid}/mountinfo") as table:
        points = {line.split()[4] for line in table}
    assert points == {"/"} | {mount["destination"] for mount in bundle.config["mounts"]}
    assert sorted(os.listdir(f"/proc/{pid}/root")) == sorted(os.listdir(bundle.rootfs))


def test_dot_dot_ends_at_the_root(containers: Containers, bundle: Bundle) -> None:
    found = containers.run(bundle, "cd /; cd ../../..; pwd; ls -di / /..; ls -id /proc/1/root/..")
    lines = found.out.split()
    assert lines[0] == "/"
    assert lines[1] == lines[3]


def test_a_read_only_root(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"root.readonly": True})
    bundle.mount("/tmp", "tmpfs", "tmpfs")
    found = containers.run(bundle, "touch /x; touch /tmp/y && ls /tmp; touch /dev/shm/z && echo shm")
    assert found.out == "y\nshm\n"
    assert "/x: Read-only file system" in found.err
    assert not os.path.exists(f"{bundle.rootfs}/x")


def test_a_root_by_its_absolute_path(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"root.path": bundle.rootfs})
    assert containers.run(bundle, "ls -d /etc").out == "/etc\n"


def test_a_root_that_is_missing(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"root.path": "nothing"})
    with pytest.raises(FileNotFoundError) as caught:
        containers.create(bundle)
    assert caught.value.context == "root.path"  # type: ignore[attr-defined]


def test_mounts_below_the_root_file_system_come_with_it(containers: Containers, bundle: Bundle) -> None:
    os.mkdir(f"{bundle.rootfs}/data")

    def work() -> list[str]:
        own_mounts()
        m.mount("none", f"{bundle.rootfs}/data", "tmpfs")
        with open(f"{bundle.rootfs}/data/file", "w"):
            pass
        pid = containers.sleeping(bundle).record.pid
        found = os.listdir(f"/proc/{pid}/root/data")
        containers.delete_all()
        return found

    assert in_child(work) == ["file"]


# -- the file systems that every container has


def test_proc_shows_this_pid_namespace_only(containers: Containers, bundle: Bundle) -> None:
    found = containers.run(
        bundle, "ls /proc | grep '^[0-9]' | head -1; cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l"
    )
    first, name, count = found.out.split()
    assert (first, name) == ("1", "sh")
    assert int(count) <= 5


def test_sys_is_read_only_and_shows_this_network_namespace(containers: Containers, bundle: Bundle) -> None:
    found = containers.run(bundle, "ls /sys/class/net; echo 1 > /sys/kernel/profiling")
    assert "lo" in found.out.split()
    assert not {"eth0", "docker0", "ens3"} & set(found.out.split())
    assert "Read-only file system" in found.err


def test_shm_and_mqueue(containers: Containers, bundle: Bundle) -> None:
    found = containers.run(
        bundle, "stat -f -c %T /dev/shm /dev/mqueue; stat -c %a /dev/shm; df -k /dev/shm | tail -1"
    )
    lines = found.out.splitlines()
    assert lines[0] == "tmpfs"
    assert lines[2] == "1777"
    assert lines[3].split()[1] == "1024"


def test_control_groups_can_be_seen_and_not_changed(containers: Containers, bundle: Bundle) -> None:
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro")
    container = containers.sleeping(bundle)
    inside = f"/proc/{container.record.pid}/root/sys/fs/cgroup"
    folders = [inside] if os.path.exists(f"{inside}/cgroup.procs") else [e.path for e in os.scandir(inside)]
    assert folders
    for folder in folders:
        # A namespace's root is the group itself, so its one process is listed at the top.
        with open(f"{folder}/cgroup.procs") as file:
            assert file.read().split() == [str(container.record.pid)], folder
    found = containers.exec(
        container, {"cwd": "/", "args": ["sh", "-c", "mkdir /sys/fs/cgroup/x /sys/fs/cgroup/*/x"]}
    )
    assert "Read-only file system" in found.err
    assert found.code != 0
