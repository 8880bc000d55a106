"""The operations of runtime.md and their states, and exec."""

from __future__ import annotations

import os

import pytest

from minicontainer.linux import namespaces
from tests.bundles import NAMESPACES, PATH
from tests.conformance.conftest import new_id
from tests.conformance.runtimes import Refused, await_end, ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.bundles import Bundle
    from tests.conformance.runtimes import Runtime


def test_create_start_kill_delete(runtime: Runtime, sleeper: Bundle) -> None:
    name = new_id()
    runtime.create(sleeper, name)
    state = runtime.state(name)
    assert (state["id"], state["status"], state["bundle"]) == (name, "created", sleeper.path)
    assert state["ociVersion"]
    assert os.path.isdir(f"/proc/{state['pid']}")
    assert not os.path.exists(f"{sleeper.rootfs}/ran")
    runtime.order("start", name)
    runtime.await_status(name, "running")
    runtime.order("kill", name, "KILL")
    runtime.await_status(name, "stopped")
    assert runtime.state(name).get("pid", 0) in (0, state["pid"])
    runtime.order("delete", name)
    with pytest.raises(Refused):
        runtime.state(name)


def test_annotations(runtime: Runtime, sleeper: Bundle) -> None:
    sleeper.change({"annotations": {"org.example.key": "value"}})
    name = new_id()
    runtime.create(sleeper, name)
    assert runtime.state(name)["annotations"]["org.example.key"] == "value"


def test_pause_and_resume(runtime: Runtime, sleeper: Bundle) -> None:
    name = new_id()
    runtime.create(sleeper, name)
    runtime.order("start", name)
    runtime.order("pause", name)
    if runtime.name == "crun":  # which does not wait until the kernel has stopped everything
        runtime.await_status(name, "paused")
    assert runtime.state(name)["status"] == "paused"
    runtime.order("resume", name)
    assert runtime.state(name)["status"] == "running"


def test_one_that_is_paused_before_its_start(runtime: Runtime, sleeper: Bundle) -> None:
    if runtime.name == "crun":
        pytest.skip("crun 1.8 calls it created, and starts it: it runs once it is resumed")
    name = new_id()
    runtime.create(sleeper, name)
    runtime.order("pause", name)
    assert runtime.state(name)["status"] == "paused"
    with pytest.raises(Refused):
        runtime.order("start", name)
    runtime.order("resume", name)
    assert runtime.state(name)["status"] == "created"
    runtime.order("start", name)
    assert runtime.state(name)["status"] == "running"


def test_what_a_state_forbids(runtime: Runtime, sleeper: Bundle) -> None:
    name = new_id()
    runtime.create(sleeper, name)
    with pytest.raises(Refused):
        runtime.create(sleeper, name)
    runtime.order("start", name)
    for verb in ("start", "delete"):
        with pytest.raises(Refused):
            runtime.order(verb, name)
    assert runtime.state(name)["status"] == "running"
    runtime.order("kill", name, "KILL")
    runtime.await_status(name, "stopped")
    for verb, words in (("start", []), ("pause", []), ("kill", ["TERM"])):
        with pytest.raises(Refused):
            runtime.order(verb, name, *words)


@pytest.mark.parametrize("verb", ["start", "kill", "delete", "pause", "resume"])
def test_a_container_that_never_was(runtime: Runtime, verb: str) -> None:
    with pytest.raises(Refused):
        runtime.order(verb, "nobody", *(["TERM"] if verb == "kill" else []))


@pytest.mark.parametrize("status", ["created", "running", "paused"])
def test_delete_by_force(runtime: Runtime, sleeper: Bundle, status: str) -> None:
    name = new_id()
    runtime.create(sleeper, name)
    pid = runtime.pid(name)
    if status != "created":
        runtime.order("start", name)
    if status == "paused":
        runtime.order("pause", name)
    runtime.order("delete", name, "--force")
    with pytest.raises(Refused):
        runtime.state(name)
    if runtime.name != "minicontainer":  # which waits for the end
        await_end(pid)
    assert ended(pid)


def process(*words: str, **more: Any) -> dict[str, Any]:
    return {"cwd": "/", "args": list(words), "env": [PATH], "user": {"uid": 0, "gid": 0}, **more}


def test_exec_is_inside(runtime: Runtime, running: str, bundle: Bundle) -> None:
    words = [f"readlink /proc/self/ns/{namespaces.FILES[kind]};" for kind in NAMESPACES]
    found = runtime.exec(running, process("sh", "-c", " ".join(words)), bundle.path)
    pid = runtime.pid(running)
    assert found.out.split() == [os.readlink(namespaces.path(pid, kind)) for kind in NAMESPACES]


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 9", 9), ("kill -9 $$", 137)])
def test_the_exit_code_of_exec(
    runtime: Runtime, running: str, bundle: Bundle, script: str, code: int
) -> None:
    assert runtime.exec(running, process("sh", "-c", script), bundle.path).code == code


def test_exec_has_its_own_user_folder_and_environment(runtime: Runtime, running: str, bundle: Bundle) -> None:
    script = "id -u; id -G; pwd; echo $NAME; grep NoNewPrivs /proc/self/status | cut -f2; ulimit -n"
    found = runtime.exec(
        running,
        process(
            "sh", "-c", script, cwd="/etc", env=[PATH, "NAME=value"], noNewPrivileges=True,
            user={"uid": 5, "gid": 6, "additionalGids": [7]},
            # One number: Go raises the soft limit to the hard one, and runc 1.1 may hand that on.
            rlimits=[{"type": "RLIMIT_NOFILE", "soft": 44, "hard": 44}],
        ),
        bundle.path,
    )  # fmt: skip
    assert found.out.split() == ["5", "6", "7", "/etc", "value", "1", "44"]


def test_exec_of_what_is_missing(runtime: Runtime, running: str, bundle: Bundle) -> None:
    found = runtime.exec(running, process("/no/such"), bundle.path)
    assert found.code != 0
    assert found.out == ""
    assert found.err
    assert runtime.state(running)["status"] == "running"


def test_exec_where_nothing_runs(runtime: Runtime, running: str, bundle: Bundle) -> None:
    runtime.order("kill", running, "KILL")
    runtime.await_status(running, "stopped")
    try:
        code = runtime.exec(running, process("true"), bundle.path).code
    except Refused:
        return
    assert code != 0
