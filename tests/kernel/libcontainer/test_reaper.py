"""The small init of the annotation: it reaps, passes signals on, and ends as its child does."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest

from minicontainer.errors import CommandNotFound
from minicontainer.libcontainer.options import INIT_ANNOTATION
from tests.kernel.libcontainer.containers import dies_of, wait_until
from tests.kernel.linux.child import status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.bundles import Bundle as Any_Bundle
    from tests.kernel.libcontainer.containers import Containers


@pytest.fixture
def bundle(bundle: Any_Bundle) -> Any_Bundle:
    """The bundle with an init in front of its program."""
    bundle.change({"annotations": {INIT_ANNOTATION: "true"}})
    return bundle


def inside(pid: int) -> dict[int, str]:
    """The processes of a container by their number in it, with their names and states."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                numbers = status("NSpid", name).split()
                if os.readlink(f"/proc/{name}/ns/pid") == os.readlink(f"/proc/{pid}/ns/pid"):
                    found[int(numbers[-1])] = f"{status('Name', name)} {status('State', name)[0]}"
            except (OSError, StopIteration):
                continue  # it has ended, or is none of ours
    return found


def test_the_program_is_a_child_of_init(containers: Containers, bundle: Any_Bundle) -> None:
    pid = containers.sleeping(bundle).record.pid
    wait_until(lambda: len(inside(pid)) == 2)
    found = inside(pid)
    assert found[1].startswith("minicontainer-i")
    assert next(name for number, name in found.items() if number > 1).startswith("sleep")


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 33", 33), ("kill -9 $$", 137), ("kill -11 $$", 139)]
)
def test_it_ends_as_the_program(containers: Containers, bundle: Any_Bundle, script: str, code: int) -> None:
    assert containers.run(bundle, script).code == code


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGRTMIN + 3]
)
def test_signals_are_passed_on(containers: Containers, bundle: Any_Bundle, number: int) -> None:
    """A program that is no PID 1 has the default actions: it dies of them."""
    container = containers.sleeping(bundle)
    assert dies_of(container, number) == 128 + number


def test_a_handler_of_the_program_runs(containers: Containers, bundle: Any_Bundle) -> None:
    bundle.script("trap 'exit 21' TERM; touch /ready; while :; do sleep 0.02; done")
    container = containers.start(bundle)
    wait_until(lambda: os.path.exists(f"{bundle.rootfs}/ready"))
    assert dies_of(container, signal.SIGTERM) == 21


def test_orphans_are_waited_for(containers: Containers, bundle: Any_Bundle) -> None:
    bundle.script("for n in 1 2 3 4 5; do (true & exec true) & done; wait; touch /ready; exec sleep 1000")
    container = containers.start(bundle)
    wait_until(lambda: os.path.exists(f"{bundle.rootfs}/ready"))
    wait_until(lambda: len(inside(container.record.pid)) == 2)
    assert not [s for s in inside(container.record.pid).values() if s.endswith(" Z")]


def test_without_it_orphans_stay_zombies(containers: Containers, bundle: Any_Bundle) -> None:
    """What the small init is for: a program that is PID 1 and waits for nobody."""
    bundle.change({"annotations": {}})
    # A shell as PID 1 might still have waited for it.
    bundle.script("sh -c '(until grep -q sleep /proc/1/comm; do sleep 0.02; done) & exit 0'; exec sleep 1000")
    pid = containers.start(bundle).record.pid
    wait_until(lambda: [s for s in inside(pid).values() if s.endswith(" Z")])


def test_what_init_holds_open_is_not_the_program_s(containers: Containers, bundle: Any_Bundle) -> None:
    pid = containers.sleeping(bundle).record.pid
    wait_until(lambda: opened(pid) == {"/dev/null"})


def opened(pid: int) -> set[str]:
    """What a process has open, while it closes some of it."""
    found = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/{pid}/fd/{number}"))
    return found


def test_init_cannot_be_traced_by_the_container(containers: Containers, bundle: Any_Bundle) -> None:
    """Its memory is a copy of ours."""
    bundle.change({"process.user": {"uid": 1000, "gid": 1000}})
    found = containers.run(
        bundle, "ls /proc/1/fd; cat /proc/1/environ; head -c 1 /proc/1/mem; readlink /proc/1/exe"
    )
    assert found.out == ""
    assert found.err.count("Permission denied") + found.err.count("Input/output") >= 2


def test_a_program_that_is_missing_is_reported_as_ever(containers: Containers, bundle: Any_Bundle) -> None:
    bundle.program("/no/such")
    with pytest.raises(CommandNotFound, match="/no/such"):
        containers.create(bundle)


def test_an_execve_that_fails_reaches_start(containers: Containers, bundle: Any_Bundle) -> None:
    with open(f"{bundle.rootfs}/script", "w") as file:
        file.write("#!/no/such\n")
    os.chmod(f"{bundle.rootfs}/script", 0o755)
    bundle.program("/script")
    container = containers.create(bundle)
    with pytest.raises(CommandNotFound, match="interpreter"):
        container.start()
    assert container.wait() == 126


def test_it_holds_no_capability_that_the_program_does_not(containers: Containers, bundle: Any_Bundle) -> None:
    pid = containers.sleeping(bundle).record.pid
    wait_until(lambda: len(inside(pid)) == 2)
    child = next(n for n in os.listdir("/proc") if n.isdigit() and status_or(n, "PPid") == str(pid))
    for key in ("CapEff", "CapPrm", "CapBnd", "CapInh", "CapAmb"):
        assert status(key, pid) == status(key, child)


def status_or(pid: str, key: str) -> str:
    try:
        return status(key, pid)
    except (FileNotFoundError, ProcessLookupError, StopIteration):
        return ""
