"""Docker's profile format, resolved for a container; the default profile."""

from __future__ import annotations

import json
import os

import pytest

from minicontainer.engine import seccomp
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from minicontainer.oci.runtime import Seccomp


def machine(kind: str = "x86_64", release: str = "6.1.0-18-amd64") -> os.uname_result:
    return os.uname_result(("Linux", "host", release, "#1", kind))


def resolved(rules: list[dict[str, Any]], *capabilities: str, **more: Any) -> list[str]:
    """The names that are left."""
    host = more.pop("host", machine())
    given = [{"action": "SCMP_ACT_ALLOW", **rule} for rule in rules]
    text = json.dumps({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": given, **more})
    found = seccomp.resolve(seccomp.load(text, "profile"), list(capabilities), host)
    assert found is not None
    return [name for call in found.syscalls for name in call.names]


def default(*capabilities: str, host: os.uname_result | None = None) -> Seccomp:
    with open(seccomp.DEFAULT_FILE) as file:
        profile = seccomp.load(file.read(), "default")
    found = seccomp.resolve(profile, list(capabilities), host or machine())
    assert found is not None
    return found


def rules_of(profile: Seccomp, name: str) -> list[tuple[str, int | None, list[tuple[int, str, int]]]]:
    return [
        (
            call.action.removeprefix("SCMP_ACT_"),
            call.errno_ret,
            [(a.index, a.op[9:], a.value) for a in call.args],
        )
        for call in profile.syscalls
        if name in call.names
    ]


@pytest.mark.parametrize(
    ("condition", "applies"),
    [
        ({"includes": {"caps": ["CAP_A"]}}, True),
        ({"includes": {"caps": ["CAP_A", "CAP_B"]}}, False),
        ({"excludes": {"caps": ["CAP_B"]}}, True),
        ({"excludes": {"caps": ["CAP_B", "CAP_A"]}}, False),
        ({"includes": {"arches": ["arm64", "amd64"]}}, True),
        ({"includes": {"arches": ["arm64"]}}, False),
        ({"excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {"minKernel": "4.8"}}, True),
        ({"includes": {"minKernel": "6.1"}}, True),
        ({"includes": {"minKernel": "6.10"}}, False),
        ({"excludes": {"minKernel": "6.1"}}, False),
        ({"excludes": {"minKernel": "6.2"}}, True),
        ({"includes": {"caps": ["CAP_A"]}, "excludes": {"arches": ["amd64"]}}, False),
        ({"includes": {}, "excludes": {}}, True),
    ],
)
def test_conditions(condition: dict[str, Any], applies: bool) -> None:
    assert resolved([{"names": ["read"], **condition}], "CAP_A") == (["read"] if applies else [])


def test_the_older_form_of_a_rule() -> None:
    assert resolved([{"name": "read"}, {"names": ["write"]}]) == ["read", "write"]


def test_architectures_are_this_machines() -> None:
    assert default().architectures == ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]
    assert default(host=machine("aarch64")).architectures == ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"]
    assert default(host=machine("vax")).architectures == []


def test_the_default_is_dockers() -> None:
    profile = default("CAP_CHOWN", "CAP_SYS_CHROOT")
    assert (profile.default_action, profile.default_errno_ret) == ("SCMP_ACT_ERRNO", 1)
    allowed: list[object] = [("ALLOW", None, [])]
    for name in ("read", "openat2", "ptrace", "chroot", "arch_prctl", "io_submit", "seccomp", "capset"):
        assert rules_of(profile, name) == allowed, name
    for name in (
        "mount", "bpf", "keyctl", "add_key", "request_key", "userfaultfd", "perf_event_open", "unshare",
        "setns", "kexec_load", "init_module", "reboot", "swapon", "io_uring_setup", "open_by_handle_at",
        "settimeofday", "pivot_root", "move_pages", "acct", "iopl", "quotactl", "nfsservctl", "kcmp",
    ):  # fmt: skip
        assert rules_of(profile, name) == [], name
    assert rules_of(profile, "clone") == [("ALLOW", None, [(0, "MASKED_EQ", 0x7E020000)])]
    assert rules_of(profile, "clone3") == [("ERRNO", 38, [])]


def test_capabilities_bring_their_calls() -> None:
    admin = default("CAP_SYS_ADMIN")
    for name in ("mount", "clone", "clone3", "unshare", "setns", "bpf", "perf_event_open", "fsopen"):
        assert rules_of(admin, name) == [("ALLOW", None, [])], name
    assert rules_of(default("CAP_BPF"), "bpf") == [("ALLOW", None, [])]
    assert rules_of(default("CAP_SYS_MODULE"), "init_module") == [("ALLOW", None, [])]
    assert rules_of(default("CAP_SYS_BOOT"), "kexec_load") == []


def test_the_arguments_of_clone_on_s390() -> None:
    assert rules_of(default(host=machine("s390x")), "clone") == [
        ("ALLOW", None, [(1, "MASKED_EQ", 0x7E020000)])
    ]


def test_no_call_is_named_twice_without_a_condition() -> None:
    with open(seccomp.DEFAULT_FILE) as file:
        rules = json.load(file)["syscalls"]
    plain = [n for r in rules if not {"args", "includes", "excludes"} & r.keys() for n in r["names"]]
    assert len(plain) == len(set(plain)) > 300


@pytest.mark.parametrize(
    ("asked", "privileged", "confined"),
    [
        ("", False, True),
        ("", True, False),
        ("unconfined", False, False),
        ("builtin", False, True),
        ('{"defaultAction": "SCMP_ACT_LOG"}', True, True),
    ],
)
def test_who_is_confined(asked: str, privileged: bool, confined: bool) -> None:
    assert (seccomp.linux_seccomp(asked, [], privileged=privileged) is not None) == confined


def test_a_file_goes_into_the_option(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text('{\n  "defaultAction": "SCMP_ACT_LOG"\n}')
    embedded = seccomp.embed(f"seccomp={path}")
    assert embedded.startswith("seccomp={")
    assert json.loads(embedded.removeprefix("seccomp=")) == {"defaultAction": "SCMP_ACT_LOG"}
    assert seccomp.embed(f"seccomp:{path}").startswith("seccomp:{")
    for other in ("seccomp=unconfined", "seccomp=builtin", "label=disable", "no-new-privileges"):
        assert seccomp.embed(other) == other


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "seccomp profile"),
        ("[]", "expected an object"),
        ("{}", "defaultAction is missing"),
        ('{"defaultAction": 5}', "defaultAction: expected a string"),
        (
            '{"defaultAction": "SCMP_ACT_LOG", "architectures": ["a"], "archMap": [{"architecture": "b"}]}',
            "both",
        ),
        ('{"defaultAction": "x", "syscalls": [{"action": "y", "name": "a", "names": ["b"]}]}', "both name"),
    ],
)
def test_a_file_that_is_no_profile(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "profile.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        seccomp.embed(f"seccomp={path}")
    assert str(path) in str(caught.value)


def test_a_file_that_is_missing() -> None:
    with pytest.raises(UsageError, match=r"opening seccomp profile \(/nowhere\) failed: No such file"):
        seccomp.embed("seccomp=/nowhere")


def test_a_kernel_version_that_is_none() -> None:
    with pytest.raises(UsageError, match="not a kernel's version"):
        resolved([{"names": ["read"], "includes": {"minKernel": "new"}}])
