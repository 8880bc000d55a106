"""The fault injector: its orders, and what it does at a step that is not a system call."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from minicontainer.linux import door, faults


@door.step("true(1)", why="a step for the tests", shell=lambda a: "true")
def harmless() -> str:
    return "done"


@pytest.fixture(autouse=True)
def _no_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "listeners", [])
    monkeypatch.setattr(door, "process_name", "init")


def install(monkeypatch: pytest.MonkeyPatch, orders: str) -> None:
    monkeypatch.setenv("MINICONTAINER_FAULT", orders)
    faults.install_from_environment()


def test_the_nth_step_of_a_process_fails_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "init:2:EPERM")
    assert harmless() == "done"
    with pytest.raises(OSError, match="Operation not permitted") as caught:
        harmless()
    assert caught.value.errno == errno.EPERM
    assert caught.value.step["name"] == "harmless"  # type: ignore[attr-defined]
    assert harmless() == "done"


def test_another_process_is_spared(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "monitor:1:EPERM")
    assert harmless() == "done"


def test_the_kth_call_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "mount#1:EIO,harmless#2:ENOSPC")
    harmless()
    with pytest.raises(OSError, match="No space left"):
        harmless()


def test_kill_is_a_sigkill(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "init:harmless:kill")
    pid = os.fork()
    if pid == 0:
        harmless()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_listing_gives_the_orders_that_strike_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]
) -> None:
    path = os.path.join(tmp_path, "steps")
    install(monkeypatch, f"list:{path}")
    harmless()
    harmless()
    with open(path) as file:
        lines = file.read().splitlines()
    assert lines == ["init:1 harmless#1 init:harmless#1", "init:2 harmless#2 init:harmless#2"]
    for order in lines[1].split():
        door.listeners.clear()
        install(monkeypatch, f"{order}:EIO")
        harmless()
        with pytest.raises(OSError, match="Input/output error"):
            harmless()


def test_nothing_listens_without_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINICONTAINER_FAULT", raising=False)
    faults.install_from_environment()
    assert door.listeners == []


@pytest.mark.parametrize("order", ["init:2", "init:2:EWHAT", "init:mount#x:EIO", ":EIO", "EIO"])
def test_a_bad_order_is_named(monkeypatch: pytest.MonkeyPatch, order: str) -> None:
    with pytest.raises(ValueError, match="MINICONTAINER_FAULT"):
        install(monkeypatch, order)
