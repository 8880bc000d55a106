"""What the isolation flags come to: security options, modes, mappings, devices."""

from __future__ import annotations

import pytest

from minicontainer.engine import devices, isolation, security, userns
from minicontainer.engine.records import Config, Container, HostConfig
from minicontainer.errors import InvalidConfig, NotFound, Unsupported, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def container(**fields: object) -> Container:
    return Container("f" * 64, "n", 0.0, "", [], "", Config(cmd=["sh"]), HostConfig(**fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("option", "attribute", "value"),
    [
        ("no-new-privileges", "no_new_privileges", True),
        ("no-new-privileges:true", "no_new_privileges", True),
        ("no-new-privileges=0", "no_new_privileges", False),
        ("apparmor=strict", "apparmor", "strict"),
        ("apparmor:unconfined", "apparmor", "unconfined"),
        ("seccomp=/a:b", "seccomp", "/a:b"),
        ("label=type:a_t", "label", ["type:a_t"]),
        ("label:disable", "label", ["disable"]),
        ("label=level:s0:c1,c2", "label", ["level:s0:c1,c2"]),
        ("mask=/a:/b", "mask", ["/a", "/b"]),
        ("unmask=ALL", "unmask", ["ALL"]),
        ("systempaths=unconfined", "unmask", ["ALL"]),
    ],
)
def test_a_security_option(option: str, attribute: str, value: object) -> None:
    assert getattr(security.parse([option]), attribute) == value


@pytest.mark.parametrize(
    "option",
    ["", "nothing", "nothing=1", "apparmor", "apparmor=", "label=colour:blue", "label=type:", "mask=",
     "mask=a", "mask=ALL", "systempaths=confined", "no-new-privileges=2", "=x"],
)  # fmt: skip
def test_no_security_option(option: str) -> None:
    with pytest.raises(UsageError, match="invalid --security-opt"):
        security.parse([option])


def test_paths_hidden_and_read_only() -> None:
    plain = security.parse([])
    assert plain.masked(privileged=False) == list(security.MASKED)
    assert plain.readonly(privileged=False) == list(security.READONLY)
    assert plain.masked(privileged=True) == plain.readonly(privileged=True) == []
    some = security.parse(["unmask=/proc/kcore:/proc/s*", "mask=/data"])
    assert set(security.MASKED) - set(some.masked(privileged=False)) == {
        "/proc/kcore", "/proc/sched_debug", "/proc/scsi",
    }  # fmt: skip
    assert some.masked(privileged=False)[-1] == "/data"
    assert set(security.READONLY) - set(some.readonly(privileged=False)) == {
        "/proc/sys",
        "/proc/sysrq-trigger",
    }


def test_labels_of_selinux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "SELINUX", str(tmp_path / "enforce"))
    assert security.selinux_labels([], "ab" * 32, privileged=False) is None
    assert security.selinux_labels(["disable"], "ab" * 32, privileged=False) is None
    with pytest.raises(Unsupported, match="label=type:x was specified"):
        security.selinux_labels(["type:x"], "ab" * 32, privileged=False)
    (tmp_path / "enforce").write_text("1")
    labels = security.selinux_labels([], "0001" * 16, privileged=False)
    assert labels == ("system_u:system_r:container_t:s0:c1,c2", "system_u:object_r:container_file_t:s0:c1,c2")
    asked = ["type:my_t", "level:s0:c5,c6", "filetype:my_file_t"]
    assert security.selinux_labels(asked, "ab" * 32, privileged=False) == (
        "system_u:system_r:my_t:s0:c5,c6",
        "system_u:object_r:my_file_t:s0:c5,c6",
    )
    assert security.selinux_labels(["disable"], "ab" * 32, privileged=False) is None


def test_profiles_of_apparmor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "APPARMOR_ENABLED", str(tmp_path / "enabled"))
    assert security.apparmor_profile("unconfined", privileged=False) is None
    (tmp_path / "enabled").write_text("N\n")
    with pytest.raises(Unsupported, match="AppArmor is not supported on this host"):
        security.apparmor_profile("strict", privileged=False)
    (tmp_path / "enabled").write_text("Y\n")
    assert security.apparmor_profile("strict", privileged=False) == "strict"
    assert security.apparmor_profile("", privileged=False) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [("net.ipv4.ip_forward", "network"), ("kernel.sem", "ipc"), ("fs.mqueue.msg_max", "ipc"),
     ("kernel.pid_max", None), ("kernel.hostname", None), ("vm.swappiness", None)],
)  # fmt: skip
def test_whose_a_kernel_setting_is(name: str, kind: str | None) -> None:
    assert isolation.sysctl_kind(name) == kind


def kinds(**fields: object) -> list[str]:
    host = container(**fields).host
    return [one.type for one in isolation.namespaces_of(host, {}, own_ids=bool(host.uid_mappings))]


def test_namespaces() -> None:
    assert kinds() == ["mount", "pid", "ipc", "cgroup", "network", "uts"]
    assert kinds(pid_mode="host", ipc_mode="host", uts_mode="host", cgroupns_mode="host") == [
        "mount",
        "network",
    ]
    assert kinds(network_mode="host") == ["mount", "pid", "ipc", "cgroup"]
    assert kinds(ipc_mode="none", uid_mappings=[(0, 1, 1)])[0] == "user"
    host = container(pid_mode="container:x").host
    found = {one.type: one.path for one in isolation.namespaces_of(host, {"pid": 7}, own_ids=False)}
    assert (found["pid"], found["ipc"]) == ("/proc/7/ns/pid", None)


MAPPED = [(0, 1000, 10)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"userns_mode": "private"}, "must provide at least one"),
        ({"userns_mode": "auto", "uid_mappings": MAPPED}, "cannot use --uidmap"),
        ({"uid_mappings": [(1, 1000, 10)]}, "id 0 must be mapped"),
        ({"uid_mappings": [(0, 1, 5), (4, 100, 1)]}, "id 4 in the container is mapped twice"),
        ({"gid_mappings": [(0, 1, 5), (9, 5, 1)]}, "id 5 on the host is mapped twice"),
        ({"uid_mappings": MAPPED, "pid_mode": "container:x"}, "needs --userns container:x"),
    ],
)
def test_mappings_that_are_refused(fields: dict[str, object], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        userns.check(container(**fields).host)


def test_one_mapping_serves_for_both() -> None:
    host = container(uid_mappings=MAPPED).host
    userns.check(host)
    assert (host.userns_mode, host.gid_mappings) == ("private", MAPPED)


@pytest.fixture
def subordinate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "subordinate"
    made.write_text("# names\ncontainers:1000:100\nother:5:5\ncontainers:5000:300\ncontainers:x:1\n\n")
    for name in ("SUBUID", "SUBGID"):
        monkeypatch.setattr(userns, name, str(made))
    return made


def test_subordinate_ids_are_given_once(subordinate: Path) -> None:
    taken: list[Container] = []
    for size, first in ((60, 1000), (60, 5000), (40, 1060), (200, 5060)):
        one = container(userns_mode=f"auto:size={size}")
        userns.allocate(one, taken)
        assert one.host.uid_mappings == one.host.gid_mappings == [(0, first, size)]
        taken.append(one)
    with pytest.raises(NotFound, match="41 in a row are not free"):
        userns.allocate(container(userns_mode="auto:size=41"), taken)
    del taken[0]
    last = container(userns_mode="auto:size=41")
    userns.allocate(last, taken)
    assert last.host.uid_mappings == [(0, 1000, 41)]


def test_nobody_gives_ids(subordinate: Path) -> None:
    subordinate.write_text("other:1:2\n")
    with pytest.raises(NotFound, match="Cannot find mappings for user"):
        userns.allocate(container(userns_mode="auto"), [])
    subordinate.unlink()
    with pytest.raises(NotFound, match="Cannot find mappings for user"):
        userns.allocate(container(userns_mode="auto"), [])


def test_a_device_by_another_name() -> None:
    host = container(devices=[("/dev/zero", "/dev/nil", "r")], device_cgroup_rules=["c 10:* rw"]).host
    node = devices.asked(host)[0]
    assert (node.source, node.device.path, node.device.major, node.device.minor) == (
        "/dev/zero",
        "/dev/nil",
        1,
        5,
    )
    found = [(rule.allow, rule.type, rule.major, rule.minor, rule.access) for rule in devices.rules(host)]
    assert found == [(False, None, None, None, "rwm"), (True, "c", 1, 5, "r"), (True, "c", 10, None, "rw")]


@pytest.mark.parametrize("path", ["/dev/none-such", "/etc", "/etc/passwd"])
def test_no_device(path: str, tmp_path: Path) -> None:
    source = str(tmp_path) if path == "/etc" else path
    with pytest.raises(InvalidConfig, match="error gathering device information"):
        devices.asked(container(devices=[(source, "/dev/x", "rwm")]).host)
