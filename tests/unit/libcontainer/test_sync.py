"""The conversation of a parent and its init, over real sockets."""

from __future__ import annotations

import os
import stat

import pytest

from minicontainer.errors import CommandNotFound, InvalidConfig, MinicontainerError
from minicontainer.libcontainer import sync

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Pair = tuple[sync.Channel, sync.Channel]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = sync.pair()
    yield ours, theirs
    ours.close()
    theirs.close()


def test_messages_arrive_whole_and_in_order(pair: Pair) -> None:
    ours, theirs = pair
    theirs.send("console", text="x" * 30_000)
    theirs.send("ready")
    received = ours.receive()
    assert received is not None
    assert received[0] == {"type": "console", "text": "x" * 30_000}
    assert ours.expect("ready") == ("ready", [])


def test_a_descriptor_arrives_close_on_exec(pair: Pair) -> None:
    ours, theirs = pair
    reader, writer = os.pipe()
    theirs.send("console", fds=(writer,))
    os.close(writer)
    received = ours.expect("console")
    assert received is not None
    (fd,) = received[1]
    assert stat.S_ISFIFO(os.fstat(fd).st_mode)
    assert not os.get_inheritable(fd)
    os.close(fd)
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_the_end_is_none(pair: Pair) -> None:
    ours, theirs = pair
    theirs.close()
    assert ours.expect("ready") is None


def test_nobody_listens_any_more(pair: Pair) -> None:
    ours, theirs = pair
    theirs.close()
    with pytest.raises(BrokenPipeError):
        ours.send("go")


@pytest.mark.parametrize(
    "error",
    [
        InvalidConfig("config.json: a field is wrong"),
        CommandNotFound('exec: "x": not found'),
        FileNotFoundError(2, "No such file or directory", "/missing"),
        PermissionError(1, "Operation not permitted", "/x"),
    ],
)
def test_an_error_is_raised_again_with_step_and_context(pair: Pair, error: Exception) -> None:
    ours, theirs = pair
    error.step = {"name": "mount", "man": "mount(2)", "args": {"target": "/x"}}  # type: ignore[attr-defined]
    error.context = "mounts[2] (/x)"  # type: ignore[attr-defined]
    theirs.send_error(error)
    with pytest.raises(type(error)) as caught:
        ours.expect("ready")
    assert str(caught.value) == str(error)
    assert caught.value.step == error.step  # type: ignore[attr-defined]
    assert caught.value.context == "mounts[2] (/x)"  # type: ignore[attr-defined]


def test_an_error_of_ours_that_nobody_foresaw(pair: Pair) -> None:
    ours, theirs = pair
    theirs.send_error(ZeroDivisionError("division by zero"))
    with pytest.raises(MinicontainerError, match="ZeroDivisionError: division by zero"):
        ours.expect("ready")


def test_a_message_out_of_turn(pair: Pair) -> None:
    ours, theirs = pair
    theirs.send("start")
    with pytest.raises(MinicontainerError, match="'start' instead of console or ready"):
        ours.expect("console", "ready")


def test_a_path_longer_than_a_socket_s_name(tmp_path: Path) -> None:
    folder = tmp_path / ("n" * 200)
    folder.mkdir()
    with sync.listen(str(folder), "start.sock") as listener:
        client = sync.connect(str(folder), "start.sock")
        connection, _ = listener.accept()
        server = sync.Channel(connection)
        client.send("start")
        assert server.expect("start") == ("start", [])
        server.close()
        client.close()
    with pytest.raises(ConnectionRefusedError):
        sync.connect(str(folder), "start.sock")


def test_nobody_ever_listened(tmp_path: Path) -> None:
    before = os.listdir("/proc/self/fd")
    with pytest.raises(FileNotFoundError):
        sync.connect(str(tmp_path), "start.sock")
    assert len(os.listdir("/proc/self/fd")) == len(before)
