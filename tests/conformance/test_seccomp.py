"""linux.seccomp: the same profile under each runtime, and what the kernel answers to a program's calls."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.calls import NEEDED, build, require_libseccomp, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.bundles import Bundle
    from tests.conformance.runtimes import Runtime
    from tests.outcome import Outcome

    Run = Callable[..., Outcome]

# What runc and crun do themselves once the filter is in, until execve.
RUNTIMES = [
    "accept4", "capget", "capset", "chdir", "clone", "close", "close_range", "connect", "dup", "dup2", "dup3",
    "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "faccessat", "faccessat2",
    "fchdir", "fchown", "fcntl", "fgetxattr", "fstatfs", "futex", "getcwd", "getdents64", "getegid",
    "geteuid", "getgid", "getpid", "getppid", "gettid", "getuid", "gettimeofday", "ioctl", "keyctl", "lseek",
    "lstat",
    "madvise", "membarrier", "nanosleep", "open", "openat", "openat2", "pipe2", "poll", "prctl", "pread64",
    "read", "recvfrom", "recvmsg", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sched_getaffinity",
    "sched_yield", "seccomp", "sendmsg", "sendto", "setgid", "setgroups", "setresgid", "setresuid",
    "setsid", "setuid", "sigaltstack", "socket", "stat", "statfs", "tgkill", "umask", "unlink", "unlinkat",
    "clock_gettime", "clock_nanosleep", "exit",
    # Go's, when something else has the processor: threads more, signals to them, sleeps that go on.
    "clone3", "mincore", "pselect6", "restart_syscall", "setitimer", "timer_create", "timer_delete",
    "timer_settime", "writev",
]  # fmt: skip
MACHINE = [
    name for kind, name in (("x86_64", "SCMP_ARCH_X86_64"), ("aarch64", "SCMP_ARCH_AARCH64"))
    if os.uname().machine == kind
]  # fmt: skip
ALLOW, ERRNO = "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"
EPERM, EBADF, ENOSYS = -1, -9, -38


def when(index: int, op: str, value: int, two: int = 0) -> dict[str, Any]:
    return {"index": index, "op": f"SCMP_CMP_{op}", "value": value, "valueTwo": two}


class Case:
    """``rules`` of a profile, calls, and their answers.

    ``never`` maps a runtime to why it answers otherwise.
    """

    def __init__(
        self,
        rules: list[dict[str, Any]],
        calls: list[str],
        answers: list[int],
        profile: dict[str, Any] | None = None,
        never: dict[str, str] | None = None,
    ) -> None:
        self.profile = {"defaultAction": ALLOW, **(profile or {}), "syscalls": rules}
        self.calls = calls
        self.answers = answers
        self.never = never or {}


def refuse(name: str, *tests: dict[str, Any], errno: int = 1) -> dict[str, Any]:
    return {"names": [name], "action": ERRNO, "errnoRet": errno, "args": list(tests)}


CASES = {
    "errno": Case([refuse("fchmod")], ["fchmod:100", "lseek:100"], [EPERM, EBADF]),
    "another errno": Case([refuse("fchmod", errno=95)], ["fchmod:100"], [-95]),
    "no errno": Case([refuse("fchmod", errno=0)], ["fchmod:100"], [0]),
    "an unknown name": Case(
        [{"names": ["no_such_call", "fchmod"], "action": ERRNO}], ["fchmod:100"], [EPERM]
    ),
    "the rule is the default": Case([{"names": ["fchmod"], "action": ALLOW}], ["fchmod:100"], [EBADF]),
    "equal": Case([refuse("fchmod", when(0, "EQ", 100))], ["fchmod:100", "fchmod:101"], [EPERM, EBADF]),
    "masked": Case(
        [refuse("fchmod", when(0, "MASKED_EQ", 0xF0, 0x60))], ["fchmod:0x61", "fchmod:0x71"], [EPERM, EBADF]
    ),
    "greater": Case([refuse("fchmod", when(0, "GT", 100))], ["fchmod:100", "fchmod:101"], [EBADF, EPERM]),
    "both": Case(
        [refuse("lseek", when(0, "EQ", 100), when(2, "EQ", 1))],
        ["lseek:100:0:1", "lseek:100:0:2"], [EPERM, EBADF],
    ),
    "either": Case(
        [refuse("fchmod", when(0, "EQ", 100), when(0, "EQ", 102))],
        ["fchmod:100", "fchmod:101", "fchmod:102"], [EPERM, EBADF, EPERM],
    ),
    "trace": Case([{"names": ["fchmod"], "action": "SCMP_ACT_TRACE"}], ["fchmod:100"], [ENOSYS]),
    "log": Case([{"names": ["fchmod"], "action": "SCMP_ACT_LOG"}], ["fchmod:100"], [EBADF]),
    "no flags": Case([refuse("fchmod")], ["fchmod:100"], [EPERM], {"flags": []}),
    "flags": Case([refuse("fchmod")], ["fchmod:100"], [EPERM], {"flags": ["SECCOMP_FILTER_FLAG_LOG"]},
                  {"runc": "1.1 knows no flags but the one it sets itself"}),
    "the default": Case(
        [{"names": [*NEEDED, *RUNTIMES, "epoll_pwait2"], "action": ALLOW}],
        ["getpid", "swapon:0", "mount"], [1, EPERM, EPERM], {"defaultAction": ERRNO},
    ),
    "newer than the profile": Case(
        [{"names": [*NEEDED, *RUNTIMES, "epoll_pwait2"], "action": ALLOW}],
        ["epoll_pwait2:100", "999", "mount_setattr"], [EBADF, ENOSYS, ENOSYS],
        # runc looks at the architectures that are listed only.
        {"defaultAction": ERRNO, "architectures": MACHINE},
        {"crun": "gives the default for calls that nobody knows yet"},
    ),
    "a default of its own": Case(
        [{"names": [*NEEDED, *RUNTIMES], "action": ALLOW}], ["swapon:0"], [-95],
        {"defaultAction": ERRNO, "defaultErrnoRet": 95},
    ),
}  # fmt: skip


@pytest.fixture
def bundle(bundle: Bundle, calls_program: str) -> Bundle:
    """With /bin/calls."""
    shutil.copy(calls_program, f"{bundle.rootfs}/bin/calls")
    return bundle


@pytest.fixture(scope="session")
def calls_program(tmp_path_factory: pytest.TempPathFactory) -> str:
    require_libseccomp()
    return build(str(tmp_path_factory.mktemp("calls")))


@pytest.mark.parametrize("no_new_privileges", [True, False], ids=["no_new_privs", "privs"])
@pytest.mark.parametrize("name", CASES)
def test_calls(name: str, runtime: Runtime, bundle: Bundle, run: Run, no_new_privileges: bool) -> None:
    case = CASES[name]
    if reason := case.never.get(runtime.name):
        pytest.skip(f"{runtime.name} {reason}")
    bundle.change({"linux.seccomp": case.profile, "process.noNewPrivileges": no_new_privileges})
    bundle.program("/bin/calls", *words(*case.calls))
    outcome = run()
    assert outcome.code == 0, outcome
    assert [int(line) for line in outcome.out.split()] == case.answers


@pytest.mark.parametrize("action", ["SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_TRAP"])
def test_killed(bundle: Bundle, run: Run, action: str) -> None:
    bundle.change({"linux.seccomp": {"defaultAction": ALLOW, "syscalls": [
        {"names": ["swapon"], "action": action}]}})  # fmt: skip
    bundle.program("/bin/calls", *words("getpid", "swapon:0", "getpid"))
    outcome = run()
    assert (outcome.code, outcome.out) == (128 + 31, "1\n")


@pytest.mark.parametrize(
    "profile",
    [
        {"defaultAction": "NONSENSE"},
        {"defaultAction": "SCMP_ACT_NOTIFY"},
        {"architectures": ["NONSENSE"]},
        {"syscalls": [{"names": ["swapon"], "action": "NONSENSE"}]},
        {"syscalls": [{**refuse("swapon"), "args": [{"index": 0, "value": 0, "op": "NONSENSE"}]}]},
        {"syscalls": [{"names": ["write"], "action": "SCMP_ACT_NOTIFY"}], "listenerPath": "/nobody"},
    ],
)
def test_refused(bundle: Bundle, run: Run, profile: dict[str, Any]) -> None:
    bundle.change({"linux.seccomp": {"defaultAction": ALLOW, **profile}})
    outcome = run()
    assert outcome.code
    assert outcome.err


def test_exec_is_confined(runtime: Runtime, bundle: Bundle) -> None:
    from tests.conformance.conftest import new_id

    bundle.change({"linux.seccomp": {"defaultAction": ALLOW, "syscalls": [refuse("swapon", errno=95)]}})
    bundle.program("/bin/sleep", "100")
    name = new_id()
    runtime.create(bundle, name)
    runtime.order("start", name)
    process: dict[str, Any] = {"cwd": "/", "args": ["/bin/calls", *words("swapon:0")], "env": ["PATH=/bin"]}
    process["user"] = {"uid": 0, "gid": 0}
    assert runtime.exec(name, process, bundle.path).out == "-95\n"
