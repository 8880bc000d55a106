"""Profiles as programs, which a small machine for classic BPF runs: no kernel, any architecture."""

from __future__ import annotations

import struct

import pytest

from minicontainer.errors import InvalidConfig, Unsupported
from minicontainer.libcontainer import confinement, seccomp, seccomp_stub
from minicontainer.linux import libseccomp
from minicontainer.linux.seccomp import ACTIONS
from minicontainer.oci.document import convert
from minicontainer.oci.runtime import Seccomp
from tests.calls import require_libseccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

X86_64, I386, AARCH64 = 0xC000003E, 0x40000003, 0xC00000B7  # AUDIT_ARCH_*
ALLOW, ENOSYS, EPERM = ACTIONS["allow"], ACTIONS["errno"] | 38, ACTIONS["errno"] | 1


@pytest.fixture(autouse=True)
def library() -> None:
    require_libseccomp()


def run(program: bytes, arch: int, number: int, *arguments: int) -> int:
    """What the program answers (linux/filter.h: the part of it that seccomp programs use)."""
    values = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=iIQ6Q", number if number < 2**31 else number - 2**32, arch, 0, *values)
    code = list(struct.iter_unpack("=HBBI", program))
    tests: dict[int, Callable[[int, int], object]] = {
        0x15: int.__eq__, 0x25: int.__gt__, 0x35: int.__ge__, 0x45: int.__and__,
    }  # fmt: skip
    a = at = 0
    while True:
        operation, true, false, k = code[at]
        at += 1
        if operation == 0x20:
            (a,) = struct.unpack_from("=I", data, k)
        elif operation == 0x54:
            a &= k
        elif operation == 0x05:
            at += k
        elif operation == 0x06:
            return int(k)
        else:
            at += true if tests[operation](a, k) else false


def compiled(**profile: Any) -> bytes:
    return seccomp.compile_profile(described(**profile))


def described(**profile: Any) -> Seccomp:
    return convert(Seccomp, {"defaultAction": "SCMP_ACT_ALLOW", **profile}, "linux.seccomp")


def rule(*names: str, action: str = "ALLOW", **more: Any) -> dict[str, Any]:
    return {"names": list(names), "action": f"SCMP_ACT_{action}", **more}


@pytest.fixture
def x86() -> None:
    if libseccomp.native() != X86_64:
        pytest.skip("needs an x86-64 machine's numbers")


# -- the stub


def test_one_architecture() -> None:
    program = seccomp_stub.prologue({X86_64: 300}) + struct.pack("=HBBI", 0x06, 0, 0, ALLOW)
    assert [run(program, X86_64, n) for n in (0, 300, 301, 2**31)] == [ALLOW, ALLOW, ENOSYS, ENOSYS]
    assert run(program, I386, 301) == ALLOW  # the compiled program's business


def test_every_section_finds_the_program() -> None:
    highest = {X86_64: 300, seccomp_stub.X32: 0x40000200, I386: 310, AARCH64: 320}
    program = seccomp_stub.prologue(highest) + struct.pack("=HBBI", 0x06, 0, 0, ALLOW)
    for arch, number in ((X86_64, 300), (X86_64, 0x40000200), (I386, 310), (AARCH64, 320)):
        assert run(program, arch, number) == ALLOW, (hex(arch), number)
        assert run(program, arch, number + 1) == ENOSYS, (hex(arch), number)
    assert run(program, 1, 999) == ALLOW


def test_no_architecture_no_stub() -> None:
    assert seccomp_stub.prologue({}) == b""


@pytest.mark.usefixtures("x86")
def test_a_profile_that_lists_what_it_allows_has_one() -> None:
    program = compiled(
        defaultAction="SCMP_ACT_ERRNO", syscalls=[rule("read", "write", "clone3")],
        architectures=["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
    )  # fmt: skip
    assert [run(program, X86_64, n) for n in (0, 2, 435, 436)] == [ALLOW, EPERM, ALLOW, ENOSYS]
    assert [run(program, I386, n) for n in (3, 5, 435, 436)] == [ALLOW, EPERM, ALLOW, ENOSYS]
    assert run(program, AARCH64, 63) == ACTIONS["kill_thread"]


@pytest.mark.usefixtures("x86")
@pytest.mark.parametrize(
    "default", [{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38}, {"defaultAction": "SCMP_ACT_LOG"}]
)
def test_one_that_would_change_nothing_has_none(default: dict[str, Any]) -> None:
    first = compiled(**default, syscalls=[rule("read")])[:8]
    second = compiled(**default, syscalls=[rule("clone3")])
    assert second[:8] == first
    assert run(second, X86_64, 436) == run(second, X86_64, 0)


# -- the compiler


@pytest.mark.usefixtures("x86")
def test_a_tree_answers_as_a_list_does(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [
        "read", "write", "open", "close", "stat", "fstat", "lstat", "poll", "lseek", "mmap", "mprotect",
        "munmap", "brk", "ioctl", "pread64", "pwrite64", "readv", "writev", "access", "pipe", "select",
        "sched_yield", "mremap", "msync", "mincore", "madvise", "shmget", "shmat", "shmctl", "dup", "dup2",
        "pause", "nanosleep", "getitimer", "alarm", "setitimer", "getpid", "sendfile", "socket", "connect",
    ]  # fmt: skip
    tests = [{"index": 0, "value": 7, "op": "SCMP_CMP_EQ"}]
    rules = [rule(*names[:20]), rule(*names[20:39], action="ERRNO"), rule(names[39], args=tests)]
    tree = compiled(syscalls=rules, defaultAction="SCMP_ACT_TRAP")
    monkeypatch.setattr(seccomp, "FEW", 1000)
    line = compiled(syscalls=rules, defaultAction="SCMP_ACT_TRAP")
    assert tree != line
    for number in range(450):
        for first in (6, 7):
            assert run(tree, X86_64, number, first) == run(line, X86_64, number, first), number


def test_the_actions_are_the_kernels() -> None:
    for name, number in seccomp.ACTIONS.items():
        known = name.removeprefix("SCMP_ACT_").lower()
        known = {"kill": "kill_thread", "notify": "user_notif"}.get(known, known)
        assert number == ACTIONS[known]


def test_every_architecture_of_the_specification_is_known() -> None:
    unknown, other_order = [], []
    for name in seccomp.ARCHITECTURES:
        try:
            compiled(architectures=[name], syscalls=[rule("read", action="ERRNO")])
        except Unsupported:
            unknown.append(name)
        except InvalidConfig:
            other_order.append(name)
    # Later than libseccomp 2.5.4.
    assert set(unknown) <= {"SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB"}
    if libseccomp.native() == X86_64:
        assert set(other_order) <= {
            f"SCMP_ARCH_{name}"
            for name in (
                "MIPS",
                "MIPS64",
                "MIPS64N32",
                "PPC",
                "PPC64",
                "S390",
                "S390X",
                "PARISC",
                "PARISC64",
                "M68K",
                "SHEB",
            )
        }


@pytest.mark.parametrize(
    ("profile", "place"),
    [
        ({"defaultAction": "ALLOW"}, "linux.seccomp.defaultAction: unknown action 'ALLOW'"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, "linux.seccomp.defaultAction: SCMP_ACT_NOTIFY cannot"),
        ({"defaultErrnoRet": 3}, "linux.seccomp.defaultErrnoRet: SCMP_ACT_ALLOW returns no errno"),
        (
            {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4096},
            "linux.seccomp.defaultErrnoRet: 4096 is more than 4095",
        ),
        ({"architectures": ["SCMP_ARCH_X86_64", "amd64"]}, r"linux.seccomp.architectures\[1\]: unknown"),
        ({"flags": ["SECCOMP_FILTER_FLAG_TSYNC", "NEW"]}, r"linux.seccomp.flags\[1\]: unknown flag 'NEW'"),
        ({"syscalls": [rule("read"), rule("read", action="NO")]}, r"linux.seccomp.syscalls\[1\].action"),
        ({"syscalls": [rule(action="ERRNO")]}, r"linux.seccomp.syscalls\[0\].names: empty"),
        ({"syscalls": [rule("read", errnoRet=1)]}, r"linux.seccomp.syscalls\[0\].errnoRet: SCMP_ACT_ALLOW"),
        (
            {"syscalls": [rule("read", action="KILL", args=[{"index": 0, "value": 1, "op": "=="}])]},
            r"linux.seccomp.syscalls\[0\].args\[0\].op: unknown operator '=='",
        ),
        (
            {"syscalls": [rule("read", action="KILL", args=[{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}])]},
            r"linux.seccomp.syscalls\[0\].args\[0\].index",
        ),
        ({"syscalls": [rule("read", action="NOTIFY")]}, "linux.seccomp.listenerPath: missing"),
        (
            {"syscalls": [rule("read", "write", action="NOTIFY")], "listenerPath": "/x"},
            r"linux.seccomp.syscalls\[0\].names: SCMP_ACT_NOTIFY cannot be used for write",
        ),
        ({"listenerMetadata": "x"}, "linux.seccomp.listenerMetadata: needs a listenerPath"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, profile: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidConfig, match=f"config.json: {place}"):
        seccomp.confinement(described(**profile), str(tmp_path))


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libseccomp, "_library", None)
    monkeypatch.setattr(libseccomp, "LIBRARY", "libnothing.so.9")
    with pytest.raises(Unsupported, match=r"linux\.seccomp: this host has no libseccomp"):
        seccomp.confinement(described(), str(tmp_path))


def test_what_is_kept_for_exec_comes_back(tmp_path: Path) -> None:
    assert confinement.saved(str(tmp_path)) is None
    confinement.save(str(tmp_path), confinement.Confinement(b"\n" * 16, 9, "/agent", "x\ny"))
    found = confinement.saved(str(tmp_path))
    assert found is not None
    assert (found.program, found.flags, found.listener_path, found.metadata) == (
        b"\n" * 16, 9, "/agent", "x\ny",
    )  # fmt: skip
