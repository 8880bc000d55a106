"""dockerd with minicontainer-runtime as its default runtime; the same cases with runc.

What podman does too is in test_contract.py.
"""

from __future__ import annotations

import os
import time

import pytest

from tests import needs
from tests.engines import engine
from tests.engines.docker import Docker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.needs("command:dockerd", "command:docker", "command:containerd-shim-runc-v2")]
both = pytest.mark.parametrize("runtime", ["minicontainer", "runc"], indirect=True)

DOCKERS_OWN = 0x00000000A80425FB  # the capabilities that docker gives: 14 of them


def lend_all(docker: Docker) -> None:
    """Skips for runc, where it cannot give what --privileged asks for."""
    lacking = needs.lacks("capability:sys_resource")
    if docker.runtime == "runc" and lacking:
        pytest.skip(f"runc refuses capabilities that it lacks itself: {lacking}")


def status(text: str) -> dict[str, str]:
    """/proc/PID/status as a table."""
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


# -- that it is this runtime


def test_the_default_runtime_is_ours(docker: Docker) -> None:
    ran = docker("run", "-d", "--network=none", "busybox", "sleep", "100")
    assert ran.code == 0, ran
    container = ran.out.strip()
    assert docker.inspect(container)["HostConfig"]["Runtime"] == "minicontainer"
    said = engine.state_by(engine.ours(), docker.states, container)
    assert (said["id"], said["status"], said["pid"]) == (container, "running", docker.pid(container))
    with open(f"{docker.states}/{container}/state.json") as file:
        assert "startTime" in file.read(), "not a record of ours"


def test_nothing_is_left(docker: Docker) -> None:
    container = docker.start_one("-m", "32m", "busybox", "sleep", "100")
    pid = docker.pid(container)
    assert any(container in group for group in engine.groups(docker.parent))
    docker.ok("rm", "-f", container)
    assert not os.path.exists(f"/proc/{pid}")
    assert not os.path.exists(f"{docker.states}/{container}")
    assert not any(container in group for group in engine.groups(docker.parent))


# -- run


def test_the_reason_reaches_the_user(docker: Docker) -> None:
    ran = docker.run("-w", "/etc/passwd", "busybox", "true")
    assert ran.code != 0
    assert "process.cwd" in ran.err or "/etc/passwd" in ran.err


@both
def test_environment_user_folder_and_name(docker: Docker) -> None:
    ran = docker.run(
        "--rm",
        "-e",
        "A=b c",
        "-u",
        "1000:1001",
        "--group-add",
        "7",
        "-w",
        "/tmp",
        "-h",
        "box",
        "busybox",
        "sh",
        "-c",
        "id -u; id -g; id -G; pwd; echo $A; hostname",
    )
    assert ran.code == 0, ran
    user, group, every, *rest = ran.out.splitlines()
    assert (user, group, set(every.split())) == ("1000", "1001", {"1001", "7"})
    assert rest == ["/tmp", "b c", "box"]


@both
def test_init_reaps(docker: Docker) -> None:
    ran = docker.run("--rm", "--init", "busybox", "sh", "-c", "echo $$; cat /proc/1/comm")
    assert ran.code == 0, ran
    own, first = ran.out.split()
    assert own != "1"
    assert first == "docker-init"[:15]


# -- exec


@both
def test_exec_of_what_cannot_run(docker: Docker) -> None:
    box = docker.start_one("busybox", "sleep", "100")
    missing = docker("exec", box, "nosuch")
    assert missing.code in (126, 127), missing  # dockerd before 23 says 126 for it
    assert "executable file not found" in missing.out + missing.err
    assert docker("exec", box, "/etc").code == 126


@both
def test_exec_is_confined_as_the_container_is(docker: Docker) -> None:
    box = docker.start_one("--cap-drop=all", "busybox", "sleep", "100")
    found = status(docker.ok("exec", box, "cat", "/proc/self/status"))
    assert int(found["CapEff"], 16) == 0
    assert found["Seccomp"] == "2"
    lend_all(docker)
    every = status(docker.ok("exec", "--privileged", box, "cat", "/proc/self/status"))
    assert int(every["CapEff"], 16) & DOCKERS_OWN == DOCKERS_OWN


# -- stop, kill, pause, restart


@both
def test_kill_of_what_has_ended(docker: Docker) -> None:
    box = docker.start_one("busybox", "true")
    docker.ok("wait", box)
    assert docker("kill", box).code == 1


@both
def test_stop_kills_in_the_end(docker: Docker) -> None:
    box = docker.start_one("busybox", "sleep", "100")
    docker.ok("stop", "-t", "1", box)
    assert docker.inspect(box)["State"]["ExitCode"] == 137


@both
def test_a_signal_of_ones_choice(docker: Docker) -> None:
    box = docker.start_one(
        "busybox", "sh", "-c", 'trap "echo one" USR1; echo ready; while :; do sleep 0.05; done'
    )
    engine.until(lambda: "ready" in docker.ok("logs", box), "the program is ready")
    docker.ok("kill", "-s", "USR1", box)
    engine.until(lambda: "one" in docker.ok("logs", box), "the signal has come")


@both
def test_pause_and_unpause(docker: Docker) -> None:
    box = docker.start_one("busybox", "sh", "-c", "while :; do echo x; sleep 0.05; done")
    docker.ok("pause", box)
    assert docker.inspect(box)["State"]["Status"] == "paused"
    if docker.runtime == "minicontainer":
        assert engine.state_by(engine.ours(), docker.states, box)["status"] == "paused"
    # What it had written before may still be on its way to the log.
    engine.until(lambda: logged_nothing(docker, box), "nothing more is written")
    before = docker.ok("logs", box)
    docker.ok("unpause", box)
    engine.until(lambda: docker.ok("logs", box) != before, "it goes on")


def logged_nothing(docker: Docker, box: str) -> bool:
    """Whether a whole second adds nothing to the log."""
    before = docker.ok("logs", box)
    time.sleep(1)
    return docker.ok("logs", box) == before


@both
def test_restart_policy(docker: Docker) -> None:
    box = docker.start_one("--restart", "on-failure:2", "busybox", "sh", "-c", "echo r; exit 3")

    def ended() -> bool:
        found = docker.inspect(box)
        return bool(found["RestartCount"] == 2 and found["State"]["Status"] == "exited")

    engine.until(ended, "two restarts are over")
    engine.until(lambda: docker.ok("logs", box).split() == ["r", "r", "r"], "each run is in the log")


@both
def test_healthcheck(docker: Docker) -> None:
    box = docker.start_one(
        "--health-cmd",
        "test -e /well",
        "--health-interval",
        "0.3s",
        "--health-retries",
        "1",
        "busybox",
        "sleep",
        "100",
    )

    def health() -> str:
        return str(docker.inspect(box)["State"]["Health"]["Status"])

    engine.until(lambda: health() == "unhealthy", "it is unhealthy")
    docker.ok("exec", box, "touch", "/well")
    engine.until(lambda: health() == "healthy", "it is healthy")


# -- limits


@both
@pytest.mark.needs("controller:memory")
def test_update(docker: Docker) -> None:
    box = docker.start_one("-m", "64m", "busybox", "sleep", "100")
    docker.ok("update", "-m", "100m", "--memory-swap", "-1", box)
    assert engine.memory_limit(docker.pid(box)) == 100 << 20
    inside = docker.ok(
        "exec",
        box,
        "sh",
        "-c",
        "cat /sys/fs/cgroup/memory/memory.limit_in_bytes || cat /sys/fs/cgroup/memory.max",
    )
    assert int(inside) == 100 << 20


@both
@pytest.mark.needs("controller:memory")
def test_out_of_memory_is_reported(docker: Docker) -> None:
    box = docker.ok(
        "create",
        f"--runtime={docker.runtime}",
        "--network=none",
        "-m",
        "16m",
        "--memory-swap",
        "16m",
        "busybox",
        "sh",
        "-c",
        "a=x; while :; do a=$a$a; done",
    )
    docker("start", "-a", box)
    assert docker.inspect(box)["State"]["ExitCode"] == 137
    # The daemon hears of the reason by another way than of the end.
    engine.until(lambda: docker.inspect(box)["State"]["OOMKilled"], "the reason is known")


def test_stats_and_top(docker: Docker) -> None:
    box = docker.start_one("-m", "64m", "busybox", "sh", "-c", "sleep 100; true")
    engine.until(lambda: docker.ok("top", box).count("sleep 100") == 2, "the shell has its child")
    shown = docker.ok("stats", "--no-stream", "--format", "{{.MemUsage}} {{.PIDs}} {{.BlockIO}}", box)
    assert "/ 64MiB" in shown
    assert " 2 " in shown
    assert shown.endswith("0B / 0B"), "the host's, not the container's"


# -- files


@both
def test_logs_cp_diff_and_commit(docker: Docker, tmp_path: Path) -> None:
    box = docker.start_one("busybox", "sh", "-c", "echo out; echo err >&2; echo made >/made; sleep 100")
    engine.until(lambda: docker("exec", box, "test", "-s", "/made").code == 0, "the file is made")
    logs = docker("logs", box)
    assert (logs.out, logs.err) == ("out\n", "err\n")
    docker.ok("cp", f"{box}:/made", str(tmp_path / "made"))
    assert (tmp_path / "made").read_text() == "made\n"
    (tmp_path / "sent").write_text("sent\n")
    docker.ok("cp", str(tmp_path / "sent"), f"{box}:/sent")
    assert docker.ok("exec", box, "cat", "/sent") == "sent"
    assert {"A /made", "A /sent"} <= set(docker.ok("diff", box).splitlines())
    image = docker.ok("commit", box)
    assert docker.run("--rm", image, "cat", "/made", "/sent").out == "made\nsent\n"
    docker.ok("rm", "-f", box)
    docker.ok("rmi", image)


@both
def test_volumes_and_binds(docker: Docker, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("host\n")
    script = "cat /one; echo x >/bind/new; echo v >/volume/v; echo x >/one"
    ran = docker.run(
        "--rm",
        "-v",
        f"{tmp_path}:/bind",
        "-v",
        f"{tmp_path}/file:/one:ro",
        "-v",
        "vol:/volume",
        "busybox",
        "sh",
        "-c",
        script,
    )
    assert ran.out == "host\n"
    assert "Read-only" in ran.err
    assert ran.code == 1
    assert (tmp_path / "new").read_text() == "x\n"
    assert docker.run("--rm", "-v", "vol:/v", "busybox", "cat", "/v/v").out == "v\n"
    docker.ok("volume", "rm", "vol")


@both
def test_read_only_and_tmpfs(docker: Docker) -> None:
    ran = docker.run(
        "--rm",
        "--read-only",
        "--tmpfs",
        "/t:size=1m",
        "--shm-size",
        "2m",
        "busybox",
        "sh",
        "-c",
        "touch /x; touch /t/x && grep -E ' /(t|dev/shm) ' /proc/mounts",
    )
    assert "/x: Read-only" in ran.err
    assert "size=1024k" in ran.out
    assert "size=2048k" in ran.out


# -- isolation


@both
def test_capabilities_and_seccomp(docker: Docker) -> None:
    usual = status(docker.run("--rm", "busybox", "cat", "/proc/self/status").out)
    assert int(usual["CapEff"], 16) == DOCKERS_OWN
    assert (usual["Seccomp"], usual["NoNewPrivs"]) == ("2", "0")
    one = status(
        docker.run(
            "--rm",
            "--cap-drop=all",
            "--cap-add=chown",
            "--security-opt=no-new-privileges",
            "busybox",
            "cat",
            "/proc/self/status",
        ).out
    )
    assert int(one["CapEff"], 16) == 1
    assert one["NoNewPrivs"] == "1"
    free = status(
        docker.run("--rm", "--security-opt=seccomp=unconfined", "busybox", "cat", "/proc/self/status").out
    )
    assert free["Seccomp"] == "0"
    # Docker's profile refuses unshare(2) of a user namespace, which the kernel would allow.
    assert docker.run("--rm", "busybox", "unshare", "-U", "true").code != 0


@both
def test_privileged(docker: Docker) -> None:
    lend_all(docker)
    ran = docker.run(
        "--rm",
        "--privileged",
        "busybox",
        "sh",
        "-c",
        "mkdir /m && mount -t tmpfs none /m && ls /dev | wc -l && cat /proc/self/status",
    )
    assert ran.code == 0, ran
    count, _, rest = ran.out.partition("\n")
    assert int(count) > 20
    assert status(rest)["Seccomp"] == "0"


@both
def test_devices_sysctls_and_limits(docker: Docker) -> None:
    ran = docker.run(
        "--rm",
        "--device",
        "/dev/kmsg:/dev/x:r",
        "--sysctl",
        "net.ipv4.ip_forward=1",
        "--ulimit",
        "core=5:6",
        "busybox",
        "sh",
        "-c",
        "test -c /dev/x && cat /proc/sys/net/ipv4/ip_forward && grep core /proc/self/limits",
    )
    assert ran.code == 0, ran
    assert ran.out.splitlines()[0] == "1"
    assert ran.out.splitlines()[1].split()[4:6] == ["5", "6"]


@both
@pytest.mark.parametrize("network", ["none", "host", "bridge"])
def test_networks(docker: Docker, network: str) -> None:
    ran = docker.run("--rm", f"--network={network}", "busybox", "ls", "/sys/class/net")
    if network == "bridge" and docker("network", "inspect", "bridge").code:
        pytest.skip("dockerd has no bridge here")
    assert ran.code == 0, ran
    found = set(ran.out.split())
    assert {"none": found == {"lo"}, "bridge": found == {"lo", "eth0"}, "host": "docker0" in found}[network]


@both
def test_namespaces_of_another_container(docker: Docker) -> None:
    first = docker.start_one("--ipc=shareable", "busybox", "sleep", "100")
    ran = docker.run(
        "--rm",
        f"--network=container:{first}",
        f"--pid=container:{first}",
        f"--ipc=container:{first}",
        "busybox",
        "sh",
        "-c",
        "cat /proc/1/cmdline; readlink /proc/self/ns/net; readlink /proc/1/ns/net",
    )
    assert ran.code == 0, ran
    assert ran.out.startswith("sleep\x00100\x00")
    mine, first_ones = ran.out.split("\0")[2].split()
    assert mine == first_ones


def test_attach_gives_what_comes_from_now_on(docker: Docker) -> None:
    box = docker.ok("create", f"--runtime={docker.runtime}", "--network=none", "-i", "busybox", "cat")
    ran = docker("start", "-ai", box, given="through\n")
    assert (ran.code, ran.out) == (0, "through\n")
