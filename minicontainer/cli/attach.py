"""The client's side of a terminal or of pipes: copies between them and a container's monitor.

::

    standard input ──► detach keys ──► STDIN frames ──►┐
    signals ─────────────────────────► SIGNAL frames ─►│ socket ──► monitor (engine/attach.py)
    window size ─────────────────────► RESIZE frames ─►┘
    standard output, error ◄────────────────────────────── STDOUT, STDERR frames

One loop around poll(2).  Standard input is read only when the socket has taken all before, so that
a slow program slows its feeder.  Standard output is written with blocking calls: a slow reader slows
the monitor, which stops reading the program.  A signal that arrives during such a write is passed on
from its handler; else handlers only note it, and the loop, woken through a pipe, passes it on.

Who gets a signal:

=================================  =========================================================
raw terminal (tty and stdin open)  nobody types them; one from outside ends the client, with
                                   the terminal restored; the container goes on
sig_proxy                          the program
neither                            the client dies of it; the container goes on
=================================  =========================================================
"""

from __future__ import annotations

import errno
import os
import select

from minicontainer import errors
from minicontainer.cli.detach import DetachKeys
from minicontainer.engine import attach as protocol
from minicontainer.linux import process, signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType, TracebackType
    from typing import Any

    Handler = Callable[[int, FrameType | None], Any] | int | None

EXITED, DETACHED, BROKEN_PIPE = "exited", "detached", "broken-pipe"

_PROXIED = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM")
_READS_IN_A_ROW = 16  # of the socket, before signals and standard input get a turn


class Outcome:
    """How an attachment ended.

    ``kind`` is EXITED: the program did, with ``status``; DETACHED: by the detach keys; or
    BROKEN_PIPE: nobody reads our standard output any more, and the program goes on.
    """

    __slots__ = ("kind", "status")

    def __init__(self, kind: str, status: int = 0) -> None:
        self.kind = kind
        self.status = status

    def __repr__(self) -> str:
        return f"Outcome({self.kind!r}, {self.status})"


def attach(
    sock: int,
    stdin_fd: int = 0,
    stdout_fd: int = 1,
    stderr_fd: int = 2,
    *,
    tty: bool,
    stdin_open: bool,
    sig_proxy: bool = True,
    stays: bool = True,
    detach_keys: bytes = b"\x10\x11",
    started: Callable[[dict[str, Any]], None] | None = None,
    kill: Callable[[int], None] | None = None,
) -> Outcome:
    """Copy both ways until the program ends, the user detaches or the reader leaves.

    ``sock`` is a connected socket's descriptor and becomes non-blocking.  ``started`` is called with the
    STARTED document; without ``stays`` it detaches when standard input ends; ``kill`` with a signal to pass
    on, which else is sent as a SIGNAL frame, and so waits behind the standard input that a program does not
    read.  Raises what an ERROR frame carries; MinicontainerError when the monitor vanishes; KeyboardInterrupt
    for a SIGINT that is not proxied; OSError when standard input or output fails.  The main thread only.
    """
    os.set_blocking(sock, False)
    raw = tty and stdin_open and os.isatty(stdin_fd)
    raw_fd = stdin_fd if raw else -1
    client = _Client(sock, stdin_fd if stdin_open else None, (stdout_fd, stderr_fd), started)
    client.keys = DetachKeys(detach_keys if tty else b"")
    client.window = _window(stdin_fd, stdout_fd) if tty else None
    client.proxy = sig_proxy and not raw
    client.stays = stays
    client.kill = kill
    try:
        with _Signals(client.on_signal) as client.signals, _RawTerminal(raw_fd) as client.raw:
            return client.run()
    except _Killed as killed:
        return _die(killed.number)


def _window(*fds: int) -> int | None:
    """The descriptor whose window size the container's terminal gets."""
    return next((fd for fd in reversed(fds) if os.isatty(fd)), None)


class _Killed(Exception):
    def __init__(self, number: int) -> None:
        self.number = number


def _die(number: int) -> Outcome:
    """End as the signal would have ended us; the terminal is restored by now."""
    if number == signals.SIGINT:
        raise KeyboardInterrupt
    signals.die_of(number)
    process.kill(os.getpid(), number)
    raise errors.MinicontainerError(f"ended by {signals.name(number)}")  # it was blocked


class _Client:
    """The loop and what it needs to know."""

    def __init__(
        self,
        sock: int,
        stdin: int | None,
        outputs: tuple[int, int],
        started: Callable[[dict[str, Any]], None] | None,
    ) -> None:
        self.sock = sock
        self.stdin = stdin  # None: not open, or at its end
        self.outputs = {protocol.STDOUT: outputs[0], protocol.STDERR: outputs[1]}
        self.started = started
        self.decoder = protocol.Decoder()
        self.sender = protocol.Sender(sock)
        self.writable = True  # the monitor still reads
        self.blocked = False  # inside a write that may take long
        self.caught: list[int] = []
        self.keys = DetachKeys(b"")
        self.kill: Callable[[int], None] | None = None
        self.window: int | None = None
        self.proxy = True
        self.stays = True
        self.begun = False  # the program runs
        self.leaves = False  # once it does: keys may be typed before, and it may never
        self.signals: _Signals
        self.raw: _RawTerminal

    def run(self) -> Outcome:
        """Copy until there is an outcome."""
        self.send_size()
        while True:
            self.flush()
            poll = select.poll()
            for fd, events in self.watched().items():
                poll.register(fd, events)
            ready = dict(poll.poll())
            if self.signals.wakeup in ready:
                self.signals.drain()
                self.pass_signals()
            if self.sock in ready and ready[self.sock] != select.POLLOUT:
                outcome = self.read_socket()
                if outcome:
                    return outcome
            if self.stdin in ready and self.read_stdin():
                self.stdin, self.leaves = None, True
            if self.leaves and self.begun:
                self.leave()
                return Outcome(DETACHED)

    def watched(self) -> dict[int, int]:
        """What to wait for, by descriptor."""
        pending = self.sender.pending > 0
        watched = {
            self.signals.wakeup: select.POLLIN,
            self.sock: select.POLLIN | (select.POLLOUT if pending else 0),
        }
        if self.stdin is not None and not pending:
            watched[self.stdin] = select.POLLIN
        return watched

    def read_stdin(self) -> bool:
        """Pass on what was typed; true for the detach keys."""
        assert self.stdin is not None
        try:
            data = os.read(self.stdin, protocol.CHUNK)
        except BlockingIOError:
            return False
        except OSError as error:
            # EIO: the terminal hung up, or we are an orphan in the background.  EBADF: closed by our caller.
            if error.errno not in (errno.EIO, errno.EBADF):
                raise OSError(error.errno, error.strerror, "standard input") from None
            data = b""
        if not data:
            self.stdin = None
            self.send(protocol.frame(protocol.STDIN_EOF))
            return not self.stays and self.said_all()
        data, detached = self.keys.feed(data)
        if data and self.writable:
            self.sender.put(protocol.STDIN, data)
        return detached

    def read_socket(self) -> Outcome | None:
        """Write out what the monitor sent; an outcome if it was the last."""
        for _ in range(_READS_IN_A_ROW):
            try:
                pieces = self.decoder.receive(self.sock)
            except BlockingIOError:
                return None
            except ConnectionResetError:
                self.decoder.ended = True
                pieces = []
            if self.decoder.ended:
                raise errors.MinicontainerError(
                    "the container's monitor ended without telling how the program did"
                )
            for kind, payload in pieces:
                outcome = self.take(kind, payload)
                if outcome:
                    return outcome
        return None

    def take(self, kind: int, payload: memoryview | bytes) -> Outcome | None:
        """Act on one frame."""
        if kind in self.outputs:
            if self.write(self.outputs[kind], payload):
                return None
            self.leave()
            return Outcome(BROKEN_PIPE)
        if kind == protocol.EXIT:
            return Outcome(EXITED, protocol.read_exited(bytes(payload)))
        if kind == protocol.ERROR:
            raise errors.from_wire(protocol.read_document(bytes(payload)))
        if kind != protocol.STARTED:
            raise errors.CorruptData(f"attach: the monitor sent a frame of kind {kind}")
        self.begun = True
        if self.started:
            self.started(protocol.read_document(bytes(payload)))
        return None

    def write(self, fd: int, payload: memoryview | bytes) -> bool:
        """All of ``payload``, however slow the reader; false if there is none any more."""
        left = memoryview(payload)
        while left:
            try:
                self.blocked = True
                self.interrupt()  # for those that came before the handler knew
                left = left[os.write(fd, left) :]
            except BlockingIOError:
                _wait_writable(fd)  # somebody made the shared terminal or pipe non-blocking
            except BrokenPipeError:
                return False
            except OSError as error:
                raise OSError(error.errno, error.strerror, _output_name(self.outputs, fd)) from None
            finally:
                self.blocked = False
        return True

    def on_signal(self, number: int, _: FrameType | None) -> None:
        """The handler: Python runs it between two steps of the main thread."""
        self.caught.append(number)
        if self.blocked:  # then the loop is not inside the sender, and will not look for long
            self.interrupt()

    def interrupt(self) -> None:
        """Pass noted signals on from inside a blocking write; not interrupted itself."""
        while self.caught:
            self.blocked = False
            self.pass_signals()
            self.flush()
            self.blocked = True

    def pass_signals(self) -> None:
        """Do what the noted signals ask."""
        if not self.caught:
            return
        while self.caught:
            number = self.caught.pop(0)
            if number == signals.SIGWINCH:
                self.send_size()
            elif number == signals.SIGCONT:
                self.raw.enter()  # the shell that stopped us took its own settings back
                self.send_size()
            elif self.proxy:
                self.kill(number) if self.kill else self.send(protocol.signal(number))
            else:
                raise _Killed(number)

    def send_size(self) -> None:
        if self.window is not None:
            from minicontainer.linux import terminal

            self.send(protocol.resize(*terminal.get_size(self.window)))

    def send(self, data: bytes) -> None:
        if self.writable:
            self.sender.put_frame(data)

    def flush(self) -> None:
        """Send what the socket takes; a monitor that reads no more may still have things to say."""
        if not self.writable:
            return
        try:
            self.sender.flush()
        except (BrokenPipeError, ConnectionResetError):
            self.writable = False
            self.sender = protocol.Sender(self.sock)

    def said_all(self) -> bool:
        """True, once all that waited is sent."""
        while self.writable and self.sender.pending:
            _wait_writable(self.sock)
            self.flush()
        return True

    def leave(self) -> None:
        """Say good-bye; the closing socket says it too, if this one cannot be sent."""
        self.send(protocol.frame(protocol.DETACH))
        self.flush()


def _wait_writable(fd: int) -> None:
    select.select([], [fd], [])


def _output_name(outputs: dict[int, int], fd: int) -> str:
    return "standard output" if outputs[protocol.STDOUT] == fd else "standard error"


class _RawTerminal:
    """Raw mode inside ``with``; whatever ends the block, the settings come back."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.saved: list[Any] | None = None

    def __enter__(self) -> _RawTerminal:
        self.enter()
        return self

    def enter(self) -> None:
        """Make it raw, again after a stop; the first settings are the ones that are kept."""
        if self.fd >= 0:
            from minicontainer.linux import terminal

            before = terminal.raw(self.fd)
            self.saved = self.saved or before

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.saved is None:
            return
        from minicontainer.linux import terminal

        try:
            terminal.restore(self.fd, self.saved)
        except OSError as failure:
            # EIO: the terminal is gone, and nothing is left to restore.
            if failure.errno != errno.EIO:
                raise


class _Signals:
    """Our handlers inside ``with``, and a pipe that wakes poll(2) when one ran."""

    def __init__(self, handler: Callable[[int, FrameType | None], None]) -> None:
        self.handler = handler
        self.wakeup = -1
        self._write_end = -1
        self._old_wakeup = -1
        self._old: dict[int, Any] = {}

    def __enter__(self) -> _Signals:
        self.wakeup, self._write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._old_wakeup = signals.wake(self._write_end)
        known = signals.table()
        for name in (*_PROXIED, "SIGWINCH", "SIGCONT"):
            self._old[known[name]] = signals.caught(known[name], self.handler)
        return self

    def drain(self) -> None:
        """Forget the wake-ups."""
        while True:
            try:
                os.read(self.wakeup, 512)
            except BlockingIOError:
                return

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._old.items():
            signals.restore(number, handler)
        signals.wake(self._old_wakeup)
        os.close(self.wakeup)
        os.close(self._write_end)
