"""The process that tells the story, so that those who make it never wait for a reader.

::

    start ── fork ──► narrator: poll ─┬─ a datagram ──► story.py ──► render.py ──► text to write
      │                               ├─ the stream takes more ───► write a piece of that text
      │ Recorder at the door          ├─ silence ─────► tell of calls that did not return
      ▼                               └─ the caller ended, said "finish", or no writer is left
    finish ──────────────────────────► last words, exit 0

It reads whatever arrives at once and writes only what its stream takes without blocking, so a
stopped pager holds up nobody.  It holds two descriptors of the caller's, the socket and the stream;
it ends when the caller does, also when a monitor that could tell more lives on.
"""

from __future__ import annotations

import os
import select
import signal
import time

import msgspec

from minicontainer.explain.record import Begun, Done, Finish, Lost
from minicontainer.explain.recorder import PATIENCE_S, Recorder
from minicontainer.explain.render import renderer
from minicontainer.explain.story import PATIENCE_MS, Story
from minicontainer.linux import door, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from minicontainer.explain.record import StepRecord
    from minicontainer.explain.render import Renderer

DATAGRAM = 1 << 18
BUFFER = 1 << 20
# What POLLOUT of poll(2) stands for, so that a write does not block: a page of a pipe, which is also
# as much as is written in one piece between what others write there (pipe(7), PIPE_BUF).
PIECE = 4096
TERMINAL_PIECE = 512
UNREAD_S = 5  # how long the end of a story waits for a reader that takes nothing
PF_FORKNOEXEC = 0x40  # linux/sched.h: forked, and no execve has succeeded since
_decode = msgspec.json.Decoder(Begun | Done | Lost | Finish).decode
_ignored = (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU, signal.SIGTSTP)


class Narration:
    """A story that is being told; `finish` ends it."""

    def __init__(self, pid: int, recorder: Recorder) -> None:
        self.pid = pid
        self._recorder = recorder

    def finish(self, *, whole: bool = False) -> None:
        """End the story in this process and wait until it is written.

        A process made by this one that still runs, such as the monitor of ``run -d``, is told no
        more of; with ``whole`` its steps are waited for.
        """
        if self._recorder in door.listeners:
            door.listeners.remove(self._recorder)
        if whole:
            self._recorder.close()
        else:
            self._recorder.finish()
        try:
            os.waitpid(self.pid, 0)
        except ChildProcessError:  # somebody who waits for any child was first
            return


def start(mode: str, stream_fd: int = 2) -> Narration:
    """Begin to tell what this process and its future children do, in ``mode`` (see render.py).

    The text goes to ``stream_fd``.  Raises OSError where no process can be made.
    """
    import socket
    import struct

    receiver, sender = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", PATIENCE_S, 0))
    caller = os.pidfd_open(os.getpid())  # before the fork: it may be gone when the narrator first runs
    pid = process.fork()
    if pid == 0:
        _live(mode, stream_fd, receiver, caller)
    os.close(caller)
    receiver.close()
    recorder = Recorder(sender)
    door.listeners.insert(0, recorder)  # before the fault injector, so that the story has the faults
    return Narration(pid, recorder)


def _live(mode: str, stream: int, receiver: socket.socket, caller: int) -> None:
    """The narrator's whole life; does not return."""
    status = 1
    try:
        for number in _ignored:
            signal.signal(number, signal.SIG_IGN)
        door.listeners.clear()
        stream = _alone_with(stream, receiver, caller)
        Narrator(renderer(mode, stream), stream, receiver).run(caller)
        status = 0
    finally:
        os._exit(status)


def _alone_with(stream: int, receiver: socket.socket, caller: int) -> int:
    """Close every descriptor but these; returns the stream's.  0 and 1 become /dev/null."""
    kept = os.dup(stream) if stream <= 2 else stream
    nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    first = 3
    for needed in sorted({kept, receiver.fileno(), caller}):
        os.closerange(first, needed)
        first = needed + 1
    os.closerange(first, os.sysconf("SC_OPEN_MAX"))
    os.dup2(kept, 2)
    return kept


class Narrator:
    """Reads datagrams from ``receiver``, writes their story to the descriptor ``stream``."""

    def __init__(self, render: Renderer, stream: int, receiver: socket.socket) -> None:
        self._render = render
        self._stream = stream
        self._receiver = receiver
        self._story = Story()
        self._text = bytearray(render.opening().encode())
        self._limit = TERMINAL_PIECE if os.isatty(stream) else PIECE
        self._over = False
        self._since = 0.0  # when the undecided execve was heard of, or last looked at

    def run(self, caller: int) -> None:
        """Until the story is over and written, or its reader is gone.  ``caller`` is a pidfd."""
        poll = select.poll()
        poll.register(self._receiver, select.POLLIN)
        poll.register(caller, select.POLLIN)
        while True:
            poll.register(self._stream, select.POLLOUT if self._text else 0)
            events = dict(poll.poll(self._timeout_ms()))
            if not events and self._over:
                return
            if not events and self._render.waiting:
                self._text += self._render.flush().encode(errors="replace")
            if self._patience_ms() == 0 and self._receiver.fileno() not in events:
                self._tell(self._story.settle(_has_left))
                self._since = 0.0  # who is still at it is looked at again after as long
            if events.get(self._stream, 0) & ~select.POLLOUT:
                return
            if not self._over and self._receiver.fileno() in events:
                self._over = not self._listen()
            if not self._over and caller in events:
                self._over = True
                while self._listen():
                    continue
            if self._over and self._receiver.fileno() >= 0:
                self._leave(poll, caller)
            if events.get(self._stream) and not self._write():
                return
            if self._over and not self._text:
                return

    def _leave(self, poll: select.poll, caller: int) -> None:
        """Hear no more; senders learn it by EPIPE."""
        poll.unregister(self._receiver)
        poll.unregister(caller)
        self._receiver.close()
        self._tell(self._story.end())
        self._text += self._render.closing().encode()

    def _timeout_ms(self) -> int | None:
        if self._over:
            return UNREAD_S * 1000
        patience = self._patience_ms()
        return PATIENCE_MS if patience is None and self._render.waiting else patience

    def _patience_ms(self) -> int | None:
        """How long until the next look at an execve that is under way; None if none is."""
        if not self._story.undecided:
            self._since = 0.0
            return None
        self._since = self._since or time.monotonic()
        return max(0, PATIENCE_MS - int(1000 * (time.monotonic() - self._since)))

    def _listen(self) -> bool:
        """Take one datagram, if there is one; False when there will be none that counts."""
        import socket

        try:
            data, ancillary, _, _ = self._receiver.recvmsg(
                DATAGRAM, socket.CMSG_SPACE(12), socket.MSG_DONTWAIT
            )
        except BlockingIOError:
            return not self._over
        if not data:
            return False
        message = _decode(data)
        if isinstance(message, Finish):
            return False
        self._tell(self._story.take(_sender(ancillary), message))
        return True

    def _tell(self, told: list[StepRecord | Lost]) -> None:
        for one in told:
            self._text += self._render.line(one).encode(errors="replace")

    def _write(self) -> bool:
        """Write a piece, of whole lines where they fit: the program may write there, too.

        False if nobody reads.
        """
        whole = len(self._text) <= self._limit
        lines = 0 if whole else self._text.rfind(b"\n", 0, self._limit) + 1
        try:
            count = os.write(self._stream, self._text[: lines or self._limit])
        except BlockingIOError:
            return True
        except OSError:
            return False
        del self._text[:count]
        return True


def _has_left(pid: int) -> bool:
    """Whether a process is another program than the one it was forked as, or gone (proc_pid_stat(5)).

    Time tells nothing: on a busy machine an execve can take as long as it likes to fail.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return True
    state, *fields = stat[stat.rindex(b")") + 2 :].split()
    return state in (b"Z", b"X") or not int(fields[5]) & PF_FORKNOEXEC


def _sender(ancillary: list[tuple[int, int, bytes]]) -> int:
    """The pid in SCM_CREDENTIALS (struct ucred: pid, uid, gid), 0 if there is none."""
    import sys

    return next((int.from_bytes(data[:4], sys.byteorder) for _, _, data in ancillary if len(data) >= 12), 0)
