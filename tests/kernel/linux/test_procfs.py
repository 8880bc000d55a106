"""The real procfs, whatever is put over it: in a mount namespace of the test's own."""

from __future__ import annotations

import errno
import os

import pytest

from minicontainer.linux import mount, namespaces, process, procfs
from tests.needs import in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

OOM = "oom_score_adj"


def apart() -> None:
    namespaces.unshare(process.CLONE_NEWNS)
    mount.mount(None, "/", None, mount.MS_REC | mount.MS_PRIVATE)


def read(path: str) -> str:
    with open(path) as file:
        return file.read().strip()


def test_a_write_reaches_the_kernel() -> None:
    def attempt() -> None:
        proc = procfs.hold()
        procfs.write_procfs(proc, procfs.own(proc, OOM), "77")
        assert read(f"/proc/self/{OOM}") == "77"

    assert in_child(attempt) == ""


def test_what_is_held_stays_itself_under_another_mount(tmp_path: Path) -> None:
    def attempt() -> None:
        proc = procfs.hold()
        apart()
        mount.mount(str(tmp_path), "/proc", None, mount.MS_BIND)
        procfs.write_procfs(proc, procfs.own(proc, OOM), "77")
        mount.umount2("/proc")
        assert read(f"/proc/self/{OOM}") == "77"

    assert in_child(attempt) == ""


def test_a_file_that_is_covered_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "false").write_text("")

    def attempt() -> None:
        apart()
        mount.mount(str(tmp_path / "false"), f"/proc/self/{OOM}", None, mount.MS_BIND)
        proc = procfs.hold()
        with pytest.raises(OSError, match="cross-device") as caught:
            procfs.write_procfs(proc, procfs.own(proc, OOM), "77")
        assert caught.value.errno == errno.EXDEV

    assert in_child(attempt) == ""
    assert (tmp_path / "false").read_text() == ""


@pytest.mark.parametrize(("path", "number"), [("self/comm", errno.ELOOP), ("../etc/hostname", errno.EXDEV)])
def test_no_link_and_no_way_up(path: str, number: int) -> None:
    proc = procfs.hold()
    try:
        with pytest.raises(OSError, match=path) as caught:
            procfs.write_procfs(proc, path, "x")
        assert caught.value.errno == number
    finally:
        os.close(proc)


@pytest.mark.parametrize("place", ["/", "/sys", "/proc/self/", "/proc/sys"])
def test_only_the_root_of_a_procfs_is_held(place: str) -> None:
    with pytest.raises(OSError, match="procfs"):
        procfs.hold(place)
