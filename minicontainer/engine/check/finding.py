"""One disagreement, as all parts of the check tell it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Finding:
    """What (``kind``), ``where`` it is, what it means; ``mend`` undoes it and says what it did.

    ``mend`` is None where that would lose something, or is a person's to decide.
    """

    __slots__ = ("kind", "meaning", "mend", "where")

    def __init__(self, kind: str, where: str, meaning: str, mend: Callable[[], str] | None = None) -> None:
        self.kind = kind
        self.where = where
        self.meaning = meaning
        self.mend = mend

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same finding in another look: the meaning may hold numbers that pass."""
        return self.kind, self.where
