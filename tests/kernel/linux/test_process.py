"""Making, replacing, signalling and ending processes."""

from __future__ import annotations

import errno
import os
import select
import signal
import time

import pytest

from minicontainer.linux import namespaces, pidfd, probe, process, signals
from tests.kernel.linux.child import in_child, status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def test_clone3_gives_a_child_and_a_descriptor_of_it() -> None:
    pid, fd = process.clone3(0)
    if pid == 0:
        os._exit(7)
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    assert poller.poll(60_000)
    assert os.waitid(os.P_PIDFD, fd, os.WEXITED).si_status == 7  # type: ignore[union-attr]
    assert not os.get_inheritable(fd)
    os.close(fd)


@pytest.mark.parametrize("kind", ["cgroup", "ipc", "uts", "network", "pid", "mount", "user"])
def test_clone3_makes_the_namespace_and_no_other(kind: str) -> None:
    if reason := probe.refusal(lambda: namespaces.unshare(namespaces.FLAGS[kind])):
        pytest.skip(f"no {kind} namespace: {reason}")
    wait, go = os.pipe()
    pid, fd = process.clone3(namespaces.FLAGS[kind])
    if pid == 0:
        os.close(go)
        os.read(wait, 1)
        os._exit(0)
    others = {
        other
        for other in namespaces.FLAGS
        if namespaces.supported(other)
        and os.readlink(namespaces.path(pid, other)) != os.readlink(namespaces.path("self", other))
    }
    for end in (wait, go, fd):
        os.close(end)
    os.waitpid(pid, 0)
    assert others == {kind}


def test_the_first_process_of_a_pid_namespace_is_1() -> None:
    reader, writer = os.pipe()
    pid, fd = process.clone3(process.CLONE_NEWPID)
    if pid == 0:
        os.write(writer, str(os.getpid()).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reader, 16) == b"1"
    for end in (reader, writer, fd):
        os.close(end)


def test_python_s_own_fork_handlers_run_around_clone3() -> None:
    def work() -> list[str]:
        seen: list[str] = []
        os.register_at_fork(
            before=lambda: seen.append("before"),
            after_in_parent=lambda: seen.append("parent"),
            after_in_child=lambda: os._exit(3),
        )
        pid, _ = process.clone3(0)
        _, ended = os.waitpid(pid, 0)
        return [*seen, str(os.waitstatus_to_exitcode(ended))]

    assert in_child(work) == ["before", "parent", "3"]


def test_a_sibling_is_a_child_of_the_parent() -> None:
    reader, writer = os.pipe()
    helper = os.fork()
    if helper == 0:
        child = process.clone_sibling()
        if child == 0:
            os._exit(9)
        os.write(writer, str(child).encode())
        os._exit(0)
    os.waitpid(helper, 0)
    sibling = int(os.read(reader, 16))
    os.close(reader)
    os.close(writer)
    assert process.wait(sibling) == 9


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (lambda: os._exit(0), 0),
        (lambda: os._exit(42), 42),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), 143),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), 137),
    ],
)
def test_wait_gives_the_code_of_a_shell(end: object, code: int) -> None:
    pid = process.fork()
    if pid == 0:
        end()  # type: ignore[operator]
        os._exit(99)
    assert process.wait(pid) == code


def test_wait_for_what_is_no_child() -> None:
    with pytest.raises(ChildProcessError) as caught:
        process.wait(1)
    assert caught.value.step["man"] == "waitpid(2)"  # type: ignore[attr-defined]


def test_setsid_and_setpgid() -> None:
    def work() -> list[bool]:
        process.setpgid(0, 0)
        leads_group = os.getpgrp() == os.getpid()
        child = os.fork()
        if child == 0:
            process.setsid()
            os._exit(os.getsid(0) == os.getpid() == os.getpgrp())
        _, ended = os.waitpid(child, 0)
        return [leads_group, os.waitstatus_to_exitcode(ended) == 1]

    assert in_child(work) == [True, True]


def test_a_session_leader_cannot_lead_another() -> None:
    def work() -> None:
        process.setsid()
        process.setsid()

    with pytest.raises(PermissionError):
        in_child(work)


def test_execve_replaces_the_program_with_exactly_these_words() -> None:
    reader, writer = os.pipe()
    pid = process.fork()
    if pid == 0:
        os.dup2(writer, 1)
        process.execve(
            "/bin/sh", ["sh", "-c", 'echo "$0|$1|$ONE|${HOME-unset}"', "zero", "a b"], {"ONE": "1"}
        )
    os.close(writer)
    with os.fdopen(reader) as output:
        assert output.read() == "zero|a b|1|unset\n"
    assert process.wait(pid) == 0


def test_execve_that_is_refused_returns_with_the_path(tmp_path: Path) -> None:
    path = tmp_path / "not-executable"
    path.write_text("#!/bin/sh\n")
    with pytest.raises(PermissionError) as caught:
        process.execve(str(path), ["x"], {})
    assert caught.value.filename == str(path)


def test_close_range_leaves_nothing_from_its_first_on() -> None:
    def work() -> list[bool]:
        for fd in (5, 9, 200):
            os.dup2(1, fd, inheritable=True)
        os.dup2(1, 4, inheritable=True)
        process.close_range(5)
        return [os.get_inheritable(fd) for fd in (4, 5, 9, 200)]

    assert in_child(work) == [True, False, False, False]


def test_kill_and_its_refusals() -> None:
    pid = process.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    process.kill(pid, signal.SIGUSR1)
    assert process.wait(pid) == 128 + signal.SIGUSR1
    with pytest.raises(ProcessLookupError):
        process.kill(pid, 0)
    with pytest.raises(OSError, match="Invalid argument"):
        process.kill(os.getpid(), 999)


def test_a_pidfd_signals_its_process_and_never_another() -> None:
    pid = process.fork()
    if pid == 0:
        time.sleep(60)
        os._exit(0)
    fd = pidfd.pidfd_open(pid)
    pidfd.pidfd_send_signal(fd, signal.SIGTERM)
    assert process.wait(pid) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError) as caught:
        pidfd.pidfd_send_signal(fd, signal.SIGTERM)
    assert caught.value.step["args"]["number"] == "SIGTERM"  # type: ignore[attr-defined]
    os.close(fd)
    with pytest.raises(ProcessLookupError):
        pidfd.pidfd_open(pid)


@pytest.mark.parametrize(("number", "name"), [(15, "SIGTERM"), (9, "SIGKILL"), (64, "SIGRTMAX"), (63, "63")])
def test_signals_have_names(number: int, name: str) -> None:
    assert signals.name(number) == name


def test_a_process_dies_with_its_parent() -> None:
    from minicontainer.linux import prctl

    reader, writer = os.pipe()
    parent = os.fork()
    if parent == 0:
        if os.fork() == 0:
            prctl.set_pdeathsig(signal.SIGKILL)
            os.write(writer, str(os.getpid()).encode())
            time.sleep(60)
            os._exit(0)
        time.sleep(60)
        os._exit(0)
    orphan = pidfd.pidfd_open(int(os.read(reader, 16)))
    os.close(reader)
    os.close(writer)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    poller = select.poll()
    poller.register(orphan, select.POLLIN)
    assert poller.poll(60_000)
    os.close(orphan)


def test_a_process_that_is_not_dumpable_belongs_to_root() -> None:
    from minicontainer.linux import prctl

    def work() -> list[int]:
        os.setresgid(1000, 1000, 1000)
        os.setresuid(1000, 1000, 1000)
        prctl.set_dumpable(True)
        before = os.stat("/proc/self/mem").st_uid
        prctl.set_dumpable(False)
        return [before, os.stat("/proc/self/mem").st_uid]

    assert in_child(work) == [1000, 0]


def test_a_name_is_cut_at_15_bytes() -> None:
    from minicontainer.linux import prctl

    def work() -> str:
        prctl.set_name("minicontainer-init")
        return status("Name")

    assert in_child(work) == "minicontainer-i"


def test_no_errno_is_lost_in_the_pidfd_calls() -> None:
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        pidfd.pidfd_send_signal(999_999, signal.SIGTERM)
    assert caught.value.errno == errno.EBADF
