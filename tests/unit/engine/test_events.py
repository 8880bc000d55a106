"""The journal: no reader misses an event or sees half of one, whoever is killed, whenever it is rotated."""

from __future__ import annotations

import os
import signal
import time

import pytest

from minicontainer.engine import events
from minicontainer.engine.records import Folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(str(tmp_path / "root"), str(tmp_path / "run"))


def emit(folders: Folders, name: str) -> None:
    events.emit(folders, "container", "start", "0" * 64, {"name": name})


def names(reader: events.Reader) -> list[str]:
    return [event.attributes["name"] for event in reader.read()]


def test_what_is_written_is_read(folders: Folders) -> None:
    before = time.time_ns()
    events.emit(folders, "image", "tag", "sha256:1", {"name": 'a "b"\n\u00e9'})
    (event,) = events.Reader(folders).read()
    assert (event.type, event.action, event.id) == ("image", "tag", "sha256:1")
    assert event.attributes == {"name": 'a "b"\n\u00e9'}
    assert before <= event.time <= time.time_ns()


def test_a_reader_from_now_sees_nothing_older(folders: Folders) -> None:
    emit(folders, "old")
    reader = events.Reader(folders, from_now=True)
    assert names(reader) == []
    emit(folders, "new")
    assert names(reader) == ["new"]
    assert names(reader) == []


def test_a_reader_that_was_there_first(folders: Folders) -> None:
    reader = events.Reader(folders, from_now=True)
    emit(folders, "first")
    assert names(reader) == ["first"]


def test_segments_are_bounded_and_readers_go_from_one_to_the_next(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SEGMENT", 1000)
    reader = events.Reader(folders)
    seen = []
    for n in range(200):
        emit(folders, str(n))
        if n % 7 == 0:
            seen += names(reader)
    assert seen + names(reader) == [str(n) for n in range(200)]
    folder = f"{folders.run}/events"
    numbers = events.segments(folder)
    assert len(numbers) == events.KEPT
    assert all(os.stat(f"{folder}/{number:010d}").st_size < 1200 for number in numbers)
    late = names(events.Reader(folders))
    assert late == [str(n) for n in range(200 - len(late), 200)]


@pytest.mark.parametrize("cut", [1, 20, 100])
def test_a_line_that_a_killed_writer_cut_short(folders: Folders, cut: int) -> None:
    emit(folders, "whole")
    reader = events.Reader(folders)
    assert names(reader) == ["whole"]
    emit(folders, "cut")
    path = f"{folders.run}/events/{1:010d}"
    os.truncate(path, os.stat(path).st_size - cut)
    assert names(reader) == []
    emit(folders, "next")
    assert names(reader) == (["cut", "next"] if cut == 1 else ["next"])  # only the newline was missing
    assert names(events.Reader(folders))[-1] == "next"


def test_noise_is_passed_over(folders: Folders) -> None:
    emit(folders, "before")
    with open(f"{folders.run}/events/{1:010d}", "ab") as file:
        file.write(b'\xff\x00\n{}\n[1]\n{"time":1}\n')
    emit(folders, "after")
    assert names(events.Reader(folders)) == ["before", "after"]


def test_what_cannot_be_written_fails_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    emit(Folders(str(tmp_path / "root"), str(tmp_path / "file")), "lost")


def test_writers_that_are_killed_while_others_go_on(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SEGMENT", 4000)
    monkeypatch.setattr(events, "KEPT", 1000)
    reader = events.Reader(folders)
    seen: list[str] = []
    for round in range(12):
        pid = os.fork()
        if pid == 0:
            for n in range(10**6):
                emit(folders, f"{round} {n}")
        emit(folders, f"parent {round}")
        deadline = time.monotonic() + 60
        while not any(name.startswith(f"{round} ") for name in seen) and time.monotonic() < deadline:
            seen += names(reader)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    seen += names(reader)
    for round in range(12):
        assert f"parent {round}" in seen
        mine = [int(name.split()[1]) for name in seen if name.startswith(f"{round} ")]
        assert mine == [*range(len(mine))]
        assert mine
