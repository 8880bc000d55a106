"""What docker and podman do alike, with minicontainer-runtime and with the references."""

from __future__ import annotations

import pytest

from tests.engines import engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.engines.engine import Engine

DOCKER = pytest.mark.needs("command:dockerd", "command:docker", "command:containerd-shim-runc-v2")
PODMAN = pytest.mark.needs("command:podman", "command:conmon")
ENGINES = [
    *(pytest.param("docker", name, marks=DOCKER) for name in ("minicontainer", "runc")),
    *(pytest.param("podman", name, marks=PODMAN) for name in ("minicontainer", "runc", "crun")),
]
pytestmark = pytest.mark.parametrize(("client", "runtime"), ENGINES, indirect=True)


@pytest.fixture
def client(request: pytest.FixtureRequest, runtime: str) -> Engine:
    """One of the engines, with one of the runtimes."""
    found: Engine = request.getfixturevalue(request.param)
    return found


# -- run


def test_run_gives_output_and_removes(client: Engine) -> None:
    ran = client.run("--rm", "--name", "gone", "busybox", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (ran.code, ran.out, ran.err) == (7, "out\n", "err\n")
    assert client.ok("ps", "-aq", "--filter", "name=gone") == ""


@pytest.mark.parametrize(
    ("program", "code"), [("nosuch", 127), ("/nosuch", 127), ("/etc", 126), ("/etc/passwd", 126)]
)
def test_run_of_what_cannot_run(client: Engine, program: str, code: int) -> None:
    ran = client.run("--rm", "busybox", program)
    assert ran.code == code, ran
    assert program in ran.err


def test_run_reads_standard_input(client: Engine) -> None:
    ran = client.run("-i", "--rm", "busybox", "cat", given="one\ntwo\n")
    assert (ran.code, ran.out) == (0, "one\ntwo\n")


def test_run_on_a_terminal(client: Engine) -> None:
    words = client.words("-it", "--rm", "busybox", "sh", "-c", engine.TERMINAL)
    code, shown = client.terminal(*words, dialogue=engine.TERMINAL_DIALOGUE, rows=33, columns=101)
    assert code == 5, shown
    assert "/dev/pts/0" in shown
    assert "33 101" in shown
    assert "got hello" in shown


# -- exec


def test_exec(client: Engine) -> None:
    box = client.start_one("busybox", "sleep", "100")
    assert client.ok("exec", box, "echo", "hello") == "hello"
    assert client("exec", box, "sh", "-c", "exit 9").code == 9
    asked = client.ok("exec", "-u", "1000", "-w", "/tmp", "-e", "A=b", box, "sh", "-c", "id -u; pwd; echo $A")
    assert asked.split() == ["1000", "/tmp", "b"]
    assert client.ok("exec", "-i", box, "cat", given="in") == "in"
    namespaces = client.ok("exec", box, "sh", "-c", "readlink /proc/self/ns/pid; readlink /proc/1/ns/pid")
    assert len(set(namespaces.split())) == 1


def test_exec_on_a_terminal(client: Engine) -> None:
    box = client.start_one("busybox", "sleep", "100")
    words = ("exec", "-it", box, "sh", "-c", engine.SHORT_TERMINAL)
    code, shown = client.terminal(*words, dialogue=engine.SHORT_DIALOGUE, rows=20, columns=70)
    assert code == 4, shown
    assert "/dev/pts/" in shown
    assert "20 70" in shown


def test_exec_detached(client: Engine) -> None:
    box = client.start_one("busybox", "sleep", "100")
    client.ok("exec", "-d", box, "sh", "-c", "echo x >/made")
    engine.until(lambda: client("exec", box, "test", "-s", "/made").code == 0, "the file is made")


# -- stop, kill, pause, restart


def test_stop_is_a_signal_that_the_program_can_obey(client: Engine) -> None:
    box = client.start_one("busybox", "sh", "-c", engine.TRAPS)
    engine.until(lambda: "ready" in client.ok("logs", box), "the program is ready")
    client.ok("stop", "-t", "20", box)
    state = client.inspect(box)["State"]
    assert (state["Status"], state["ExitCode"], state["Running"]) == ("exited", 3, False)


def test_kill_and_start_again(client: Engine) -> None:
    box = client.start_one("busybox", "sleep", "100")
    client.ok("kill", box)
    assert client.ok("wait", box) == "137"
    assert client("kill", box).code != 0
    client.ok("start", box)
    assert client.inspect(box)["State"]["Running"]
    before = client.pid(box)
    client.ok("restart", "-t", "0", box)
    assert client.pid(box) != before


def test_pause_and_unpause(client: Engine) -> None:
    box = client.start_one("busybox", "sleep", "100")
    client.ok("pause", box)
    assert client.inspect(box)["State"]["Status"] == "paused"
    client.ok("unpause", box)
    assert client.inspect(box)["State"]["Status"] == "running"


# -- limits


@pytest.mark.needs("controller:memory", "controller:pids", "controller:cpu")
def test_limits(client: Engine) -> None:
    box = client.start_one("-m", "64m", "--pids-limit", "20", "--cpus", "0.5", "busybox", "sleep", "100")
    pid = client.pid(box)
    assert engine.memory_limit(pid) == 64 << 20
    assert engine.control(pid, "pids", "pids.max", "pids.max") == "20"
    assert engine.control(pid, "cpu", "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
