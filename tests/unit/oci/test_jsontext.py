"""JSON text, beside the json module that it stands in for."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.oci import jsontext

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_what_is_written_is_read_by_both(value: object) -> None:
    text = jsontext.dumps(value)
    assert json.loads(text) == value
    assert jsontext.loads(text) == value
    assert "\n" not in text


@given(VALUES, st.sampled_from(["  ", "    "]))
def test_indented_as_json_does(value: object, indent: str) -> None:
    assert jsontext.dumps(value, indent) == json.dumps(value, indent=indent)


@given(st.text(alphabet='{}[]":,0123456789.eE+-truefalsn \t\n\\x', max_size=30))
def test_the_same_texts_are_json(text: str) -> None:
    try:
        expected = json.loads(text, parse_constant=_refuse)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            jsontext.loads(text)
    else:
        assert jsontext.loads(text) == expected


def _refuse(name: str) -> object:
    raise ValueError(name)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no JSON value at line 1, column 1"),
        ("  \n ]", "no JSON value at line 2, column 2"),
        ("{} {}", "more after the JSON value at line 1, column 4"),
        ("NaN", "NaN is not JSON"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_errors_name_the_place(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        jsontext.loads(text)


def test_errors_where_nobody_has_loaded_the_json_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scanner of Python 3.11 then fails without an exception."""
    monkeypatch.delitem(sys.modules, "json.decoder")
    with pytest.raises(ValueError, match="Unterminated string"):
        jsontext.loads('{"half')


def test_bytes_are_utf_8() -> None:
    assert jsontext.loads('"ä"'.encode()) == "ä"
    with pytest.raises(UnicodeDecodeError):
        jsontext.loads(b'"\xff"')


def test_a_name_that_is_not_utf_8_comes_back() -> None:
    name = b"\xff".decode(errors="surrogateescape")
    assert jsontext.loads(jsontext.dumps(name).encode()) == name


def test_what_is_no_json_type() -> None:
    with pytest.raises(TypeError, match="set is not a JSON type"):
        jsontext.dumps({1})
