"""kill: a signal to init, or with --all to every process of the container."""

from __future__ import annotations

from minicontainer.errors import UsageError
from minicontainer.libcontainer.container import Container
from minicontainer.linux import signals
from minicontainer.runtime.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.runtime.main import Context

USAGE = "[FLAGS] CONTAINER-ID [SIGNAL]"
FLAGS = [Flag("all a", "switch", "signal every process of the container")]


def main(context: Context) -> int:
    """0."""
    if not 1 <= len(context.words) <= 2:
        raise UsageError(f'"kill" requires 1 or 2 arguments, not {len(context.words)}')
    number = parse_signal(context.words[1] if len(context.words) == 2 else "SIGTERM")
    container = Container.load(context.words[0], context.root)
    if context.flags["all"]:
        container.kill_all(number)
    else:
        container.kill(number)
    return 0


def parse_signal(word: str) -> int:
    """15 for "15", "TERM" and "SIGTERM", in any case.  Raises UsageError."""
    if word.isascii() and word.isdigit():
        if len(word) > 2 or int(word) > 64:
            raise UsageError(f"unknown signal {word!r}")
        return int(word)
    name = word.upper()
    number = signals.table().get(name if name.startswith("SIG") else f"SIG{name}")
    if number is None:
        raise UsageError(f"unknown signal {word!r}")
    return number
