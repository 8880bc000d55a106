"""Several clients of one container, over the socket that its monitor keeps (engine/attach.py)."""

from __future__ import annotations

import os
import time

from minicontainer.engine import attach as protocol
from minicontainer.engine.engine import Engine

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner


def frames(fd: int, until: int, patience: float = 60.0) -> list[tuple[int, bytes]]:
    """All frames up to the first of kind ``until``."""
    decoder, found = protocol.Decoder(), []
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        for kind, payload in decoder.receive(fd):
            found.append((kind, bytes(payload)))
            if kind == until:
                return found
        assert not decoder.ended, "the monitor closed the socket"
    raise AssertionError(f"no frame of kind {until} in {patience} seconds: {found}")


def test_two_later_clients_see_the_output_type_and_learn_the_end(mc: Runner) -> None:
    container = mc.ok(
        "run", "-d", "-i", "--network", "none", "busybox", "sh", "-c", "read a; echo got $a; exit 5"
    )
    engine = Engine(mc.root, mc.run_root)
    with engine.connect(container) as first, engine.connect(container) as second:
        for client in (first, second):
            frames(client.fileno(), protocol.STARTED)
        os.write(second.fileno(), protocol.frame(protocol.STDIN, b"hello\n"))
        for client in (first, second):
            told = frames(client.fileno(), protocol.EXIT)
            assert b"".join(p for kind, p in told if kind == protocol.STDOUT) == b"got hello\n"
            assert protocol.read_exited(told[-1][1]) == 5


def test_a_client_that_leaves_disturbs_nobody(mc: Runner) -> None:
    container = mc.ok("run", "-d", "-i", "--network", "none", "busybox", "cat")
    engine = Engine(mc.root, mc.run_root)
    with engine.connect(container) as gone:
        os.write(gone.fileno(), protocol.frame(protocol.STDIN, b"one\n"))
    with engine.connect(container) as stays:
        frames(stays.fileno(), protocol.STARTED)
        os.write(
            stays.fileno(), protocol.frame(protocol.STDIN, b"two\n") + protocol.frame(protocol.STDIN_EOF)
        )
        told = frames(stays.fileno(), protocol.EXIT)
        assert protocol.read_exited(told[-1][1]) == 0
    assert mc.ok("logs", container) == "one\ntwo"
