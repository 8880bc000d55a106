"""What the program finds itself with: user, capabilities, limits, environment, descriptors."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import struct

import pytest

from minicontainer.errors import CommandNotExecutable, CommandNotFound, InvalidConfig
from minicontainer.libcontainer.options import INIT_ANNOTATION
from minicontainer.linux import capabilities, limits
from tests.kernel.libcontainer.containers import open_files, wait_until
from tests.kernel.linux.child import in_child, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers

SETS = {
    "bounding": "CapBnd",
    "effective": "CapEff",
    "permitted": "CapPrm",
    "inheritable": "CapInh",
    "ambient": "CapAmb",
}


def bits(names: list[str]) -> int:
    return capabilities.mask(names)


def sets_of(pid: int) -> dict[str, int]:
    return {name: int(status(key, pid), 16) for name, key in SETS.items()}


# -- capabilities


def test_root_holds_what_it_was_given(containers: Containers, bundle: Bundle) -> None:
    given = ["CAP_KILL", "CAP_CHOWN", "CAP_NET_BIND_SERVICE"]
    bundle.change({"process.capabilities": dict.fromkeys(("bounding", "effective", "permitted"), given)})
    found = sets_of(containers.sleeping(bundle).record.pid)
    assert found["bounding"] == found["permitted"] == found["effective"] == bits(given)
    assert found["inheritable"] == found["ambient"] == 0


def test_a_user_keeps_what_is_ambient(containers: Containers, bundle: Bundle) -> None:
    bundle.change(
        {
            "process.user": {"uid": 1000, "gid": 1000},
            "process.capabilities": {
                "bounding": ["CAP_KILL", "CAP_CHOWN", "CAP_SETUID"],
                "permitted": ["CAP_KILL", "CAP_CHOWN"],
                "effective": ["CAP_KILL", "CAP_CHOWN"],
                "inheritable": ["CAP_KILL", "CAP_CHOWN"],
                "ambient": ["CAP_KILL"],
            },
        }
    )
    found = sets_of(containers.sleeping(bundle).record.pid)
    assert found == {
        "bounding": bits(["CAP_KILL", "CAP_CHOWN", "CAP_SETUID"]),
        "permitted": bits(["CAP_KILL"]),
        "effective": bits(["CAP_KILL"]),
        "inheritable": bits(["CAP_KILL", "CAP_CHOWN"]),
        "ambient": bits(["CAP_KILL"]),
    }


def test_a_user_without_ambient_capabilities_holds_none(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"process.user": {"uid": 1000, "gid": 1000}})
    found = sets_of(containers.sleeping(bundle).record.pid)
    assert found["effective"] == found["permitted"] == 0
    assert found["bounding"] != 0


def test_no_capabilities_at_all(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"process.capabilities": {}})
    assert set(sets_of(containers.sleeping(bundle).record.pid).values()) == {0}


def test_what_we_lack_ourselves_is_left_out(containers: Containers, bundle: Bundle) -> None:
    every = list(capabilities.NAMES[: capabilities.last() + 1])
    bundle.change({"process.capabilities": dict.fromkeys(("bounding", "effective", "permitted"), every)})
    found = sets_of(containers.sleeping(bundle).record.pid)
    assert found["effective"] == capabilities.current()["bounding"] & bits(every)


def test_a_lost_capability_is_lost(containers: Containers, bundle: Bundle) -> None:
    given = ["CAP_FOWNER"]
    bundle.change({"process.capabilities": dict.fromkeys(("bounding", "effective", "permitted"), given)})
    found = containers.run(
        bundle, "chown 7 /etc/passwd; mount -t tmpfs none /mnt; hostname other; mknod /x c 1 3"
    )
    assert found.err.count("Operation not permitted") + found.err.count("permission denied") >= 3
    assert os.stat(f"{bundle.rootfs}/etc/passwd").st_uid == 0


@pytest.mark.parametrize("name", ["bounding", "effective", "permitted", "inheritable", "ambient"])
def test_an_unknown_capability_is_told_and_left_out(
    containers: Containers, bundle: Bundle, name: str
) -> None:
    told: list[str] = []
    usual = containers.sleeping(bundle)
    bundle.change({f"process.capabilities.{name}+": ["CAP_NONSENSE"]})
    container = containers.sleeping(bundle, warn=told.append)
    asked = name != "ambient"  # which can hold nothing that the inheritable set does not
    assert told == ["config.json: process.capabilities: not granted: CAP_NONSENSE"] * asked
    for field in ("CapBnd", "CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert status(field, container.record.pid) == status(field, usual.record.pid)


def test_a_capability_that_we_lack_is_told(containers: Containers, bundle: Bundle) -> None:
    ours = int(status("CapPrm"), 16)
    missing = [name for number, name in enumerate(capabilities.NAMES) if not ours >> number & 1]
    if not missing:
        pytest.skip("this process has every capability")
    told: list[str] = []
    bundle.change({"process.capabilities.permitted+": missing[:1]})
    pid = containers.sleeping(bundle, warn=told.append).record.pid
    assert told == [f"config.json: process.capabilities: not granted: {missing[0]}"]
    assert not int(status("CapPrm", pid), 16) & capabilities.mask(missing[:1])


@pytest.mark.parametrize("wanted", [True, False])
def test_no_new_privileges(containers: Containers, bundle: Bundle, wanted: bool) -> None:
    bundle.change({"process.noNewPrivileges": wanted})
    pid = containers.sleeping(bundle).record.pid
    here = status("NoNewPrivs")
    assert status("NoNewPrivs", pid) == ("1" if wanted else here)


@pytest.mark.parametrize(("wanted", "uid"), [(False, 0), (True, 1000)])
def test_a_setuid_program_gains_only_without_no_new_privileges(
    containers: Containers, bundle: Bundle, wanted: bool, uid: int
) -> None:
    if status("NoNewPrivs") == "1":
        pytest.skip("this process itself may gain no privileges")
    os.mkdir(f"{bundle.rootfs}/suid")
    shutil.copy(f"{bundle.rootfs}/bin/busybox", f"{bundle.rootfs}/suid/sleep")
    os.chmod(f"{bundle.rootfs}/suid/sleep", 0o4755)
    bundle.change({"process.user": {"uid": 1000, "gid": 1000}, "process.noNewPrivileges": wanted})
    bundle.program("/suid/sleep", "1000")
    assert euid_at_execve(containers.start(bundle).record.pid) == uid


def euid_at_execve(pid: int) -> int:
    """What the kernel told the program of itself (getauxval(3), AT_EUID): it may since have given it back."""
    with open(f"/proc/{pid}/auxv", "rb") as file:
        pairs = dict(struct.iter_unpack("@LL", file.read()))
    return int(pairs[12])


# -- who


def test_user_group_and_more_groups(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"process.user": {"uid": 1001, "gid": 1002, "additionalGids": [5, 7, 1002]}})
    pid = containers.sleeping(bundle).record.pid
    assert status("Uid", pid) == "1001\t1001\t1001\t1001"
    assert status("Gid", pid) == "1002\t1002\t1002\t1002"
    assert status("Groups", pid).split() == ["5", "7", "1002"]


def test_our_own_groups_are_not_inherited(containers: Containers, bundle: Bundle) -> None:
    bundle.write()
    bundle.program("/bin/sleep", "1000")

    def work() -> str:
        os.setgroups([4242])
        found = status("Groups", containers.sleeping(bundle).record.pid)
        containers.delete_all()
        return found

    assert in_child(work) == ""


@pytest.mark.parametrize(("umask", "mode"), [(0o027, 0o640), (0o077, 0o600), (0, 0o666), (None, 0o644)])
def test_umask(containers: Containers, bundle: Bundle, umask: int | None, mode: int) -> None:
    bundle.change({"process.user.umask": umask})

    def work() -> int:
        os.umask(0o111)  # ours is nobody's business
        return containers.run(bundle, "echo x > /file").code

    assert in_child(work) == 0
    assert stat.S_IMODE(os.stat(f"{bundle.rootfs}/file").st_mode) == mode


def test_a_user_without_a_name_can_run(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"process.user": {"uid": 4_000_000_000, "gid": 4_000_000_001}})
    assert containers.run(bundle, "id -u; id -g").out == "4000000000\n4000000001\n"


def test_standard_streams_can_be_opened_again_by_the_user(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"process.user": {"uid": 1000, "gid": 1000}})
    bundle.script("echo out > /dev/stdout; echo err > /proc/self/fd/2")
    reader, writer = os.pipe()
    null = os.open("/dev/null", os.O_RDONLY)
    container = containers.start(bundle, stdio=(null, writer, writer))
    os.close(null)
    os.close(writer)
    with os.fdopen(reader) as output:
        assert output.read() == "out\nerr\n"
    assert container.wait() == 0


def test_a_file_as_a_stream_keeps_its_owner(containers: Containers, bundle: Bundle, tmp_path: Path) -> None:
    bundle.change({"process.user": {"uid": 1000, "gid": 1000}})
    bundle.program("/bin/echo", "out")
    with open(tmp_path / "log", "w") as log, open("/dev/null") as null:
        container = containers.start(bundle, stdio=(null.fileno(), log.fileno(), log.fileno()))
    assert container.wait() == 0
    assert (tmp_path / "log").read_text() == "out\n"
    assert os.stat(tmp_path / "log").st_uid == os.geteuid()


def test_the_owner_of_dev_null_does_not_change(containers: Containers, bundle: Bundle) -> None:
    before = os.stat("/dev/null").st_uid
    bundle.change({"process.user": {"uid": 1000, "gid": 1000}})
    null = os.open("/dev/null", os.O_RDWR)
    bundle.program("/bin/sleep", "1000")
    containers.start(bundle, stdio=(null, null, null))
    os.close(null)
    assert os.stat("/dev/null").st_uid == before


# -- limits and personality


def test_limits_arrive(containers: Containers, bundle: Bundle) -> None:
    bundle.change(
        {
            "process.rlimits": [
                {"type": "RLIMIT_NOFILE", "soft": 60, "hard": 70},
                {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
                {"type": "RLIMIT_NPROC", "soft": 100, "hard": 100},
            ]
        }
    )
    with open(f"/proc/{containers.sleeping(bundle).record.pid}/limits") as table:
        lines = {line[:25].strip(): line[25:].split()[:2] for line in table}
    assert lines["Max open files"] == ["60", "70"]
    assert lines["Max core file size"] == ["0", "0"]
    assert lines["Max processes"] == ["100", "100"]


@pytest.mark.parametrize("reaps", ["true", "false"])
def test_fewer_files_than_the_caller_has_open(containers: Containers, bundle: Bundle, reaps: str) -> None:
    """What is opened until the program starts is not the program's."""
    bundle.change(
        {
            "process.rlimits": [{"type": "RLIMIT_NOFILE", "soft": 7, "hard": 8}],
            "annotations": {INIT_ANNOTATION: reaps},
        }
    )
    with open_files(50):
        assert containers.run(bundle, "ulimit -n; ulimit -Hn").out.split() == ["7", "8"]


@pytest.mark.needs("capability:sys_resource")
def test_more_files_than_the_caller_may_open(containers: Containers, bundle: Bundle) -> None:
    """Raised while that is allowed: the program itself may not."""
    hard = limits.getrlimit("RLIMIT_NOFILE")[1] + 1
    bundle.change({"process.rlimits": [{"type": "RLIMIT_NOFILE", "soft": 7, "hard": hard}]})
    assert containers.run(bundle, "ulimit -n; ulimit -Hn").out.split() == ["7", str(hard)]


def test_the_largest_number_is_unlimited(containers: Containers, bundle: Bundle) -> None:
    if limits.getrlimit("RLIMIT_CPU")[1] != limits.RLIM_INFINITY:
        pytest.skip("our own processor time is limited")
    bundle.change({"process.rlimits": [{"type": "RLIMIT_CPU", "soft": 2**64 - 1, "hard": 2**64 - 1}]})
    with open(f"/proc/{containers.sleeping(bundle).record.pid}/limits") as table:
        assert next(line.split()[3:5] for line in table if line.startswith("Max cpu")) == ["unlimited"] * 2


def test_an_unknown_limit_and_one_that_cannot_be_had(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"process.rlimits": [{"type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1}]})
    with pytest.raises(InvalidConfig, match="unknown resource limit 'RLIMIT_NONSENSE'"):
        containers.create(bundle)
    bundle.change({"process.rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1 << 40, "hard": 1 << 40}]})
    with pytest.raises(PermissionError) as caught:
        containers.create(bundle)
    assert caught.value.context == "process.rlimits[0] (RLIMIT_NOFILE)"  # type: ignore[attr-defined]
    assert caught.value.step["man"] == "setrlimit(2)"  # type: ignore[attr-defined]


def test_personality(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"linux.personality": {"domain": "LINUX32"}})
    container = containers.sleeping(bundle)
    with open(f"/proc/{container.record.pid}/personality") as file:
        assert int(file.read(), 16) == 8
    inside = containers.exec(container, {"cwd": "/", "args": ["/bin/cat", "/proc/self/personality"]})
    assert int(inside.out, 16) == 8, "nor does exec see another machine"
    bundle.change({"linux.personality": {"domain": "SOLARIS"}})
    with pytest.raises(InvalidConfig, match="unknown domain 'SOLARIS'"):
        containers.create(bundle)


def test_oom_score(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"process.oomScoreAdj": 777})
    with open(f"/proc/{containers.sleeping(bundle).record.pid}/oom_score_adj") as file:
        assert file.read().strip() == "777"


# -- where and what


def test_working_directory(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"process.cwd": "/usr/bin"})
    assert containers.run(bundle, "pwd").out == "/usr/bin\n"


@pytest.mark.parametrize(
    ("cwd", "error", "message"),
    [("/no/such", FileNotFoundError, "/no/such"), ("/etc/passwd", NotADirectoryError, "/etc/passwd"),
     ("usr", InvalidConfig, "is not an absolute path"), ("", InvalidConfig, "is not an absolute path")],
)  # fmt: skip
def test_a_working_directory_that_cannot_be(
    containers: Containers, bundle: Bundle, cwd: str, error: type[Exception], message: str
) -> None:
    bundle.change({"process.cwd": cwd})
    with pytest.raises(error, match=message) as caught:
        containers.create(bundle)
    assert caught.value.context == "process.cwd"  # type: ignore[attr-defined]


def test_a_working_directory_that_the_user_may_not_enter(containers: Containers, bundle: Bundle) -> None:
    os.mkdir(f"{bundle.rootfs}/closed", 0o700)
    bundle.change({"process.cwd": "/closed", "process.user": {"uid": 1000, "gid": 1000}})
    with pytest.raises(PermissionError) as caught:
        containers.create(bundle)
    assert caught.value.context == "process.cwd"  # type: ignore[attr-defined]


@pytest.mark.parametrize("number", [3, 5, 7, 9, 11, 20])
def test_a_working_directory_behind_a_descriptor_is_outside(
    containers: Containers, bundle: Bundle, number: int
) -> None:
    """CVE-2024-21626: /proc/self/fd/N of a folder of the host that the runtime had open."""
    bundle.change({"process.cwd": f"/proc/self/fd/{number}"})
    bundle.program("/bin/true")

    def work() -> str:
        folder = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
        os.dup2(folder, number, inheritable=True)
        try:
            container = containers.create(bundle)
        except (OSError, InvalidConfig) as error:
            return type(error).__name__
        where = os.readlink(f"/proc/{container.record.pid}/cwd")
        containers.delete_all()
        return where

    assert in_child(work) in ("InvalidConfig", "FileNotFoundError", "NotADirectoryError")


def test_the_environment_is_the_configuration_s_and_nothing_else(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_HOST", "1")
    bundle.change({"process.env": ["PATH=/bin", "ONE=1", "TWO=a=b c", "ONE=2", "EMPTY=", "HOME=/h"]})
    bundle.program("/bin/sleep", "1000")
    pid = containers.start(bundle).record.pid
    with open(f"/proc/{pid}/environ") as file:
        found = file.read().rstrip("\0").split("\0")
    assert sorted(found) == ["EMPTY=", "HOME=/h", "ONE=2", "PATH=/bin", "TWO=a=b c"]


def test_bytes_that_are_not_utf8_pass_through(containers: Containers, bundle: Bundle) -> None:
    """As JSON has it: the configuration is UTF-8, whatever the locale of ours."""
    bundle.change({"process.env": ["PATH=/bin", "NAME=häß…"]})
    bundle.script('echo "$NAME" "$0"')
    bundle.config["process"]["args"].append("ärg")
    assert containers.run(bundle).out == "häß… ärg\n"


@pytest.mark.parametrize("entry", ["NOEQUALS", "=value", "A=b\0c"])
def test_an_environment_entry_that_is_none(containers: Containers, bundle: Bundle, entry: str) -> None:
    bundle.change({"process.env+": [entry]})
    with pytest.raises(InvalidConfig, match=r"process\.env\[1\]"):
        containers.create(bundle)


def test_descriptors_of_ours_do_not_reach_the_program(
    containers: Containers, bundle: Bundle, tmp_path: Path
) -> None:
    secret = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    made = [secret, *(number for number in (3, 17, 250) if not os.path.lexists(f"/proc/self/fd/{number}"))]
    for number in made[1:]:
        os.dup2(secret, number, inheritable=True)
    os.set_inheritable(secret, True)
    try:
        container = containers.sleeping(bundle)
        assert sorted(os.listdir(f"/proc/{container.record.pid}/fd")) == ["0", "1", "2"]
        found = containers.exec(container, {"cwd": "/", "args": ["/bin/ls", "/proc/self/fd/"]})
        # The fourth is ls's own, of the folder that it lists.
        assert found.out.split() == ["0", "1", "2", "3"]
    finally:
        for number in made:  # and no other: what was open before is somebody else's
            os.close(number)


def test_signals_are_at_their_default(containers: Containers, bundle: Bundle) -> None:
    pid = containers.sleeping(bundle).record.pid
    for key in ("SigIgn", "SigBlk", "SigCgt"):
        assert int(status(key, pid), 16) & ~(1 << 31 | 1 << 32) == 0, key


def test_the_program_leads_its_own_session(containers: Containers, bundle: Bundle) -> None:
    pid = containers.sleeping(bundle).record.pid
    assert os.getsid(pid) == pid
    assert os.getpgid(pid) == pid


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["nothing"], CommandNotFound, r'"nothing": executable file not found in \$PATH'),
        (["/no/such"], CommandNotFound, "stat /no/such: no such file"),
        (["/etc"], CommandNotExecutable, "is a directory"),
        (["/etc/passwd"], CommandNotExecutable, "permission denied"),
        (["/etc/passwd/x"], CommandNotFound, "not a directory"),
        ([""], CommandNotFound, "no command"),
        ([], InvalidConfig, "args is empty"),
    ],
)
def test_a_program_that_cannot_be(
    containers: Containers, bundle: Bundle, words: list[str], error: type[Exception], message: str
) -> None:
    bundle.program(*words)
    with pytest.raises(error, match=message):
        containers.create(bundle)


def test_the_program_is_found_by_the_container_s_path(containers: Containers, bundle: Bundle) -> None:
    os.makedirs(f"{bundle.rootfs}/opt/one")
    os.makedirs(f"{bundle.rootfs}/opt/two")
    for name, mode in (("one", 0o644), ("two", 0o755)):
        with open(f"{bundle.rootfs}/opt/{name}/tool", "w") as file:
            file.write(f"#!/bin/sh\necho {name}\n")
        os.chmod(f"{bundle.rootfs}/opt/{name}/tool", mode)
    bundle.change({"process.env": ["PATH=/opt/one:/opt/two"]})
    bundle.program("tool")
    assert containers.run(bundle).out == "two\n"


def test_a_program_by_a_relative_path_starts_from_the_working_directory(
    containers: Containers, bundle: Bundle
) -> None:
    bundle.change({"process.cwd": "/bin"})
    bundle.program("./echo", "here")
    assert containers.run(bundle).out == "here\n"


def test_a_script_without_an_interpreter_line_is_not_executable(
    containers: Containers, bundle: Bundle
) -> None:
    with open(f"{bundle.rootfs}/script", "w") as file:
        file.write("echo no\n")
    os.chmod(f"{bundle.rootfs}/script", 0o755)
    bundle.program("/script")
    container = containers.create(bundle)
    with pytest.raises(CommandNotExecutable, match="exec format error"):
        container.start()


# -- what else the parent does


def test_sysctls_are_of_the_container_s_own_namespaces(containers: Containers, bundle: Bundle) -> None:
    name = "net.ipv4.ip_default_ttl"
    path = "/proc/sys/" + name.replace(".", "/")
    with open(path) as file:
        before = file.read()
    bundle.change({"linux.sysctl": {name: "42", "kernel.shmmni": "77"}})
    found = containers.run(bundle, f"cat {path} /proc/sys/kernel/shmmni")
    assert found.out == "42\n77\n"
    with open(path) as file:
        assert file.read() == before


def test_a_sysctl_that_does_not_exist_is_named(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"linux.sysctl": {"net.no.such": "1"}})
    with pytest.raises(FileNotFoundError) as caught:
        containers.create(bundle)
    assert caught.value.context == "linux.sysctl.net.no.such"  # type: ignore[attr-defined]


@pytest.mark.parametrize("uid", [0, 1000])
def test_a_container_dies_with_its_parent_when_it_was_asked_to(
    containers: Containers, bundle: Bundle, uid: int
) -> None:
    bundle.change({"process.user": {"uid": uid, "gid": uid}})
    bundle.program("/bin/sleep", "1000")
    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        container = containers.create(bundle, die_with_parent=True)
        container.start()
        os.write(writer, f"{container.record.pid} {container.record.id}".encode())
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(parent, 0)
    pid, name = os.read(reader, 64).decode().split()
    os.close(reader)
    os.close(writer)

    def ended() -> bool:
        try:
            return status("State", int(pid)).startswith("Z")
        except (FileNotFoundError, ProcessLookupError):
            return True

    wait_until(ended)
    from minicontainer.libcontainer.container import Container

    found = Container.load(name, containers.root)
    assert found.status() == "stopped"
    found.delete()
