"""``--explain`` of a verb: the option, and the story's beginning and end around what the verb does."""

from __future__ import annotations

from minicontainer.cli.command import option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from minicontainer.explain.narrator import Narration

explain_option = option(
    "--explain",
    metavar="mode",
    bare="brief",
    default=None,
    help="Tell each step on standard error: brief, full, sh or json (MINICONTAINER_EXPLAIN)",
)


class Explained:
    """The steps inside ``with`` are told, in the mode that the option or the environment names.

    With ``whole`` the story goes on until every process of it has ended.  Raises UsageError.
    """

    def __init__(self, value: str | None, *, whole: bool) -> None:
        from minicontainer import explain

        self.mode = explain.from_option(value)
        self.whole = whole
        self.narration: Narration | None = None

    def __enter__(self) -> None:
        if self.mode is not None:
            from minicontainer import explain

            self.narration = explain.start(self.mode)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.narration is not None:
            self.narration.finish(whole=self.whole and error is None)
