"""A progress bar for what takes long: drawn on a terminal, silent anywhere else.

::

    importing rootfs.tar [==========>         ] 61.3MB/112MB

It is redrawn in place, ten times a second at most.
"""

from __future__ import annotations

import os
import time

from minicontainer.cli.units import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

INTERVAL = 0.1  # seconds
_START_OF_LINE, _CLEAR_TO_END = "\r", "\x1b[K"


class Progress:
    """Bytes done, of ``total`` if that is known; use it in ``with``, and call it with each amount."""

    def __init__(self, label: str, total: int | None = None, fd: int = 2) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self._fd = fd
        self._shown = os.isatty(fd)
        self._next = 0.0

    def __enter__(self) -> Progress:
        self._draw()
        return self

    def __call__(self, amount: int) -> None:
        """``amount`` more bytes are done."""
        self.done += amount
        if self._shown and time.monotonic() >= self._next:
            self._draw()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw()
        self._write("\n")

    def _draw(self) -> None:
        if self._shown:
            self._next = time.monotonic() + INTERVAL
            self._write(_START_OF_LINE + self.line(self._columns()) + _CLEAR_TO_END)

    def line(self, columns: int) -> str:
        """The bar in at most ``columns`` - 1 characters: the cursor stays on the line."""
        amount = human_size(self.done) if self.total is None else self._of_total(self.total)
        room = columns - 1 - len(self.label) - len(amount) - 4
        if self.total is None or room < 5:
            return f"{self.label} {amount}"[: columns - 1]
        filled = min(room * self.done // max(self.total, 1), room)
        bar = ("=" * filled)[: room - 1] + ">" if 0 < filled < room else "=" * filled
        return f"{self.label} [{bar.ljust(room)}] {amount}"

    def _of_total(self, total: int) -> str:
        return f"{human_size(self.done)}/{human_size(total)}"

    def _columns(self) -> int:
        from minicontainer.linux import terminal

        return terminal.get_size(self._fd)[1] or 80

    def _write(self, text: str) -> None:
        if not self._shown:
            return
        try:
            os.write(self._fd, text.encode(errors="surrogateescape"))
        except OSError:
            self._shown = False  # the terminal hung up: what is done counts, not the bar
