"""Go's templates, as ``--format`` takes them (https://pkg.go.dev/text/template).

::

    "{{range .Names}}{{upper .}} {{end}}"
        │ lexer.py     text, {{, word range, field .Names, }}, ...
        ▼
      tokens
        │ parser.py    Range(Pipeline(...), [Output(...), Text(" ")], [])
        ▼
       tree            built once, checked for unknown functions and variables
        │ evaluate.py  with the data, and the functions of functions.py
        ▼
    "WEB DB "

Data are what JSON can hold: dictionaries, lists, text, numbers, booleans, None; a dictionary may
also hold a plain function, which is then called with the arguments behind the field (``{{.Label "a"}}``).
Left out are ``define``, ``template`` and ``block``, since a format is a single template.
"""

from __future__ import annotations

from minicontainer.cli.template.errors import TemplateError
from minicontainer.cli.template.evaluate import Evaluator
from minicontainer.cli.template.parser import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Template", "TemplateError"]


class Template:
    """A parsed template.  Raises TemplateError for what is none."""

    __slots__ = ("_tree",)

    def __init__(self, text: str) -> None:
        self._tree = parse(text)

    def render(self, data: Any) -> str:
        """The text for ``data``.  Raises TemplateError for a missing field, a wrong argument, ..."""
        return Evaluator(data).run(self._tree)
