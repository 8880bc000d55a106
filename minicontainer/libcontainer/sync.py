"""What the parent and the container's init say to each other.

Two sockets, both AF_UNIX SOCK_SEQPACKET, one JSON object a packet::

    parent (monitor, or a runtime's create)              init (the clone)
      │                                                    │
      │  clone3 ──────────────────────────────────────────►│  waits
      │  uid_map, gid_map, oom_score_adj                   │
      │── {"type": "go"} ─────────────────────────────────►│  cgroup, joins, mounts, pivots, ...
      │◄───────────────── {"type": "console"} + master fd ─│  only with a terminal
      │◄──────────────────────────── {"type": "confined"} ─│  only with SCMP_ACT_NOTIFY:
      │── {"type": "go"} ─────────────────────────────────►│  seccomp_listener.py
      │◄─────────────────────────────── {"type": "ready"} ─│  all that can fail has been done
      │      or {"type": "error", ...errors.to_wire}       │  ... and exits
      │                                                    │
    start (any process, any time later), by start.sock     │  accept
      │── {"type": "start"} ──────────────────────────────►│  execve
      │◄────────────────────── end of file (close-on-exec) ─│  it is the program now
      │      or {"type": "error", ...}                     │  execve was refused; exits

A process that connects to start.sock and leaves without a word changes nothing: init accepts the
next.  That is how `status` tells a created container from a running one.
"""

from __future__ import annotations

import _socket as socket
import os
import struct

from minicontainer import errors
from minicontainer.oci import jsontext
from minicontainer.util import sockets
from minicontainer.util.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Larger than any message: an error's text is the longest, and a path has 4096 bytes at most.
MESSAGE_SIZE = 65536


class Channel:
    """One end of a conversation."""

    def __init__(self, connection: Socket) -> None:
        self.connection = connection

    def send(self, kind: str, *, fds: tuple[int, ...] = (), **content: Any) -> None:
        """Send a message with descriptors.  Raises BrokenPipeError when the other end is gone."""
        data = jsontext.dumps({"type": kind, **content}).encode()
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(fds)}i", *fds))] if fds else []
        self.connection.sendmsg([data], ancillary, socket.MSG_NOSIGNAL)

    def receive(self) -> tuple[dict[str, Any], list[int]] | None:
        """The next message and its descriptors; None when the other end is gone."""
        fds: list[int] = []
        try:
            data, ancillary, _, _ = self.connection.recvmsg(
                MESSAGE_SIZE, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionResetError:
            return None
        for level, kind, payload in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.extend(fd for (fd,) in struct.iter_unpack("i", payload[: len(payload) & ~3]))
        return (jsontext.loads(data), fds) if data else None

    def send_error(self, error: BaseException) -> None:
        """Send an exception, which `expect` raises again at the other end.

        By write(2), which hardly any seccomp profile forbids: unsaid, a refused execve is end of file.
        """
        message = {"type": "error", "error": errors.to_wire(error)}
        os.write(self.connection.fileno(), jsontext.dumps(message).encode())

    def expect(self, *kinds: str) -> tuple[str, list[int]] | None:
        """The kind and descriptors of the next message; None at the end; a sent error is raised.

        Of "confined": the descriptor's number in the sender, who could not send it.
        """
        received = self.message(*kinds)
        if received is None:
            return None
        message, fds = received
        return message["type"], [message["fd"]] if "fd" in message else fds

    def message(self, *kinds: str) -> tuple[dict[str, Any], list[int]] | None:
        """As `expect`, with all that the message says."""
        received = self.receive()
        if received is None:
            return None
        message, _ = received
        if message["type"] == "error":
            raise errors.from_wire(message["error"])
        if message["type"] not in kinds:
            raise errors.MinicontainerError(f"init said {message['type']!r} instead of {' or '.join(kinds)}")
        return received

    def close(self) -> None:
        """Close this end; a second time does nothing."""
        self.connection.close()


def pair() -> tuple[Channel, Channel]:
    """(the parent's end, init's end)."""
    ours, theirs = sockets.pair(sockets.SOCK_SEQPACKET)
    return Channel(ours), Channel(theirs)


def listen(folder: str, name: str) -> Socket:
    """A listening socket at ``folder/name``."""
    return sockets.listen(folder, name, sockets.SOCK_SEQPACKET)


def connect(folder: str, name: str) -> Channel:
    """A conversation with who listens at ``folder/name``; ConnectionRefusedError if nobody does."""
    return Channel(sockets.connect(folder, name, sockets.SOCK_SEQPACKET))
