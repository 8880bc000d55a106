"""What is remembered of a container, and which operations its state allows."""

from __future__ import annotations

import os

import pytest

from minicontainer.errors import Conflict, CorruptData, NotFound
from minicontainer.libcontainer import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def record(pid: int, start_time: int) -> state.Record:
    return state.Record(
        "c1", pid, start_time, "/bundle", "/minicontainer/c1", 1.5, annotations={"key": "värde"}
    )


def test_a_record_survives(tmp_path: Path) -> None:
    (tmp_path / "c1").mkdir()
    state.save(str(tmp_path / "c1"), record(1, 2))
    found = state.load(str(tmp_path), "c1")
    assert found == record(1, 2)
    assert os.listdir(tmp_path / "c1") == ["state.json"]


@pytest.mark.parametrize("content", [b"", b"{", b'{"id": 1}', b"\xff\xfe"])
def test_a_damaged_record_names_its_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c1").mkdir()
    (tmp_path / "c1" / "state.json").write_bytes(content)
    with pytest.raises(CorruptData, match=r"c1/state\.json"):
        state.load(str(tmp_path), "c1")


def test_no_record(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="'c1' does not exist"):
        state.load(str(tmp_path), "c1")


def test_we_are_alive_and_no_other_of_our_number_is_us() -> None:
    ticks = state.start_time(os.getpid())
    assert ticks is not None
    assert state.alive(record(os.getpid(), ticks))
    assert not state.alive(record(os.getpid(), ticks + 1))


def test_a_process_with_a_strange_name(tmp_path: Path) -> None:
    """proc_pid_stat(5): the name stands in parentheses and may hold them, and spaces."""
    pid = os.fork()
    if pid == 0:
        with open("/proc/self/comm", "w") as file:
            file.write(") R 1 (x")
        with open(tmp_path / "answer", "w") as file:
            file.write(str(state.start_time(os.getpid())))
        os._exit(0)
    os.waitpid(pid, 0)
    ours = state.start_time(os.getpid())
    assert ours is not None
    assert int((tmp_path / "answer").read_text()) >= ours


def test_a_zombie_and_a_process_that_is_gone_are_not_alive() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert state.start_time(pid) is None
    os.waitpid(pid, 0)
    assert state.start_time(pid) is None


@pytest.mark.parametrize("operation", sorted(state.ALLOWED))
def test_the_table_of_states(operation: str) -> None:
    for status in ("created", "running", "paused", "stopped"):
        if status in state.ALLOWED[operation]:
            state.require("c1", operation, status)
        else:
            with pytest.raises(Conflict, match=f"cannot {operation} container c1: it is {status}"):
                state.require("c1", operation, status)
