"""unshare(2), setns(2), and what a new network namespace needs."""

from __future__ import annotations

import errno
import os

import pytest

from minicontainer.linux import control, namespaces, netdevice, prctl, probe, process
from tests.kernel.linux.child import in_child, status

KINDS = [kind for kind in namespaces.FLAGS if kind != "time"]


@pytest.mark.parametrize("kind", KINDS)
def test_unshare_leaves_one_namespace(kind: str) -> None:
    def work() -> list[bool]:
        before = inodes("self")
        namespaces.unshare(namespaces.FLAGS[kind])
        # A pid namespace takes the children only.
        after = in_child(lambda: inodes("self")) if kind == "pid" else inodes("self")
        return [after[other] != before[other] for other in KINDS]

    try:
        changed = in_child(work)
    except OSError as error:
        pytest.skip(f"no {kind} namespace: {error}")
    assert changed == [other == kind for other in KINDS]


def inodes(pid: int | str) -> dict[str, str]:
    """The name of each namespace of a process."""
    return {kind: os.readlink(namespaces.path(pid, kind)) for kind in KINDS if namespaces.supported(kind)}


def sleeper(flags: int) -> tuple[int, int, int]:
    """A process in new namespaces: (pid, pidfd, a descriptor whose closing ends it)."""
    wait, go = os.pipe()
    pid, fd = process.clone3(flags)
    if pid == 0:
        os.close(go)
        os.read(wait, 1)
        os._exit(0)
    os.close(wait)
    return pid, fd, go


@pytest.mark.needs("uts namespace", "ipc namespace", "network namespace")
def test_several_namespaces_are_joined_by_one_pidfd() -> None:
    flags = process.CLONE_NEWUTS | process.CLONE_NEWIPC | process.CLONE_NEWNET
    pid, fd, go = sleeper(flags)

    def work() -> list[bool]:
        namespaces.setns(fd, flags)
        return [inodes("self")[kind] == inodes(pid)[kind] for kind in ("uts", "ipc", "network")]

    assert in_child(work) == [True, True, True]
    os.close(go)
    os.close(fd)
    os.waitpid(pid, 0)


@pytest.mark.needs("uts namespace")
def test_one_namespace_is_joined_by_its_file() -> None:
    pid, fd, go = sleeper(process.CLONE_NEWUTS)

    def work() -> bool:
        with open(namespaces.path(pid, "uts")) as file:
            namespaces.setns(file.fileno(), namespaces.FLAGS["uts"])
        return inodes("self")["uts"] == inodes(pid)["uts"]

    assert in_child(work)
    os.close(go)
    os.close(fd)
    os.waitpid(pid, 0)


@pytest.mark.needs("uts namespace")
def test_a_namespace_of_another_kind_is_refused() -> None:
    def work() -> None:
        with open(namespaces.path("self", "uts")) as file:
            namespaces.setns(file.fileno(), namespaces.FLAGS["network"])

    with pytest.raises(OSError, match="Invalid argument") as caught:
        in_child(work)
    assert caught.value.step["args"]["nstype"] == "CLONE_NEWNET"  # type: ignore[attr-defined]


@pytest.mark.needs("time namespace")
def test_a_time_namespace_takes_offsets_before_its_first_process() -> None:
    def work() -> float:
        namespaces.unshare(namespaces.FLAGS["time"])
        control.write_control("/proc/self/timens_offsets", "monotonic 86400 0")
        return float(in_child(lambda: read_uptime_clock()))

    import time

    assert in_child(work) - time.clock_gettime(time.CLOCK_MONOTONIC) > 86_000


def read_uptime_clock() -> float:
    import time

    return time.clock_gettime(time.CLOCK_MONOTONIC)


@pytest.mark.needs("network namespace")
def test_the_loopback_interface_is_down_until_it_is_set_up() -> None:
    import socket

    def connects() -> bool:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            try:
                sender.connect(("127.0.0.1", 9))
            except OSError:
                return False
            return True

    def work() -> list[bool]:
        namespaces.unshare(namespaces.FLAGS["network"])
        before = connects()
        netdevice.interface_up("lo")
        return [before, connects()]

    assert in_child(work) == [False, True]


@pytest.mark.needs("network namespace")
def test_an_interface_that_does_not_exist() -> None:
    def work() -> None:
        namespaces.unshare(namespaces.FLAGS["network"])
        netdevice.interface_up("eth7")

    with pytest.raises(OSError, match="No such device"):
        in_child(work)


def test_an_ordinary_user_becomes_root_of_a_user_namespace() -> None:
    def work() -> str:
        os.setresuid(1000, 1000, 1000)
        # The change of user made our files in /proc root's.
        prctl.set_dumpable(True)
        namespaces.unshare(namespaces.FLAGS["user"])
        control.write_control("/proc/self/setgroups", "deny")
        control.write_control("/proc/self/uid_map", "0 1000 1")
        return f"{os.getuid()} {status('CapEff')}"

    refused = probe.refusal(work)
    if refused is not None and refused.errno in (errno.EPERM, errno.ENOSPC):
        pytest.skip(f"no user namespaces for ordinary users: {refused}")
    uid, capabilities = in_child(work).split()
    assert uid == "0"
    assert int(capabilities, 16) != 0
