"""checkpoint and restore, with the same criu for runc and for minicontainer.

Debian's criu 3.17 does not know the vdso of kernels from 6.x on; ``CRIU=PATH`` names another.  crun has
no flag that names one.
"""

from __future__ import annotations

import functools
import os
import select
import shutil
import subprocess

import pytest

from tests.bundles import Bundle
from tests.conformance.conftest import new_id
from tests.conformance.runtimes import TIMEOUT_S, Refused, Runtime, await_true, received
from tests.needs import SBIN, bound_controllers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

CRIU = os.environ.get("CRIU", "criu")
COUNT = "i=0; while :; do i=$((i+1)); echo $i > /count.new; mv /count.new /count; sleep 0.02; done"


@functools.cache
def criu_lacks() -> str:
    """Why no container can be checkpointed here, by criu's own check."""
    path = shutil.which(CRIU, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
    if path is None:
        return f"{CRIU} is not installed"
    ran = subprocess.run([path, "check"], capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    said = [line for line in ran.stderr.splitlines() if "Error" in line]
    return f"criu check: {(said or ['it gave no reason'])[0]}" if ran.returncode else ""


@pytest.fixture(autouse=True)
def _criu(runtime: Runtime) -> None:
    if runtime.name == "crun":
        pytest.skip("crun has no flag that names the criu program")
    if reason := criu_lacks():
        pytest.skip(reason)
    runtime.program += ["--criu", CRIU]


class Case:
    """One container to checkpoint, and where its images go."""

    def __init__(self, runtime: Runtime, bundle: Bundle, images: str) -> None:
        self.runtime = runtime
        self.bundle = bundle
        self.images = images
        self.name = new_id()

    def start(self) -> None:
        """As a detached container: its streams are the null device."""
        self.bundle.write()
        with open(os.devnull, "r+b") as null:
            words = [*self.runtime.program, "--root", self.runtime.root, "run", "--detach"]
            subprocess.run([*words, "--bundle", self.bundle.path, self.name], stdin=null, stdout=null,
                           stderr=null, check=True, timeout=TIMEOUT_S)  # fmt: skip
        # Not before it counts: what is dumped else may still be the runtime.
        self.count()

    def checkpoint(self, *flags: str) -> None:
        self.runtime.must("checkpoint", "--image-path", self.images, *flags, self.name)

    def restore(self, *flags: str) -> None:
        words = ["restore", "--detach", "--image-path", self.images, "--bundle", self.bundle.path]
        self.runtime.must(*words, *flags, self.name)

    def count(self) -> int:
        """How far the program has counted, once it has."""
        path = f"{self.bundle.rootfs}/count"
        await_true(lambda: os.path.exists(path))
        with open(path) as file:
            return int(file.read())

    def counts(self) -> bool:
        """Whether the program goes on."""
        before = self.count()
        await_true(lambda: self.count() > before)
        return True

    def group(self) -> str:
        """Its cgroup, in the freezer's hierarchy or the only one."""
        places = bound_controllers()
        place = places.get("freezer") or places["memory"]
        return f"{place}{self.bundle.config['linux']['cgroupsPath']}"


@pytest.fixture
def case(runtime: Runtime, bundle: Bundle, tmp_path: Path) -> Case:
    """A container that counts."""
    bundle.script(COUNT)
    return Case(runtime, bundle, str(tmp_path / "images"))


def test_it_goes_on_where_it_was(case: Case, tmp_path: Path) -> None:
    case.start()
    case.count()
    case.checkpoint()
    with pytest.raises(Refused):
        case.runtime.state(case.name)
    assert not os.path.exists(case.group())
    reached = case.count()
    pid_file = tmp_path / "pid"
    case.restore("--pid-file", str(pid_file))
    state = case.runtime.state(case.name)
    assert (state["status"], state["pid"]) == ("running", int(pid_file.read_text()))
    assert case.counts()
    # A program that began again would have counted from 1.
    assert case.count() > reached
    with open(f"{case.group()}/cgroup.procs") as file:
        assert state["pid"] in [int(line) for line in file]


def test_it_can_go_on_meanwhile(case: Case) -> None:
    case.start()
    pid = case.runtime.pid(case.name)
    case.checkpoint("--leave-running")
    assert case.runtime.pid(case.name) == pid
    assert case.counts()


def test_a_second_time(case: Case) -> None:
    case.start()
    for _ in range(2):
        case.count()
        case.checkpoint()
        reached = case.count()
        case.restore()
        assert case.counts()
        assert case.count() > reached


@pytest.mark.parametrize("status", ["created", "stopped"])
def test_only_what_runs_has_a_checkpoint(case: Case, status: str) -> None:
    case.runtime.create(case.bundle, case.name)
    if status == "stopped":
        case.runtime.order("kill", case.name, "KILL")
        case.runtime.await_status(case.name, "stopped")
    with pytest.raises(Refused):
        case.checkpoint()
    assert case.runtime.state(case.name)["status"] == status


def test_a_checkpoint_that_fails_leaves_it_running(case: Case) -> None:
    # An open file that has lost the name it was opened by, and has another.
    case.bundle.script(f"exec 9> /a; ln /a /b; rm /a; {COUNT}")
    case.start()
    case.count()
    with pytest.raises(Refused) as refused:
        case.checkpoint()
    assert str(refused.value)
    assert case.runtime.state(case.name)["status"] == "running"
    assert case.counts()
    if case.runtime.name == "minicontainer":
        # runc 1.1 has no such flag.
        assert "link-remap" in str(refused.value)
        case.checkpoint("--link-remap")
        case.restore()
        assert case.counts()


@pytest.mark.parametrize("lost", ["pages-1.img", "pstree.img", "descriptors.json"])
def test_a_restore_that_fails_leaves_nothing(case: Case, lost: str) -> None:
    case.start()
    case.count()
    case.checkpoint()
    os.unlink(f"{case.images}/{lost}")
    with pytest.raises(Refused) as refused:
        case.restore()
    assert str(refused.value)
    with pytest.raises(Refused):
        case.runtime.state(case.name)
    if case.runtime.name == "minicontainer":
        # runc 1.1 leaves an empty group.
        assert not os.path.exists(case.group())
        assert not os.path.exists(f"{case.runtime.root}/{case.name}")
    with open("/proc/self/mountinfo") as table:
        assert case.bundle.path not in table.read()


def test_an_id_that_is_taken(case: Case) -> None:
    case.start()
    pid = case.runtime.pid(case.name)
    case.checkpoint("--leave-running")
    with pytest.raises(Refused):
        case.restore()
    assert case.runtime.pid(case.name) == pid
    assert case.counts()


def test_the_hosts_files_are_there_again(case: Case, tmp_path: Path) -> None:
    folder = tmp_path / "host"
    (folder / "deep").mkdir(parents=True)
    (tmp_path / "file").write_text("before\n")
    os.symlink("/real", f"{case.bundle.rootfs}/link")
    case.bundle.mount("/data", "bind", str(folder), "bind")
    case.bundle.mount("/link/inside", "bind", str(folder / "deep"), "bind", "ro")
    case.bundle.mount("/etc/file", "bind", str(tmp_path / "file"), "bind")
    case.start()
    case.checkpoint()
    (tmp_path / "file").write_text("after\n")
    # As on another host: the places are made again.
    for place in ("data", "real/inside", "real"):
        os.rmdir(f"{case.bundle.rootfs}/{place}")
    case.restore()
    script = "cat /etc/file; echo > /data/new; echo > /real/inside/no || echo read-only"
    found = case.runtime.ran("exec", case.name, "sh", "-c", script)
    assert found.out == "after\nread-only\n"
    assert (folder / "new").exists()


def test_masked_and_read_only_paths_stay_so(case: Case) -> None:
    case.bundle.change({
        "linux.maskedPaths": ["/proc/keys", "/proc/timer_list", "/proc/scsi", "/sys/firmware"],
        "linux.readonlyPaths": ["/proc/sys", "/proc/irq"],
    })  # fmt: skip
    case.start()
    case.checkpoint()
    case.restore()
    script = (
        "cat /proc/timer_list /proc/keys; ls /sys/firmware; echo x > /proc/sys/kernel/hostname || echo no"
    )
    assert case.runtime.ran("exec", case.name, "sh", "-c", script).out == "no\n"


def test_limits_hold_again(case: Case) -> None:
    if "pids" not in bound_controllers():
        pytest.skip("no pids controller")
    case.bundle.change({"linux.resources.pids": {"limit": 77}})
    case.start()
    case.checkpoint()
    case.restore()
    pid = case.runtime.pid(case.name)
    with open(f"/proc/{pid}/cgroup") as file:
        rows = [line.strip().split(":", 2) for line in file]
    path = next((path for _, names, path in rows if "pids" in names.split(",")), rows[-1][2])
    with open(f"{bound_controllers()['pids']}{path}/pids.max") as file:
        assert file.read() == "77\n"


def checkpoint_shell(case: Case) -> None:
    """A shell on a terminal, with the image of it; its terminal is gone."""
    case.bundle.program("/bin/sh")
    case.bundle.change({"process.terminal": True})
    master = case.runtime.create(case.bundle, case.name, terminal=True)
    case.runtime.order("start", case.name)
    # The shell has the terminal when it shows that it waits.
    assert os.read(master, 4096)
    case.checkpoint("--shell-job")
    os.close(master)


def test_a_terminal(case: Case) -> None:
    checkpoint_shell(case)
    path = f"{case.bundle.path}/console.sock"
    master = received(path, lambda: case.restore("--shell-job", "--console-socket", path))
    try:
        os.write(master, b"echo $((6 * 7))\n")
        text = b""
        while b"42" not in text:
            assert select.select([master], [], [], TIMEOUT_S)[0], text
            text += os.read(master, 4096)
    finally:
        os.close(master)


def test_a_terminal_in_the_foreground(case: Case) -> None:
    if case.runtime.name == "runc":
        pytest.skip("runc sends the terminal to a console socket only")
    checkpoint_shell(case)
    words = [*case.runtime.program, "--root", case.runtime.root, "restore", "--shell-job"]
    ended = subprocess.run(
        [*words, "--image-path", case.images, "--bundle", case.bundle.path, case.name],
        input=b"echo $((6 * 7)); exit 5\n", stdout=subprocess.PIPE, check=False, timeout=TIMEOUT_S,
    )  # fmt: skip
    assert ended.returncode == 5
    assert b"42" in ended.stdout


def test_a_terminal_that_nobody_takes(case: Case) -> None:
    checkpoint_shell(case)
    with pytest.raises(Refused):
        case.restore("--shell-job")
    with pytest.raises(Refused):
        case.runtime.state(case.name)


def test_pipes_are_the_restorers(case: Case) -> None:
    case.bundle.script("while read line; do echo got $line; done; exit 7")
    case.bundle.write()
    words = [*case.runtime.program, "--root", case.runtime.root]

    def program(*more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*words, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)  # fmt: skip

    # Its standard error is nobody's: criu finds the null device inside.
    first = program("run", "--bundle", case.bundle.path, case.name)
    assert first.stdin is not None
    assert first.stdout is not None
    first.stdin.write(b"one\n")
    first.stdin.flush()
    assert first.stdout.readline() == b"got one\n"
    case.checkpoint()
    first.stdin.close()
    first.stdout.close()
    first.wait(TIMEOUT_S)
    second = program("restore", "--image-path", case.images, "--bundle", case.bundle.path, case.name)
    out, _ = second.communicate(b"two\n", timeout=TIMEOUT_S)
    # Not detached: the restored program's end is the command's.
    assert (out, second.returncode) == (b"got two\n", 7)
    with pytest.raises(Refused):
        case.runtime.state(case.name)


def test_hooks_that_set_up_the_network_run_again(case: Case, tmp_path: Path) -> None:
    told = tmp_path / "told"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"cat >> {told}; echo >> {told}"]}
    case.bundle.change({"hooks": {"createRuntime": [hook]}})
    case.start()
    case.checkpoint()
    told.unlink()
    case.restore()
    assert f'"id":"{case.name}"' in told.read_text().replace(" ", "")
    assert case.counts()


def test_a_hook_that_fails_at_restore(case: Case, tmp_path: Path) -> None:
    refuses, told = tmp_path / "refuses", tmp_path / "told"
    case.bundle.change({"hooks": {
        "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", f"! test -e {refuses}"]}],
        "poststop": [{"path": "/bin/sh", "args": ["sh", "-c", f"echo poststop >> {told}"]}],
    }})  # fmt: skip
    case.start()
    case.checkpoint()
    # The container that was is over.
    assert told.read_text() == "poststop\n"
    refuses.touch()
    with pytest.raises(Refused):
        case.restore()
    assert case.runtime.ran("state", case.name).code != 0
    refuses.unlink()
    case.restore()
    assert case.counts()


def test_a_pid_file_that_cannot_be_written(case: Case) -> None:
    case.start()
    case.checkpoint()
    with pytest.raises(Refused):
        case.restore("--pid-file", "/no/such/folder/pid")
    if case.runtime.name == "minicontainer":
        # runc 1.1 lets it run.
        assert case.runtime.ran("state", case.name).code != 0
        assert not os.path.exists(case.group())


def test_a_time_namespace(case: Case) -> None:
    if case.runtime.name == "runc":
        pytest.skip("runc 1.1 has no time namespaces")
    case.bundle.namespace("time")
    case.bundle.change({"linux.timeOffsets": {"boottime": {"secs": 10**8}}})
    case.start()
    case.checkpoint()
    case.restore()
    uptime = case.runtime.must("exec", case.name, "cat", "/proc/uptime")
    assert float(uptime.split()[0]) > 10**8
    assert case.counts()


def test_a_network_namespace_by_path(case: Case) -> None:
    holder = subprocess.Popen(["unshare", "--net", "sleep", "1000"])
    try:
        path = f"/proc/{holder.pid}/ns/net"
        await_true(lambda: os.readlink(path) != os.readlink("/proc/self/ns/net"))
        case.bundle.namespace("network", path)
        case.start()
        case.checkpoint()
        case.restore()
        assert os.readlink(f"/proc/{case.runtime.pid(case.name)}/ns/net") == os.readlink(path)
        assert case.counts()
    finally:
        holder.kill()
        holder.wait()


def test_a_user_namespace(case: Case) -> None:
    if case.runtime.name == "runc":
        pytest.skip("runc 1.1 needs a bundle below folders that everybody may search")
    ids = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    case.bundle.namespace("user")
    case.bundle.change({"linux.uidMappings": ids, "linux.gidMappings": ids})
    for folder, folders, names in os.walk(case.bundle.rootfs):
        for name in [*folders, *names, "."]:
            os.lchown(f"{folder}/{name}", 100000, 100000)
    case.start()
    case.count()
    case.checkpoint()
    case.restore()
    assert os.stat(f"/proc/{case.runtime.pid(case.name)}").st_uid == 100000
    assert case.counts()


def test_the_images_of_one_are_the_others(case: Case) -> None:
    case.start()
    case.count()
    case.checkpoint()
    reached = case.count()
    other = Runtime({"runc": "minicontainer", "minicontainer": "runc"}[case.runtime.name], case.runtime.root)
    other.program += ["--criu", CRIU]
    try:
        reading = Case(other, case.bundle, case.images)
        reading.restore()
        assert reading.counts()
        assert reading.count() > reached
    finally:
        other.ran("delete", "--force", reading.name)
