"""``minicontainer logs``: what a container's program wrote."""

from __future__ import annotations

import os
import time

from minicontainer.cli.command import argument, flag, option, pass_context
from minicontainer.cli.command import command as verb
from minicontainer.cli.context import engine as engine_of
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from minicontainer.cli.context import Context
    from minicontainer.engine.engine import Engine, Found
    from minicontainer.engine.logread import Entry, Span


@verb("logs", usage="[OPTIONS] CONTAINER", help="Fetch the logs of a container")
@flag("--details", help="Show the labels and variables that --log-opt added")
@flag("-f", "--follow", help="Go on until the container ends")
@option(
    "--since",
    metavar="string",
    default="",
    help="Only from then on: 2013-01-02T13:23:37Z, 1388530000, or 42m ago",
)
@option("-n", "--tail", metavar="string", default="all", help="Only the last lines (all)")
@flag("-t", "--timestamps", help="Show when each line was written")
@option("--until", metavar="string", default="", help="Only until then, given as for --since")
@argument("container")
@pass_context
def command(ctx: Context, /, container: str, **flags: Any) -> None:
    """Standard output and error, each to its own."""
    engine = engine_of(ctx)
    span = _span(flags)
    found = engine.find(container)
    if found.container.host.log_driver == "none":
        raise UsageError("configured logging driver does not support reading")
    out = _Output(details=flags["details"], timestamps=flags["timestamps"])
    try:
        for entries in _batches(engine, found, span, follow=flags["follow"]):
            out.write(entries)
    except FileNotFoundError:
        engine.read(found.container.id)  # NotFound, where it has been removed just now
        raise


def _batches(engine: Engine, found: Found, span: Span, *, follow: bool) -> Iterator[list[Entry]]:
    from minicontainer.engine import logread, logs

    folder = engine.folders.container(found.container.id)
    path = f"{folder}/{logs.FILE}"
    if not follow:
        yield from logread.read(path, span)
        return
    from minicontainer.linux import inotify

    watch = inotify.Watch(folder)
    yield from logread.follow(path, span, lambda: engine.runs(found), watch.wait)


def _span(flags: dict[str, Any]) -> Span:
    from minicontainer.engine.logread import Span

    return Span(_count(flags["tail"]), _moment(flags["since"], "since"), _moment(flags["until"], "until"))


def _count(text: str) -> int | None:
    """None is all of them, as for Docker everything that is no number above 0 is."""
    if text == "all":
        return None
    if text.isascii() and text.removeprefix("-").isdigit():
        return int(text) if int(text) >= 0 else None
    raise UsageError(f"invalid value {text!r} for --tail: give a number or all")


def _moment(text: str, name: str) -> str:
    if not text:
        return ""
    from minicontainer.cli.units import parse_instant
    from minicontainer.engine.logs import timestamp

    try:
        return timestamp(max(0, parse_instant(text, time.time_ns())))
    except UsageError as error:
        raise UsageError(f'invalid value for "{name}": {error}') from None


class _Output:
    """Entries on this process's standard output and error, in their order."""

    def __init__(self, *, details: bool, timestamps: bool) -> None:
        self.details = details
        self.timestamps = timestamps

    def write(self, entries: list[Entry]) -> None:
        """As few write(2) as there are changes from one stream to the other."""
        texts: list[str] = []
        stream = entries[0].stream
        for entry in entries:
            if entry.stream != stream:
                _put(stream, texts)
                texts, stream = [], entry.stream
            texts.append(self._text(entry))
        _put(stream, texts)

    def _text(self, entry: Entry) -> str:
        if not (self.details or self.timestamps):
            return entry.log
        text = entry.log
        if self.details:
            shown = ",".join(f"{_quoted(key)}={_quoted(value)}" for key, value in sorted(entry.attrs.items()))
            text = f"{shown} {text}"
        return f"{entry.time} {text}" if self.timestamps else text


def _quoted(text: str) -> str:
    """As Docker: url.QueryEscape of names and values."""
    from urllib.parse import quote_plus

    return quote_plus(text)


def _put(stream: str, texts: list[str]) -> None:
    data = memoryview("".join(texts).encode(errors="surrogateescape"))
    while data:
        data = data[os.write(2 if stream == "stderr" else 1, data) :]
