"""SCMP_ACT_NOTIFY: an agent outside the container answers for it (seccomp_unotify(2))."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests import agent
from tests.calls import build, require_libseccomp, words
from tests.kernel.libcontainer.containers import wait_until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers

pytestmark = pytest.mark.needs("mount namespace")


class Agent:
    """tests/agent.py as a process."""

    def __init__(self, folder: str) -> None:
        self.path = f"{folder}/agent.sock"
        self.output = f"{folder}/agent.json"
        self.process = subprocess.Popen(
            [sys.executable, agent.__file__, self.path, self.output], stderr=subprocess.PIPE
        )
        wait_until(lambda: os.path.exists(self.path))

    def heard(self, count: int) -> list[dict[str, Any]]:
        """What came with the first listeners."""
        wait_until(lambda: os.path.exists(self.output) and len(self._lines()) >= count)
        return [json.loads(line) for line in self._lines()]

    def _lines(self) -> list[str]:
        with open(self.output) as file:
            return file.readlines()

    def close(self) -> bytes:
        self.process.kill()
        return self.process.communicate()[1]


@pytest.fixture
def bundle(bundle: Bundle, tmp_path: Path) -> Bundle:
    require_libseccomp()
    shutil.copy(build(str(tmp_path)), f"{bundle.rootfs}/bin/calls")
    return bundle


@pytest.fixture
def seccomp_agent(bundle: Bundle, tmp_path: Path) -> Iterator[Agent]:
    """An agent, and a bundle that asks it about close of 100 and more."""
    started = Agent(str(tmp_path))
    ask(bundle, started.path, "close")
    yield started
    assert started.close() == b""


def ask(bundle: Bundle, path: str, *names: str, least: int = 100) -> None:
    test = {"index": 0, "value": least, "op": "SCMP_CMP_GE"}
    rule = {"names": list(names), "action": "SCMP_ACT_NOTIFY", "args": [test]}
    bundle.change(
        {
            "linux.seccomp": {
                "defaultAction": "SCMP_ACT_ALLOW",
                "listenerPath": path,
                "listenerMetadata": "about it",
                "syscalls": [rule],
            },
            "annotations": {"one": "two"},
        }
    )


@pytest.mark.parametrize("no_new_privileges", [True, False])
@pytest.mark.parametrize("small_init", [True, False])
def test_the_agent_answers(
    containers: Containers, bundle: Bundle, seccomp_agent: Agent, no_new_privileges: bool, small_init: bool
) -> None:
    bundle.change({"process.noNewPrivileges": no_new_privileges})
    if small_init:
        bundle.config["annotations"]["io.minicontainer.init"] = "true"
    bundle.program("/bin/calls", *words("close:150", "close:99"))
    outcome = containers.run(bundle)
    assert outcome.out == "4150\n-9\n"


def test_what_the_agent_is_told(containers: Containers, bundle: Bundle, seccomp_agent: Agent) -> None:
    container = containers.sleeping(bundle)
    (heard,) = seccomp_agent.heard(1)
    pid = container.record.pid
    assert heard["descriptors"] == 1
    message = heard["message"]
    state = message.pop("state")
    version = message.pop("ociVersion")
    assert message == {"fds": ["seccompFd"], "pid": pid, "metadata": "about it"}
    assert state == {
        "ociVersion": version,
        "id": container.record.id,
        "status": "creating",
        "pid": pid,
        "bundle": bundle.path,
        "annotations": {"one": "two"},
    }


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_exec_has_a_listener_of_its_own(
    containers: Containers, bundle: Bundle, seccomp_agent: Agent, no_new_privileges: bool
) -> None:
    container = containers.sleeping(bundle)
    process = {
        "cwd": "/",
        "args": ["/bin/calls", *words("close:160")],
        "noNewPrivileges": no_new_privileges,
    }
    assert containers.exec(container, process).out == "4160\n"
    first, second = (heard["message"] for heard in seccomp_agent.heard(2))
    assert (first["state"]["status"], second["state"]["status"]) == ("creating", "running")
    assert second["state"]["pid"] == container.record.pid != second["pid"]


def test_exec_without_an_agent_runs_nothing(
    containers: Containers, bundle: Bundle, seccomp_agent: Agent
) -> None:
    container = containers.sleeping(bundle)
    os.unlink(seccomp_agent.path)
    with pytest.raises(FileNotFoundError, match="seccomp agent"):
        containers.exec(container, {"cwd": "/", "args": ["/bin/true"], "env": []})


def test_without_an_agent_nothing_is_made(containers: Containers, bundle: Bundle, tmp_path: Path) -> None:
    ask(bundle, str(tmp_path / "nobody.sock"), "close")
    with pytest.raises(FileNotFoundError, match="seccomp agent"):
        containers.create(bundle)


def test_calls_of_the_runtime_itself_may_be_asked_about(
    containers: Containers, bundle: Bundle, seccomp_agent: Agent
) -> None:
    """All of the runtime's last calls but write, which tells of the listener."""
    ask(bundle, seccomp_agent.path, "recvmsg", "sendmsg", "close", "execve", "accept4", "capset", least=0)
    bundle.program("/bin/calls", *words("close:150"))
    assert containers.run(bundle).out == "4150\n"
