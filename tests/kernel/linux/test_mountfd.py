"""The mount calls that work on descriptors (Linux 5.2 and later)."""

from __future__ import annotations

import errno
import os

import pytest

from minicontainer.linux import mount, namespaces, probe, process
from minicontainer.linux import mountfd as fd
from tests.kernel.linux.child import in_child, mounted, own_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def kernel_has_them() -> None:
    if reason := next(filter(None, (probe.missing(name) for name in ("fsopen", "mount_setattr"))), None):
        pytest.skip(reason)


def new_tmpfs(attributes: int = 0, **options: str) -> int:
    context = fd.fsopen("tmpfs")
    for key, value in options.items():
        fd.fsconfig(context, fd.FSCONFIG_SET_STRING, key, value)
    fd.fsconfig(context, fd.FSCONFIG_CMD_CREATE)
    made = fd.fsmount(context, attributes=attributes)
    os.close(context)
    return made


def attach(made: int, path: Path) -> None:
    fd.move_mount(made, "", fd.AT_FDCWD, str(path), fd.MOVE_MOUNT_F_EMPTY_PATH)
    os.close(made)


def test_a_file_system_is_configured_made_and_attached(tmp_path: Path) -> None:
    def work() -> list[object]:
        own_mounts()
        made = new_tmpfs(fd.MOUNT_ATTR_NOSUID | fd.MOUNT_ATTR_NODEV, mode="0711", size="128k")
        before = mounted(str(tmp_path)) is None
        attach(made, tmp_path)
        found = mounted(str(tmp_path))
        assert found is not None
        return [before, found.fstype, found.options, found.super_options]

    before, fstype, options, super_options = in_child(work)
    assert before
    assert fstype == "tmpfs"
    assert {"rw", "nosuid", "nodev"} <= set(options)
    assert {"size=128k", "mode=711"} <= set(super_options)


def test_an_unknown_option_is_refused_when_it_is_set() -> None:
    def work() -> None:
        own_mounts()
        new_tmpfs(nonsense="1")

    with pytest.raises(OSError, match="Invalid argument") as caught:
        in_child(work)
    assert caught.value.filename == "nonsense"


def test_an_unknown_file_system_is_refused_by_name() -> None:
    with pytest.raises(OSError, match="nonsense") as caught:
        in_child(lambda: fd.fsopen("nonsense"))
    assert caught.value.errno == errno.ENODEV


def test_descriptors_do_not_survive_execve(tmp_path: Path) -> None:
    def work() -> list[bool]:
        own_mounts()
        context = fd.fsopen("tmpfs")
        tree = fd.open_tree(fd.AT_FDCWD, str(tmp_path), fd.OPEN_TREE_CLOEXEC)
        return [os.get_inheritable(context), os.get_inheritable(tree)]

    assert in_child(work) == [False, False]


def test_a_clone_shows_the_same_tree_elsewhere(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    for folder in (source, target):
        folder.mkdir()

    def work() -> list[object]:
        own_mounts()
        mount.mount("none", str(source), "tmpfs")
        (source / "below").mkdir()
        mount.mount("none", str(source / "below"), "tmpfs")
        (source / "below" / "deep").write_text("x")
        alone = fd.open_tree(fd.AT_FDCWD, str(source), fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC)
        whole = fd.open_tree(
            fd.AT_FDCWD, str(source), fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC | fd.AT_RECURSIVE
        )
        attach(alone, target)
        shallow = os.listdir(target / "below")
        mount.umount2(str(target))
        attach(whole, target)
        return [shallow, os.listdir(target / "below")]

    assert in_child(work) == [[], ["deep"]]


def test_attributes_of_one_mount_and_of_the_whole_tree(tmp_path: Path) -> None:
    def both() -> list[list[str]]:
        found = [mounted(str(path)) for path in (tmp_path, tmp_path / "below")]
        return [line.options for line in found if line is not None]

    def work() -> list[object]:
        own_mounts()
        mount.mount("none", str(tmp_path), "tmpfs")
        (tmp_path / "below").mkdir()
        mount.mount("none", str(tmp_path / "below"), "tmpfs")
        fd.mount_setattr(fd.AT_FDCWD, str(tmp_path), 0, fd.MOUNT_ATTR_NOEXEC)
        one = both()
        fd.mount_setattr(
            fd.AT_FDCWD, str(tmp_path), fd.AT_RECURSIVE, fd.MOUNT_ATTR_RDONLY, fd.MOUNT_ATTR_NOEXEC
        )
        return [*one, *both()]

    first, below, first_now, below_now = in_child(work)
    assert "noexec" in first
    assert "noexec" not in below
    assert "ro" in first_now
    assert "ro" in below_now
    assert "noexec" not in first_now


def test_the_atime_mode_must_be_cleared_to_be_changed(tmp_path: Path) -> None:
    def work(clear: int) -> list[str]:
        own_mounts()
        mount.mount("none", str(tmp_path), "tmpfs")
        fd.mount_setattr(fd.AT_FDCWD, str(tmp_path), 0, fd.MOUNT_ATTR_NOATIME, clear)
        found = mounted(str(tmp_path))
        assert found is not None
        return found.options

    assert "noatime" in in_child(lambda: work(fd.MOUNT_ATTR__ATIME))
    with pytest.raises(OSError, match="Invalid argument"):
        in_child(lambda: work(0))


def test_propagation_of_a_tree(tmp_path: Path) -> None:
    def work() -> str:
        own_mounts()
        made = new_tmpfs()
        fd.mount_setattr(made, "", fd.AT_EMPTY_PATH, propagation=mount.MS_SHARED)
        attach(made, tmp_path)
        found = mounted(str(tmp_path))
        assert found is not None
        return found.propagation

    assert in_child(work) == "shared"


@pytest.mark.needs("user namespace")
def test_an_id_mapped_mount_shows_other_owners(tmp_path: Path) -> None:
    def work() -> list[int]:
        own_mounts()
        made = new_tmpfs()
        fd.mount_setattr(made, "", fd.AT_EMPTY_PATH, fd.MOUNT_ATTR_IDMAP, userns_fd=mapped_user_namespace())
        attach(made, tmp_path)
        status = os.stat(tmp_path)
        return [status.st_uid, status.st_gid]

    try:
        assert in_child(work) == [100_000, 100_000]
    except OSError as error:
        if error.errno == errno.EINVAL:
            pytest.skip("tmpfs takes no id-mapped mounts here (Linux 6.3)")
        raise


def mapped_user_namespace() -> int:
    """A user namespace whose 0 is 100000 here."""
    wait, go = os.pipe()
    pid, pidfd = process.clone3(process.CLONE_NEWUSER)
    if pid == 0:
        os.close(go)
        os.read(wait, 1)
        os._exit(0)
    for name in ("gid", "uid"):
        with open(f"/proc/{pid}/{name}_map", "w") as table:
            table.write("0 100000 1000")
    found = os.open(namespaces.path(pid, "user"), os.O_RDONLY)
    os.close(go)
    os.close(wait)
    os.close(pidfd)
    os.waitpid(pid, 0)
    return found


@pytest.mark.parametrize("call", ["open_tree", "move_mount", "mount_setattr"])
def test_a_missing_path_is_named(call: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")

    def work() -> None:
        own_mounts()
        if call == "open_tree":
            fd.open_tree(fd.AT_FDCWD, missing, fd.OPEN_TREE_CLONE)
        elif call == "move_mount":
            fd.move_mount(new_tmpfs(), "", fd.AT_FDCWD, missing, fd.MOVE_MOUNT_F_EMPTY_PATH)
        else:
            fd.mount_setattr(fd.AT_FDCWD, missing, 0, fd.MOUNT_ATTR_RDONLY)

    with pytest.raises(FileNotFoundError) as caught:
        in_child(work)
    assert caught.value.filename == missing
