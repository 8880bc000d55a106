"""``minicontainer stats``: what containers use, once or every second.

On a terminal each picture is drawn over the one before, cut to the window, whatever its size is by
then; the terminal's settings stay as they are, so that nothing has to be restored after ^C.  In a pipe
pictures follow each other.  A named container that ends stays in the picture, as ``--``; without names
it goes, unless ``--all`` is given (as Docker).
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress

import click

from minicontainer.cli.command import command as verb
from minicontainer.cli.command import flag, option
from minicontainer.cli.context import engine as engine_of
from minicontainer.cli.table import listing, short_id
from minicontainer.cli.units import human_bytes, human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from minicontainer.engine.engine import Engine, Found
    from minicontainer.engine.stats import Usage

INTERVAL = 1.0  # seconds
HOME, END_OF_LINE, END_OF_SCREEN, CLEAR = "\033[H", "\033[K", "\033[J", "\033[2J"
HEADERS = {
    "Container": "CONTAINER",
    "ID": "CONTAINER ID",
    "Name": "NAME",
    "CPUPerc": "CPU %",
    "MemUsage": "MEM USAGE / LIMIT",
    "MemPerc": "MEM %",
    "NetIO": "NET I/O",
    "BlockIO": "BLOCK I/O",
    "PIDs": "PIDS",
}
DEFAULT = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")
UNKNOWN = {
    "CPUPerc": "--",
    "MemUsage": "-- / --",
    "MemPerc": "--",
    "NetIO": "--",
    "BlockIO": "--",
    "PIDs": "--",
}
NOTHING = {
    "CPUPerc": "0.00%", "MemUsage": "0B / 0B", "MemPerc": "0.00%", "NetIO": "0B / 0B", "BlockIO": "0B / 0B",
    "PIDs": "0",
}  # fmt: skip


@verb("stats", usage="[OPTIONS] [CONTAINER...]", help="Show what containers use of the host, live")
@flag("-a", "--all", help="Show all containers, not only running ones")
@option("--format", "form", metavar="string", default=None, help="A Go template, table TEMPLATE, or json")
@flag("--no-stream", help="Show it once")
@flag("--no-trunc", help="Do not cut ids and names")
@click.argument("containers", nargs=-1)
@click.pass_context
def command(ctx: click.Context, /, containers: tuple[str, ...], form: str | None, **flags: bool) -> None:
    """Measure twice, a second apart, and print; then again, until ^C."""
    from minicontainer.engine.stats import Meter

    engine = engine_of(ctx)
    watch = Watch(engine, containers, every=flags["all"])
    picture = Picture(form, whole=flags["no_trunc"], once=flags["no_stream"])
    meter = Meter(engine)
    first = meter.measure(watch.first())
    if flags["no_stream"]:
        time.sleep(INTERVAL if any(usage.now for usage in first) else 0)
        click.echo(picture.text(meter.measure(watch.again()), watch.names), nl=False)
        return
    with Screen() as screen:
        screen.show(picture.text(first, watch.names))
        while True:
            screen.wait(INTERVAL)
            screen.show(picture.text(meter.measure(watch.again()), watch.names))


class Watch:
    """Which containers are looked at: those that were named, or all that run now."""

    def __init__(self, engine: Engine, names: tuple[str, ...], *, every: bool) -> None:
        self.engine = engine
        self.named = names
        self.every = every
        self.names: dict[str, str] = {}
        self._last: list[Found] = []

    def first(self) -> list[Found]:
        """Raises NotFound for a name that does not exist."""
        if self.named:
            self._last = list({f.container.id: f for f in map(self.engine.find, self.named)}.values())
            self.names = {
                found.container.id: name for found, name in zip(self._last, self.named, strict=False)
            }
            return self._last
        return self._all()

    def again(self) -> list[Found]:
        """The same a moment later: a named one stays, as it was last seen, even when it is removed."""
        if not self.named:
            return self._all()
        self._last = [self._now(found) for found in self._last]
        return self._last

    def _all(self) -> list[Found]:
        return [one for one in self.engine.containers() if self.every or one.running or one.restarting]

    def _now(self, found: Found) -> Found:
        from minicontainer.engine.records import Status
        from minicontainer.errors import NotFound

        try:
            return self.engine.load(found.container.id)
        except NotFound:
            found.status = Status()
            return found


class Picture:
    """One table; what is not known is ``--``, and in a single picture what does not run uses nothing."""

    def __init__(self, form: str | None, *, whole: bool, once: bool) -> None:
        self.form = form
        self.whole = whole
        self.once = once

    def text(self, usages: list[Usage], names: dict[str, str]) -> str:
        """Raises TemplateError."""
        rows = [self._row(usage, names) for usage in usages]
        return listing(rows, HEADERS, DEFAULT, self.form)

    def _row(self, usage: Usage, names: dict[str, str]) -> dict[str, Any]:
        container = usage.found.container
        return {
            "Container": names.get(container.id, container.id if self.whole else short_id(container.id)),
            "ID": container.id if self.whole else short_id(container.id),
            "Name": container.name,
            **(_used(usage) or (NOTHING if self.once else UNKNOWN)),
        }


def _used(usage: Usage) -> dict[str, str] | None:
    """None for a container that does not run, or was not measured before."""
    now = usage.now
    if now is None or usage.before is None:
        return None
    return {
        "CPUPerc": f"{usage.cpu_percent:.2f}%",
        "MemUsage": f"{human_bytes(now.memory)} / {human_bytes(now.limit)}",
        "MemPerc": f"{usage.memory_percent:.2f}%",
        "NetIO": f"{human_size(now.received)} / {human_size(now.sent)}",
        "BlockIO": f"{human_size(now.read)} / {human_size(now.written)}",
        "PIDs": str(now.pids),
    }


class Screen:
    """Where pictures are shown; inside ``with``, one is drawn anew when the window changes its size."""

    def __init__(self) -> None:
        self.terminal = os.isatty(1)
        self.picture = ""
        self._resized, self._told = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def __enter__(self) -> Screen:
        if self.terminal:
            signal.signal(signal.SIGWINCH, self._on_resize)
            click.echo(CLEAR, nl=False)
        return self

    def __exit__(self, *_: object) -> None:
        if self.terminal:
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        os.close(self._resized)
        os.close(self._told)

    def _on_resize(self, number: int, frame: FrameType | None) -> None:
        with suppress(BlockingIOError):  # it has been told often enough
            os.write(self._told, b"w")

    def show(self, text: str) -> None:
        """Draw over what was there, or write it behind."""
        self.picture = text
        if self.terminal:
            size = os.get_terminal_size(1)
            text = drawn(text, size.columns, size.lines)
        click.echo(text, nl=False)

    def wait(self, seconds: float) -> None:
        """Until the seconds are over."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self._resized], [], [], left)
            if ready:
                os.read(self._resized, 1 << 10)
                self.show(self.picture)


def drawn(text: str, columns: int, rows: int) -> str:
    """``text`` as it fills a terminal of this size (0: not known), over whatever was there."""
    lines = [line[: columns or None] for line in text.splitlines()][: max(rows - 1, 1) if rows else None]
    return HOME + "".join(f"{line}{END_OF_LINE}\n" for line in lines) + END_OF_SCREEN
