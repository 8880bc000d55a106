"""The streams of one program and the clients attached to them, in one loop around epoll(7).

::

                     ┌──────────────────── session ───────────────────┐
    clients ◄──────► │ STDIN frames ──► queue ──► pipe or terminal    │ ──► program's 0
    (attach.py)      │ STDOUT, STDERR frames ◄──┬── pipe or terminal  │ ◄── program's 1, 2
                     │                          └──► log              │
                     └────────────────────────────────────────────────┘

A container's monitor has one session, and so has each ``exec`` with a terminal.  A client that reads
slowly slows the program, as a full pipe would; a program that does not read stops its clients.
"""

from __future__ import annotations

import os
import select
import socket

from minicontainer.engine import attach
from minicontainer.errors import MinicontainerError
from minicontainer.linux import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.engine.logs import Writer

BACKLOG = 1 << 20  # bytes a client may be behind


class Client:
    """One attached client."""

    __slots__ = ("deaf", "decoder", "sender", "socket")

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.decoder = attach.Decoder()
        self.sender = attach.Sender(connection.fileno())
        self.deaf = False  # it reads no more; what it wrote before may still wait for us


class Session:
    """Streams, clients and the loop.  ``facts`` greet a client; ``kill`` passes its signals on."""

    def __init__(self, kill: Callable[[int], None]) -> None:
        self.kill = kill
        self.facts: dict[str, object] = {}
        self.log: Writer | None = None
        self.listener: socket.socket | None = None
        self.clients: dict[int, Client] = {}
        self.outputs: dict[int, str] = {}
        self.stdin = -1
        self.stdin_queue: list[memoryview] = []
        self.stdin_ended = False
        self.stdin_watched = False
        self.console = -1
        self.poll = select.epoll()

    def open_pipes(self, *, stdin: bool) -> tuple[int, int, int]:
        """The program's ends of its standard streams; ours are kept.  Without ``stdin``, /dev/null."""
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
        return inner[0], inner[1], inner[2]

    def take_console(self, master: int) -> None:
        """Serve the terminal whose master this is."""
        os.set_blocking(master, False)
        self.console = self.stdin = master
        self.outputs[master] = "stdout"

    def serve(self, pidfd: int) -> None:
        """Until the process of ``pidfd`` has ended and what it wrote is read."""
        for fd in self.outputs:
            self.poll.register(fd, select.EPOLLIN)
        self.poll.register(pidfd, select.EPOLLIN)
        if self.listener is not None:
            self.poll.register(self.listener.fileno(), select.EPOLLIN)
        ended = False
        while not ended:
            for fd, events in self.poll.poll():
                if fd == pidfd:
                    ended = True
                elif self.listener is not None and fd == self.listener.fileno():
                    self.welcome(self.listener.accept()[0])
                elif fd in self.outputs and events & ~select.EPOLLOUT:
                    self._read_output(fd)
                elif fd == self.stdin:
                    self._feed()
                elif fd in self.clients:
                    self._serve_client(self.clients[fd], events)
        # The kernel has ended every process of the pid namespace; what they wrote is in the pipes.
        for fd in list(self.outputs):
            while fd in self.outputs and self._read_output(fd):
                pass

    def welcome(self, connection: socket.socket) -> None:
        """Serve one more client."""
        client = Client(connection)
        self.clients[connection.fileno()] = client
        self.poll.register(connection.fileno(), select.EPOLLIN)
        client.sender.put_frame(attach.started(self.facts))
        self._flush(client)

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
        for client in list(self.clients.values()):
            if not client.deaf:
                client.sender.put(kind, data)
                self._flush(client)
        return True

    def _close_output(self, fd: int) -> None:
        del self.outputs[fd]
        if fd == self.stdin:
            # A terminal's master: programs may open the slave again, so it stays open for writing.
            self.poll.unregister(fd)
            return
        self.poll.unregister(fd)
        os.close(fd)

    def _flush(self, client: Client) -> None:
        """Send what waits; a client that is gone is sent no more, a slow one is waited for."""
        try:
            client.sender.flush()
            while client.sender.pending > BACKLOG:
                select.select([], [client.socket], [])
                client.sender.flush()
        except OSError:
            client.deaf = True
        self._watch(client)

    def _forget(self, client: Client) -> None:
        fd = client.socket.fileno()
        if fd in self.clients:
            del self.clients[fd]
            self.poll.unregister(fd)
            client.socket.close()

    def _serve_client(self, client: Client, events: int) -> None:
        if events & select.EPOLLOUT:
            self._flush(client)
        if not events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            return
        try:
            frames = client.decoder.receive(client.socket.fileno())
        except BlockingIOError:
            return
        except (OSError, MinicontainerError):
            self._forget(client)
            return
        for kind, payload in frames:
            self._obey(kind, bytes(payload))
        if client.decoder.ended or any(kind == attach.DETACH for kind, _ in frames):
            self._forget(client)

    def _obey(self, kind: int, payload: bytes) -> None:
        if kind == attach.STDIN and self.stdin >= 0 and not self.stdin_ended:
            self.stdin_queue.append(memoryview(payload))
            self._feed()
        elif kind == attach.STDIN_EOF:
            self.stdin_ended = True
            self._feed()
        elif kind == attach.RESIZE and self.console >= 0:
            terminal.set_size(self.console, *attach.read_resize(payload))
        elif kind == attach.SIGNAL:
            self.kill(attach.read_signal(payload))

    def _feed(self) -> None:
        """Pass on what clients typed; while the program does not read, no client is read either."""
        if self.stdin < 0:
            return
        while self.stdin_queue:
            try:
                count = os.write(self.stdin, self.stdin_queue[0])
            except BlockingIOError:
                self._wait_for_reader()
                return
            except OSError:
                self.stdin_queue.clear()
                self._close_stdin()
                return
            rest = self.stdin_queue[0][count:]
            self.stdin_queue[:1] = [rest] if rest else []
        self._resume_clients()
        if self.stdin_ended:
            self._close_stdin()

    def _wait_for_reader(self) -> None:
        self._watch_stdin(True)
        for client in self.clients.values():
            self._watch(client)

    def _resume_clients(self) -> None:
        self._watch_stdin(False)
        for client in self.clients.values():
            self._watch(client)

    def _watch(self, client: Client) -> None:
        """A client is read unless the program does not read, and written to while something waits."""
        events = 0 if self.stdin_watched else select.EPOLLIN
        if client.sender.pending and not client.deaf:
            events |= select.EPOLLOUT
        self.poll.modify(client.socket.fileno(), events)

    def _watch_stdin(self, wanted: bool) -> None:
        """Be woken when the program reads again.  Only then: a closed pipe would wake us for ever."""
        if wanted == self.stdin_watched:
            return
        self.stdin_watched = wanted
        if self.stdin == self.console:
            if self.stdin in self.outputs:
                self.poll.modify(self.stdin, select.EPOLLIN | (select.EPOLLOUT if wanted else 0))
        elif wanted:
            self.poll.register(self.stdin, select.EPOLLOUT)
        else:
            self.poll.unregister(self.stdin)

    def _close_stdin(self) -> None:
        if self.stdin == self.console:
            # A terminal has no end of file; its line discipline makes one of this character.
            if self.stdin_ended:
                self.stdin_ended = False
                os.write(self.stdin, b"\x04")
            return
        self._watch_stdin(False)
        os.close(self.stdin)
        self.stdin = -1

    def farewell(self, frame: bytes) -> None:
        """Send every client its last frame, after all that waits for it, and close."""
        for client in list(self.clients.values()):
            client.sender.put_frame(frame)
            drain(client)
        self.clients.clear()


def drain(client: Client) -> None:
    """Send all that waits for a client, however slow it is, and close."""
    try:
        while not client.sender.flush():
            select.select([], [client.socket], [])
    except OSError:
        return  # it has left; there is nobody to tell
    finally:
        client.socket.close()
