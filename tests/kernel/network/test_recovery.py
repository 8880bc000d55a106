"""Killed anywhere, failed anywhere, many at once: nothing leaks and the next comer repairs."""

from __future__ import annotations

import os
import random
import signal
import time

import pytest

from minicontainer.errors import MinicontainerError
from minicontainer.linux import door, faults
from tests.kernel.network.hosts import (
    NEEDS,
    Namespace,
    container_id,
    facts,
    in_child,
    ip,
    network,
    on_a_host,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from minicontainer.network.bridge import BridgeNetwork

pytestmark = NEEDS
A, B = container_id(0xA), container_id(0xB)
# One of them is the switch of the bridge's IPv6, where the kernel has it.
STEPS_OF_ATTACH = range(1, 12 if os.path.exists("/proc/sys/net/ipv6/conf") else 11)
STEPS_OF_RELEASE = range(1, 4)


def arm(step: int, action: str) -> None:
    orders, _ = faults.parse(f"{step}:{action}")
    door.listeners.append(faults.Injector(orders))


def dies(work: Callable[[], object], step: int) -> int:
    """Do ``work`` in a child that is killed at its step of that number; its exit status."""
    pid = os.fork()
    if pid == 0:
        arm(step, "kill")
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("step", STEPS_OF_ATTACH)
@on_a_host
def test_an_attach_that_was_killed_is_cleaned_up(tmp_path: Path, step: int) -> None:
    here, container = network(tmp_path), Namespace()
    before = facts(str(tmp_path))
    assert dies(lambda: here.attach(A, container.path), step) == -signal.SIGKILL
    assert here.reconcile(set()) == [f"address 172.29.0.2 of container {A[:12]}", "bridge minicontainer0"]
    assert facts(str(tmp_path)) == before


@pytest.mark.parametrize("step", STEPS_OF_ATTACH)
@on_a_host
def test_the_next_attach_completes_what_a_killed_one_began(tmp_path: Path, step: int) -> None:
    here, container, other = network(tmp_path), Namespace(), Namespace()
    before = facts(str(tmp_path))
    assert dies(lambda: here.attach(A, container.path), step) == -signal.SIGKILL
    container.end()
    endpoint = here.attach(B, other.path)
    assert other.ip("route", "show", "default")[0]["gateway"] == endpoint.gateway
    assert other.call(lambda: os.system(f"ip route get {endpoint.gateway} >/dev/null")) == 0
    assert ip("link", "show", endpoint.host_interface)[0]["master"] == "minicontainer0"
    here.release(B)
    here.release(A)
    assert facts(str(tmp_path)) == before


@pytest.mark.parametrize("step", STEPS_OF_RELEASE)
@on_a_host
def test_a_release_that_was_killed_is_completed_by_the_next(tmp_path: Path, step: int) -> None:
    here, container = network(tmp_path), Namespace()
    before = facts(str(tmp_path))
    here.attach(A, container.path)
    assert dies(lambda: here.release(A), step) == -signal.SIGKILL
    here.release(A)
    assert facts(str(tmp_path)) == before


@pytest.mark.parametrize("step", STEPS_OF_RELEASE)
@on_a_host
def test_after_a_killed_release_the_network_is_made_anew(tmp_path: Path, step: int) -> None:
    here, container, other = network(tmp_path), Namespace(), Namespace()
    before = facts(str(tmp_path))
    here.attach(A, container.path)
    assert dies(lambda: here.release(A), step) == -signal.SIGKILL
    here.attach(B, other.path)
    assert "minicontainer0" in [link["ifname"] for link in ip("link")]
    assert other.ip("route", "show", "default")[0]["gateway"] == "172.29.0.1"
    here.reconcile(set())
    assert facts(str(tmp_path)) == before


@pytest.mark.parametrize("error", ["EPERM", "ENODEV"])
@pytest.mark.parametrize("step", STEPS_OF_ATTACH)
@on_a_host
def test_an_attach_that_fails_leaves_nothing(tmp_path: Path, step: int, error: str) -> None:
    here, container = network(tmp_path), Namespace()
    before = facts(str(tmp_path))
    arm(step, error)
    with pytest.raises((OSError, MinicontainerError)):
        here.attach(A, container.path)
    door.listeners.clear()
    assert facts(str(tmp_path)) == before


@pytest.mark.parametrize("step", STEPS_OF_RELEASE)
@on_a_host
def test_a_release_that_fails_can_be_tried_again(tmp_path: Path, step: int) -> None:
    here, container = network(tmp_path), Namespace()
    before = facts(str(tmp_path))
    here.attach(A, container.path)
    arm(step, "EPERM")
    with pytest.raises(PermissionError):
        here.release(A)
    door.listeners.clear()
    here.release(A)
    assert facts(str(tmp_path)) == before


@on_a_host
def test_the_steps_are_as_many_as_these_tests_believe(tmp_path: Path) -> None:
    here, container = network(tmp_path), Namespace()
    counter = faults.Injector([], str(tmp_path / "steps"))
    door.listeners.append(counter)
    here.attach(A, container.path)
    attached = len((tmp_path / "steps").read_text().splitlines())
    here.release(A)
    released = len((tmp_path / "steps").read_text().splitlines()) - attached
    assert (attached, released) == (STEPS_OF_ATTACH[-1], STEPS_OF_RELEASE[-1])


@on_a_host
def test_killed_at_any_moment(tmp_path: Path) -> None:
    """Not only between steps: also inside the kernel, in a write, while nft runs."""
    here, container = network(tmp_path), Namespace()
    before = facts(str(tmp_path))
    moments = random.Random(1)
    for _ in range(25):
        pid = os.fork()
        if pid == 0:
            while True:
                here.attach(A, container.path)
                here.release(A)
        time.sleep(moments.uniform(0, 0.08))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        here.reconcile(set())
        assert facts(str(tmp_path)) == before


def come_and_go(here: BridgeNetwork, first: int, count: int) -> None:
    container = Namespace()
    for number in range(first, first + count):
        endpoint = here.attach(container_id(number), container.path)
        ours = container.ip("-4", "address", "show", "eth0")[0]["addr_info"][0]["local"]
        assert ours == endpoint.address
        here.release(container_id(number))
    container.end()


@on_a_host
def test_fifty_come_and_go_at_once(tmp_path: Path) -> None:
    here = network(tmp_path)
    before = facts(str(tmp_path))
    children = []
    for first in range(0, 50, 10):
        pid = os.fork()
        if pid == 0:
            trouble = in_child(lambda first=first: come_and_go(here, first, 10))  # type: ignore[misc]
            os.write(2, trouble.encode())
            os._exit(bool(trouble))
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 5
    assert facts(str(tmp_path)) == before


@on_a_host
def test_thirty_at_the_same_time_have_thirty_addresses(tmp_path: Path) -> None:
    here = network(tmp_path)
    before = facts(str(tmp_path))
    containers = [Namespace() for _ in range(30)]
    pids = []
    for number, container in enumerate(containers):
        pid = os.fork()
        if pid == 0:
            here.attach(container_id(number), container.path)
            os._exit(0)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 30
    given = {one.ip("-4", "address", "show", "eth0")[0]["addr_info"][0]["local"] for one in containers}
    assert given == {f"172.29.0.{last}" for last in range(2, 32)}
    assert len(here.reconcile(set())) == 31
    assert facts(str(tmp_path)) == before
