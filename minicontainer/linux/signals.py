"""signal(7) by the C half of Python's signal module: the other half is enumerations, whose import
takes a third of Python's start, and this runs with every container."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as _signal
    from collections.abc import Callable, Iterable
    from types import FrameType
    from typing import Any

    Handler = Callable[[int, FrameType | None], Any] | int | None
else:
    import _signal

SIGCONT = int(_signal.SIGCONT)
SIGCHLD = int(_signal.SIGCHLD)
SIGHUP = int(_signal.SIGHUP)
SIGINT = int(_signal.SIGINT)
SIGKILL = int(_signal.SIGKILL)
SIGQUIT = int(_signal.SIGQUIT)
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


def number(text: str) -> int | None:
    """15 for ``15``, ``TERM``, ``SIGTERM``, ``sigterm``; RTMIN+3 and RTMAX-1 too; None for another text."""
    if text.isascii() and text.isdigit():
        return int(text) if 0 < int(text) < _signal.NSIG else None
    known = table()
    base, sign, offset = text.upper().removeprefix("SIG").replace("-", "+-").partition("+")
    found = known.get(f"SIG{base}")
    if found is None or not sign:
        return found
    if base not in ("RTMIN", "RTMAX") or not offset.removeprefix("-").isdigit():
        return None
    found += int(offset)
    return found if known["SIGRTMIN"] <= found <= known["SIGRTMAX"] else None


def reset() -> None:
    """Every standard signal at its default action, none blocked."""
    for number in STANDARD:
        _signal.signal(number, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, [])


def caught(number: int, handler: Handler) -> Handler:
    """Call ``handler`` at it, unless it is ignored (nohup(1)); what was done before, for `restore`."""
    before: Handler = _signal.getsignal(number)
    if before != _signal.SIG_IGN:
        _signal.signal(number, handler)
    return before


def restore(number: int, handler: Handler) -> None:
    """Do at this signal what `caught` gave back."""
    _signal.signal(number, handler)


def die_of(number: int) -> None:
    """Let the signal do again what it does by itself."""
    _signal.signal(number, _signal.SIG_DFL)


def wake(fd: int) -> int:
    """Write a byte to ``fd`` at each signal that is caught (signal.set_wakeup_fd); the one before, or -1."""
    return _signal.set_wakeup_fd(fd, warn_on_full_buffer=False)


def ignore(numbers: Iterable[int]) -> None:
    """Ignore these, and so do the programs that this process becomes (signal(7))."""
    for number in numbers:
        _signal.signal(number, _signal.SIG_IGN)


def block(numbers: Iterable[int]) -> None:
    """Hold back these signals, until `wait_info` takes them (sigprocmask(2))."""
    _signal.pthread_sigmask(_signal.SIG_BLOCK, numbers)


def send(pidfd: int, number: int) -> None:
    """pidfd_send_signal(2), for linux/pidfd.py, whose step it is."""
    _signal.pidfd_send_signal(pidfd, number)


def wait_info(numbers: Iterable[int]) -> tuple[int, int]:
    """(number, sender's pid) of the next of these signals, which must be blocked (sigwaitinfo(2))."""
    found = _signal.sigwaitinfo(numbers)
    return found.si_signo, found.si_pid


class Descriptor:
    """Signals as bytes that a descriptor gives, each the signal's number (signal.set_wakeup_fd)."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self.numbers = list(numbers)
        self.fd = self.writer = -1

    def __enter__(self) -> Descriptor:
        self.fd, self.writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        _signal.set_wakeup_fd(self.writer, warn_on_full_buffer=False)
        for number in self.numbers:
            _signal.signal(number, lambda *_: None)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, self.numbers)
        return self

    def __exit__(self, *_: object) -> None:
        _signal.set_wakeup_fd(-1)
        for number in self.numbers:
            _signal.signal(number, _signal.SIG_DFL)
        os.close(self.fd)
        os.close(self.writer)

    def read(self) -> list[int]:
        """The signals that have come."""
        return list(os.read(self.fd, 4096))
