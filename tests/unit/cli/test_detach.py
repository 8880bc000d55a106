"""Detach keys: their syntax, and finding them in what is typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.cli.detach import DEFAULT, DetachKeys, parse_keys
from minicontainer.errors import UsageError


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (DEFAULT, b"\x10\x11"),
        ("a", b"a"),
        ("ctrl-a,b", b"\x01b"),
        ("ctrl-A", b"\x01"),
        ("ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_", b"\x00\x1b\x1c\x1d\x1e\x1f"),
        ("", b""),
    ],
)
def test_keys(text: str, keys: bytes) -> None:
    assert parse_keys(text) == keys


@pytest.mark.parametrize("text", ["ctrl-?", "ctrl-", "ab", "ctrl-ab", "a,,b", "é", "ctrl-{"])
def test_what_is_no_key(text: str) -> None:
    with pytest.raises(UsageError, match="invalid detach keys"):
        parse_keys(text)


def typed(keys: bytes, parts: list[bytes]) -> tuple[bytes, bool]:
    """All that is passed on of ``parts``, until the sequence."""
    watcher = DetachKeys(keys)
    passed = b""
    for part in parts:
        data, detached = watcher.feed(part)
        passed += data
        if detached:
            return passed, True
    return passed, False


def test_the_sequence_is_not_passed_on() -> None:
    assert typed(b"\x10\x11", [b"ls\n\x10\x11rest"]) == (b"ls\n", True)
    assert typed(b"\x10\x11", [b"ls\n\x10", b"\x11"]) == (b"ls\n", True)


def test_a_beginning_is_held_back_and_passed_on_when_it_was_none() -> None:
    assert typed(b"\x10\x11", [b"a\x10"]) == (b"a", False)
    assert typed(b"\x10\x11", [b"a\x10", b"b"]) == (b"a\x10b", False)
    assert typed(b"\x10\x11", [b"\x10", b"\x10", b"\x11"]) == (b"\x10", True)


def test_without_keys_nothing_detaches() -> None:
    assert typed(b"", [b"\x10\x11"]) == (b"\x10\x11", False)


@given(st.text("ab", min_size=1, max_size=4), st.lists(st.text("abc", max_size=5)))
def test_any_cutting_finds_what_a_search_finds(sequence: str, parts: list[str]) -> None:
    keys, whole = sequence.encode(), "".join(parts).encode()
    passed, detached = typed(keys, [part.encode() for part in parts])
    assert detached == (keys in whole)
    if detached:
        assert passed == whole[: whole.index(keys)]
    else:
        held = whole[len(passed) :]
        assert whole.startswith(passed)
        assert len(held) < len(keys)
        assert keys.startswith(held)
