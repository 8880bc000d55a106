"""The functions a template can call: Go's predefined ones and Docker's.

Each takes values and returns one; what it refuses it says by FunctionError.  ``and`` and ``or``
stop at the first value that decides, so the evaluator does them itself.
"""

from __future__ import annotations

from minicontainer.cli.template.errors import FunctionError
from minicontainer.cli.template.printing import print_value, quote, sprintf, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

LAZY = frozenset(["and", "or"])


def is_true(value: Any) -> bool:
    """Go's truth: not false, 0, nil, nor empty."""
    return bool(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise FunctionError(f"wrong type for value; expected string; got {type_name(value)}")
    return value


def _whole(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise FunctionError(f"cannot {name} with type {type_name(value)}")
    return value


def to_json(value: Any) -> str:
    """Compact JSON, keys in their own order; the functions of a dictionary left out."""
    import msgspec

    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if not callable(item)}
    try:
        return msgspec.json.encode(value).decode()
    except TypeError as error:
        raise FunctionError(str(error)) from None
    except UnicodeEncodeError:
        # A name that is not UTF-8; as in Go, U+FFFD stands for each wrong byte.
        import json

        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return text.encode(errors="surrogateescape").decode(errors="replace")


def join(values: Any, separator: Any) -> str:
    if not isinstance(values, (list, tuple)):
        raise FunctionError(f"wrong type for value; expected []string; got {type_name(values)}")
    between: str = _text(separator)
    return between.join(print_value(value) for value in values)


def split(text: Any, separator: Any) -> list[str]:
    text, separator = _text(text), _text(separator)
    return text.split(separator) if separator else list(text)


def title(text: Any) -> str:
    """The first letter of each word in upper case; the others stay."""
    words = _text(text).split(" ")
    return " ".join(word[:1].upper() + word[1:] for word in words)


def pad(text: Any, left: Any, right: Any) -> str:
    """Spaces on both sides, unless empty."""
    inner = _text(text)
    return f"{' ' * _whole(left, 'pad')}{inner}{' ' * _whole(right, 'pad')}" if inner else ""


def truncate(text: Any, length: Any) -> str:
    return _text(text)[: max(_whole(length, "truncate"), 0)]


def sprint(*values: Any) -> str:
    """Spaces only between two that are both no text."""
    parts = []
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            parts.append(" ")
        parts.append(print_value(value))
    return "".join(parts)


def sprintln(*values: Any) -> str:
    return " ".join(print_value(value) for value in values) + "\n"


def length(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode(errors="surrogateescape"))
    if not isinstance(value, (list, tuple, dict)):
        raise FunctionError(f"len of type {type_name(value)}")
    return len(value)


def index(value: Any, *keys: Any) -> Any:
    """``index x 1 "a"`` is x[1]["a"]; what a dictionary lacks is nil."""
    for key in keys:
        value = _item(value, key)
    return value


def _item(value: Any, key: Any) -> Any:
    if isinstance(value, dict):
        return value.get(_text(key))
    if value is None:
        raise FunctionError("index of untyped nil")
    if not isinstance(value, (list, tuple, str)):
        raise FunctionError(f"can't index item of type {type_name(value)}")
    position = _whole(key, "index slice/array")
    items = value.encode(errors="surrogateescape") if isinstance(value, str) else value
    if not 0 <= position < len(items):
        raise FunctionError(f"index out of range: {position}")
    return items[position]


def cut(value: Any, *bounds: Any) -> Any:
    """``slice x 1 3`` is x[1:3]."""
    if not isinstance(value, (list, tuple, str)):
        raise FunctionError(f"can't slice item of type {type_name(value)}")
    if len(bounds) > 2:
        raise FunctionError(f"too many slice indexes: {len(bounds)}")
    numbers = [_whole(bound, "slice") for bound in bounds]
    low = numbers[0] if numbers else 0
    high = numbers[1] if len(numbers) > 1 else len(value)
    for bound in (low, high):
        if not 0 <= bound <= len(value):
            raise FunctionError(f"index out of range: {bound}")
    if low > high:
        raise FunctionError(f"invalid slice index: {low} > {high}")
    return value[low:high]


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    return "string" if isinstance(value, str) else "nil" if value is None else "other"


def equal(first: Any, *others: Any) -> bool:
    """Whether the first equals one of the others."""
    if not others:
        raise FunctionError("missing argument for comparison")
    for other in others:
        kinds = {_kind(first), _kind(other)}
        if len(kinds) > 1 and "nil" not in kinds:
            raise FunctionError("incompatible types for comparison")
        if len(kinds) == 1 and first == other:
            return True
    return False


def _ordered(name: str, holds: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(first: Any, second: Any) -> bool:
        if _kind(first) != _kind(second):
            raise FunctionError("incompatible types for comparison")
        if _kind(first) not in ("number", "string"):
            raise FunctionError("invalid type for comparison")
        return holds(first, second)

    return compare


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": equal,
    "ne": lambda first, second: not equal(first, second),
    "lt": _ordered("lt", lambda a, b: a < b),
    "le": _ordered("le", lambda a, b: a <= b),
    "gt": _ordered("gt", lambda a, b: a > b),
    "ge": _ordered("ge", lambda a, b: a >= b),
    "not": lambda value: not is_true(value),
    "len": length,
    "index": index,
    "slice": cut,
    "print": sprint,
    "println": sprintln,
    "printf": sprintf,
    "json": to_json,
    "join": join,
    "split": split,
    "lower": lambda text: _text(text).lower(),
    "upper": lambda text: _text(text).upper(),
    "title": title,
    "pad": pad,
    "truncate": truncate,
    "quote": lambda value: quote(print_value(value)),
}
