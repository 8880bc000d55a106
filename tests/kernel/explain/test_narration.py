"""A story told by real processes in throw-away namespaces, checked against what they saw themselves."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time

import pytest

from minicontainer import explain
from minicontainer.explain.story import PATIENCE_MS
from minicontainer.linux import door, mount, namespaces, process, uts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

pytestmark = pytest.mark.needs("mount namespace", "pid namespace", "network namespace")
NEW = (
    process.CLONE_NEWNS
    | process.CLONE_NEWUTS
    | process.CLONE_NEWPID
    | process.CLONE_NEWNET
    | process.CLONE_NEWIPC
)


@pytest.fixture
def story(tmp_path: os.PathLike[str]) -> Iterator[int]:
    fd = os.open(os.path.join(tmp_path, "story"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    yield fd
    os.close(fd)


def in_child(work: Callable[[], None]) -> int:
    """The exit code of a child that does ``work`` (by os.fork: not a step of the story)."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def told(fd: int) -> list[dict[str, Any]]:
    text = os.pread(fd, 1 << 20, 0).decode()
    return [json.loads(line) for line in text.splitlines()]


def narrate(fd: int, work: Callable[[], None]) -> list[dict[str, Any]]:
    """The JSON story of ``work``, done in a child so that this process stays as it is."""

    def whole() -> None:
        narration = explain.start("json", fd)
        try:
            work()
        finally:
            narration.finish(whole=True)

    assert in_child(whole) == 0
    return told(fd)


def test_processes_are_told_in_the_order_of_their_making(story: int) -> None:
    def work() -> None:
        monitor = process.fork()
        if monitor == 0:
            door.i_am("monitor")
            pid, _ = process.clone3(NEW)
            if pid == 0:
                door.i_am("init")
                uts.sethostname("box")
                process.execve("/bin/true", ["true"], {})
            process.wait(pid)
            os._exit(0)
        process.wait(monitor)

    steps = narrate(story, work)
    assert [(step["process"], step["step"]) for step in steps] == [
        ("caller", "fork"), ("monitor", "clone3"), ("init", "sethostname"), ("init", "execve"),
        ("monitor", "wait"), ("caller", "wait"),
    ]  # fmt: skip
    assert [step["seq"] for step in steps] == [1, 2, 3, 4, 5, 6]
    monitor, init = int(steps[0]["result"]), int(steps[1]["result"].strip("()").split(",")[0])
    assert steps[1]["pid"] == monitor
    assert steps[2]["pid"] == steps[3]["pid"] == init  # as this pid namespace numbers it, not 1


def test_new_namespaces_are_the_ones_the_child_sees(story: int) -> None:
    reader, writer = os.pipe()
    told, telling = os.pipe()

    def work() -> None:
        pid, _ = process.clone3(NEW)
        if pid == 0:
            links = {name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")}
            os.write(writer, json.dumps(links).encode())
            os.read(told, 1)
            os._exit(0)
        # The step has looked at that process before clone3 returns here.
        os.write(telling, b"x")
        process.wait(pid)

    steps = narrate(story, work)
    seen = json.loads(os.read(reader, 65536))
    for fd in (reader, writer, told, telling):
        os.close(fd)
    changed = {change["key"]: change for change in steps[0]["changed"]}
    assert set(changed) == {"mnt", "uts", "pid", "net", "ipc"}
    for name, change in changed.items():
        assert change["after"] == seen[name]
        assert change["before"] == os.readlink(f"/proc/self/ns/{name}")


def test_what_a_step_changes_is_read_even_after_the_root_has_gone(
    story: int, tmp_path: os.PathLike[str]
) -> None:
    root = os.path.join(tmp_path, "root")
    os.mkdir(root)

    def work() -> None:
        namespaces.unshare(process.CLONE_NEWNS | process.CLONE_NEWUTS)
        mount.mount(None, "/", None, mount.MS_REC | mount.MS_PRIVATE)
        mount.mount("tmpfs", root, "tmpfs", mount.MS_NOSUID, "size=1m")
        os.chdir(root)
        mount.pivot_root(".", ".")
        mount.umount2(".", mount.MNT_DETACH)
        os.chdir("/")
        assert os.listdir("/") == []
        uts.sethostname("box")

    steps = {step["step"]: step for step in narrate(story, work) if step["step"] != "mount"}
    (mounted,) = [s for s in told(story) if s["args"].get("fstype") == "tmpfs"]
    (change,) = mounted["changed"]
    assert (change["key"], change["before"]) == (os.path.realpath(root), None)
    assert " - tmpfs tmpfs rw,size=1024k" in change["after"]
    (pivot,) = steps["pivot_root"]["changed"]
    assert pivot["key"] == "/"
    assert " - tmpfs tmpfs " in pivot["after"]
    assert " - tmpfs tmpfs " not in pivot["before"]
    assert steps["sethostname"]["changed"] == [
        {"what": "hostname", "key": "hostname", "before": os.uname().nodename, "after": "box"}
    ]


def test_a_refused_step_is_told_with_its_errno(story: int) -> None:
    def work() -> None:
        with pytest.raises(FileNotFoundError):
            mount.umount2("/no/such/place")
        with pytest.raises(FileNotFoundError):
            process.execve("/no/such/program", ["x"], {})

    steps = narrate(story, work)
    assert [(s["step"], s["errno"], s["result"]) for s in steps] == [
        ("umount2", "ENOENT", None), ("execve", "ENOENT", None),
    ]  # fmt: skip


def test_an_execve_that_takes_its_time_to_fail_is_told_once(
    story: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    execve = os.execve

    def slow(*arguments: Any) -> None:
        time.sleep(5 * PATIENCE_MS / 1000)
        execve(*arguments)

    monkeypatch.setattr(os, "execve", slow)

    def work() -> None:
        with pytest.raises(FileNotFoundError):
            process.execve("/no/such/program", ["x"], {})

    steps = narrate(story, work)
    assert [(s["step"], s["errno"]) for s in steps] == [("execve", "ENOENT")]


def test_a_killed_narrator_does_not_disturb_the_run(story: int) -> None:
    def work() -> None:
        narration = explain.start("brief", story)
        namespaces.unshare(process.CLONE_NEWUTS)
        os.kill(narration.pid, signal.SIGKILL)
        os.waitid(os.P_PID, narration.pid, os.WEXITED | os.WNOWAIT)
        uts.sethostname("one")
        uts.sethostname("two")
        narration.finish()
        assert os.uname().nodename == "two"
        assert door.listeners == []

    assert in_child(work) == 0


def test_a_stopped_narrator_holds_the_run_up_once_and_briefly(story: int) -> None:
    def work() -> None:
        narration = explain.start("brief", story)
        os.kill(narration.pid, signal.SIGSTOP)
        namespaces.unshare(process.CLONE_NEWUTS)
        started = time.monotonic()
        for _ in range(5000):
            uts.sethostname("n" * 60)
        assert time.monotonic() - started < 20
        os.kill(narration.pid, signal.SIGCONT)
        narration.finish()

    assert in_child(work) == 0


def test_a_reader_that_has_gone_or_does_not_read_blocks_nobody() -> None:
    def work() -> None:
        namespaces.unshare(process.CLONE_NEWUTS)
        reader, writer = os.pipe()
        narration = explain.start("full", writer)
        started = time.monotonic()
        for _ in range(600):  # much more than a pipe holds
            uts.sethostname("box")
        assert time.monotonic() - started < 20
        os.close(reader)
        narration.finish()

    assert in_child(work) == 0


def test_the_story_ends_with_its_caller_though_a_child_lives_on(story: int) -> None:
    reader, writer = os.pipe()

    def work() -> None:
        narration = explain.start("json", story)
        if process.fork() == 0:
            os.read(reader, 1)
            namespaces.unshare(process.CLONE_NEWUTS)  # told to nobody, and does not fail
            os.write(writer, b"x")
            os._exit(0)
        narration.finish()

    assert in_child(work) == 0
    assert [step["step"] for step in told(story)] == ["fork"]
    os.write(writer, b"go")
    os.close(writer)
    os.close(reader)


def test_the_narrator_dies_with_a_killed_caller(story: int) -> None:
    reader, writer = os.pipe()

    def work() -> None:
        narration = explain.start("json", story)
        namespaces.unshare(process.CLONE_NEWUTS)
        os.write(writer, str(narration.pid).encode())
        os.kill(os.getpid(), signal.SIGKILL)

    assert in_child(work) == -signal.SIGKILL
    narrator = int(os.read(reader, 32))
    os.close(reader)
    os.close(writer)
    deadline = time.monotonic() + 30
    while _lives(narrator) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _lives(narrator)
    assert [step["step"] for step in told(story)] == ["unshare"]


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def open_files(pid: int) -> list[str]:
    """What the descriptors of ``pid`` are, by name; without those closed while we look."""
    names = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            names.append(os.path.basename(os.readlink(f"/proc/{pid}/fd/{fd}")).split(":")[0])
    return sorted(names)


def test_the_narrator_holds_no_descriptor_but_its_own(story: int) -> None:
    def work() -> None:
        kept, _ = os.pipe()
        assert kept > 2
        narration = explain.start("json", story)
        deadline = time.monotonic() + 30
        names: list[str] = []
        while time.monotonic() < deadline:
            names = open_files(narration.pid)
            if names == ["anon_inode", "null", "null", "socket", "story", "story"]:
                break
            time.sleep(0.01)
        assert names == ["anon_inode", "null", "null", "socket", "story", "story"]
        narration.finish()

    assert in_child(work) == 0


def test_a_step_that_cannot_be_described_ends_the_telling_not_the_run(story: int) -> None:
    @door.step("true(1)", why="its shell form is broken", shell=lambda a: a["no such argument"])
    def broken() -> str:
        return "done"

    def work() -> None:
        assert broken() == "done"
        namespaces.unshare(process.CLONE_NEWUTS)

    assert narrate(story, work) == [
        {"schema": 1, "lost": "caller cannot explain broken: KeyError: 'no such argument'"}
    ]
