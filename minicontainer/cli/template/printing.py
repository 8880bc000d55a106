"""Values as Go prints them: ``%v`` and the other verbs of package fmt."""

from __future__ import annotations

import re

from minicontainer.cli.quoting import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_VERB = re.compile(r"%([-+# 0]*)(\d+)?(?:\.(\d*))?(.)|%$", re.DOTALL)
_WIDEST = 10_000
__all__ = ["print_value", "quote", "sprintf", "type_name"]


def print_value(value: Any) -> str:
    """``%v``: ``true``, ``[a b]``, ``map[k:v]``, ``<no value>`` for nil."""
    return "<no value>" if value is None else _inner(value)


def _inner(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_inner(value[key])}' for key in sorted(value))}]"
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(map(_inner, value))}]"
    return str(value)


def _float(value: float) -> str:
    """The shortest digits, with an exponent below 1e-4 and from 1e21 on."""
    if value != value or value in (float("inf"), float("-inf")):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    digits = repr(value)
    if 1e-4 <= abs(value) < 1e21 or value == 0:
        if "e" in digits:
            digits = f"{value:.0f}"
        return digits.removesuffix(".0")
    mantissa, _, exponent = digits.partition("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+03d}"


def type_name(value: Any) -> str:
    """The Go type that a value of JSON has."""
    if value is None:
        return "nil"
    names = {bool: "bool", int: "int", float: "float64", str: "string", dict: "map[string]interface {}"}
    return names.get(type(value), "[]interface {}" if isinstance(value, (list, tuple)) else "func")


def sprintf(form: Any, *values: Any) -> str:
    """fmt.Sprintf.  As there, a mistake is shown in the result: ``%!d(string=abc)``."""
    rest = list(reversed(values))
    text = _VERB.sub(lambda match: _formatted(match, rest), form if isinstance(form, str) else "")
    if rest:
        extra = ", ".join(f"{type_name(value)}={_inner(value)}" for value in reversed(rest))
        text += f"%!(EXTRA {extra})"
    return text


def _formatted(match: re.Match[str], rest: list[Any]) -> str:
    flags, width, precision, verb = match.groups()
    if verb is None:
        return "%!(NOVERB)"
    if verb == "%":
        return "%"
    if not rest:
        return f"%!{verb}(MISSING)"
    value = rest.pop()
    text = _by_verb(verb, value, flags, None if precision is None else min(int(precision or 0), _WIDEST))
    if text is None:
        return f"%!{verb}({type_name(value)}={_inner(value)})"
    return _padded(
        text, flags, min(int(width or 0), _WIDEST), zero=verb in "dfFeEgGxXob" and not isinstance(value, str)
    )


def _by_verb(verb: str, value: Any, flags: str, precision: int | None) -> str | None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if verb == "v" or (verb == "s" and isinstance(value, (list, tuple, dict))):
        return _inner(value)
    if verb == "t":
        return _inner(value) if isinstance(value, bool) else None
    if verb == "T":
        return type_name(value)
    if isinstance(value, str):
        return _text_by_verb(verb, value if precision is None or verb in "xX" else value[:precision])
    if whole and verb in "dxXobcqU":
        return _whole_by_verb(verb, value, flags)
    if isinstance(value, float) and verb in "fFeEgG":
        if verb in "gG" and precision is None:
            return _float(value)
        return _signed(f"{value:.{6 if precision is None else precision}{verb}}", flags)
    return None


def _text_by_verb(verb: str, value: str) -> str | None:
    if verb in "xX":
        digits = value.encode(errors="surrogateescape").hex()
        return digits.upper() if verb == "X" else digits
    return {"s": value, "q": quote(value)}.get(verb)


def _whole_by_verb(verb: str, value: int, flags: str) -> str:
    if verb in "cqU":
        character = chr(value) if 0 <= value <= 0x10FFFF else "\ufffd"
        return {"c": character, "q": f"'{character}'", "U": f"U+{value:04X}"}[verb]
    return _signed(f"{value:{'#' if '#' in flags and verb in 'xXob' else ''}{verb}}", flags)


def _signed(text: str, flags: str) -> str:
    if text.startswith("-"):
        return text
    return ("+" if "+" in flags else " " if " " in flags else "") + text


def _padded(text: str, flags: str, width: int, *, zero: bool) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags and zero:
        return text.zfill(width)
    return text.rjust(width)
