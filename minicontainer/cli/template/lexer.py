"""A template's text as tokens: outside the braces one each, inside by Go's lexical rules.

``{{- `` and `` -}}`` trim the text beside them here, and comments vanish here; the parser never
sees either.
"""

from __future__ import annotations

import re

from minicontainer.cli.template.errors import TemplateError

TEXT, OPEN, CLOSE, END_OF_FILE = "text", "{{", "}}", "EOF"
STRING, CHARACTER, NUMBER, FIELD, DOT, VARIABLE, WORD, SYMBOL = (
    "string", "character", "number", "field", "dot", "variable", "word", "symbol",
)  # fmt: skip

_COMMENT = re.compile(r"\{\{(-\s+)?/\*(.*?)\*/(?:(\s+-)?\}\})?", re.DOTALL)
_COMMENT_START = re.compile(r"\{\{(-\s+)?/\*")
_CLOSE = re.compile(r"\s+-\}\}|\s*\}\}")
_TOKEN = re.compile(
    r"""
      (?P<string>    "(?:[^"\\\n]|\\.)*" | `[^`]*` )
    | (?P<character> '(?:[^'\\\n]|\\.[0-9a-fA-F]*)' )
    | (?P<number>    [+-]? (?: 0[xX][0-9a-fA-F_]+ | 0[bB][01_]+ | 0[oO][0-7_]+
                             | (?: [0-9][0-9_]* (?:\.[0-9]*)? | \.[0-9]+ ) (?:[eE][+-]?[0-9]+)? ) )
    | (?P<field>     (?: \.[^\W\d]\w* )+ )
    | (?P<dot>       \. )
    | (?P<variable>  \$\w* (?: \.[^\W\d]\w* )* )
    | (?P<word>      [^\W\d]\w* )
    | (?P<symbol>    := | [=|(),] )
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Token:
    """``start`` and ``end`` are offsets in the template; ``spaced`` tells of white space before it."""

    __slots__ = ("end", "kind", "spaced", "start", "text")

    def __init__(self, kind: str, text: str, start: int, end: int, spaced: bool = False) -> None:
        self.kind = kind
        self.text = text
        self.start = start
        self.end = end
        self.spaced = spaced


def line_of(template: str, offset: int) -> str:
    """``:1: ``, for messages."""
    return f":{template.count(chr(10), 0, offset) + 1}: "


def tokenize(template: str) -> list[Token]:
    """All tokens, the last of them END_OF_FILE.  Raises TemplateError."""
    tokens: list[Token] = []
    position = 0
    trim = False  # the white space that comes next
    while True:
        opening = template.find("{{", position)
        end = len(template) if opening < 0 else opening
        text = template[position:end]
        text = text.lstrip() if trim else text
        if opening >= 0 and _trims_left(template, opening):
            text = text.rstrip()
        if text:
            tokens.append(Token(TEXT, text, position, end))
        if opening < 0:
            tokens.append(Token(END_OF_FILE, "EOF", end, end))
            return tokens
        comment = _COMMENT.match(template, opening)
        if comment:
            position, trim = _skip_comment(template, comment)
        elif _COMMENT_START.match(template, opening):
            raise TemplateError("unclosed comment", line_of(template, opening))
        else:
            position, trim = _action(template, opening, tokens)


def _trims_left(template: str, opening: int) -> bool:
    return template.startswith("-", opening + 2) and template[opening + 3 : opening + 4].isspace()


def _skip_comment(template: str, comment: re.Match[str]) -> tuple[int, bool]:
    if not comment.group().endswith("}}"):
        raise TemplateError("comment ends before closing delimiter", line_of(template, comment.start()))
    return comment.end(), comment.group(3) is not None


def _action(template: str, opening: int, tokens: list[Token]) -> tuple[int, bool]:
    """Append the tokens of one action; where it ends, and whether it trims what follows."""
    position = opening + (3 if _trims_left(template, opening) else 2)
    tokens.append(Token(OPEN, "{{", opening, position))
    while True:
        close = _CLOSE.match(template, position)
        if close:
            tokens.append(Token(CLOSE, "}}", close.start(), close.end()))
            return close.end(), close.group().endswith("-}}")
        start = position
        while position < len(template) and template[position].isspace():
            position += 1
        match = _TOKEN.match(template, position)
        if match is None or match.lastgroup is None:
            raise TemplateError(_complaint(template, position), line_of(template, opening))
        tokens.append(Token(match.lastgroup, match.group(), position, match.end(), position > start))
        position = match.end()


def _complaint(template: str, position: int) -> str:
    character = template[position : position + 1]
    if not character:
        return "unclosed action"
    if template.startswith("{{", position):
        return 'unexpected "{" in command'
    named = {
        '"': "unterminated quoted string",
        "`": "unterminated raw quoted string",
        "'": "unterminated character constant",
    }
    return named.get(character, f"unexpected bad character U+{ord(character):04X} {character!r} in command")


def unquote(literal: str) -> str:
    """The value of a quoted string, raw string or character."""
    if literal[0] == "`":
        return literal[1:-1]
    return _ESCAPE.sub(_unescape, literal[1:-1])


def _unescape(match: re.Match[str]) -> str:
    byte, short, long, octal, character = match.groups()
    for digits, base in ((byte, 16), (short, 16), (long, 16), (octal, 8)):
        if digits:
            return chr(min(int(digits, base), 0x10FFFF))
    return _ESCAPES.get(character, character)


def number_value(literal: str) -> int | float:
    """The value of a number.  Raises ValueError."""
    digits = literal.lower().replace("_", "")
    unsigned = digits.lstrip("+-")
    if unsigned[:2] in ("0x", "0b", "0o"):
        return int(digits, 0)
    if any(c in unsigned for c in ".e"):
        return float(digits)
    octal = len(unsigned) > 1 and unsigned[0] == "0"
    return int(digits, 8 if octal else 10)
