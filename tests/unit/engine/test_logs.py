"""The log: Docker's json-file format, its pieces, its tail, and a full disk."""

from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.engine import logs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def written(path: Path, *pieces: tuple[str, bytes]) -> list[dict[str, str]]:
    writer = logs.Writer(str(path))
    for stream, data in pieces:
        writer.write(stream, data)
    writer.close()
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_line_is_an_object_with_text_stream_and_time(tmp_path: Path) -> None:
    (entry,) = written(tmp_path / "log", ("stdout", b"hello\n"))
    assert (entry["log"], entry["stream"]) == ("hello\n", "stdout")
    assert entry["time"].endswith("Z")
    assert len(entry["time"]) == len("2026-01-31T12:00:00.123456789Z")


def test_a_line_waits_for_its_end_and_streams_do_not_mix(tmp_path: Path) -> None:
    entries = written(tmp_path / "log", ("stdout", b"a"), ("stderr", b"x\n"), ("stdout", b"b\nlast"))
    assert [(e["stream"], e["log"]) for e in entries] == [
        ("stderr", "x\n"),
        ("stdout", "ab\n"),
        ("stdout", "last"),
    ]


def test_only_newline_ends_a_line(tmp_path: Path) -> None:
    assert [e["log"] for e in written(tmp_path / "log", ("stdout", b"10%\r20%\r\x0b\n"))] == [
        "10%\r20%\r\x0b\n"
    ]


def test_a_long_line_is_several_entries(tmp_path: Path) -> None:
    entries = written(tmp_path / "log", ("stdout", b"x" * (2 * logs.LINE_LIMIT + 5) + b"\n"))
    assert [len(e["log"]) for e in entries] == [logs.LINE_LIMIT, logs.LINE_LIMIT, 6]


def test_what_is_not_utf8_is_replaced(tmp_path: Path) -> None:
    assert [e["log"] for e in written(tmp_path / "log", ("stdout", b"\xff\n"))] == ["\ufffd\n"]


@given(
    pieces=st.lists(
        st.binary(max_size=40).map(lambda b: b.replace(b"\r", b"").decode(errors="ignore").encode())
    )
)
def test_nothing_is_lost_or_reordered(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    entries = written(path, *(("stdout", piece) for piece in pieces))
    assert "".join(e["log"] for e in entries).encode() == b"".join(pieces)
    assert [e.log for e in logs.read(str(path))] == [e["log"] for e in entries]


@pytest.mark.parametrize("tail", [0, 1, 3, 999, 1000, 5000])
def test_the_tail_is_the_last_lines(tmp_path: Path, tail: int) -> None:
    path = tmp_path / "log"
    written(path, ("stdout", b"".join(b"line %d %s\n" % (n, b"." * (n % 300)) for n in range(1000))))
    everything = [e.log for e in logs.read(str(path))]
    assert [e.log for e in logs.read(str(path), tail=tail)] == everything[len(everything) - tail :][
        -tail or 1000 :
    ]


def test_a_line_cut_short_by_a_crash_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written(path, ("stdout", b"one\ntwo\n"))
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    assert [e.log for e in logs.read(str(path))] == ["one\n"]


def test_follow_ends_with_the_container_and_misses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = logs.Writer(str(path))
    writer.write("stdout", b"before\n")
    states = iter([True, False])

    def running() -> bool:
        state = next(states)
        if not state:
            writer.write("stdout", b"at the end\n")
        return state

    assert [e.log for e in logs.follow(str(path), tail=None, running=running)] == ["before\n", "at the end\n"]


def test_a_full_disk_loses_lines_and_counts_them(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("/dev/full is missing")
    writer = logs.Writer("/dev/full")
    writer.write("stdout", b"a\nb\n")
    writer.write("stderr", b"unfinished")
    writer.close()
    assert (writer.lost, writer.reason) == (3, os.strerror(28))
