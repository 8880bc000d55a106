"""What is wrong with a template, in the words of Go and Docker."""

from __future__ import annotations

from minicontainer.errors import UsageError


class TemplateError(UsageError):
    """``template parsing error: template: :1: unclosed action``."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(f"template parsing error: template: {where}{what}")


class FunctionError(Exception):
    """A function's complaint; the evaluator adds where it was called."""
