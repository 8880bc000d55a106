"""exec, flag by flag."""

from __future__ import annotations

import json
import os
import threading

import pytest

from minicontainer.cgroups.host import hierarchies
from tests.bundles import PATH
from tests.conformance.conftest import new_id
from tests.conformance.runtimes import await_end, program_runs, received
from tests.conformance.test_create import holding, read, read_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.bundles import Bundle
    from tests.conformance.runtimes import Runtime
    from tests.outcome import Outcome

    Exec = Callable[..., Outcome]

SYS_TIME = 1 << 25


@pytest.fixture
def exec(runtime: Runtime, running: str) -> Exec:
    """exec(*flags, script="...") in a container that runs."""

    def execute(*flags: str, script: str = "true", **more: object) -> Outcome:
        return runtime.ran("exec", *flags, running, "/bin/sh", "-c", script, **more)  # type: ignore[arg-type]

    return execute


# -- what the process is


def test_a_folder(exec: Exec) -> None:
    assert exec("--cwd", "/etc", script="pwd").out == "/etc\n"


@pytest.mark.parametrize("folder", ["/no/such", "relative"])
def test_a_folder_that_cannot_be(exec: Exec, runtime: Runtime, folder: str) -> None:
    if runtime.name == "crun":
        pytest.skip("crun 1.8 makes it, or goes on in /")
    if runtime.name == "runc" and folder == "/no/such":
        pytest.skip("runc makes it")
    found = exec("--cwd", folder, script="pwd")
    assert found.code != 0
    assert found.err


def test_variables_beside_the_container_s(exec: Exec) -> None:
    found = exec("-e", "A=1", "-e", "B=x y=z", script='echo "$A,$B,$HOME"')
    assert found.out == "1,x y=z,/root\n"


def test_a_variable_in_place_of_the_container_s(exec: Exec) -> None:
    assert exec("--env", "PATH=/bin", script="env | grep ^PATH=").out == "PATH=/bin\n"


@pytest.mark.parametrize(("user", "ids"), [("5", "5 0"), ("5:6", "5 6"), ("0:7", "0 7")])
def test_a_user(exec: Exec, user: str, ids: str) -> None:
    assert exec("--user", user, script="echo $(id -u) $(id -g)").out == f"{ids}\n"


@pytest.mark.parametrize("user", ["nobody", "5:staff", "-1", "5:-1", "4294967295", "4294967296", "x:1"])
def test_a_user_that_is_no_number(exec: Exec, runtime: Runtime, user: str) -> None:
    if runtime.name != "minicontainer" and (user[0] in "-4" or "-" in user or runtime.name == "crun"):
        pytest.skip(f"{runtime.name} takes it for another number")
    found = exec("--user", user)
    assert found.code not in (0, 127), found
    assert found.err


def test_groups(exec: Exec, runtime: Runtime) -> None:
    if runtime.name == "crun":
        pytest.skip("crun has no such flag")
    found = exec("--user", "5:6", "-g", "8", "-g", "9", script="id -G")
    assert found.out == "6 8 9\n"


def test_a_capability(exec: Exec, runtime: Runtime) -> None:
    if runtime.name == "crun":
        pytest.skip("crun 1.8 gives none to who has some")
    script = "grep -e ^CapEff -e ^CapBnd /proc/self/status | cut -f2"
    before = [int(word, 16) for word in exec(script=script).out.split()]
    after = [int(word, 16) for word in exec("--cap", "CAP_SYS_TIME", script=script).out.split()]
    assert [a ^ b for a, b in zip(before, after, strict=True)] == [SYS_TIME, SYS_TIME]


def test_a_capability_that_is_none(exec: Exec, runtime: Runtime) -> None:
    found = exec("--cap", "CAP_NONSENSE", script="echo ran")
    assert (found.code, found.out) == (0, "ran\n"), found
    # config.md, Process: what cannot be granted is a warning.
    assert runtime.name == "crun" or "CAP_NONSENSE" in found.err


def test_no_new_privileges(exec: Exec) -> None:
    script = "grep NoNewPrivs /proc/self/status | cut -f2"
    assert [exec(*flags, script=script).out for flags in ([], ["--no-new-privs"])] == ["0\n", "1\n"]


def test_labels_are_refused_where_there_are_none(exec: Exec, runtime: Runtime) -> None:
    if runtime.name != "minicontainer":
        pytest.skip("they ignore labels that the kernel has not")
    for flag, folder in (
        ("--apparmor", "/sys/kernel/security/apparmor"),
        ("--process-label", "/sys/fs/selinux"),
    ):
        if not os.path.isdir(folder):
            found = exec(flag, "nonsense", script="echo ran")
            assert found.code == 255
            assert found.out == ""


# -- a terminal


def test_a_terminal_for_a_detached_process(runtime: Runtime, running: str, tmp_path: Path) -> None:
    path = str(tmp_path / "console.sock")
    words = [
        "exec", "--tty", "--detach", "--console-socket", path, running,
        "/bin/sh", "-c", "test -t 0 && test -t 1 && test -t 2 && tty; sleep 100",
    ]  # fmt: skip
    master = received(path, lambda: runtime.must(*words))
    try:
        assert b"/dev/pts/" in read_until(master, b"\r\n")
    finally:
        os.close(master)


def test_the_size_of_a_terminal(runtime: Runtime, running: str, bundle: Bundle, tmp_path: Path) -> None:
    path, described = str(tmp_path / "console.sock"), f"{bundle.path}/process.json"
    script = "stty size; sleep 100"
    if runtime.name == "crun":  # which starts the program and then sets the size
        script = f"until stty size 2>/dev/null | grep -q [1-9]; do sleep 0.02; done; {script}"
    with open(described, "w") as file:
        json.dump(
            {"cwd": "/", "args": ["sh", "-c", script], "env": [PATH], "terminal": True,
             "user": {"uid": 0, "gid": 0}, "consoleSize": {"height": 12, "width": 34}}, file,
        )  # fmt: skip
    words = ["exec", "--detach", "--console-socket", path, "--process", described, running]
    master = received(path, lambda: runtime.must(*words))
    try:
        assert read_until(master, b"\r\n").split() == [b"12", b"34"]
    finally:
        os.close(master)


# -- detached


def test_detached(runtime: Runtime, running: str, bundle: Bundle, tmp_path: Path) -> None:
    words = ["exec", "--detach", "--pid-file", str(tmp_path / "pid"), running, "/bin/sleep", "1000"]
    assert runtime.must(*words) == ""
    pid = int((tmp_path / "pid").read_text())
    program_runs(pid, "/bin/sleep", "1000")
    assert read(f"/proc/{pid}/cgroup") == read(f"/proc/{runtime.pid(running)}/cgroup")
    assert os.readlink(f"/proc/{pid}/ns/pid") == os.readlink(f"/proc/{runtime.pid(running)}/ns/pid")
    runtime.order("delete", running, "--force")
    await_end(pid)


def test_a_pid_file_of_one_that_is_waited_for(exec: Exec, tmp_path: Path) -> None:
    found = exec("--pid-file", str(tmp_path / "pid"), script="exit 5")
    assert found.code == 5
    assert int((tmp_path / "pid").read_text()) > 1


def test_a_pid_file_that_cannot_be(exec: Exec, runtime: Runtime, running: str) -> None:
    if runtime.name == "crun":
        pytest.skip("crun 1.8 leaves the process")
    found = exec("--pid-file", "/no/such/folder/pid", script="exec sleep 1000")
    assert found.code not in (0, 137)
    assert found.err
    assert json.loads(runtime.must("ps", "--format", "json", running)) == [runtime.pid(running)]


# -- descriptors, groups, states


def test_preserved_descriptors(exec: Exec, bundle: Bundle) -> None:
    found = exec(
        "--preserve-fds", "1", script="readlink /proc/$$/fd/3; test -e /proc/$$/fd/4 || echo no more",
        through=holding(f"{bundle.path}/config.json"),
    )  # fmt: skip
    assert found.out == f"{bundle.path}/config.json\nno more\n"


def test_input_and_output(exec: Exec) -> None:
    found = exec(script="cat; echo err >&2", given=b"hello\n")
    assert (found.out, found.err) == ("hello\n", "err\n")


@pytest.mark.parametrize("group", ["below", "/below"])
def test_a_group_below_the_container_s(
    exec: Exec, runtime: Runtime, running: str, bundle: Bundle, group: str
) -> None:
    if runtime.name == "crun":
        pytest.skip("crun 1.8 has it on cgroup v2 only")
    found, path = hierarchies(), bundle.config["linux"]["cgroupsPath"]
    folders = {folder for folder in {*found.bound.values()} if os.path.isdir(folder + path)}
    folders |= {found.unified} if found.unified and not found.bound else set()
    made = [f"{folder}{path}/below" for folder in folders if folder]
    for folder in made:
        os.mkdir(folder)
    if runtime.name == "runc" and not found.bound.get("devices"):
        pytest.skip("runc 1.1 asks for all hierarchies")
    flags = ["--cgroup", group]
    if found.bound:
        flags = ["--cgroup", f"pids:{group}"] if "pids" in found.bound else flags
    inside = exec(*flags, script="cat /proc/self/cgroup")
    assert "/below" in inside.out, inside
    runtime.order("delete", running, "--force")
    assert [folder for folder in made if os.path.exists(folder)] == []


@pytest.mark.parametrize("group", ["/no/such", "../..", "nonsense:below"])
def test_a_group_that_cannot_be(exec: Exec, runtime: Runtime, group: str) -> None:
    if runtime.name == "crun":
        pytest.skip("crun 1.8 ignores it on cgroup v1")
    found = exec("--cgroup", group, script="echo ran")
    assert found.code not in (0, 127)
    assert found.out == ""
    assert found.err


def test_in_a_paused_container(exec: Exec, runtime: Runtime, running: str, tmp_path: Path) -> None:
    runtime.order("pause", running)
    if runtime.name != "crun":  # which waits
        found = exec(script="echo ran")
        assert (found.code, found.out) == (255, "")
        assert "paused" in found.err
    runtime.order("resume", running)
    assert exec(script="echo ran").out == "ran\n"


def test_in_a_paused_container_all_the_same(exec: Exec, runtime: Runtime, running: str) -> None:
    if runtime.name == "crun":
        pytest.skip("crun has no such flag")
    if runtime.name == "runc":
        pytest.skip("runc 1.1 waits for what cannot go on")
    runtime.order("pause", running)
    later = threading.Timer(1, lambda: runtime.order("resume", running))
    later.start()
    found = exec("--ignore-paused", script="echo ran")
    later.join()
    assert found.out == "ran\n"


def test_in_a_created_container(runtime: Runtime, sleeper: Bundle) -> None:
    name = new_id()
    runtime.create(sleeper, name)
    assert runtime.ran("exec", name, "/bin/echo", "ran").out == "ran\n"
    assert runtime.state(name)["status"] == "created"


# -- words and codes


def test_the_words_of_the_program_are_its_own(runtime: Runtime, running: str) -> None:
    words = ["--tty", "-e", "x", "--", "--help"]
    assert runtime.must("exec", running, "/bin/echo", *words).split() == words


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 255", 255), ("kill -TERM $$", 143)])
def test_the_exit_code(exec: Exec, script: str, code: int) -> None:
    assert exec(script=script).code == code


def test_no_command(runtime: Runtime, running: str) -> None:
    found = runtime.ran("exec", running)
    assert found.code not in (0, 126, 127)
    assert found.err


def test_failures_are_255(runtime: Runtime, running: str, bundle: Bundle) -> None:
    """As runc's, which engines tell from a program's own codes by the log."""
    if runtime.name == "crun":
        pytest.skip("crun's are 1, 126 and 127")
    for words in (["/no/such"], ["/etc"], ["nothing"]):
        assert runtime.ran("exec", running, *words).code == 255
    assert runtime.ran("exec", "nobody", "true").code in (1, 255)
    assert runtime.ran("exec", "--process", "/no/such/file", running).code in (1, 255)
