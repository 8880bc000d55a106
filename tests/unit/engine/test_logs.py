"""The log: Docker's json-file format, its pieces, its tail, and a full disk."""

from __future__ import annotations

import gzip
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.engine import logoptions, logread, logs, logzip
from minicontainer.engine.logread import Span
from minicontainer.engine.records import Config, Container, HostConfig
from minicontainer.errors import Unsupported, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def written(path: Path, *pieces: tuple[str, bytes]) -> list[dict[str, str]]:
    writer = logs.Writer(str(path))
    for stream, data in pieces:
        writer.write(stream, data)
    writer.close()
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def shown(path: Path, span: Span | None = None) -> list[str]:
    return [entry.log for batch in logread.read(str(path), span or Span()) for entry in batch]


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


def test_every_byte_that_json_escapes(tmp_path: Path) -> None:
    text = "".join(chr(code) for code in [*range(10), *range(11, 256)]) + "\u2028é\n"
    assert [e["log"] for e in written(tmp_path / "log", ("stdout", text.encode()))] == [text]


@given(data=st.binary(max_size=300))
def test_escaped_is_what_json_reads_back(data: bytes) -> None:
    assert json.loads(b'"' + logs.escape(data).replace(b"\n", b"\\n") + b'"') == data.decode(errors="replace")


@given(
    pieces=st.lists(
        st.binary(max_size=40).map(lambda b: b.replace(b"\r", b"").decode(errors="ignore").encode())
    )
)
def test_nothing_is_lost_or_reordered(tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    entries = written(path, *(("stdout", piece) for piece in pieces))
    assert "".join(e["log"] for e in entries).encode() == b"".join(pieces)
    assert shown(path) == [e["log"] for e in entries]


@pytest.mark.parametrize("tail", [0, 1, 3, 999, 1000, 5000])
def test_the_tail_is_the_last_lines(tmp_path: Path, tail: int) -> None:
    path = tmp_path / "log"
    written(path, ("stdout", b"".join(b"line %d %s\n" % (n, b"." * (n % 300)) for n in range(1000))))
    everything = shown(path)
    assert shown(path, Span(tail)) == everything[len(everything) - tail :][-tail or 1000 :]


def test_a_line_cut_short_by_a_crash_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written(path, ("stdout", b"one\ntwo\n"))
    data = path.read_bytes()
    path.write_bytes(data[:-20])
    assert shown(path) == ["one\n"]


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

    found = logread.follow(str(path), Span(), running, lambda _: None)
    assert [e.log for batch in found for e in batch] == ["before\n", "at the end\n"]


def test_a_full_disk_loses_lines_and_counts_them(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("/dev/full is missing")
    writer = logs.Writer("/dev/full")
    writer.write("stdout", b"a\nb\n")
    writer.write("stderr", b"unfinished")
    writer.close()
    assert (writer.lost, writer.reason) == (3, os.strerror(28))


# -- options


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({}, (0, 1, False)),
        ({"max-size": "10m", "max-file": "3"}, (10_000_000, 3, False)),
        ({"max-size": "1.5kb"}, (1500, 1, False)),
        ({"max-size": "-1", "labels": "a", "env": "B", "compress": "f"}, (0, 1, False)),
        ({"max-size": "1m", "max-file": "2", "compress": "true"}, (1_000_000, 2, True)),
        ({"tag": "{{.Name}}/{{ .ID }}", "mode": "blocking", "labels-regex": "^a"}, (0, 1, False)),
    ],
)
def test_options(options: dict[str, str], found: tuple[int, int, bool]) -> None:
    assert logoptions.parse(options) == found


@pytest.mark.parametrize(
    "options",
    [
        {"max-size": "0"},
        {"max-size": "ten"},
        {"max-size": ""},
        {"max-file": "0"},
        {"max-file": "x"},
        {"nosuch": "a"},
        {"compress": "true"},
        {"compress": "true", "max-file": "3"},
        {"compress": "true", "max-size": "1m"},
        {"compress": "perhaps", "max-size": "1m", "max-file": "3"},
        {"tag": "{{.Nosuch}}"},
        {"tag": "{{.ID"},
        {"mode": "nosuch"},
        {"labels-regex": "("},
        {"env-regex": "["},
    ],
)
def test_wrong_options(options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        logoptions.parse(options)


def test_a_mode_that_loses_lines_is_not_supported() -> None:
    with pytest.raises(Unsupported):
        logoptions.parse({"mode": "non-blocking"})


def test_labels_and_variables_that_lines_carry(tmp_path: Path) -> None:
    container = Container(
        id="0123456789abcdef", name="web", created=0.0, image_id="sha256:fedcba9876543210", chain=[],
        driver="",
        config=Config(image="busybox", labels={"a": "1", "c": "2", "cc": "3"}, env=["X=3", "Z=4", "ZZ=5"]),
        host=HostConfig(
            log_opts={
                "labels": "a,b", "env": "X,Y", "labels-regex": "^c+$", "env-regex": "ZZ",
                "tag": "{{.Name}}/{{.ID}}/{{.ImageID}}/{{.ImageName}}",
            }
        ),
    )  # fmt: skip
    attrs = logoptions.attributes(container)
    assert attrs == {
        "a": "1", "c": "2", "cc": "3", "X": "3", "ZZ": "5", "tag": "web/0123456789ab/fedcba987654/busybox",
    }  # fmt: skip
    writer = logs.Writer(str(tmp_path / "log"), attrs=attrs)
    writer.write("stderr", b"text\n")
    writer.close()
    ((entry,),) = logread.read(str(tmp_path / "log"), Span())
    assert (entry.log, entry.stream, entry.attrs) == ("text\n", "stderr", attrs)


# -- rotation


def numbered(first: int, last: int) -> bytes:
    return b"".join(b"%05d\n" % n for n in range(first, last))


@pytest.mark.parametrize("files", [1, 2, 4])
def test_rotation_keeps_the_youngest_lines_in_order(tmp_path: Path, files: int) -> None:
    path = tmp_path / "log"
    writer = logs.Writer(str(path), limit=1000, files=files)
    for n in range(0, 400, 40):
        writer.write("stdout", numbered(n, n + 40))
    writer.close()
    names = sorted(os.listdir(tmp_path))
    assert names == ["log", *(f"log.{n}" for n in range(1, files))]
    line = len(path.read_bytes().split(b"\n")[0]) + 1
    assert all(1000 <= (tmp_path / name).stat().st_size < 1000 + line for name in names[1:])
    lines = [int(text) for text in shown(path)]
    assert lines == [*range(lines[0], 400)]
    assert shown(path, Span(7)) == [f"{n:05d}\n" for n in range(393, 400)]
    assert shown(path, Span(5000)) == [f"{n:05d}\n" for n in lines]


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("at_once", [1, 30, 500])
def test_a_follower_misses_nothing_when_the_log_is_rotated(
    tmp_path: Path, at_once: int, compress: bool
) -> None:
    path = tmp_path / "log"
    writer = logs.Writer(str(path), limit=3000, files=50, compress=compress)
    left = list(range(0, 1500, at_once))

    def running() -> bool:
        if left:
            writer.write("stdout", numbered(left[0], left.pop(0) + at_once))
        return bool(left)

    found = logread.follow(str(path), Span(), running, lambda _: None)
    assert [int(entry.log) for batch in found for entry in batch] == [*range(1500)]


def test_rotated_files_are_gzip_s_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = logs.Writer(str(path), limit=1000, files=4, compress=True)
    for n in range(0, 400, 40):
        writer.write("stdout", numbered(n, n + 40))
    writer.close()
    assert sorted(os.listdir(tmp_path)) == ["log", "log.1.gz", "log.2.gz", "log.3.gz"]
    lines = [int(text) for text in shown(path)]
    assert lines == [*range(lines[0], 400)]
    for count in (3, 20, 40, 5000):
        assert shown(path, Span(count)) == [f"{n:05d}\n" for n in lines[-count:]]
    with gzip.open(tmp_path / "log.1.gz") as file:  # as anybody's gzip(1) would
        assert all(json.loads(line)["stream"] == "stdout" for line in file)


def test_compression_goes_on_where_there_was_none_and_stops(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for first, compress in ((0, False), (100, True), (200, False)):
        writer = logs.Writer(str(path), limit=1000, files=4, compress=compress)
        for n in range(first, first + 100, 10):
            writer.write("stdout", numbered(n, n + 10))
            lines = [int(text) for text in shown(path)]
            assert lines == [*range(lines[0], n + 10)]
            slots = {name.removesuffix(".gz") for name in os.listdir(tmp_path)}
            assert len(slots) == len(os.listdir(tmp_path)) <= 4
        writer.close()


def test_a_compression_that_was_killed_shows_every_line_once(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = logs.Writer(str(path), limit=1000, files=4)
    for n in range(0, 60, 10):
        writer.write("stdout", numbered(n, n + 10))
    lines = shown(path)
    kept = (tmp_path / "log.1").read_bytes()
    logzip.compress(f"{path}.1", f"{path}.1.gz")
    assert shown(path) == lines
    (tmp_path / "log.1").write_bytes(kept)  # killed before it was removed
    assert shown(path) == lines
    again = logs.Writer(str(path), limit=1000, files=4, compress=True)
    again.write("stdout", numbered(60, 90))
    left = [int(text) for text in shown(path)]
    assert left == [*range(left[0], 90)]
    assert left[0] < 60
    assert {name.partition(".gz")[0] for name in os.listdir(tmp_path)} == {"log", "log.1", "log.2", "log.3"}
    assert len(os.listdir(tmp_path)) == 4


def test_a_damaged_file_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = logs.Writer(str(path), limit=1000, files=4, compress=True)
    for n in range(0, 40, 10):
        writer.write("stdout", numbered(n, n + 10))
    whole = (tmp_path / "log.1.gz").read_bytes()
    (tmp_path / "log.1.gz").write_bytes(whole[: len(whole) // 2])
    assert set(shown(path)) >= {entry["log"] for entry in map(json.loads, path.read_bytes().splitlines())}


def test_a_rotation_that_was_killed_half_way_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = logs.Writer(str(path), limit=1000, files=4)
    writer.write("stdout", numbered(0, 8))
    os.rename(path, tmp_path / "log.1")  # and then the monitor died: nothing has the name
    assert [int(text) for text in shown(path)] == [*range(8)]
    writer = logs.Writer(str(path), limit=1000, files=4)
    writer.write("stdout", numbered(8, 16))
    assert [int(text) for text in shown(path)] == [*range(16)]


def test_a_line_that_was_cut_short_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "log"
    written(path, ("stdout", b"one\ntwo\n"))
    path.write_bytes(path.read_bytes()[:-20])
    written_later = logs.Writer(str(path))
    written_later.write("stdout", b"three\n")
    assert shown(path) == ["one\n", "three\n"]


def test_a_writer_goes_on_from_what_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = logs.Writer(str(path), limit=10_000, files=2, compress=True, attrs={"a": "b"})
    writer.write("stdout", b"one\nbegun \xff")
    again = logs.Writer.resumed(json.loads(json.dumps(writer.keep())))
    again.write("stdout", b"\xfe ended\n")
    assert shown(path) == ["one\n", "begun \ufffd\ufffd ended\n"]
    assert (again.limit, again.files, again.compress, again.attrs) == (10_000, 2, True, {"a": "b"})


# -- since, until


def test_since_and_until(tmp_path: Path) -> None:
    path = tmp_path / "log"
    writer = logs.Writer(str(path))
    for text in (b"one\n", b"two\n", b"three\n"):
        writer.write("stdout", text)
    times = [entry.time for batch in logread.read(str(path), Span()) for entry in batch]
    assert shown(path, Span(since=times[1])) == ["two\n", "three\n"]
    assert shown(path, Span(until=times[1])) == ["one\n", "two\n"]
    assert shown(path, Span(2, since=times[0], until=times[1])) == ["two\n"]
