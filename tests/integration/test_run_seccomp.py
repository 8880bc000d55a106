"""``run``: every container has a seccomp profile, Docker's in effect; ``--security-opt seccomp=``.

The table was compared with ``docker run`` of Docker 20.10, which differs in what its later versions refuse:
io_uring, AF_VSOCK, AF_ALG.
"""

from __future__ import annotations

import json
import shutil

import pytest

from tests.calls import build, require_libseccomp, words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.runner import Runner

RUN = ("run", "--rm", "--network", "none")
STATUS = ("busybox", "grep", "-E", "^(NoNewPrivs|Seccomp):", "/proc/self/status")
EPERM, EBADF, EFAULT, EINVAL, ENOSYS = -1, -9, -14, -22, -38
CLONE_NEWUSER = 0x10000000

# A call, and its answers: by default; with --cap-add SYS_ADMIN; unconfined.  None: whatever the kernel says.
TABLE: dict[str, tuple[int | None, int | None, int | None]] = {
    "socket:1:1:0": (3, 3, 3),
    "getpid": (None, None, None),
    "keyctl:99": (EPERM, EPERM, None),
    "add_key:0:0:0:0:0": (EPERM, EPERM, None),
    "request_key:0:0:0:0": (EPERM, EPERM, None),
    "bpf:9999:_:8": (EPERM, EINVAL, None),
    "unshare:0": (EPERM, 0, 0),
    "setns:100:0": (EPERM, EBADF, EBADF),
    "mount:1:1:1:0:0": (EPERM, EFAULT, None),
    "fsopen:1:0": (EPERM, EFAULT, None),  # CVE-2022-0185's
    "clone3:0:0": (ENOSYS, EINVAL, EINVAL),
    f"clone:{CLONE_NEWUSER | 0x00010000}": (EPERM, EINVAL, EINVAL),  # CLONE_THREAD alone is invalid
    "clone:0x00010000": (EINVAL, EINVAL, EINVAL),
    "userfaultfd:0xffff": (EPERM, EPERM, EINVAL),
    "perf_event_open:1:0:0:100:0": (EPERM, None, None),
    "io_uring_setup:1:1": (EPERM, EPERM, None),
    "kexec_load:0:0:0:0": (EPERM, EPERM, None),
    "swapon:1:0": (EPERM, EPERM, None),
    "pivot_root:1:1": (EPERM, EPERM, None),
    "open_by_handle_at:100:_:0": (EPERM, EPERM, None),
    "ptrace:9999:999999": (-3, -3, -3),  # ESRCH: it is allowed
    "chroot:1": (EFAULT, EFAULT, EFAULT),
    "personality:0xffffffff": (0, 0, 0),
    "personality:8": (0, 0, 0),
    "personality:0x40000": (EPERM, EPERM, 8),  # ADDR_NO_RANDOMIZE
    "socket:40:1:0": (EPERM, EPERM, None),  # AF_VSOCK
    "socket:38:5:0": (EPERM, EPERM, None),  # AF_ALG
    f"socket:{1 << 32 | 40}:1:0": (EPERM, EPERM, None),  # ... in the half that the kernel looks at
    f"socket:{1 << 32 | 38}:5:0": (EPERM, EPERM, None),  # CVE-2026-31431's, CVE-2026-123876's idea
    "socket:37:99:0": (None, None, None),
    f"socket:{1 << 32 | 2}:99:0": (EINVAL, EINVAL, EINVAL),
    "socket:2:99:0": (EINVAL, EINVAL, EINVAL),
    "999": (ENOSYS, ENOSYS, ENOSYS),
    f"unshare:{CLONE_NEWUSER}": (EPERM, None, None),  # the last: it changes what the process may
}


@pytest.fixture(scope="module")
def image(installed: Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A folder with the program of tests/calls.py, to be mounted."""
    require_libseccomp()
    folder = tmp_path_factory.mktemp("calls")
    folder.chmod(0o755)
    build(str(folder))
    yield str(folder)
    shutil.rmtree(folder)


def answers(mc: Runner, image: str, *options: str) -> dict[str, int]:
    """What the kernel answers to the table's calls."""
    shown = mc.ok(*RUN, "-v", f"{image}:/calls:ro", *options, "busybox", "/calls/calls", *words(*TABLE))
    return dict(zip(TABLE, map(int, shown.split()), strict=True))


@pytest.mark.parametrize(
    ("options", "column"),
    [
        ((), 0),
        (("-u", "7"), 0),
        (("--security-opt", "no-new-privileges"), 0),
        (("--init",), 0),
        (("--cap-add", "SYS_ADMIN"), 1),
        (("--security-opt", "seccomp=unconfined"), 2),
    ],
)
def test_what_the_kernel_answers(mc: Runner, image: str, options: tuple[str, ...], column: int) -> None:
    found = answers(mc, image, *options)
    expected = {call: row[column] for call, row in TABLE.items() if row[column] is not None}
    if options == ("-u", "7"):
        expected["chroot:1"] = EPERM if found["chroot:1"] == EPERM else EFAULT
    assert {call: found[call] for call in expected} == expected


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ((), "2"),
        (("--security-opt", "seccomp=builtin"), "2"),
        (("--privileged",), "0"),
        (("--security-opt", "seccomp=unconfined"), "0"),
        (("--security-opt", "seccomp:unconfined"), "0"),
    ],
)
def test_who_is_confined(mc: Runner, options: tuple[str, ...], mode: str) -> None:
    assert mc.ok(*RUN, *options, *STATUS) == f"NoNewPrivs:\t0\nSeccomp:\t{mode}"


def test_exec_is_confined(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sleep", "1000")
    line = ("grep", "^Seccomp:", "/proc/self/status")
    assert mc.ok("exec", container, *line) == "Seccomp:\t2"
    assert mc.ok("exec", "-u", "7", container, *line) == "Seccomp:\t2"
    assert mc.ok("exec", "--privileged", container, *line) == "Seccomp:\t2"


def test_a_profile_of_ones_own(mc: Runner, image: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    rules = [
        {"name": "swapon", "action": "SCMP_ACT_ERRNO", "errnoRet": 95},
        {"names": ["getpid"], "action": "SCMP_ACT_ERRNO", "excludes": {"caps": ["CAP_NET_ADMIN"]}},
    ]
    path.write_text(json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules}, indent=4))
    line = ("-v", f"{image}:/calls:ro", "--security-opt", f"seccomp={path}")
    calls = ("busybox", "/calls/calls", *words("swapon:1", "getpid"))
    assert mc.ok(*RUN, *line, *calls).split() == ["-95", "-1"]
    assert mc.ok(*RUN, *line, "--cap-add", "NET_ADMIN", *calls).split() == ["-95", "1"]
    assert mc.ok(*RUN, *line, "--privileged", *calls).split() == ["-95", "1"]


def test_the_profile_is_kept_and_shown(mc: Runner, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text('{\n"defaultAction": "SCMP_ACT_LOG"\n}')
    container = mc.ok("run", "-d", "--network", "none", "--security-opt", f"seccomp={path}", *STATUS)
    path.unlink()
    (shown,) = json.loads(mc.ok("inspect", container))[0]["HostConfig"]["SecurityOpt"]
    assert json.loads(shown.removeprefix("seccomp=")) == {"defaultAction": "SCMP_ACT_LOG"}


def test_a_profile_that_the_runtime_refuses(mc: Runner, tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text('{"defaultAction": "SCMP_ACT_NONSENSE"}')
    refused = mc(*RUN, "--security-opt", f"seccomp={path}", "busybox", "true")
    assert refused.code == 125
    assert "linux.seccomp.defaultAction: unknown action 'SCMP_ACT_NONSENSE'" in refused.err
