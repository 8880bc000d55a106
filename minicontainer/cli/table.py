"""Lists on standard output: Docker's tables, and its ``--format``.

=====================  ==========================================================================
no format, ``table``   the default columns under headers in capitals
``table {{...}}``      the same for columns of one's own, separated by ``\\t``
``json``               one JSON object a line, its keys sorted, as ``{{json .}}``
``{{...}}``            one line for each row
=====================  ==========================================================================

Columns are at least 10 wide and 3 apart, the last one as long as it is (as text/tabwriter with
Docker's settings).
"""

from __future__ import annotations

from minicontainer.cli.quoting import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    Row = Mapping[str, Any]

NARROWEST, GAP = 10, 3
SHORT_ID = 12
COMMAND_WIDTH = 20


def short_id(text: str) -> str:
    """The first 12 digits of an id or digest."""
    return text.removeprefix("sha256:")[:SHORT_ID]


def ellipsis(text: str, width: int) -> str:
    """At most ``width`` characters, the last an ellipsis if some are missing."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def command_text(arguments: Iterable[str], *, whole: bool = False) -> str:
    """A command as `docker ps` shows it: quoted, and cut to 20 characters unless ``whole``."""
    program, *rest = arguments
    text = " ".join([program, *(f"'{word}'" if " " in word else word for word in rest)])
    return quote(text if whole else ellipsis(text, COMMAND_WIDTH))


def tabulate(lines: Sequence[Sequence[str]], narrowest: int = NARROWEST) -> str:
    """Cells in columns of at least ``narrowest`` characters; each line ends with a newline."""
    widths: list[int] = []
    for cells in lines:
        widths += [0] * (len(cells) - 1 - len(widths))
        for column, cell in enumerate(cells[:-1]):
            widths[column] = max(widths[column], len(cell) + GAP, narrowest)
    return "".join(
        "".join(cell.ljust(widths[column]) for column, cell in enumerate(cells[:-1])) + cells[-1] + "\n"
        for cells in lines
    )


def listing(rows: Sequence[Row], headers: Row, default: Sequence[str], form: str | None = None) -> str:
    """The text of a list.

    ``headers`` maps each field that a row may show to its header; ``default`` are the fields of the
    table without a format.  A function among a row's values (and one of the same name among the
    headers) is called with what follows its field: ``{{.Label "a"}}``.  Raises TemplateError.
    """
    if form in (None, "", "table"):
        return tabulate([[headers[name] for name in default], *([row[n] for n in default] for row in rows)])
    assert form is not None
    from minicontainer.cli.template import Template

    rows = [dict(sorted(row.items())) for row in rows]
    form = "{{json .}}" if form == "json" else form
    wanted = form.removeprefix("table ")
    template = Template(wanted.replace("\\t", "\t").replace("\\n", "\n"))
    if wanted is form:
        return "".join(f"{template.render(row)}\n" for row in rows)
    lines = [template.render(headers), *(template.render(row) for row in rows)]
    return tabulate([line.split("\t") for line in lines])
