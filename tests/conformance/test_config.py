"""config.json, field by field: a change of the configuration, and what the program then sees."""

from __future__ import annotations

import pytest

from tests.conformance.cases import Case, check_refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.bundles import Bundle
    from tests.conformance.cases import Run
    from tests.conformance.runtimes import Runtime


def capabilities(bounding: list[str], **sets: list[str]) -> dict[str, Any]:
    return {"process.capabilities": {"bounding": bounding, **sets}}


def tmpfs(*options: str) -> dict[str, Any]:
    return {
        "mounts+": [{"destination": "/mnt", "type": "tmpfs", "source": "tmpfs", "options": list(options)}]
    }


SETS = "grep ^Cap /proc/self/status | cut -f2 | tr '\\n' ' '"
OPTIONS = "grep ' /mnt ' /proc/self/mountinfo | cut -d' ' -f6"
SHARED = "grep ' /mnt ' /proc/self/mountinfo | grep -c shared: || true"
NONE = "0000000000000000"
KILL, CHOWN_KILL = "0000000000000020", "0000000000000021"
OLD_RUNC = {"runc": "since runc 1.2"}

CASES: dict[str, Case] = {
    # -- names
    "host name": Case({"hostname": "other"}, "hostname", "other\n"),
    "domain name": Case(
        {"domainname": "example.org"}, "cat /proc/sys/kernel/domainname", "example.org\n", OLD_RUNC
    ),
    # -- process
    "user": Case({"process.user": {"uid": 7, "gid": 8}}, "id -u; id -g", "7\n8\n"),
    "groups": Case({"process.user": {"uid": 7, "gid": 8, "additionalGids": [9, 10]}}, "id -G", "8 9 10\n"),
    "umask": Case({"process.user": {"uid": 0, "gid": 0, "umask": 0o37}}, "umask", "0037\n"),
    "working directory": Case({"process.cwd": "/usr/bin"}, "pwd", "/usr/bin\n"),
    "environment": Case(
        {"process.env": ["PATH=/bin", "A=1", "B=x y=z", "HOME=/h"]},
        "env | grep -v -e ^SHLVL -e ^PWD | sort", "A=1\nB=x y=z\nHOME=/h\nPATH=/bin\n",
    ),
    "a home when none is given": Case(
        {"process.env": ["PATH=/bin"], "process.user": {"uid": 0, "gid": 0}}, "echo $HOME", "/root\n"
    ),
    "no new privileges": Case(
        {"process.noNewPrivileges": True}, "grep NoNewPrivs /proc/self/status", "NoNewPrivs:\t1\n"
    ),
    "limits": Case(
        # Not RLIMIT_NOFILE: Go raises its soft limit to the hard one, and runc 1.1 may hand that on.
        {"process.rlimits": [{"type": "RLIMIT_CORE", "soft": 5120, "hard": 6144}]},
        "ulimit -Sc; ulimit -Hc", "10\n12\n",
    ),
    "oom score": Case({"process.oomScoreAdj": 500}, "cat /proc/self/oom_score_adj", "500\n"),
    # Not in a pipeline: for that the shell would hold pipes open.
    "descriptors": Case({}, "ls /proc/1/fd/; true", "0\n1\n2\n"),
    # -- capabilities: inheritable, permitted, effective, bounding, ambient
    "root's capabilities": Case(
        capabilities(["CAP_KILL", "CAP_CHOWN"], permitted=["CAP_KILL"], effective=["CAP_KILL"]),
        SETS, f"{NONE} {CHOWN_KILL} {CHOWN_KILL} {CHOWN_KILL} {NONE} ",
    ),
    "no capabilities": Case(capabilities([]), SETS, f"{NONE} {NONE} {NONE} {NONE} {NONE} "),
    "a user's capabilities": Case(
        {
            "process.user": {"uid": 7, "gid": 8},
            **capabilities(["CAP_KILL"], permitted=["CAP_KILL"], effective=["CAP_KILL"]),
        },
        SETS, f"{NONE} {NONE} {NONE} {KILL} {NONE} ",
    ),
    "ambient capabilities": Case(
        {
            "process.user": {"uid": 7, "gid": 8},
            **capabilities(
                ["CAP_KILL", "CAP_CHOWN"],
                permitted=["CAP_KILL"], effective=["CAP_KILL"], inheritable=["CAP_KILL"],
                ambient=["CAP_KILL"],
            ),
        },
        SETS, f"{KILL} {KILL} {KILL} {CHOWN_KILL} {KILL} ",
    ),
    # -- root
    "read-only root": Case({"root.readonly": True}, "touch /x 2>/dev/null || echo refused", "refused\n"),
    "writable root": Case({}, "touch /x && echo made", "made\n"),
    "the root is all there is": Case({}, "cut -d' ' -f5 /proc/self/mountinfo | head -1", "/\n"),
    # -- mounts
    "mount options": Case(
        tmpfs("nosuid", "nodev", "noexec", "ro"), OPTIONS, "ro,nosuid,nodev,noexec,relatime\n"
    ),
    "opposite options": Case(
        tmpfs("ro", "rw", "nosuid", "suid", "noatime"), OPTIONS, "rw,noatime\n",
        {"crun": "1.8 clears no option"},
    ),
    "mount data": Case(tmpfs("size=64k"), "df -k /mnt | tail -1 | tr -s ' ' | cut -d' ' -f2", "64\n"),
    "the mode of a tmpfs": Case(
        tmpfs("mode=711"), "stat -c %a /mnt", "711\n", {"runc": "gives the mode of the folder below"}
    ),
    "private mounts": Case(tmpfs("private"), SHARED, "0\n"),
    "shared mounts": Case(
        tmpfs("shared"), SHARED, "1\n", {"crun": "1.8 makes all of them private at the end"}
    ),
    "a target that is missing": Case(
        {"mounts+": [{"destination": "/a/b/c", "type": "tmpfs", "source": "tmpfs"}]},
        "grep -c ' /a/b/c ' /proc/self/mountinfo", "1\n",
    ),
    "proc": Case({}, "cat /proc/1/comm; true", "sh\n"),
    "sys is read-only": Case({}, "grep ' /sys ' /proc/self/mountinfo | cut -d' ' -f6 | cut -d, -f1", "ro\n"),
    "shm": Case({}, "stat -c %a /dev/shm; stat -f -c %T /dev/shm", "1777\ntmpfs\n"),
    "devpts": Case({}, "stat -c '%a %t' /dev/pts/ptmx", "666 5\n"),
    # -- devices
    "default devices": Case(
        {}, "cd /dev; stat -c '%n %a %t:%T' null zero full random urandom tty",
        "null 666 1:3\nzero 666 1:5\nfull 666 1:7\nrandom 666 1:8\nurandom 666 1:9\ntty 666 5:0\n",
    ),
    "device links": Case(
        {}, "cd /dev; for link in fd stdin stdout stderr ptmx; do readlink $link; done",
        "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx\n",
    ),
    "one more device": Case(
        {"linux.devices": [{"type": "c", "path": "/dev/deep/zero", "major": 1, "minor": 5, "fileMode": 0o640,
                            "uid": 3, "gid": 4}]},
        "stat -c '%a %u %g %t:%T' /dev/deep/zero", "640 3 4 1:5\n",
    ),
    "a pipe": Case(
        {"linux.devices": [{"type": "p", "path": "/dev/pipe", "fileMode": 0o600, "uid": 0, "gid": 0}]},
        "stat -c '%F %a' /dev/pipe", "fifo 600\n",
    ),
    # -- what is hidden
    "masked file": Case({"linux.maskedPaths": ["/etc/passwd"]}, "wc -c < /etc/passwd", "0\n"),
    "masked folder": Case(
        {"linux.maskedPaths": ["/etc"]}, "ls -A /etc; touch /etc/x 2>/dev/null || echo refused", "refused\n"
    ),
    "masked and missing": Case({"linux.maskedPaths": ["/no/such"]}, "echo fine", "fine\n"),
    "read-only path": Case(
        {"linux.readonlyPaths": ["/etc", "/proc/sys"]},
        "touch /etc/x 2>/dev/null || echo refused;"
        "echo 1 2>/dev/null > /proc/sys/vm/drop_caches || echo refused",
        "refused\nrefused\n",
    ),
    "read-only and missing": Case({"linux.readonlyPaths": ["/no/such"]}, "echo fine", "fine\n"),
    # -- the rest of linux
    "sysctl": Case(
        {"linux.sysctl": {"net.ipv4.ip_default_ttl": "33"}}, "cat /proc/sys/net/ipv4/ip_default_ttl", "33\n"
    ),
    "personality": Case(
        {"linux.personality": {"domain": "LINUX32"}}, "cat /proc/self/personality", "00000008\n", OLD_RUNC
    ),
    "loopback": Case({}, "cat /sys/class/net/lo/flags", "0x9\n"),
    "first process": Case({}, "echo $$", "1\n"),
    "a session of its own": Case({}, "cut -d' ' -f5,6 /proc/1/stat", "1 1\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_the_program_sees(runtime: Runtime, bundle: Bundle, run: Run, name: str) -> None:
    CASES[name].check(runtime, bundle, run)


def mounted(**mount: object) -> dict[str, Any]:
    return {"mounts+": [{"destination": "/mnt", **mount}]}


# What is wrong -> (the change, what a runtime makes of it that refuses nothing).
REFUSED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "a program that is missing": ({"process.args": ["/no/such"]}, {}),
    "a program that PATH has not": ({"process.args": ["nothing"]}, {}),
    "a folder as the program": ({"process.args": ["/etc"]}, {}),
    "a relative working directory": ({"process.cwd": "relative"}, {"crun": "1.8 takes it from /"}),
    "a file as working directory": ({"process.cwd": "/etc/passwd"}, {}),
    "no root file system": ({"root.path": "missing"}, {}),
    "no root": ({"root": None}, {}),
    "no process": ({"process": None}, {}),
    "a namespace that is missing": ({"linux.namespaces+": [{"type": "ipc", "path": "/no/such"}]}, {}),
    "a namespace of no kind": ({"linux.namespaces+": [{"type": "nonsense"}]}, {}),
    "an unknown file system": (mounted(type="nonsense", source="x"), {}),
    "a source that is missing": (mounted(type="bind", source="/no/such", options=["bind"]), {}),
    "data that tmpfs does not know": (mounted(type="tmpfs", source="x", options=["nonsense=1"]), {}),
    "a soft limit above the hard": (
        {"process.rlimits": [{"type": "RLIMIT_NOFILE", "soft": 9, "hard": 8}]}, {},
    ),
    "an unknown limit": ({"process.rlimits": [{"type": "RLIMIT_NONSENSE", "soft": 1, "hard": 1}]}, {}),
    "a sysctl that is missing": ({"linux.sysctl": {"net.no.such": "1"}}, {}),
    "an unknown propagation": ({"linux.rootfsPropagation": "nonsense"}, {"crun": "1.8 ignores it"}),
    "a number for a path": ({"linux.cgroupsPath": 7}, {"crun": "1.8 takes it for the text"}),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(runtime: Runtime, run: Run, bundle: Bundle, name: str) -> None:
    check_refused(runtime, bundle, run, *REFUSED[name])


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("exit 256", 0)]
)
def test_exit_codes(run: Run, script: str, code: int) -> None:
    assert run(script).code == code
