"""list: the containers below --root, as a table or as JSON."""

from __future__ import annotations

import os

from minicontainer.errors import MinicontainerError, UsageError
from minicontainer.libcontainer.container import Container
from minicontainer.oci import jsontext
from minicontainer.runtime.flags import Flag
from minicontainer.runtime.state import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.runtime.main import Context

USAGE = "[FLAGS]"
FLAGS = [
    Flag("format f", "text", "table or json", "table"),
    Flag("quiet q", "switch", "only the ids"),
]
COLUMNS = ("id", "pid", "status", "bundle", "created", "owner")


def main(context: Context) -> int:
    """0."""
    form = context.flags["format"]
    if form not in ("table", "json"):
        raise UsageError("invalid format option: one of table, json")
    found = _containers(context)
    if context.flags["quiet"]:
        text = "".join(f"{each['id']}\n" for each in found)
    elif form == "json":
        text = jsontext.dumps(found) + "\n"
    else:
        text = _table([[name.upper() for name in COLUMNS], *([str(e[c]) for c in COLUMNS] for e in found)])
    os.write(1, text.encode(errors="surrogateescape"))
    return 0


def _containers(context: Context) -> list[dict[str, Any]]:
    try:
        names = sorted(os.listdir(context.root))
    except FileNotFoundError:
        return []
    found = []
    for name in names:
        try:
            found.append(described(Container.load(name, context.root)))
        except (MinicontainerError, NotADirectoryError) as error:
            # One that is being made or deleted at this moment, or a file of ours.
            context.log.debug(f"list: {name}: {error}")
    return found


def _table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) + 3 for column in zip(*rows, strict=True)]
    lines = ("".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(f"{line.rstrip()}\n" for line in lines)
