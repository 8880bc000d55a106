"""mount(2) and the calls around it: what /proc/self/mountinfo says afterwards."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest

from minicontainer.linux import door, mount
from tests.kernel.linux.child import in_child, mounted, own_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

FLAGS = {
    "ro": mount.MS_RDONLY,
    "nosuid": mount.MS_NOSUID,
    "nodev": mount.MS_NODEV,
    "noexec": mount.MS_NOEXEC,
    "noatime": mount.MS_NOATIME,
    "nodiratime": mount.MS_NODIRATIME,
    "relatime": mount.MS_RELATIME,
    "nosymfollow": mount.MS_NOSYMFOLLOW,
}


@pytest.mark.parametrize("option", FLAGS)
def test_a_flag_is_the_option_that_mountinfo_shows(option: str, tmp_path: Path) -> None:
    def work() -> list[str]:
        own_mounts()
        mount.mount("none", str(tmp_path), "tmpfs", FLAGS[option], "size=64k")
        found = mounted(str(tmp_path))
        assert found is not None
        return found.options

    assert option in in_child(work)


@pytest.mark.parametrize("option", FLAGS)
def test_the_shell_command_of_a_step_does_the_same(option: str, tmp_path: Path) -> None:
    def work() -> list[list[str]]:
        own_mounts()
        arguments = ("none", str(tmp_path), "tmpfs", FLAGS[option], "size=64k")
        step = door.steps["mount.mount"]
        by_shell = subprocess.run(step.shell(step.bind(arguments, {}, {})), shell=True, check=False)
        assert by_shell.returncode == 0
        first = mounted(str(tmp_path))
        mount.umount2(str(tmp_path))
        assert mounted(str(tmp_path)) is None
        mount.mount(*arguments)
        second = mounted(str(tmp_path))
        assert first is not None
        assert second is not None
        return [first.options, second.options]

    by_shell, by_call = in_child(work)
    assert by_shell == by_call


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (mount.MS_SHARED, "shared"),
        (mount.MS_PRIVATE, "private"),
        (mount.MS_UNBINDABLE, "unbindable"),
    ],
)
def test_propagation(flags: int, expected: str, tmp_path: Path) -> None:
    def work() -> str:
        own_mounts()
        mount.mount("none", str(tmp_path), "tmpfs")
        mount.mount(None, str(tmp_path), None, flags)
        found = mounted(str(tmp_path))
        assert found is not None
        return found.propagation

    assert in_child(work) == expected


def test_a_slave_receives_and_does_not_send(tmp_path: Path) -> None:
    master, slave = tmp_path / "master", tmp_path / "slave"
    for folder in (master, slave):
        folder.mkdir()

    def work() -> list[bool]:
        own_mounts()
        mount.mount("none", str(master), "tmpfs")
        mount.mount(None, str(master), None, mount.MS_SHARED)
        for name in ("down", "up"):
            (master / name).mkdir()
        mount.mount(str(master), str(slave), None, mount.MS_BIND)
        mount.mount(None, str(slave), None, mount.MS_SLAVE)
        mount.mount("none", str(master / "down"), "tmpfs")
        mount.mount("none", str(slave / "up"), "tmpfs")
        return [mounted(str(slave / "down")) is not None, mounted(str(master / "up")) is not None]

    assert in_child(work) == [True, False]


def test_bind_remount_and_move(tmp_path: Path) -> None:
    for name in ("source", "target", "moved"):
        (tmp_path / name).mkdir()
    (tmp_path / "source" / "file").write_text("x")

    def work() -> list[object]:
        own_mounts()
        target, moved = str(tmp_path / "target"), str(tmp_path / "moved")
        mount.mount(str(tmp_path / "source"), target, None, mount.MS_BIND)
        mount.mount(None, target, None, mount.MS_REMOUNT | mount.MS_BIND | mount.MS_RDONLY)
        try:
            (tmp_path / "target" / "file").write_text("y")
            written = 0
        except OSError as error:
            written = error.errno or -1
        mount.mount(target, moved, None, mount.MS_MOVE)
        return [written, os.listdir(target), os.listdir(moved)]

    assert in_child(work) == [errno.EROFS, [], ["file"]]


def test_refusals_carry_the_target_and_the_step(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")

    def work() -> None:
        own_mounts()
        mount.mount("none", missing, "tmpfs", mount.MS_NOSUID)

    with pytest.raises(FileNotFoundError) as caught:
        in_child(work)
    assert caught.value.filename == missing
    step = caught.value.step  # type: ignore[attr-defined]
    assert (step["name"], step["man"]) == ("mount", "mount(2)")
    assert step["args"]["flags"] == "MS_NOSUID"
    assert step["args"]["target"] == missing


def test_paths_that_are_not_utf8(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(path)

    def work() -> list[str]:
        own_mounts()
        mount.mount("none", path, "tmpfs")
        before = os.stat(path).st_dev != os.stat(tmp_path).st_dev
        mount.umount2(os.fsdecode(path))
        return [str(before), str(os.stat(path).st_dev == os.stat(tmp_path).st_dev)]

    assert in_child(work) == ["True", "True"]


def test_umount_of_a_busy_mount_needs_detach(tmp_path: Path) -> None:
    def work() -> list[object]:
        own_mounts()
        mount.mount("none", str(tmp_path), "tmpfs")
        fd = os.open(tmp_path, os.O_RDONLY)
        try:
            mount.umount2(str(tmp_path))
            refused = 0
        except OSError as error:
            refused = error.errno or -1
        mount.umount2(str(tmp_path), mount.MNT_DETACH)
        os.close(fd)
        return [refused, mounted(str(tmp_path)) is None]

    assert in_child(work) == [errno.EBUSY, True]


def test_umount_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    os.symlink("real", tmp_path / "link")

    def work() -> None:
        own_mounts()
        mount.mount("none", str(tmp_path / "real"), "tmpfs")
        mount.umount2(str(tmp_path / "link"), mount.UMOUNT_NOFOLLOW)

    with pytest.raises(OSError, match="Invalid argument"):
        in_child(work)


def test_pivot_root_onto_itself_stacks_the_old_root_below(tmp_path: Path) -> None:
    (tmp_path / "inside").write_text("x")

    def work() -> list[object]:
        own_mounts()
        mount.mount(str(tmp_path), str(tmp_path), None, mount.MS_BIND)
        mount.chdir(str(tmp_path))
        mount.pivot_root(".", ".")
        mount.umount2(".", mount.MNT_DETACH)
        mount.chdir("/")
        return [os.listdir("/"), os.path.exists(tmp_path)]

    assert in_child(work) == [["inside"], False]


def test_pivot_root_needs_a_mount_that_is_not_shared(tmp_path: Path) -> None:
    def work() -> None:
        own_mounts()
        mount.mount(str(tmp_path), str(tmp_path), None, mount.MS_BIND)
        mount.mount(None, str(tmp_path), None, mount.MS_SHARED)
        mount.chdir(str(tmp_path))
        mount.pivot_root(".", ".")

    with pytest.raises(OSError, match="Invalid argument") as caught:
        in_child(work)
    assert caught.value.errno == errno.EINVAL
    assert caught.value.step["man"] == "pivot_root(2)"  # type: ignore[attr-defined]


def test_chdir_by_descriptor(tmp_path: Path) -> None:
    def work() -> str:
        fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
        mount.chdir("/")
        mount.chdir(fd)
        return os.getcwd()

    assert in_child(work) == str(tmp_path)
