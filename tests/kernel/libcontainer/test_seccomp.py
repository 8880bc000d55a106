"""linux.seccomp, judged by the kernel: a program in a container makes calls and prints the answers."""

from __future__ import annotations

import errno
import os
import shutil
import signal

import pytest

from minicontainer.errors import CommandNotFound, InvalidConfig
from minicontainer.libcontainer import seccomp
from minicontainer.libcontainer.options import INIT_ANNOTATION
from minicontainer.util import files
from tests.calls import NEEDED, build, require_libseccomp, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers
    from tests.outcome import Outcome

pytestmark = pytest.mark.needs("mount namespace")
KILLED = 128 + signal.SIGSYS
EPERM, EBADF, ENOSYS = -errno.EPERM, -errno.EBADF, -errno.ENOSYS
ALLOW = {"defaultAction": "SCMP_ACT_ALLOW"}


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    require_libseccomp()
    return build(str(tmp_path_factory.mktemp("calls")))


@pytest.fixture
def bundle(bundle: Bundle, program: str) -> Bundle:
    """With /bin/calls."""
    shutil.copy(program, f"{bundle.rootfs}/bin/calls")
    return bundle


def profile(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"linux.seccomp": {**ALLOW, **more, "syscalls": list(rules)}}


def rule(name: str, action: str = "ERRNO", **more: Any) -> dict[str, Any]:
    return {"names": [name], "action": f"SCMP_ACT_{action}", **more}


def condition(index: int, op: str, value: int, two: int = 0) -> dict[str, Any]:
    return {"index": index, "op": f"SCMP_CMP_{op}", "value": value, "valueTwo": two}


def answers(containers: Containers, bundle: Bundle, *calls: str) -> list[int]:
    """What the kernel answers to the calls inside."""
    outcome = made(containers, bundle, *calls)
    assert outcome.code == 0, outcome
    return [int(line) for line in outcome.out.split()]


def made(containers: Containers, bundle: Bundle, *calls: str) -> Outcome:
    bundle.program("/bin/calls", *words(*calls))
    return containers.run(bundle)


# -- actions


@pytest.mark.parametrize(
    ("action", "more", "answer"),
    [
        ("ERRNO", {}, EPERM),
        ("ERRNO", {"errnoRet": 95}, -95),
        ("ERRNO", {"errnoRet": 0}, 0),
        ("TRACE", {}, ENOSYS),  # nobody traces
        ("LOG", {}, EBADF),
        ("ALLOW", {}, EBADF),
    ],
)
def test_an_action_that_answers(
    containers: Containers, bundle: Bundle, action: str, more: dict[str, Any], answer: int
) -> None:
    bundle.change(profile(rule("close", action, **more)))
    assert answers(containers, bundle, "close:100") == [answer]


@pytest.mark.parametrize("action", ["KILL", "KILL_THREAD", "KILL_PROCESS", "TRAP"])
def test_an_action_that_kills(containers: Containers, bundle: Bundle, action: str) -> None:
    bundle.change(profile(rule("close", action)))
    outcome = made(containers, bundle, "getpid", "close:100", "getpid")
    assert (outcome.code, outcome.out) == (KILLED, "1\n")


@pytest.mark.parametrize(("given", "answer"), [({}, EPERM), ({"defaultErrnoRet": 95}, -95)])
def test_the_default_action(
    containers: Containers, bundle: Bundle, given: dict[str, int], answer: int
) -> None:
    rules = [{"names": [*NEEDED, "getpid"], "action": "SCMP_ACT_ALLOW"}]
    bundle.change(profile(*rules, defaultAction="SCMP_ACT_ERRNO", **given))
    assert answers(containers, bundle, "getpid", "close:100") == [1, answer]


def test_a_name_that_nobody_knows_is_ignored(containers: Containers, bundle: Bundle) -> None:
    bundle.change(profile({"names": ["no_such_call", "close"], "action": "SCMP_ACT_ERRNO"}))
    assert answers(containers, bundle, "close:100") == [EPERM]


def test_a_call_newer_than_the_profile_does_not_exist(containers: Containers, bundle: Bundle) -> None:
    rules = [{"names": [*NEEDED, "openat2"], "action": "SCMP_ACT_ALLOW"}]
    bundle.change(profile(*rules, defaultAction="SCMP_ACT_ERRNO"))
    assert answers(containers, bundle, "close:100", "999", "clone3") == [EPERM, ENOSYS, EPERM]


# -- arguments


@pytest.mark.parametrize(
    ("op", "value", "two", "refused", "passed"),
    [
        ("EQ", 105, 0, [105], [104, 106]),
        ("NE", 105, 0, [104, 106], [105]),
        ("LT", 105, 0, [104], [105, 106]),
        ("LE", 105, 0, [104, 105], [106]),
        ("GE", 105, 0, [105, 106], [104]),
        ("GT", 105, 0, [106], [105, 104]),
        ("MASKED_EQ", 0xF0, 0x60, [0x60, 0x6F, 0x16A], [0x70, 0x100]),
    ],
)
def test_operators(
    containers: Containers,
    bundle: Bundle,
    op: str,
    value: int,
    two: int,
    refused: list[int],
    passed: list[int],
) -> None:
    bundle.change(profile(rule("close_range", args=[condition(2, op, value, two)], errnoRet=95)))
    # Flags that the kernel does not know: EINVAL, where it is asked.
    found = answers(containers, bundle, *(f"close_range:100:100:{n}" for n in [*refused, *passed]))
    assert found == [-95] * len(refused) + [-errno.EINVAL] * len(passed)


def test_of_several_arguments_each_must_match(containers: Containers, bundle: Bundle) -> None:
    bundle.change(profile(rule("lseek", args=[condition(0, "EQ", 100), condition(2, "EQ", 1)])))
    found = answers(containers, bundle, "lseek:100:0:1", "lseek:100:0:2", "lseek:101:0:1")
    assert found == [EPERM, EBADF, EBADF]


def test_of_several_tests_of_one_argument_one_must_match(containers: Containers, bundle: Bundle) -> None:
    bundle.change(profile(rule("close", args=[condition(0, "EQ", 100), condition(0, "EQ", 102)])))
    assert answers(containers, bundle, "close:100", "close:101", "close:102") == [EPERM, EBADF, EPERM]


# -- architectures


def test_another_architecture_is_killed_unless_it_is_listed(
    containers: Containers, bundle: Bundle, program: str
) -> None:
    import subprocess

    getpid, close = "i20", "i6:100"  # unistd_32.h
    if subprocess.run([program, getpid], capture_output=True, check=False).returncode:
        pytest.skip("needs a kernel that runs 32-bit programs")
    bundle.change(profile(rule("close"), architectures=["SCMP_ARCH_X86_64"]))
    assert made(containers, bundle, getpid).code == KILLED
    bundle.change(profile(rule("close"), architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]))
    assert answers(containers, bundle, getpid, close, "close:100") == [1, EPERM, EPERM]


# -- who is confined, and when


@pytest.mark.parametrize("no_new_privileges", [True, False])
@pytest.mark.parametrize("uid", [0, 7])
@pytest.mark.parametrize("capabilities", [True, False], ids=["capabilities", "none named"])
def test_a_profile_needs_to_allow_nothing_for_the_runtime(
    containers: Containers, bundle: Bundle, no_new_privileges: bool, uid: int, capabilities: bool
) -> None:
    """All but what the program needs kills: the runtime makes no call after it but execve."""
    rules = [{"names": NEEDED, "action": "SCMP_ACT_ALLOW"}]
    bundle.change(profile(*rules, defaultAction="SCMP_ACT_KILL_PROCESS"))
    bundle.change({"process.noNewPrivileges": no_new_privileges, "process.user": {"uid": uid, "gid": uid}})
    if not capabilities:
        bundle.change({"process.capabilities": None})
    assert made(containers, bundle).code == 0


@pytest.mark.parametrize("uid", [0, 7])
def test_what_was_lent_to_install_it_is_gone(containers: Containers, bundle: Bundle, uid: int) -> None:
    bundle.change(profile(rule("close_range")))
    bundle.change({"process.user": {"uid": uid, "gid": uid}})
    script = "grep -E '^(Cap(Inh|Prm|Eff|Bnd)|Seccomp):' /proc/self/status | cut -f2"
    confined = containers.run(bundle, script)
    bundle.change({"linux.seccomp": None})
    free = containers.run(bundle, script)
    assert confined.out.split()[:-1] == free.out.split()[:-1]
    assert (confined.out.split()[-1], free.out.split()[-1]) == ("2", "0")


def test_exec_is_confined_as_the_container_is(containers: Containers, bundle: Bundle) -> None:
    bundle.change(profile(rule("close")))
    container = containers.sleeping(bundle)
    # What it was created with counts, not what its bundle says by now.
    bundle.change({"linux.seccomp": None})
    bundle.write()
    process = {"cwd": "/", "args": ["/bin/calls", *words("close:100")], "env": []}
    assert containers.exec(container, process).out == f"{EPERM}\n"
    assert containers.exec(container, {**process, "noNewPrivileges": True}).out == f"{EPERM}\n"
    assert containers.exec(container, {**process, "user": {"uid": 7, "gid": 7}}).out == f"{EPERM}\n"


@pytest.mark.parametrize("reaps", ["true", "false"])
def test_a_profile_without_sockets_hides_no_failure(
    containers: Containers, bundle: Bundle, reaps: str
) -> None:
    """execve finds no interpreter, and start and exec say so."""
    with open(f"{bundle.rootfs}/bin/broken", "w") as script:
        script.write("#!/no/such/interpreter\n")
        os.fchmod(script.fileno(), 0o755)
    bundle.change(profile({"names": ["sendmsg", "sendto", "sendmmsg"], "action": "SCMP_ACT_ERRNO"}))
    bundle.change({"annotations": {INIT_ANNOTATION: reaps}})
    bundle.program("/bin/broken")
    container = containers.create(bundle)
    with pytest.raises(CommandNotFound, match="its interpreter or loader is missing"):
        container.start()
    sleeping = containers.sleeping(bundle)
    with pytest.raises(CommandNotFound, match="its interpreter or loader is missing"):
        containers.exec(sleeping, {"cwd": "/", "args": ["/bin/broken"]})


def test_the_small_init_is_confined_too(containers: Containers, bundle: Bundle) -> None:
    bundle.change(profile(rule("swapon")))
    bundle.change({"annotations": {"io.minicontainer.init": "true"}})
    found = containers.run(bundle, "grep -E '^(CapPrm|CapEff|Seccomp):' /proc/1/status /proc/self/status")
    lines = [line.partition(":")[2] for line in found.out.splitlines()]
    assert lines[:3] == lines[3:]
    assert lines[2] == "Seccomp:\t2"


@pytest.mark.parametrize(
    "flags", [[], ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"]]
)
def test_flags(containers: Containers, bundle: Bundle, flags: list[str]) -> None:
    bundle.change(profile(rule("close"), flags=flags))
    assert answers(containers, bundle, "close:100") == [EPERM]


def test_a_wrong_profile_leaves_nothing(containers: Containers, bundle: Bundle) -> None:
    bundle.change(profile(rule("close", "NONSENSE")))
    with pytest.raises(InvalidConfig, match=r"linux\.seccomp\.syscalls\[0\]\.action: unknown action"):
        containers.create(bundle)


# -- the cache


def test_a_program_is_compiled_once(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle.change(profile(rule("close")))
    assert answers(containers, bundle, "close:100") == [EPERM]
    folder = f"{containers.root}/{seccomp.CACHE}"
    assert os.stat(folder).st_mode & 0o777 == 0o700
    assert len(os.listdir(folder)) == 1

    def fail(_: object) -> bytes:
        raise AssertionError("compiled again")

    monkeypatch.setattr(seccomp, "compile_profile", fail)
    assert answers(containers, bundle, "close:100") == [EPERM]
    bundle.change(profile(rule("lseek")))
    with pytest.raises(AssertionError, match="again"):
        containers.create(bundle)


@pytest.mark.parametrize("spoil", ["folder", "file", "owner", "content", "link"])
def test_a_cache_that_others_may_write_is_not_used(
    containers: Containers, bundle: Bundle, tmp_path: Path, spoil: str
) -> None:
    bundle.change(profile(rule("lseek")))
    assert answers(containers, bundle, "lseek:100:0:0", "close:100") == [EPERM, EBADF]
    folder = f"{containers.root}/{seccomp.CACHE}"
    (harmless,) = os.listdir(folder)
    program = files.read(f"{folder}/{harmless}")
    os.unlink(f"{folder}/{harmless}")
    bundle.change(profile(rule("close")))
    assert answers(containers, bundle, "close:100") == [EPERM]
    (name,) = os.listdir(folder)
    path = f"{folder}/{name}"
    with open(path, "wb") as file:
        file.write(program[:-3] if spoil == "content" else program)
    if spoil == "folder":
        os.chmod(folder, 0o777)
    elif spoil == "file":
        os.chmod(path, 0o666)
    elif spoil == "owner":
        os.chown(path, 7, 7)
    elif spoil == "link":
        os.rename(path, tmp_path / "elsewhere")
        os.symlink(tmp_path / "elsewhere", path)
    assert answers(containers, bundle, "close:100") == [EPERM]
    os.chmod(folder, 0o700)
