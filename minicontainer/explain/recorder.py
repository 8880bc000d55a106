"""The listener that sends each step to the narrator, from whichever process makes it.

One step is one datagram; the kernel keeps their order and adds the sender's pid, translated into
the narrator's pid namespace (unix(7), SO_PASSCRED).  When a datagram cannot be sent (the narrator
is gone, or stands still for `PATIENCE_S`), this process tells no more, and its run goes on.
"""

from __future__ import annotations

import os

import msgspec

from minicontainer.explain.observe import Observer
from minicontainer.explain.record import Begun, Done, Finish, Lost, Message, StepRecord
from minicontainer.explain.story import DOES_NOT_RETURN, MAKES_A_PROCESS
from minicontainer.linux import door

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

PATIENCE_S = 2
LONGEST = 4096  # characters of one text; what is cut ends with an ellipsis
_encode = msgspec.json.Encoder().encode


class Recorder:
    """A listener of the door (linux/door.py) that sends what it hears over ``sender``.

    ``sender`` is a connected SOCK_SEQPACKET socket with a send timeout.
    """

    def __init__(self, sender: socket.socket) -> None:
        self._sender: socket.socket | None = sender
        self._identity = _identity(sender.fileno())
        self._observer = Observer()

    def before(self, call: door.Call) -> None:
        """Look at what the call may change; announce it if it returns twice or never."""
        if self._sender is None:
            return
        try:
            # Told as it is now: the call may close what an argument refers to, or move us away from it.
            record = _record(call)
            call.notes = record, self._observer.look(call.step, call.arguments)
            if call.step.name in MAKES_A_PROCESS or call.step.name in DOES_NOT_RETURN:
                self._send(Begun(record))
        except Exception as error:  # a fault of explaining may not become one of the run
            self._lose(call, error)

    def after(self, call: door.Call) -> None:
        """Send the step, with what it changed."""
        if self._sender is None:
            return
        try:
            record, looked = call.notes
            record.changed = [] if call.error else self._observer.changes(looked, call.result)
            result = call.step.decode_result(call.result)
            record.result = None if result is None else _short(result)
            record.errno = _errno_name(call.error)
            record.duration_us = call.duration_ns // 1000
            self._send(Done(record))
        except Exception as error:
            self._lose(call, error)

    def finish(self) -> None:
        """Tell the narrator that the story is over, and tell no more."""
        self._send(Finish())
        self.close()

    def close(self) -> None:
        """Tell no more from this process.  A descriptor that is ours no longer is left alone."""
        sender, self._sender = self._sender, None
        if sender is None:
            return
        if _identity(sender.fileno()) == self._identity:
            sender.close()
        else:
            sender.detach()
        self._observer.close()

    def _lose(self, call: door.Call, error: Exception) -> None:
        self._send(Lost(f"{call.process} cannot explain {call.step.name}: {type(error).__name__}: {error}"))
        self.close()

    def _send(self, message: Message) -> None:
        if self._sender is None:
            return
        # Init closes what it does not need: the number may be another file's by now.
        if _identity(self._sender.fileno()) != self._identity or not _sent(self._sender, _encode(message)):
            self.close()


def _sent(sender: socket.socket, datagram: bytes) -> bool:
    import socket

    try:
        sender.send(datagram, socket.MSG_NOSIGNAL)
    except OSError:  # EPIPE: nobody listens; EAGAIN: nobody reads; EBADF: closed.  All mean: no more
        return False
    return True


def _identity(fd: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _record(call: door.Call) -> StepRecord:
    return StepRecord(
        process=call.process,
        pid=call.pid,
        step=call.step.name,
        man=call.step.man,
        args={name: _short(text) for name, text in call.step.decode(call.arguments).items()},
        shell=_short(call.step.shell(call.arguments)),
        why=call.why,
    )


def _errno_name(error: OSError | None) -> str | None:
    if error is None:
        return None
    import errno

    return errno.errorcode.get(error.errno or 0, str(error.errno))


def _short(text: str) -> str:
    text = text.encode(errors="backslashreplace").decode()  # names that are not UTF-8
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
