"""run: namespaces that are shared, devices, kernel settings, what is hidden and what is not."""

from __future__ import annotations

import json
import os

import pytest

from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.runner import Runner

RUN = ("run", "--rm", "--network", "none")
KINDS = {"pid": "pid", "ipc": "ipc", "uts": "uts", "cgroupns": "cgroup"}


@pytest.fixture
def donor(mc: Runner) -> Iterator[str]:
    """A running container that others may join."""
    mc.ok("run", "-d", "--name", "donor", "--network", "none", "--ipc", "shareable", "busybox",
          "sh", "-c", "echo shared > /dev/shm/note; exec sleep 1000")  # fmt: skip
    yield "donor"
    mc("rm", "-f", "donor")


def space(mc: Runner, kind: str, *options: str) -> str:
    return mc.ok(*RUN, *options, "busybox", "readlink", f"/proc/self/ns/{kind}")


@pytest.mark.parametrize("flag", sorted(KINDS))
def test_a_namespace_of_its_own_or_the_host_s(mc: Runner, flag: str) -> None:
    kind = KINDS[flag]
    of_host = mc.host.sh(f"readlink /proc/self/ns/{kind}").strip()
    assert space(mc, kind) != of_host
    assert space(mc, kind, f"--{flag}", "host") == of_host


@pytest.mark.parametrize("flag", ["pid", "ipc", "uts"])
def test_another_container_s_namespace(mc: Runner, donor: str, flag: str) -> None:
    theirs = mc.ok("exec", donor, "readlink", f"/proc/self/ns/{flag}")
    assert space(mc, flag, f"--{flag}", f"container:{donor}") == theirs
    own = [kind for kind in ("pid", "ipc", "uts", "mnt", "net") if kind != flag]
    for kind in own:
        other = mc.ok("exec", donor, "readlink", f"/proc/self/ns/{kind}")
        assert space(mc, kind, f"--{flag}", f"container:{donor}") != other


def test_shared_memory_comes_with_the_ipc_namespace(mc: Runner, donor: str) -> None:
    join = ("--ipc", f"container:{donor}")
    script = "cat /dev/shm/note; echo back > /dev/shm/answer"
    assert mc.ok(*RUN, *join, "busybox", "sh", "-c", script) == "shared"
    # Its removal has taken nothing of the other's with it.
    assert mc.ok("exec", donor, "cat", "/dev/shm/note", "/dev/shm/answer") == "shared\nback"
    assert mc(*RUN, "busybox", "cat", "/dev/shm/note").code == 1


def test_without_shared_memory(mc: Runner) -> None:
    assert "shm" not in mc.ok(*RUN, "--ipc", "none", "busybox", "ls", "/dev").split()


def test_processes_of_a_shared_pid_namespace_see_each_other(mc: Runner, donor: str) -> None:
    assert "sleep 1000" in mc.ok(*RUN, "--pid", f"container:{donor}", "busybox", "ps")
    assert "sleep 1000" not in mc.ok(*RUN, "busybox", "ps")


def test_a_pid_namespace_ends_and_takes_its_guests_along(mc: Runner, donor: str) -> None:
    mc.ok("run", "-d", "--name", "guest", "--network", "none", "--pid", f"container:{donor}", "busybox",
          "sleep", "1000")  # fmt: skip
    mc.ok("kill", donor)
    until(lambda: mc.state("guest") == "exited 137", "the guest has ended")


def test_who_does_not_share_is_not_joined(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "box", "--network", "none", "busybox", "sleep", "1000")
    refused = mc(*RUN, "--ipc", "container:box", "busybox", "true")
    assert (refused.code, "non-shareable IPC" in refused.err) == (125, True)
    mc.ok("stop", "-t", "0", "box")
    refused = mc(*RUN, "--pid", "container:box", "busybox", "true")
    assert (refused.code, "cannot join PID of a non running container" in refused.err) == (125, True)


@pytest.mark.parametrize("size", [1, 4])
def test_size_of_shared_memory(mc: Runner, size: int) -> None:
    line = mc.ok(*RUN, "--shm-size", f"{size}m", "busybox", "df", "-k", "/dev/shm").splitlines()[-1]
    assert line.split()[1] == str(size << 10)


def test_a_device_with_a_name_of_its_own(mc: Runner) -> None:
    shown = mc.ok(*RUN, "--device", "/dev/zero:/dev/nil", "busybox", "sh", "-c",
                  "stat -c %t:%T /dev/nil; head -c 3 /dev/nil | wc -c")  # fmt: skip
    assert shown.split() == ["1:5", "3"]


@pytest.mark.skipif(not os.path.exists("/dev/net/tun"), reason="no /dev/net/tun")
@pytest.mark.needs("controller:devices")
class TestAccess:
    """What a device may be used for; /dev/net/tun is one that no container has by default."""

    OPEN = (("r", "exec 3</dev/net/tun"), ("w", "exec 3>>/dev/net/tun"), ("rw", "exec 3<>/dev/net/tun"))

    @pytest.mark.parametrize("access", ["rwm", "rw", "r", "w"])
    def test_as_it_was_given(self, mc: Runner, access: str) -> None:
        for needed, line in self.OPEN:
            ran = mc(*RUN, "--device", f"/dev/net/tun:{access}", "busybox", "sh", "-c", line)
            assert (ran.code == 0) == (set(needed) <= set(access)), (needed, access, ran)

    def test_of_a_folder(self, mc: Runner) -> None:
        assert mc.ok(*RUN, "--device", "/dev/net:/dev/other", "busybox", "sh", "-c",
                     "exec 3<>/dev/other/tun; echo open") == "open"  # fmt: skip

    def test_by_number(self, mc: Runner) -> None:
        script = "mknod /tun c 10 200 && exec 3<>/tun && echo open"
        assert mc.ok(*RUN, "--device-cgroup-rule", "c 10:* rwm", "busybox", "sh", "-c", script) == "open"
        assert mc(*RUN, "--device-cgroup-rule", "c 11:* rwm", "busybox", "sh", "-c", script).code != 0

    def test_none_by_default(self, mc: Runner) -> None:
        script = "mknod /tun c 10 200 && exec 3<>/tun"
        assert "not permitted" in mc(*RUN, "busybox", "sh", "-c", script).err


def test_kernel_settings(mc: Runner) -> None:
    asked = {"kernel.msgmax": "9999", "net.ipv4.ip_forward": "1", "fs.mqueue.msg_max": "11"}
    options = [word for name, value in asked.items() for word in ("--sysctl", f"{name}={value}")]
    paths = [f"/proc/sys/{name.replace('.', '/')}" for name in asked]
    before = mc.host.sh(f"cat {' '.join(paths)}")
    assert mc.ok(*RUN, *options, "busybox", "cat", *paths).split() == list(asked.values())
    assert mc.host.sh(f"cat {' '.join(paths)}") == before


def test_groups_of_the_image(mc: Runner) -> None:
    words = ("--group-add", "wheel", "--group-add", "4444", "-u", "1:1", "busybox", "id", "-G")
    assert mc.ok(*RUN, *words).split() == ["1", "10", "4444"]
    mc.ok("run", "-d", "--name", "box", "--network", "none", *words[:6], "busybox", "sleep", "1000")
    assert mc.ok("exec", "box", "id", "-G").split() == ["1", "10", "4444"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [(("--cap-drop", "ALL"), 0), (("--cap-drop", "ALL", "--cap-add", "CHOWN"), 1),
     (("--cap-drop", "all", "--cap-add", "cap_kill"), 1 << 5)],
)  # fmt: skip
def test_capabilities(mc: Runner, options: tuple[str, ...], expected: int) -> None:
    shown = mc.ok(*RUN, *options, "busybox", "sed", "-n", "s/CapEff:.//p", "/proc/self/status")
    assert int(shown, 16) == expected


def masked(mc: Runner, *options: str) -> set[str]:
    """Where something lies on a part of /proc or /sys."""
    table = mc.ok(*RUN, *options, "busybox", "cat", "/proc/self/mountinfo").splitlines()
    points = {line.split()[4] for line in table}
    return {point for point in points if point.startswith(("/proc/", "/sys/", "/etc/"))}


def test_paths_hidden_and_shown(mc: Runner) -> None:
    usual = masked(mc)
    assert {"/proc/sys", "/proc/keys", "/sys/firmware"} <= usual
    assert masked(mc, "--security-opt", "unmask=/proc/keys:/sys/firmware") == usual - {
        "/proc/keys",
        "/sys/firmware",
    }
    assert masked(mc, "--security-opt", "unmask=/proc/s*") == usual - {
        path for path in usual if path.startswith("/proc/s")
    }
    left = {path for path in masked(mc, "--security-opt", "systempaths=unconfined") if path[1:4] != "etc"}
    assert all(path.startswith("/sys/fs/cgroup") for path in left)
    assert masked(mc, "--security-opt", "mask=/etc/passwd") == usual | {"/etc/passwd"}
    assert mc.ok(*RUN, "--security-opt", "mask=/etc/passwd:/usr", "busybox", "sh", "-c",
                 "cat /etc/passwd; ls /usr") == ""  # fmt: skip


@pytest.mark.parametrize(("value", "expected"), [("", "1"), ("=true", "1"), (":false", "0"), ("=false", "0")])
def test_no_new_privileges(mc: Runner, value: str, expected: str) -> None:
    option = f"no-new-privileges{value}"
    shown = mc.ok(*RUN, "--security-opt", option, "busybox", "grep", "NoNewPrivs", "/proc/self/status")
    assert shown.split()[1] == expected


def test_inspect_shows_it_under_docker_s_names(mc: Runner, donor: str) -> None:
    donor_id = mc.ok("inspect", "-f", "{{.Id}}", donor)
    mc.ok("run", "--name", "box", "--network", "none", "--ipc", f"container:{donor}", "--cap-add", "SYS_TIME",
          "--device", "/dev/zero:/dev/nil:r", "--device-cgroup-rule", "c 10:* rwm", "--group-add", "7",
          "--cgroupns", "host", "--shm-size", "2m", "--security-opt", "unmask=/proc/keys", "--uts", "host",
          "--sysctl", "net.ipv4.ip_forward=1", "--pid", "host", "busybox", "true")  # fmt: skip
    shown = json.loads(mc.ok("inspect", "-f", "{{json .HostConfig}}", "box"))
    asked = {
        "CapAdd": ["SYS_TIME"], "CgroupnsMode": "host", "GroupAdd": ["7"], "IpcMode": f"container:{donor_id}",
        "PidMode": "host", "UTSMode": "host", "UsernsMode": "", "ShmSize": 2 << 20,
        "Sysctls": {"net.ipv4.ip_forward": "1"}, "SecurityOpt": ["unmask=/proc/keys"],
        "Devices": [{"PathOnHost": "/dev/zero", "PathInContainer": "/dev/nil", "CgroupPermissions": "r"}],
        "DeviceCgroupRules": ["c 10:* rwm"],
    }  # fmt: skip
    assert {key: shown[key] for key in asked} == asked
    assert "/proc/keys" not in shown["MaskedPaths"]
    assert "/proc/kcore" in shown["MaskedPaths"]
    assert "/proc/sys" in shown["ReadonlyPaths"]


REFUSED = {
    ("--sysctl", "kernel.pid_max=99"): "sysctl 'kernel.pid_max=99' is not allowed",
    ("--sysctl", "net.ipv4.ip_forward=1", "--network", "host"): "the network namespace is the host",
    ("--sysctl", "kernel.msgmax=1", "--ipc", "host"): "the ipc namespace is the host",
    ("--security-opt", "nonsense"): 'invalid --security-opt: "nonsense"',
    ("--security-opt", "nonsense=1"): 'invalid --security-opt: "nonsense=1"',
    ("--security-opt", "mask=etc"): "is not an absolute path",
    ("--security-opt", "no-new-privileges=maybe"): "it is true or false",
    ("--device", "/dev/none"): 'adding custom device "/dev/none": no such file or directory',
    ("--device", "/etc/passwd"): 'adding custom device "/etc/passwd": not a device node',
    ("--device", "/dev/null:/dev/x:z"): "bad mode specified: z",
    ("--device-cgroup-rule", "c 1 rwm"): "invalid device cgroup format",
    ("--ipc", "nonsense"): "invalid ipc mode",
    ("--pid", "private"): "invalid pid mode",
    ("--uts", "container:"): "needs the name of a container",
    ("--cgroupns", "container:x"): "invalid cgroupns mode",
    ("--pid", "container:nobody"): "No such container: nobody",
    ("--group-add", "nobodys"): "unable to find group nobodys",
    ("--uts", "host", "--hostname", "x"): "conflicting options: hostname and the UTS mode",
    ("--cap-drop", "NONSENSE"): "invalid capability",
    ("--shm-size", "-1"): "SHM size can not be less than 0",
}  # fmt: skip


@pytest.mark.parametrize("options", list(REFUSED), ids=lambda options: " ".join(options))
def test_refused_and_nothing_made(mc: Runner, options: tuple[str, ...]) -> None:
    refused = mc("run", "--rm", *(() if "--network" in options else RUN[2:]), *options, "busybox", "true")
    assert refused.code == 125
    assert REFUSED[options] in refused.err
    assert len(refused.err.splitlines()) == 1
    assert mc.ok("ps", "-aq") == ""


@pytest.mark.skipif(os.path.exists("/sys/module/apparmor"), reason="this kernel has AppArmor")
def test_a_profile_without_apparmor(mc: Runner) -> None:
    refused = mc(*RUN, "--security-opt", "apparmor=strict", "busybox", "true")
    assert (refused.code, "the profile 'strict' was specified" in refused.err) == (125, True)
    mc.ok(*RUN, "--security-opt", "apparmor=unconfined", "busybox", "true")


@pytest.mark.skipif(os.path.exists("/sys/fs/selinux/enforce"), reason="this kernel has SELinux")
def test_a_label_without_selinux(mc: Runner) -> None:
    refused = mc(*RUN, "--security-opt", "label=type:container_t", "busybox", "true")
    assert (refused.code, "label=type:container_t was specified" in refused.err) == (125, True)
    mc.ok(*RUN, "--security-opt", "label=disable", "busybox", "true")
