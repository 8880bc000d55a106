"""podman --runtime minicontainer-runtime; the same cases with runc and crun.

What docker does too is in test_contract.py.
"""

from __future__ import annotations

import os

import pytest

from tests import needs
from tests.engines import engine
from tests.engines.podman import Podman

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.needs("command:podman", "command:conmon")]
every = pytest.mark.parametrize("runtime", ["minicontainer", "runc", "crun"], indirect=True)


def test_it_is_ours(podman: Podman) -> None:
    box = podman.start_one("busybox", "sleep", "100")
    assert podman.inspect(box)["OCIRuntime"] == engine.ours()
    said = engine.state_by(engine.ours(), "/run/minicontainer-runtime", box)
    assert (said["status"], said["pid"]) == ("running", podman.pid(box))


def test_nothing_is_left(podman: Podman) -> None:
    box = podman.start_one("-m", "32m", "busybox", "sleep", "100")
    pid = podman.pid(box)
    podman.ok("rm", "-f", "-t", "0", box)
    assert not os.path.exists(f"/proc/{pid}")
    assert not os.path.exists(f"/run/minicontainer-runtime/{box}")
    assert not any(box in group for group in engine.groups(podman.parent))


@every
def test_exec_of_what_is_missing(podman: Podman) -> None:
    box = podman.start_one("busybox", "sleep", "100")
    assert podman("exec", box, "nosuch").code == 127


@every
@pytest.mark.needs("controller:memory")
def test_update(podman: Podman) -> None:
    if podman("update", "--help").code:
        pytest.skip("podman before 4.3 has no update")
    box = podman.start_one("-m", "64m", "busybox", "sleep", "100")
    podman.ok("update", "-m", "100m", box)
    assert engine.memory_limit(podman.pid(box)) == 100 << 20


@every
def test_ps_top_stats_and_logs(podman: Podman) -> None:
    box = podman.start_one("-m", "64m", "busybox", "sh", "-c", "echo out; sleep 100; true")
    assert podman.ok("ps", "-q", "--no-trunc") == box
    engine.until(lambda: podman.ok("logs", box) == "out", "the log")
    engine.until(lambda: "\nsleep 100" in podman.ok("top", box, "args"), "ps shows the child")
    shown = podman.ok("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}}", box)
    assert "/ 67.11MB" in shown
    assert shown.endswith(" 2")


@every
def test_healthcheck(podman: Podman) -> None:
    box = podman.start_one(
        "--health-cmd",
        "test -e /well",
        "--health-retries",
        "1",
        "--health-interval",
        "disable",
        "busybox",
        "sleep",
        "100",
    )
    assert podman("healthcheck", "run", box).code == 1
    podman.ok("exec", box, "touch", "/well")
    podman.ok("healthcheck", "run", box)


@every
def test_files(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("host\n")
    script = "cat /one; touch /x; echo t >/t/t && cat /t/t; echo y >/bind/new"
    ran = podman.run(
        "--name",
        "files",
        "--read-only",
        "--read-only-tmpfs=false",
        "--tmpfs",
        "/t",
        "-v",
        f"{tmp_path}:/bind",
        "-v",
        f"{tmp_path}/file:/one:ro",
        "busybox",
        "sh",
        "-c",
        script,
    )
    assert ran.out == "host\nt\n"
    assert "/x: Read-only" in ran.err
    assert (tmp_path / "new").read_text() == "y\n"
    box = podman.start_one("busybox", "sh", "-c", "echo made >/made; sleep 100")
    engine.until(lambda: podman("exec", box, "test", "-s", "/made").code == 0, "the file is made")
    podman.ok("cp", f"{box}:/made", str(tmp_path / "made"))
    assert (tmp_path / "made").read_text() == "made\n"
    image = podman.ok("commit", "-q", box)
    assert podman.run("--rm", image, "cat", "/made").out == "made\n"
    podman.clear()
    podman.ok("rmi", image)


@every
def test_capabilities_user_and_privileged(podman: Podman) -> None:
    ran = podman.run(
        "--rm",
        "--cap-drop=all",
        "--cap-add=chown",
        "-u",
        "0",
        "busybox",
        "grep",
        "-E",
        "CapEff|Seccomp:",
        "/proc/self/status",
    )
    assert ran.out.split() == ["CapEff:", "0000000000000001", "Seccomp:", "2"]
    assert podman.run("--rm", "-u", "1000:1001", "busybox", "id", "-g").out == "1001\n"
    free = podman.run(
        "--rm", "--privileged", "busybox", "sh", "-c", "mkdir /m && mount -t tmpfs none /m && echo yes"
    )
    lacking = needs.lacks("capability:sys_resource")
    if podman.runtime != engine.ours() and free.code and lacking:
        pytest.skip(f"{podman.runtime} refuses capabilities that it lacks itself: {lacking}")
    assert free.out == "yes\n", free


@every
def test_host_network(podman: Podman) -> None:
    ran = podman.run("--rm", "--network=host", "busybox", "readlink", "/proc/self/ns/net")
    assert ran.out.strip() == os.readlink("/proc/self/ns/net"), ran


@every
def test_pod(podman: Podman) -> None:
    pod = podman.ok(
        "pod",
        "create",
        "--network",
        "none",
        "--infra-image",
        "busybox",
        "--infra-command",
        "sleep 100",
        f"--cgroup-parent=/{podman.parent}",
    )
    first = podman.start_one(f"--pod={pod}", "busybox", "sleep", "100")
    second = podman.start_one(f"--pod={pod}", "busybox", "sleep", "100")
    namespaces = {podman.ok("exec", box, "readlink", "/proc/1/ns/net") for box in (first, second)}
    assert len(namespaces) == 1
    podman.ok("pod", "stop", "-t", "0", pod)
    assert podman.inspect(first)["State"]["Status"] == "exited"
