"""The frames between a monitor and its clients."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer import errors
from minicontainer.engine import attach

kinds = st.integers(attach.STDIN, attach.EXIT)
frames = st.lists(st.tuples(kinds, st.binary(max_size=40)))


def joined(pieces: Sequence[tuple[int, memoryview | bytes]]) -> list[tuple[int, bytes]]:
    """Pieces of streams put together, whole messages as they are, empty stream frames left out."""
    found: list[tuple[int, bytes]] = []
    for kind, payload in pieces:
        if found and found[-1][0] == kind <= attach.STDERR:
            found[-1] = (kind, found[-1][1] + bytes(payload))
        else:
            found.append((kind, bytes(payload)))
    return found


@given(frames, st.lists(st.integers(0, 60)))
def test_frames_survive_any_cutting_of_the_stream(sent: list[tuple[int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(attach.frame(kind, payload) for kind, payload in sent)
    decoder = attach.Decoder()
    received = []
    for cut in [*cuts, len(stream)]:
        received += [(kind, bytes(payload)) for kind, payload in decoder.feed(stream[:cut])]
        stream = stream[cut:]
    expected = [(kind, payload) for kind, payload in sent if payload or kind > attach.STDERR]
    assert joined(received) == joined(expected)


def test_the_header_is_dockers() -> None:
    assert attach.frame(attach.STDERR, b"ab") == b"\x02\x00\x00\x00\x00\x00\x00\x02ab"


def test_small_messages_are_read_back() -> None:
    decoder = attach.Decoder()
    sent = [attach.resize(24, 80), attach.signal(15), attach.exited(-1), attach.started({"a": [1, "ü"]})]
    resize, signal, exited, started = [bytes(p) for _, p in decoder.feed(b"".join(sent))]
    assert attach.read_resize(resize) == (24, 80)
    assert attach.read_signal(signal) == 15
    assert attach.read_exited(exited) == -1
    assert attach.read_document(started) == {"a": [1, "ü"]}


def test_an_error_crosses_as_the_same_exception() -> None:
    wire = errors.to_wire(errors.CommandNotFound("no such command"))
    [(kind, payload)] = attach.Decoder().feed(attach.failed(wire))
    error = errors.from_wire(attach.read_document(bytes(payload)))
    assert kind == attach.ERROR
    assert type(error) is errors.CommandNotFound
    assert str(error) == "no such command"


@pytest.mark.parametrize(
    "data",
    [attach.HEADER.pack(11, 0), attach.HEADER.pack(255, 1), attach.HEADER.pack(attach.EXIT, 1 << 21)],
)
def test_what_is_no_frame_is_refused(data: bytes) -> None:
    with pytest.raises(errors.CorruptData, match="frame of kind"):
        attach.Decoder().feed(data)


@pytest.mark.parametrize("read", [attach.read_resize, attach.read_signal, attach.read_exited])
@pytest.mark.parametrize("size", [0, 3, 5])
def test_a_message_of_the_wrong_size_is_refused(read: object, size: int) -> None:
    assert callable(read)
    with pytest.raises(errors.CorruptData, match=f"{size} bytes"):
        read(bytes(size))


def test_a_document_that_is_no_json_is_refused() -> None:
    with pytest.raises(errors.CorruptData, match="not JSON"):
        attach.read_document(b"{")


def test_a_full_socket_keeps_frames_in_order() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        sender, decoder = attach.Sender(ours.fileno()), attach.Decoder(5000)
        payloads = [os.urandom(70_000) for _ in range(20)]
        for payload in payloads:
            sender.put(attach.STDOUT, payload)
        sender.put_frame(attach.exited(3))
        assert not sender.flush()
        assert 0 < sender.pending < sum(map(len, payloads)) + 21 * 8 + 4
        received, status = bytearray(), None
        while status is None:
            sender.flush()
            for kind, piece in decoder.receive(theirs.fileno()):
                if kind == attach.EXIT:
                    status = attach.read_exited(bytes(piece))
                else:
                    received += piece
        assert bytes(received) == b"".join(payloads)
        assert status == 3
        assert sender.pending == 0
        with pytest.raises(BlockingIOError):
            decoder.receive(theirs.fileno())


def test_the_decoder_tells_when_the_other_side_closed() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(struct.pack(">B", 1))
        ours.close()
        decoder = attach.Decoder()
        assert decoder.receive(theirs.fileno()) == []
        assert not decoder.ended
        assert decoder.receive(theirs.fileno()) == []
        assert decoder.ended


def test_sending_to_a_closed_socket_is_an_error() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.close()
        sender = attach.Sender(ours.fileno())
        sender.put(attach.STDIN, b"x")
        with pytest.raises(BrokenPipeError):
            sender.flush()
