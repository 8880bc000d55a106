"""Atomic files, locks, sockets."""

from __future__ import annotations

import os
import socket

import pytest

from minicontainer.util import files, sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("sync", [True, False])
def test_a_file_is_replaced_whole(tmp_path: Path, sync: bool) -> None:
    path = str(tmp_path / "f")
    files.write_atomic(path, b"old", sync=sync)
    with open(path, "rb") as reader:
        files.write_atomic(path, b"new" * 100_000, mode=0o640, sync=sync)
        assert reader.read() == b"old"
    assert files.read(path) == b"new" * 100_000
    assert os.stat(path).st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["f"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "inside").touch()
    with pytest.raises(OSError, match="directory"):
        files.write_atomic(str(tmp_path / "f"), b"new")
    assert os.listdir(tmp_path) == ["f"]


def test_a_lock_keeps_others_out_until_released(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with files.Lock(path):
        assert not files.Lock(path).acquire(wait=False)
    other = files.Lock(path)
    assert other.acquire(wait=False)
    other.release()


def test_shared_locks_share(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    with files.Lock(path, shared=True), files.Lock(path, shared=True):
        assert not files.Lock(path).acquire(wait=False)


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    pid = os.fork()
    if pid == 0:
        files.Lock(path).acquire()
        os._exit(0)
    os.waitpid(pid, 0)
    assert files.Lock(path).acquire(wait=False)


def test_sockets_at_paths_longer_than_sun_path(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    listener = sockets.listen(str(folder), "s", socket.SOCK_STREAM)
    with sockets.connect(str(folder), "s", socket.SOCK_STREAM) as client, listener.accept()[0] as server:
        client.sendall(b"hello")
        assert server.recv(5) == b"hello"
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        sockets.connect(str(folder), "s", socket.SOCK_STREAM)
    sockets.listen(str(folder), "s", socket.SOCK_STREAM).close()  # in place of the dead one
    with pytest.raises(FileNotFoundError):
        sockets.connect(str(folder), "other", socket.SOCK_STREAM)
