"""SECURITY.md's table is what the tests are: every escape in a row is named in a test that the row names."""

from __future__ import annotations

import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(os.path.dirname(HERE))


def rows() -> list[tuple[list[str], list[str]]]:
    """(numbers, files) of each row."""
    with open(f"{PROJECT}/SECURITY.md") as file:
        text = file.read()
    table = text[text.index("| CVE |") :].split("\n\n")[0].splitlines()[2:]
    cells = [line.split("|") for line in table]
    return [(re.findall(r"20\d\d-\d{3,7}", row[1]), re.findall(r"`([^`]+\.py)`", row[4])) for row in cells]


def text_of(name: str) -> str:
    path = f"{PROJECT}/{name}" if name.startswith("tests/") else f"{HERE}/{name}"
    with open(path) as file:
        return file.read().replace("_", "-")


def test_every_row_is_tested() -> None:
    found = rows()
    assert len(found) > 30
    untested = [
        number
        for numbers, files in found
        for number in numbers
        if not any(re.search(rf"\b{number}\b", text_of(name)) for name in files)
    ]
    assert untested == []


def test_every_test_is_in_the_table() -> None:
    listed = {number for numbers, _ in rows() for number in numbers}
    tested = {
        f"{year}-{number}"
        for name in os.listdir(HERE)
        if name.startswith("test_") and name != os.path.basename(__file__)
        for year, number in re.findall(r"def test-cve-(\d{4})-(\d+)", text_of(name))
    }
    assert tested
    assert tested - listed == set()
