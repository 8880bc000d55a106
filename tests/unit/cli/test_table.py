"""Tables, formats and the progress bar."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.cli import table
from minicontainer.cli.progress import Progress
from minicontainer.cli.template import TemplateError
from minicontainer.linux import terminal

HEADERS = {"ID": "CONTAINER ID", "Image": "IMAGE", "Names": "NAMES", "Label": lambda name: name}
ROWS = [
    {"ID": "4189ef1ab0d4", "Image": "bb", "Names": "web", "Label": lambda name: f"<{name}>"},
    {"ID": "575b11e76aa9", "Image": "debian:bookworm", "Names": "longer_name", "Label": lambda name: ""},
]
DEFAULT = ["ID", "Image", "Names"]


@pytest.mark.parametrize("form", [None, "", "table"])
def test_the_default_table(form: str | None) -> None:
    assert table.listing(ROWS, HEADERS, DEFAULT, form) == (
        "CONTAINER ID   IMAGE             NAMES\n"
        "4189ef1ab0d4   bb                web\n"
        "575b11e76aa9   debian:bookworm   longer_name\n"
    )


def test_a_table_without_rows_has_its_headers_ten_wide() -> None:
    assert table.listing([], HEADERS, DEFAULT) == "CONTAINER ID   IMAGE     NAMES\n"


def test_a_table_of_ones_own() -> None:
    assert table.listing(ROWS, HEADERS, DEFAULT, 'table {{.Names}}\\t{{.Label "x"}}\\t{{upper .Image}}') == (
        "NAMES         x         IMAGE\nweb           <x>       BB\nlonger_name             DEBIAN:BOOKWORM\n"
    )


def test_a_template_a_line() -> None:
    assert table.listing(ROWS, HEADERS, DEFAULT, "{{.ID}}\\t{{.Names}}") == (
        "4189ef1ab0d4\tweb\n575b11e76aa9\tlonger_name\n"
    )


def test_json_a_line() -> None:
    assert table.listing(ROWS[:1], HEADERS, DEFAULT, "json") == (
        '{"ID":"4189ef1ab0d4","Image":"bb","Names":"web"}\n'
    )


def test_a_wrong_format_is_an_error() -> None:
    with pytest.raises(TemplateError, match="unclosed action"):
        table.listing([], HEADERS, DEFAULT, "{{.ID")
    with pytest.raises(TemplateError, match='no entry for key "Nope"'):
        table.listing([], HEADERS, DEFAULT, "table {{.Nope}}")


cells = st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=15)


@given(st.lists(st.tuples(cells, cells, cells), min_size=1))
def test_every_cell_of_a_column_starts_at_the_same_place(lines: list[tuple[str, str, str]]) -> None:
    printed = table.tabulate(lines).split("\n")[:-1]
    first = max(max(len(line[0]) for line in lines) + 3, 10)
    second = first + max(max(len(line[1]) for line in lines) + 3, 10)
    for text, line in zip(printed, lines, strict=True):
        assert (text[:first].rstrip(" "), text[first:second].rstrip(" "), text[second:]) == (
            line[0].rstrip(" "), line[1].rstrip(" "), line[2],
        )  # fmt: skip


def test_ids_and_commands() -> None:
    assert table.short_id("sha256:" + "ab" * 32) == "abababababab"
    assert table.short_id("ab" * 32) == "abababababab"
    assert table.command_text(["sleep", "60"]) == '"sleep 60"'
    assert table.command_text(["sh", "-c", "echo a long line"]) == '"sh -c \'echo a long …"'
    assert table.command_text(["sh", "-c", "echo a long line"], whole=True) == "\"sh -c 'echo a long line'\""
    assert table.command_text(["sh", "-c", 'a "b"\n']) == '"sh -c \'a \\"b\\"\\n\'"'
    assert table.ellipsis("a" * 20, 20) == "a" * 20
    assert table.ellipsis("a" * 21, 20) == "a" * 19 + "…"


def test_the_bar_fits_its_line() -> None:
    progress = Progress("importing x", 1000, fd=os.open(os.devnull, os.O_WRONLY))
    try:
        assert progress.line(40) == f"importing x [{' ' * 18}] 0B/1kB"
        progress(500)
        half = progress.line(60)
        assert half.startswith("importing x [====")
        assert half.endswith("] 500B/1kB")
        assert len(half) == 59
        progress(500)
        assert " " not in progress.line(60).partition("[")[2].partition("]")[0]
        assert len(progress.line(20)) <= 19
    finally:
        os.close(progress._fd)


@given(st.integers(0, 10**13), st.one_of(st.none(), st.integers(0, 10**13)), st.integers(2, 300))
def test_no_line_is_longer_than_the_terminal(done: int, total: int | None, columns: int) -> None:
    progress = Progress("import", total)
    progress.done = done
    assert len(progress.line(columns)) < columns


def test_a_bar_is_drawn_on_a_terminal() -> None:
    try:
        master, _ = terminal.open_ptmx()
    except OSError as error:
        pytest.skip(f"no terminals here: {error}")
    slave = terminal.peer(master)
    terminal.set_size(slave, 24, 60)
    with Progress("importing x", 4096, slave) as progress:
        for _ in range(4):
            progress(1024)
    written = ""
    while not written.endswith("\n"):
        written += os.read(master, 10_000).decode()
    os.close(slave)
    os.close(master)
    assert written.startswith("\rimporting x [")
    assert written.endswith("] 4.1kB/4.1kB\x1b[K\r\n")


def test_nothing_is_drawn_elsewhere() -> None:
    read_end, write_end = os.pipe()
    with Progress("importing x", 10, write_end) as progress:
        progress(10)
    os.close(write_end)
    assert os.read(read_end, 10) == b""
    os.close(read_end)
