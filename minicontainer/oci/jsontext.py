"""JSON for what starts with every container, where the ``json`` module's own imports would cost more
than all the rest (``re`` and ``enum``: as long as half of Python's start).

The scanner and the quoting are CPython's own (``_json``, the C half of ``json`` since Python 2.6);
where an interpreter has no such module, ``json`` itself is used.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

try:
    from _json import encode_basestring_ascii, make_scanner
except ImportError:  # another interpreter than CPython
    from json.encoder import encode_basestring_ascii
    from json.scanner import make_scanner

BLANKS = " \t\n\r"


class _Rules:
    """What the scanner asks of its decoder: the grammar of RFC 8259, so neither NaN nor Infinity."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    memo: dict[str, str] = {}

    @staticmethod
    def parse_constant(name: str) -> None:
        raise ValueError(f"{name} is not JSON")


_scan = make_scanner(_Rules())  # type: ignore[arg-type]


def loads(data: bytes | str) -> Any:
    """The value of a JSON text (bytes: UTF-8).  Raises ValueError, with the place."""
    text = data if isinstance(data, str) else data.decode()
    value, end = _scanned(text, len(text) - len(text.lstrip(BLANKS)))
    rest = text[end:].lstrip(BLANKS)
    if rest:
        raise ValueError(f"more after the JSON value {_place(text, len(text) - len(rest))}")
    return value


def _scanned(text: str, begin: int) -> tuple[Any, int]:
    try:
        return _scan(text, begin)
    except StopIteration as stop:
        raise ValueError(f"no JSON value {_place(text, stop.value)}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except SystemError:
        # The scanner finds the words for what is wrong in a module, if that was loaded (CPython before 3.12).
        import json.decoder  # noqa: F401

        return _scan(text, begin)


def _place(text: str, offset: int) -> str:
    return f"at line {text.count(chr(10), 0, offset) + 1}, column {offset - text.rfind(chr(10), 0, offset)}"


def dumps(value: Any, indent: str = "") -> str:
    """A value of dict, list, tuple, str, int, float, bool and None as JSON in ASCII.

    ``indent`` is put before each line once for each level; without it all is one line.
    """
    return _text(value, indent, "\n" if indent else "")


def _text(value: Any, indent: str, line: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        quoted: str = encode_basestring_ascii(value)
        return quoted
    if isinstance(value, (int, float)):
        return repr(value)
    below = line + indent
    if isinstance(value, dict):
        colon = ": " if indent else ":"
        items = [encode_basestring_ascii(k) + colon + _text(v, indent, below) for k, v in value.items()]
        return _joined("{", items, "}", line, below)
    if isinstance(value, (list, tuple)):
        return _joined("[", [_text(item, indent, below) for item in value], "]", line, below)
    raise TypeError(f"{type(value).__name__} is not a JSON type")


def _joined(opening: str, items: list[str], closing: str, line: str, below: str) -> str:
    return opening + below + ("," + below).join(items) + line + closing if items else opening + closing
