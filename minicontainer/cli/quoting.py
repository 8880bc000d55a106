"""Text in double quotes, as Go's ``%q`` writes it: of `ps`, which need not load templates for it."""

from __future__ import annotations


def quote(text: str) -> str:
    """``%q``: in double quotes, with Go's escapes for what does not print."""
    parts = []
    for character in text:
        code = ord(character)
        if character in '"\\':
            parts.append(f"\\{character}")
        elif character in "\a\b\f\n\r\t\v":
            parts.append("\\" + "abtnvfr"["\a\b\t\n\v\f\r".index(character)])
        elif 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python keeps it
            parts.append(f"\\x{code - 0xDC00:02x}")
        elif character.isprintable():
            parts.append(character)
        elif code < 0x80:
            parts.append(f"\\x{code:02x}")
        else:
            parts.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return f'"{"".join(parts)}"'
