"""The streams of one program and the clients attached to them, in one loop around poll(2).

::

                     ┌──────────────────── session ───────────────────┐
    clients ◄──────► │ STDIN frames ──► queue ──► pipe or terminal    │ ──► program's 0
    (attach.py)      │ STDOUT, STDERR frames ◄──┬── pipe or terminal  │ ◄── program's 1, 2
                     │                          └──► log              │
                     └────────────────────────────────────────────────┘

A container's monitor has one session, and so has each ``exec``.  A client that reads slowly slows the
program, as a full pipe would; a program that does not read stops its clients.  The loop itself never
waits for one of them: what it waits for next is worked out anew each time (`wanted`).  When nothing has
happened for a while, a monitor's session is laid aside (rest.py); the one that goes on then imports little,
so what is rarely needed is imported where it is.  A container's health is watched in the same loop
(healthwatch.py), by processes that it waits for as for everything else.
"""

from __future__ import annotations

import os
import select
import time

from minicontainer.engine import attach
from minicontainer.errors import MinicontainerError
from minicontainer.linux.door import because
from minicontainer.util import sockets
from minicontainer.util.suppress import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minicontainer.engine.healthwatch import Watch
    from minicontainer.engine.logs import Writer
    from minicontainer.engine.rest import Rest
    from minicontainer.util.sockets import Socket

BACKLOG = 1 << 20  # bytes a client may be behind
LAST_READS = 4  # of CHUNK bytes: more than a pipe holds when its writer has ended


class Client:
    """One attached client."""

    __slots__ = ("deaf", "decoder", "quiet", "sender", "socket")

    def __init__(self, connection: Socket, *, quiet: bool = False) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.decoder = attach.Decoder()
        self.sender = attach.Sender(connection.fileno())
        self.quiet = quiet  # it waits for the end, and wants no output
        self.deaf = False  # it reads no more; what it wrote before may still wait for us

    @property
    def idle(self) -> bool:
        """Whether nothing of what it sends or is sent is half done."""
        return not self.deaf and not self.sender.pending and not self.decoder.half


class Session:
    """Streams, clients and the loop.

    ``facts`` greet a client; ``kill`` passes its signals on; ``resized`` is told each new size of the
    terminal, rows and columns.
    """

    def __init__(
        self, kill: Callable[[int], None], resized: Callable[[int, int], None] = lambda *_: None
    ) -> None:
        self.kill = kill
        self.resized = resized
        self.facts: dict[str, object] = {}
        self.log: Writer | None = None
        self.rest: Rest | None = None
        self.watch: Watch | None = None
        self.active = time.monotonic()  # when anything but a probe happened
        self.listener: Socket | None = None
        self.clients: dict[int, Client] = {}
        self.outputs: dict[int, str] = {}
        self.stdin = -1
        self.stdin_queue: list[memoryview] = []
        self.stdin_ended = False
        self.console = -1

    def open_pipes(self, *, stdin: bool, owner: int = -1) -> tuple[int, int, int]:
        """The program's ends of its standard streams; ours are kept.  Without ``stdin``, /dev/null.

        ``owner`` is the host's uid of a program in a user namespace, to which root's pipes are nobody's.
        """
        if stdin:
            first, self.stdin = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(self.stdin, False)
        else:
            first = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        inner = [first]
        for stream in ("stdout", "stderr"):
            ours, theirs = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(ours, False)
            self.outputs[ours] = stream
            inner.append(theirs)
        if owner >= 0:
            for fd in (inner[1:], inner)[stdin]:
                from minicontainer.linux import credentials

                because("a program may open its own standard streams by name")
                credentials.fchown(fd, owner, -1)
        return inner[0], inner[1], inner[2]

    def take_console(self, master: int) -> None:
        """Serve the terminal whose master this is."""
        os.set_blocking(master, False)
        self.console = self.stdin = master
        self.outputs[master] = "stdout"

    def serve(self, pidfd: int) -> None:
        """Until the process of ``pidfd`` has ended and what it wrote is read."""
        while True:
            poll = select.poll()
            for fd, events in self.wanted(pidfd).items():
                poll.register(fd, events)
            ready = dict(poll.poll(self._patience()))
            if self.watch is not None:
                self.watch.attend(ready, self.descriptors())
            for fd, events in ready.items():
                self._attend(fd, events)
            if ready:
                self.active = time.monotonic()
            if pidfd in ready:
                break
            rest = self.rest
            if rest is not None and rest.possible and (rest.overdue or self._quiet_ms(rest) <= 0):
                rest(self)
                self.active = time.monotonic()
        if self.watch is not None:
            self.watch.stop()
        for fd in list(self.outputs):
            for _ in range(LAST_READS):
                if fd not in self.outputs or not self._read_output(fd):
                    break

    def attempt(self, pidfd: int) -> Exception | None:
        """`serve`, and what kept it from going on: a fault of ours."""
        try:
            self.serve(pidfd)
        except Exception as error:
            return error
        return None

    def _patience(self) -> float | None:
        """Milliseconds until it may rest, or has to probe; None where it does neither."""
        resting = self._quiet_ms(self.rest) if self.rest is not None and self.rest.possible else None
        due = self.watch.due_ms if self.watch is not None else None
        return min((ms for ms in (resting, due) if ms is not None), default=None)

    def _quiet_ms(self, rest: Rest) -> float:
        """Milliseconds until it has been quiet for long enough to rest.

        A probe is given as long to end, and one that is due sooner is worth staying awake for.
        """
        since = self.active
        if self.watch is not None:
            due = self.watch.due_ms
            if due is None:
                since = max(since, self.watch.began)
            elif due < rest.quiet_ms:
                return rest.quiet_ms
        return max(0.0, rest.quiet_ms - (time.monotonic() - since) * 1000)

    def keep(self) -> dict[str, Any] | None:
        """What `restore` needs besides `descriptors`; None while something is under way."""
        told = self.watch is not None and self.watch.said
        if self.stdin_queue or told or not all(client.idle for client in self.clients.values()):
            return None
        return {
            "facts": self.facts,
            "outputs": [[fd, stream] for fd, stream in self.outputs.items()],
            "clients": [[fd, client.quiet] for fd, client in self.clients.items()],
            "listener": self.listener.fileno() if self.listener is not None else -1,
            "stdin": self.stdin,
            "stdin_ended": self.stdin_ended,
            "console": self.console,
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Be the session that `keep` was called on."""
        self.facts = kept["facts"]
        self.outputs = dict(kept["outputs"])
        self.clients = {fd: Client(sockets.adopt(fd), quiet=quiet) for fd, quiet in kept["clients"]}
        self.listener = sockets.adopt(kept["listener"]) if kept["listener"] >= 0 else None
        self.stdin = kept["stdin"]
        self.stdin_ended = kept["stdin_ended"]
        self.console = kept["console"]
        self.active = float("-inf")  # until something happens for which it woke up

    def descriptors(self) -> list[int]:
        """All that it has open but its log."""
        listener = [self.listener.fileno()] if self.listener is not None else []
        probe = self.watch.pipe if self.watch is not None else -1
        found = {*self.outputs, *self.clients, *listener, self.stdin, self.console, probe}
        return sorted(fd for fd in found if fd >= 0)

    def wanted(self, pidfd: int) -> dict[int, int]:
        """What to wait for, by descriptor.

        Not for a program's output while a client is behind, nor for clients while the program does not
        read: a closed pipe or socket that nobody wants to use would wake us for ever.
        """
        wanted = {pidfd: select.POLLIN}
        if self.listener is not None:
            wanted[self.listener.fileno()] = select.POLLIN
        if self.watch is not None and self.watch.pipe >= 0:
            wanted[self.watch.pipe] = select.POLLIN
        if all(client.deaf or client.sender.pending <= BACKLOG for client in self.clients.values()):
            wanted |= dict.fromkeys(self.outputs, select.POLLIN)
        if self.stdin_queue:
            wanted[self.stdin] = wanted.get(self.stdin, 0) | select.POLLOUT
        for fd, client in self.clients.items():
            events = 0 if self.stdin_queue else select.POLLIN
            if client.sender.pending and not client.deaf:
                events |= select.POLLOUT
            if events:
                wanted[fd] = events
        return wanted

    def _attend(self, fd: int, events: int) -> None:
        """Do what a ready descriptor asks for; it may have been closed since the poll."""
        if self.listener is not None and fd == self.listener.fileno():
            self.welcome(self.listener.accept()[0])
        elif fd in self.clients:
            self._serve_client(self.clients[fd], events)
        else:
            if fd in self.outputs and events & ~select.POLLOUT:
                self._read_output(fd)
            if fd == self.stdin and self.stdin_queue:
                self._feed()

    def welcome(self, connection: Socket) -> None:
        """Serve one more client."""
        client = Client(connection)
        self.clients[connection.fileno()] = client
        client.sender.put_frame(attach.started(self.facts))
        _flush(client)

    def _read_output(self, fd: int) -> bool:
        try:
            data = os.read(fd, attach.CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""  # EIO: the last process closed its side of the terminal
        if not data:
            self._close_output(fd)
            return False
        stream = self.outputs[fd]
        if self.log is not None:
            self.log.write(stream, data)
        kind = attach.STDOUT if stream == "stdout" else attach.STDERR
        for client in self.clients.values():
            if not client.deaf and not client.quiet:
                client.sender.put(kind, data)
                _flush(client)
        return True

    def _close_output(self, fd: int) -> None:
        del self.outputs[fd]
        if fd != self.stdin:  # a terminal's master goes on being written to
            os.close(fd)

    def _serve_client(self, client: Client, events: int) -> None:
        if events & select.POLLOUT:
            _flush(client)
        if not events & ~select.POLLOUT:
            return
        try:
            frames = client.decoder.receive(client.socket.fileno())
        except BlockingIOError:
            return
        except (OSError, MinicontainerError):
            self._forget(client)
            return
        for kind, payload in frames:
            client.quiet |= kind == attach.QUIET
            self._obey(kind, bytes(payload))
        if client.decoder.ended or any(kind == attach.DETACH for kind, _ in frames):
            self._forget(client)

    def _forget(self, client: Client) -> None:
        del self.clients[client.socket.fileno()]
        client.socket.close()

    def _obey(self, kind: int, payload: bytes) -> None:
        if kind == attach.STDIN and self.stdin >= 0 and not self.stdin_ended:
            self.stdin_queue.append(memoryview(payload))
            self._feed()
        elif kind == attach.STDIN_EOF:
            self.stdin_ended = True
            self._feed()
        elif kind == attach.RESIZE and self.console >= 0:
            from minicontainer.linux import terminal

            size = attach.read_resize(payload)
            terminal.set_size(self.console, *size)
            self.resized(*size)
        elif kind == attach.SIGNAL:
            self.kill(attach.read_signal(payload))

    def _feed(self) -> None:
        """Pass on what clients typed, as far as the program takes it."""
        if self.stdin < 0:
            return
        try:
            while self.stdin_queue:
                count = os.write(self.stdin, self.stdin_queue[0])
                rest = self.stdin_queue[0][count:]
                self.stdin_queue[:1] = [rest] if rest else []
        except BlockingIOError:
            return
        except OSError:
            self.stdin_queue.clear()  # the program reads no more
            self.stdin_ended = True
        if self.stdin_ended:
            self._end_stdin()

    def _end_stdin(self) -> None:
        if self.stdin == self.console:
            # A terminal has no end of file; its line discipline makes one of this character.
            self.stdin_ended = False
            try:
                os.write(self.stdin, b"\x04")
            except OSError:
                return  # full, or hung up: then nobody waits for it
            return
        os.close(self.stdin)
        self.stdin = -1

    def farewell(self, frame: bytes, leave: Callable[[], None] = lambda: None) -> None:
        """Send every client its last frame, after all that waits for it.

        For those who read slowly a child of this process stays, which calls ``leave``: the container is over.
        """
        for client in self.clients.values():
            client.sender.put_frame(frame)
            _flush(client)
        slow = [c for c in self.clients.values() if c.sender.pending and not c.deaf]
        if slow:
            from minicontainer.linux import process

            because("a client has not read all output yet; the container need not wait for it")
            if process.fork() == 0:
                leave()
                if self.listener is not None:  # nobody would ever answer who connects
                    self.listener.close()
                for client in slow:
                    drain(client)
                os._exit(0)

    def last_comers(self) -> list[Socket]:
        """Who has connected and was not served yet; there is no listener from now on."""
        waiting: list[Socket] = []
        if self.listener is not None:
            self.listener.setblocking(False)
            self.listener.shutdown(sockets.SHUT_RD)  # who is not in the queue yet is refused
            with suppress(BlockingIOError):
                while True:
                    waiting.append(self.listener.accept()[0])
            self.listener.close()
            self.listener = None
        return waiting

    def leave(self) -> None:
        """Close all but the listener: the program and its clients are gone, and another run follows."""
        for fd in {*self.outputs, self.stdin, self.console} - {-1}:
            os.close(fd)
        for client in self.clients.values():
            client.socket.close()
        self.outputs, self.clients, self.stdin, self.console = {}, {}, -1, -1


def _flush(client: Client) -> None:
    """Send what waits and the socket takes; a client that is gone is sent no more."""
    try:
        client.sender.flush()
    except OSError:
        client.deaf = True


def drain(client: Client) -> None:
    """Send all that waits for a client, however slow it is, and close."""
    try:
        while not client.sender.flush():
            select.select([], [client.socket], [])
    except OSError:
        return  # it has left; there is nobody to tell
    finally:
        client.socket.close()
