"""How a program in a container ended."""

from __future__ import annotations


class Outcome:
    """How a program ended, and what it wrote."""

    __slots__ = ("code", "err", "out")

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"<exit code {self.code}, out {self.out!r}, err {self.err!r}>"
