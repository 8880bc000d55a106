"""The life of a container: states and who may do what in which."""

from __future__ import annotations

import json
import os
import signal

import pytest

from minicontainer.errors import CommandNotFound, Conflict, InvalidConfig, NotFound
from minicontainer.libcontainer import sync
from minicontainer.libcontainer.container import Container
from tests.kernel.libcontainer.containers import dies_of, wait_until
from tests.kernel.linux.child import in_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers


def test_from_nothing_to_nothing(containers: Containers, bundle: Bundle) -> None:
    bundle.script("touch /ran")
    container = containers.create(bundle)
    assert container.status() == "created"
    assert not os.path.exists(f"{bundle.rootfs}/ran")
    container.start()
    assert container.wait() == 0
    assert os.path.exists(f"{bundle.rootfs}/ran")
    assert container.status() == "stopped"
    container.delete()
    with pytest.raises(NotFound):
        Container.load(container.record.id, containers.root)


@pytest.mark.parametrize(("script", "code"), [("true", 0), ("exit 42", 42), ("exit 255", 255)])
def test_the_exit_code_is_the_program_s(
    containers: Containers, bundle: Bundle, script: str, code: int
) -> None:
    assert containers.run(bundle, script).code == code


def test_a_signal_is_128_and_its_number(containers: Containers, bundle: Bundle) -> None:
    assert dies_of(containers.sleeping(bundle)) == 137


def test_init_has_no_default_action_for_sigterm(containers: Containers, bundle: Bundle) -> None:
    """pid_namespaces(7): only what PID 1 has a handler for reaches it."""
    container = containers.sleeping(bundle)
    container.kill(signal.SIGTERM)
    assert container.status() == "running"
    assert dies_of(container) == 137


def test_the_program_handles_its_signals(containers: Containers, bundle: Bundle) -> None:
    bundle.script("trap 'exit 7' TERM; touch /ready; while :; do sleep 0.01; done")
    container = containers.start(bundle)
    wait_until(lambda: os.path.exists(f"{bundle.rootfs}/ready"))
    assert dies_of(container, signal.SIGTERM) == 7


def test_state_is_the_specification_s(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"annotations": {"org.example.key": "value"}})
    bundle.program("/bin/sleep", "1000")
    container = containers.create(bundle)
    state = container.state()
    assert (state.id, state.status, state.bundle) == (container.record.id, "created", bundle.path)
    assert state.annotations == {"org.example.key": "value"}
    assert state.oci_version
    assert os.readlink(f"/proc/{state.pid}/ns/pid") != os.readlink("/proc/self/ns/pid")
    container.start()
    with open(f"/proc/{state.pid}/cmdline") as file:
        assert file.read() == "/bin/sleep\x001000\0"
    assert container.state().status == "running"
    dies_of(container)
    assert (container.state().status, container.state().pid) == ("stopped", 0)


def test_another_process_finds_it_by_its_id(containers: Containers, bundle: Bundle) -> None:
    bundle.program("/bin/sleep", "1000")
    container = containers.create(bundle)
    name, root = container.record.id, containers.root

    def elsewhere() -> list[str]:
        found = Container.load(name, root)
        first = found.status()
        found.start()
        second = found.status()
        found.kill(signal.SIGKILL)
        wait_until(lambda: found.status() == "stopped")
        found.delete()
        return [first, second]

    assert in_child(elsewhere) == ["created", "running"]
    assert container.wait() == 137
    assert os.listdir(root) == []


def test_a_process_of_the_same_number_is_not_the_container(containers: Containers, bundle: Bundle) -> None:
    container = containers.sleeping(bundle)
    path = f"{container.folder}/state.json"
    with open(path) as file:
        record = json.load(file)
    with open(path, "w") as file:
        json.dump({**record, "startTime": record["startTime"] + 1}, file)
    impostor = Container.load(container.record.id, containers.root)
    assert impostor.status() == "stopped"
    with pytest.raises(Conflict, match=r"cannot kill container .* stopped"):
        impostor.kill(signal.SIGKILL)
    assert container.status() == "running"


@pytest.mark.parametrize("status", ["created", "running", "paused", "stopped"])
@pytest.mark.parametrize("operation", ["start", "pause", "resume", "kill", "delete", "exec"])
def test_what_is_allowed_in_which_state(
    containers: Containers, bundle: Bundle, status: str, operation: str
) -> None:
    allowed = {
        "start": {"created"},
        "exec": {"created", "running"},
        "pause": {"created", "running"},
        "resume": {"paused"},
        "kill": {"created", "running", "paused"},
        "delete": {"stopped"},
    }
    bundle.program("/bin/sleep", "1000")
    container = containers.create(bundle)
    if status != "created":
        container.start()
    if status == "paused":
        container.pause()
    if status == "stopped":
        dies_of(container)
    assert container.status() == status
    if status in allowed[operation]:
        operate(containers, container, operation)
    else:
        with pytest.raises(Conflict, match=f"cannot {operation} container .*: it is {status}"):
            operate(containers, container, operation)
        assert container.status() == status


def operate(containers: Containers, container: Container, operation: str) -> None:
    if operation == "kill":
        container.kill(signal.SIGKILL)
    elif operation == "exec":
        assert containers.exec(container, {"cwd": "/", "args": ["/bin/true"]}).code == 0
    else:
        getattr(container, operation)()


@pytest.mark.parametrize("status", ["created", "running", "paused", "stopped"])
def test_a_forced_delete_works_in_every_state(containers: Containers, bundle: Bundle, status: str) -> None:
    bundle.script("sleep 1000 & sleep 1000")
    container = containers.create(bundle)
    if status != "created":
        container.start()
    if status == "paused":
        container.pause()
    if status == "stopped":
        dies_of(container)
    container.delete(force=True)
    assert os.listdir(containers.root) == []
    assert container.cgroup.pids() == []


def test_paused_processes_do_nothing(containers: Containers, bundle: Bundle) -> None:
    bundle.script("n=0; while :; do n=$((n+1)); echo $n > /count; done")
    container = containers.start(bundle)

    def count() -> str:
        try:
            with open(f"{bundle.rootfs}/count") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    wait_until(count)
    container.pause()
    before = count()
    ticks = processor_ticks(container.record.pid)
    assert container.status() == "paused"
    signal.sigtimedwait([], 0.05)
    assert count() == before
    assert processor_ticks(container.record.pid) == ticks
    container.resume()
    assert container.status() == "running"
    wait_until(lambda: count() not in (before, ""))


def processor_ticks(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[11]


def test_a_second_start_is_refused(containers: Containers, bundle: Bundle) -> None:
    container = containers.sleeping(bundle)
    with pytest.raises(Conflict, match=r"cannot start container .*: it is running"):
        container.start()
    assert container.status() == "running"


def test_a_program_that_is_over_and_deleted_before_start_has_returned(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle.program("/bin/true")
    container = containers.create(bundle)
    expect = sync.Channel.expect

    def delayed(channel: sync.Channel, *more: Any) -> Any:
        answer = expect(channel, *more)
        os.waitpid(container.record.pid, 0)
        Container.load(container.record.id, containers.root).delete()
        return answer

    monkeypatch.setattr(sync.Channel, "expect", delayed)
    container.start()
    with pytest.raises(NotFound):
        Container.load(container.record.id, containers.root)


def test_an_id_is_taken_once(containers: Containers, bundle: Bundle) -> None:
    first = containers.sleeping(bundle)
    with pytest.raises(Conflict, match="already in use"):
        containers.create(bundle, id=first.record.id)
    assert first.status() == "running"
    assert first.cgroup.pids() == [first.record.pid]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc"])
def test_an_id_is_the_name_of_a_folder(containers: Containers, bundle: Bundle, name: str) -> None:
    bundle.write()
    with pytest.raises(InvalidConfig, match="container id"):
        Container.create(name, bundle.path, containers.root)


def test_what_never_was_cannot_be_loaded(containers: Containers) -> None:
    with pytest.raises(NotFound, match="'nobody' does not exist"):
        Container.load("nobody", containers.root)


def test_an_execve_that_fails_reaches_start(containers: Containers, bundle: Bundle) -> None:
    with open(f"{bundle.rootfs}/script", "w") as file:
        file.write("#!/no/such/interpreter\n")
    os.chmod(f"{bundle.rootfs}/script", 0o755)
    bundle.program("/script")
    container = containers.create(bundle)
    with pytest.raises(CommandNotFound, match="interpreter or loader is missing") as caught:
        container.start()
    assert caught.value.step is not None
    assert caught.value.step["man"] == "execve(2)"
    container.wait()
    assert container.status() == "stopped"


def test_init_that_was_killed_while_it_waits(containers: Containers, bundle: Bundle) -> None:
    container = containers.create(bundle)
    assert dies_of(container) == 137
    with pytest.raises(Conflict, match=r"cannot start container .*: it is stopped"):
        container.start()


def test_many_at_once(containers: Containers, bundle: Bundle) -> None:
    bundle.script("exit 3")
    made = [containers.create(bundle) for _ in range(5)]
    for container in made:
        container.start()
    assert [container.wait() for container in made] == [3] * 5


def test_processes_that_outlive_init_without_a_pid_namespace(containers: Containers, bundle: Bundle) -> None:
    bundle.without_namespace("pid")
    bundle.script("sleep 1000 & echo $! > /pid")
    container = containers.start(bundle)
    assert container.wait() == 0
    with open(f"{bundle.rootfs}/pid") as file:
        left = int(file.read())
    assert container.cgroup.pids() == [left]
    container.delete()
    wait_until(lambda: not os.path.exists(f"/proc/{left}"))
