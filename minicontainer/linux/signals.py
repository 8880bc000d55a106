"""signal(7) by the C half of Python's signal module: the other half is enumerations, whose import
takes a third of Python's start, and this runs with every container."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Iterable
else:
    import _signal

SIGCHLD = int(_signal.SIGCHLD)
SIGKILL = int(_signal.SIGKILL)
SIGSTOP = int(_signal.SIGSTOP)
SIGTERM = int(_signal.SIGTERM)
SIGWINCH = int(_signal.SIGWINCH)
# Those of signal(7); nobody starts a program with real-time signals ignored.
STANDARD = [number for number in range(1, 32) if number not in (SIGKILL, SIGSTOP)]


def table() -> dict[str, int]:
    """Name -> number; synonyms too."""
    return {
        name: int(value)
        for name, value in vars(_signal).items()
        if name.startswith("SIG") and not name.startswith("SIG_") and isinstance(value, int)
    }


def name(number: int) -> str:
    """SIGTERM for 15; the number for one without a name."""
    return next((known for known, value in table().items() if value == number), str(number))


def reset() -> None:
    """Every standard signal at its default action, none blocked."""
    for number in STANDARD:
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [])


def block(numbers: Iterable[int]) -> None:
    """Hold back these signals, until `wait_info` takes them (sigprocmask(2))."""
    _signal.pthread_sigmask(_signal.SIG_BLOCK, numbers)


def wait_info(numbers: Iterable[int]) -> tuple[int, int]:
    """(number, sender's pid) of the next of these signals, which must be blocked (sigwaitinfo(2))."""
    found = _signal.sigwaitinfo(numbers)
    return found.si_signo, found.si_pid
