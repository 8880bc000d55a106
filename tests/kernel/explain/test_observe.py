"""Each kind of reading, compared with the kernel's answer by another way."""

from __future__ import annotations

import os
import resource

import pytest

from minicontainer.explain.observe import READERS, Observer
from minicontainer.linux import mount, namespaces, process
from tests.kernel.explain.test_narration import in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def observer() -> Iterator[Observer]:
    made = Observer()
    yield made
    made.close()


def test_every_reader_answers_or_says_that_it_cannot(observer: Observer) -> None:
    keys = {
        "limits": "RLIMIT_NOFILE",
        "mount": "/",
        "propagation": "/",
        "file": "/proc/self/uid_map",
        "link": "lo",
    }
    keys |= {"folder": "/", "status": "NoNewPrivs"}
    for kind in set(READERS) - {"routes"}:  # a host without a network has none
        assert observer.read(kind, keys.get(kind, "")), kind
    assert observer.read("routes", "") is not None


def test_unknown_and_unreadable_show_nothing(observer: Observer) -> None:
    assert observer.read("no such kind", "") is None
    assert observer.read("file", "/") is None
    assert observer.read("file", "/no/such") == {}
    assert observer.read("link", "no-such-link") == {}
    assert observer.read("folder", "/no/such") == {}
    assert observer.read("mount", "/no/such") == {}


def test_limits_are_getrlimits(observer: Observer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert observer.read("limits", "RLIMIT_NOFILE") == {"RLIMIT_NOFILE": f"{soft}:{hard}"}


def test_ids_are_this_process_s(observer: Observer) -> None:
    uid = os.getuid()
    found = observer.read("ids", "Uid")
    assert found == {"Uid": f"{uid} {os.geteuid()} {uid} {uid}"}


def test_a_pipe_or_device_is_never_read(observer: Observer, tmp_path: os.PathLike[str]) -> None:
    fifo = os.path.join(tmp_path, "fifo")
    os.mkfifo(fifo)
    assert observer.read("file", fifo) is None
    assert observer.read("file", "/dev/zero") is None


def test_mount_points_with_blanks_are_found(observer: Observer, tmp_path: os.PathLike[str]) -> None:
    target = os.path.join(tmp_path, "a b\\c")
    os.mkdir(target)

    def work() -> None:
        namespaces.unshare(process.CLONE_NEWNS)
        mount.mount(None, "/", None, mount.MS_REC | mount.MS_PRIVATE)
        assert observer.read("mount", target) == {}
        mount.mount("none", target, "tmpfs")
        found = observer.read("mount", target)
        assert found is not None
        assert "a\\040b\\134c" in found[target]

    assert in_child(work) == 0


def test_propagation_tells_the_mount_and_those_below(observer: Observer, tmp_path: os.PathLike[str]) -> None:
    target = os.path.realpath(tmp_path)

    def work() -> None:
        namespaces.unshare(process.CLONE_NEWNS)
        mount.mount(None, "/", None, mount.MS_REC | mount.MS_PRIVATE)
        mount.mount("none", target, "tmpfs")
        os.mkdir(f"{target}/sub")
        mount.mount("none", f"{target}/sub", "tmpfs")
        assert observer.read("propagation", target) == {target: "private", f"{target} and below": "2 private"}
        mount.mount(None, target, None, mount.MS_SHARED)
        found = observer.read("propagation", target)
        assert found is not None
        assert found[target].startswith("shared:")
        assert found[f"{target} and below"] == "1 private, 1 shared"

    assert in_child(work) == 0


def test_a_pid_namespace_in_waiting_is_told(observer: Observer) -> None:
    def work() -> None:
        before = observer.read("namespaces", "self")
        namespaces.unshare(process.CLONE_NEWPID)
        after = observer.read("namespaces", "self")
        assert before is not None
        assert after is not None
        assert set(after) - set(before) == {"pid_for_children"}
        assert after["pid"] == before["pid"]

    assert in_child(work) == 0
