"""One more process in a running container."""

from __future__ import annotations

import os
import signal

import pytest

from minicontainer.errors import CommandNotExecutable, CommandNotFound, InvalidConfig
from minicontainer.linux import capabilities, namespaces
from minicontainer.linux.process import wait
from tests.bundles import NAMESPACES
from tests.kernel.libcontainer.containers import open_files, wait_until
from tests.kernel.linux.child import status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.libcontainer.container import Container
    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers


def process(*words: str, **more: Any) -> dict[str, Any]:
    return {"cwd": "/", "args": list(words), "env": ["PATH=/bin"], **more}


def sleeping(container: Container, **more: Any) -> int:
    """A process that sleeps in the container: its pid here."""
    from minicontainer.oci.document import convert
    from minicontainer.oci.runtime import Process

    null = os.open("/dev/null", os.O_RDWR)
    try:
        return container.exec(
            convert(Process, process("sleep", "1000", **more), "process.json"), (null,) * 3
        ).pid
    finally:
        os.close(null)


def end(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    wait(pid)


def test_it_is_in_every_namespace_and_group_of_init(containers: Containers, bundle: Bundle) -> None:
    container = containers.sleeping(bundle)
    pid = sleeping(container)
    for kind in NAMESPACES:
        inner = os.readlink(namespaces.path(container.record.pid, kind))
        assert os.readlink(namespaces.path(pid, kind)) == inner, kind
    assert container.cgroup.pids() == sorted([container.record.pid, pid])
    with open(f"/proc/{pid}/cgroup") as one, open(f"/proc/{container.record.pid}/cgroup") as other:
        assert one.read() == other.read()
    assert os.readlink(f"/proc/{pid}/root") == "/"
    assert os.path.samefile(f"/proc/{pid}/root/", f"/proc/{container.record.pid}/root/")
    end(pid)


def test_we_stay_where_we_are(containers: Containers, bundle: Bundle) -> None:
    before = {kind: os.readlink(namespaces.path("self", kind)) for kind in NAMESPACES}
    containers.exec(containers.sleeping(bundle), process("true"))
    assert {kind: os.readlink(namespaces.path("self", kind)) for kind in NAMESPACES} == before


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 77", 77), ("kill -15 $$", 143)])
def test_its_exit_code(containers: Containers, bundle: Bundle, script: str, code: int) -> None:
    assert containers.exec(containers.sleeping(bundle), process("sh", "-c", script)).code == code


def test_its_own_user_groups_folder_and_environment(containers: Containers, bundle: Bundle) -> None:
    found = containers.exec(
        containers.sleeping(bundle),
        process(
            "sh", "-c", "id -u; id -G; pwd; echo $ONE; umask", cwd="/etc", env=["PATH=/bin", "ONE=1"],
            user={"uid": 7, "gid": 8, "additionalGids": [9], "umask": 0o77},
        ),
    )  # fmt: skip
    assert found.out.split() == ["7", "8", "9", "/etc", "1", "0077"]


def test_its_own_capabilities_limits_and_no_new_privileges(containers: Containers, bundle: Bundle) -> None:
    container = containers.sleeping(bundle)
    given = ["CAP_CHOWN"]
    pid = sleeping(
        container,
        capabilities=dict.fromkeys(("bounding", "effective", "permitted"), given),
        rlimits=[{"type": "RLIMIT_NOFILE", "soft": 30, "hard": 40}],
        noNewPrivileges=True,
    )
    for key in ("CapBnd", "CapEff", "CapPrm"):
        assert int(status(key, pid), 16) == capabilities.mask(given)
    assert status("NoNewPrivs", pid) == "1"
    with open(f"/proc/{pid}/limits") as table:
        assert next(line.split()[3:5] for line in table if line.startswith("Max open")) == ["30", "40"]
    end(pid)


def test_fewer_files_than_its_caller_has_open(containers: Containers, bundle: Bundle) -> None:
    container = containers.sleeping(bundle)
    limit = {"type": "RLIMIT_NOFILE", "soft": 7, "hard": 8}
    with open_files(50):
        found = containers.exec(container, process("sh", "-c", "ulimit -n; ulimit -Hn", rlimits=[limit]))
    assert found.out.split() == ["7", "8"]


def test_it_leads_its_own_session_and_holds_three_descriptors(containers: Containers, bundle: Bundle) -> None:
    extra = os.open("/", os.O_RDONLY)
    os.set_inheritable(extra, True)
    container = containers.sleeping(bundle)
    pid = sleeping(container)
    assert os.getsid(pid) == pid
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
    os.close(extra)
    end(pid)


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        (["nothing"], CommandNotFound, "executable file not found"),
        (["/etc"], CommandNotExecutable, "is a directory"),
        (["/etc/passwd"], CommandNotExecutable, "permission denied"),
    ],
)
def test_a_program_that_cannot_be(
    containers: Containers, bundle: Bundle, words: list[str], error: type[Exception], message: str
) -> None:
    container = containers.sleeping(bundle)
    with pytest.raises(error, match=message):
        containers.exec(container, process(*words))
    assert container.cgroup.pids() == [container.record.pid]


@pytest.mark.parametrize(
    ("more", "error", "context"),
    [
        ({"cwd": "/no/such"}, FileNotFoundError, "process.cwd"),
        ({"cwd": "relative"}, InvalidConfig, "process.cwd"),
        (
            {"rlimits": [{"type": "RLIMIT_X", "soft": 1, "hard": 1}]},
            InvalidConfig,
            "process.rlimits[0] (RLIMIT_X)",
        ),
    ],
)
def test_errors_come_back_with_their_field(
    containers: Containers, bundle: Bundle, more: dict[str, Any], error: type[Exception], context: str
) -> None:
    container = containers.sleeping(bundle)
    with pytest.raises(error) as caught:
        containers.exec(container, process("true", **more))
    assert caught.value.context == context  # type: ignore[attr-defined]
    assert container.status() == "running"


def test_it_dies_with_the_container(containers: Containers, bundle: Bundle) -> None:
    container = containers.sleeping(bundle)
    pid = sleeping(container)
    container.kill(signal.SIGKILL)
    assert wait(pid) == 137
    assert container.wait() == 137


def test_many_one_after_another_leave_nothing(containers: Containers, bundle: Bundle) -> None:
    container = containers.sleeping(bundle)
    for number in range(5):
        assert containers.exec(container, process("echo", str(number))).out == f"{number}\n"
    assert container.cgroup.pids() == [container.record.pid]


def test_a_background_process_of_it_is_the_container_s(containers: Containers, bundle: Bundle) -> None:
    container = containers.sleeping(bundle)
    containers.exec(container, process("sh", "-c", "sleep 1000 >/dev/null 2>&1 &"))
    wait_until(lambda: len(container.cgroup.pids()) == 2)
    container.kill(signal.SIGKILL)
    container.wait()
    wait_until(lambda: not container.cgroup.pids())
