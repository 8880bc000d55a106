"""Terminal steps on a real pair of terminals."""

from __future__ import annotations

import errno
import os
import select
import signal
import termios
from collections.abc import Iterator

import pytest

from minicontainer.linux import terminal


@pytest.fixture
def pair() -> Iterator[tuple[int, int]]:
    """(master, slave) of a new pair."""
    try:
        master, _ = terminal.open_ptmx()
    except OSError as error:
        pytest.skip(f"no terminals here: {error}")
    slave = terminal.peer(master)
    yield master, slave
    os.close(slave)
    os.close(master)


def test_a_pair_carries_bytes_both_ways(pair: tuple[int, int]) -> None:
    master, slave = pair
    os.write(master, b"typed\n")
    assert os.read(slave, 100) == b"typed\n"
    assert os.read(master, 100) == b"typed\r\n"  # the echo
    os.write(slave, b"out\n")
    assert os.read(master, 100) == b"out\r\n"


def test_the_path_names_the_slave() -> None:
    master, path = terminal.open_ptmx("/dev/ptmx")
    slave = terminal.peer(master)
    assert os.ttyname(slave) == path
    assert not os.get_inheritable(slave)
    assert not os.get_inheritable(master)
    os.close(slave)
    os.close(master)


def test_a_multiplexer_inside_the_mount_names_the_same_folder() -> None:
    if not os.access("/dev/pts/ptmx", os.R_OK | os.W_OK):
        pytest.skip("/dev/pts/ptmx cannot be opened (mounted with ptmxmode=000)")
    master, path = terminal.open_ptmx("/dev/pts/ptmx")
    os.close(master)
    assert path.startswith("/dev/pts/")
    assert path[9:].isdigit()


def test_a_missing_multiplexer_is_an_error_with_its_path(tmp_path: os.PathLike[str]) -> None:
    missing = os.path.join(tmp_path, "ptmx")
    with pytest.raises(FileNotFoundError) as caught:
        terminal.open_ptmx(missing)
    assert caught.value.filename == missing
    assert caught.value.step["man"] == "open(2)"  # type: ignore[attr-defined]


def test_size(pair: tuple[int, int]) -> None:
    master, slave = pair
    terminal.set_size(master, 50, 132)
    assert terminal.get_size(slave) == (50, 132)
    assert os.get_terminal_size(slave) == (132, 50)


def test_raw_mode_passes_control_keys_and_restore_ends_it(pair: tuple[int, int]) -> None:
    master, slave = pair
    before = termios.tcgetattr(slave)
    saved = terminal.raw(slave)
    assert saved == before
    os.write(master, b"\x03\x10\r")
    assert os.read(slave, 100) == b"\x03\x10\r"  # neither a signal, nor echoed, nor turned into \n
    assert not select.select([master], [], [], 0)[0]
    os.write(slave, b"a\n")
    assert os.read(master, 100) == b"a\n"
    terminal.restore(slave, saved)
    assert termios.tcgetattr(slave) == before


@pytest.mark.parametrize("call", [terminal.raw, terminal.get_size, terminal.peer])
def test_a_pipe_is_no_terminal(call: object) -> None:
    assert callable(call)
    read_end, write_end = os.pipe()
    with pytest.raises(OSError, match="ioctl") as caught:
        call(read_end)
    os.close(read_end)
    os.close(write_end)
    assert caught.value.errno == errno.ENOTTY


def test_the_session_leader_gets_the_terminals_signals(pair: tuple[int, int]) -> None:
    master, slave = pair
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()
        terminal.set_controlling(slave)
        os.write(slave, b"ready")
        signal.pause()
        os._exit(0)
    assert os.read(master, 5) == b"ready"
    os.write(master, b"\x03")
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGINT
