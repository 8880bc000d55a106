"""netlink(7): requests and their answers, over one socket.

::

    Socket ── request, NLM_F_ACK ──► kernel
           ◄── answers ... ─────────
           ◄── NLMSG_ERROR: 0 (done), or -errno and a sentence (NETLINK_EXT_ACK)

    nlmsghdr   u32 length, u16 type, u16 flags, u32 sequence, u32 port;  then the type's own struct
      nlattr     u16 length, u16 type, data, padded to 4; again and again

What is asked is a step of whoever asks: linux/rtnetlink.py, network/netlink.py.
"""

from __future__ import annotations

import os
import struct

AF_NETLINK = 16
NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12
SOL_NETLINK = 270
NETLINK_CAP_ACK = 10
NETLINK_EXT_ACK = 11

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP_INTR = 0x10
NLM_F_DUMP = 0x300
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_ACK_TLVS = 0x200
NLMSG_ERROR = 2
NLMSG_DONE = 3
NLMSGERR_ATTR_MSG = 1

HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
LONGEST = 1 << 16


class Socket:
    """A socket of the network namespace in which it was opened; close it, or use ``with``."""

    def __init__(self, family: int = NETLINK_ROUTE) -> None:
        import _socket  # see netdevice.py

        self.family = family
        self.sequence = 0
        self._socket = _socket.socket(AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, family)
        self._socket.bind((0, 0))
        self._socket.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
        self._socket.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)

    def __str__(self) -> str:
        return "NETLINK_ROUTE" if self.family == NETLINK_ROUTE else "NETLINK_NETFILTER"

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the descriptor back."""
        self._socket.close()

    def ask(self, kind: int, flags: int, body: bytes, about: str | None = None) -> list[bytes]:
        """Send one request, return the answers without their headers.

        Raises OSError with the kernel's errno, its sentence if it gives one, and ``about``.
        """
        flags |= NLM_F_REQUEST if flags & NLM_F_DUMP == NLM_F_DUMP else NLM_F_REQUEST | NLM_F_ACK
        while True:
            self.sequence += 1
            header = HEADER.pack(HEADER.size + len(body), kind, flags, self.sequence, 0)
            self._socket.send(header + body)
            answers = self._answers(about)
            if answers is not None:
                return answers

    def _answers(self, about: str | None) -> list[bytes] | None:
        """All parts of one answer; None if a dump met a change of what it lists, and must be repeated."""
        found: list[bytes] = []
        whole = True
        while True:
            for kind, flags, sequence, body in _split(self._socket.recv(LONGEST)):
                if sequence != self.sequence:
                    continue
                whole = whole and not flags & NLM_F_DUMP_INTR
                if kind in (NLMSG_ERROR, NLMSG_DONE):
                    _check(kind, flags, body, about)
                    return found if whole else None
                found.append(body)


def _split(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """The messages of a datagram as (type, flags, sequence number, body)."""
    found = []
    while len(data) >= HEADER.size:
        length, kind, flags, sequence, _ = HEADER.unpack_from(data)
        if length < HEADER.size:
            break
        found.append((kind, flags, sequence, data[HEADER.size : length]))
        data = data[(length + 3) & ~3 :]
    return found


def _check(kind: int, flags: int, body: bytes, about: str | None) -> None:
    """Raise what struct nlmsgerr, or the number that ends a dump, says."""
    code = -int.from_bytes(body[:4], "little" if struct.pack("=H", 1)[0] else "big", signed=True)
    if code <= 0:
        return
    text = os.strerror(code)
    if kind == NLMSG_ERROR and flags & NLM_F_ACK_TLVS:
        sentence = attributes(body[4 + HEADER.size :]).get(NLMSGERR_ATTR_MSG, b"")
        text += f" ({sentence.rstrip(bytes(1)).decode(errors='replace')})" if sentence else ""
    raise OSError(code, text, about)


def attributes(data: bytes) -> dict[int, bytes]:
    """struct nlattr after struct nlattr, as payloads by type (netlink(7))."""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        found[kind & 0x3FFF] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return found


def attribute(kind: int, data: bytes) -> bytes:
    """One struct nlattr, padded."""
    length = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(length, kind) + data + bytes(-length % 4)
