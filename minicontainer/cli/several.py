"""One operation on several names: what can be done is done, and the exit status tells of the rest."""

from __future__ import annotations

from minicontainer.cli.echo import echo
from minicontainer.errors import MinicontainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    T = TypeVar("T")


def each(items: Iterable[T], operation: Callable[[T], object], shown: Callable[[T], object] = str) -> None:
    """Call ``operation`` with each, and print what ``shown`` makes of it when it was done (and is not False).

    An error is one line on standard error; after all of them, it becomes exit status 1.
    """
    failed = 0
    for item in items:
        try:
            if operation(item) is not False:
                echo(shown(item))
        except (MinicontainerError, OSError) as error:
            failed += 1
            tell(error)
    if failed:
        raise SystemExit(1)


def tell(error: MinicontainerError | OSError) -> None:
    """The error as one line on standard error."""
    text = str(error)
    if isinstance(error, OSError):
        from minicontainer import explain

        text = explain.describe(error)
    echo(f"minicontainer: {' '.join(text.splitlines())}", err=True)
