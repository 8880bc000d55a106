"""The attach loop against a monitor's end of a socket, on real pipes and terminals."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import socket
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from minicontainer import errors
from minicontainer.cli import attach as client
from minicontainer.engine import attach as protocol
from minicontainer.linux import terminal


class Monitor:
    """A monitor's end of the socket, driven by a test, mostly from a second thread."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.socket, self.client_socket = ours, theirs
        self.decoder = protocol.Decoder()
        self.frames: list[tuple[int, bytes]] = []
        self.thread: threading.Thread | None = None
        self.failure: BaseException | None = None

    def send(self, *frames: bytes) -> None:
        self.socket.sendall(b"".join(frames))

    def next(self) -> tuple[int, bytes]:
        """The client's next frame; a kind of -1 when it closed."""
        while not self.frames:
            self.frames = [(k, bytes(p)) for k, p in self.decoder.receive(self.socket.fileno())]
            if self.decoder.ended:
                return -1, b""
        return self.frames.pop(0)

    def play(self, script: Callable[[], object]) -> None:
        """Run ``script`` beside the client; `close` reports how it failed."""

        def run() -> None:
            try:
                script()
            except BaseException as error:
                self.failure = error
                self.socket.close()

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def close(self) -> None:
        self.client_socket.close()
        if self.thread:
            self.thread.join(10)
            assert not self.thread.is_alive()
        self.socket.close()
        if self.failure:
            raise self.failure


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    made = Monitor()
    yield made
    made.close()


class Pipes:
    """Standard input, output and error of the client."""

    def __init__(self) -> None:
        self.stdin, self.typing = os.pipe()
        self.read_out, self.stdout = os.pipe()
        self.read_err, self.stderr = os.pipe()

    def attach(self, monitor: Monitor, **options: Any) -> client.Outcome:
        settings = {"tty": False, "stdin_open": False, **options}
        fd = monitor.client_socket.fileno()
        return client.attach(fd, self.stdin, self.stdout, self.stderr, **settings)

    def close(self) -> None:
        for fd in vars(self).values():
            with contextlib.suppress(OSError):
                os.close(fd)


@pytest.fixture
def pipes() -> Iterator[Pipes]:
    made = Pipes()
    yield made
    made.close()


def test_output_arrives_where_it_belongs_and_the_status_is_the_programs(
    monitor: Monitor, pipes: Pipes
) -> None:
    told: list[dict[str, Any]] = []
    monitor.send(
        protocol.started({"pid": 7}),
        protocol.frame(protocol.STDOUT, b"out"),
        protocol.frame(protocol.STDERR, b"err"),
        protocol.exited(42),
    )
    outcome = pipes.attach(monitor, started=told.append)
    assert (outcome.kind, outcome.status) == (client.EXITED, 42)
    assert os.read(pipes.read_out, 100) == b"out"
    assert os.read(pipes.read_err, 100) == b"err"
    assert told == [{"pid": 7}]


def test_input_reaches_the_program_and_so_does_its_end(monitor: Monitor, pipes: Pipes) -> None:
    def script() -> None:
        assert monitor.next() == (protocol.STDIN, b"hello")
        os.close(pipes.typing)
        assert monitor.next() == (protocol.STDIN_EOF, b"")
        monitor.send(protocol.exited(0))

    os.write(pipes.typing, b"hello")
    monitor.play(script)
    assert pipes.attach(monitor, stdin_open=True).kind == client.EXITED


def test_input_that_is_not_open_is_not_read(monitor: Monitor, pipes: Pipes) -> None:
    os.write(pipes.typing, b"left alone")
    monitor.send(protocol.exited(0))
    pipes.attach(monitor)
    assert os.read(pipes.stdin, 100) == b"left alone"


def test_closed_input_is_at_its_end(monitor: Monitor, pipes: Pipes) -> None:
    def script() -> None:
        assert monitor.next() == (protocol.STDIN_EOF, b"")
        monitor.send(protocol.exited(0))

    monitor.play(script)
    fd, nobody = monitor.client_socket.fileno(), 1000
    assert client.attach(fd, nobody, pipes.stdout, tty=False, stdin_open=True).kind == client.EXITED


def test_input_that_cannot_be_read_is_named(monitor: Monitor, pipes: Pipes, tmp_path: Any) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(IsADirectoryError) as caught:
            client.attach(monitor.client_socket.fileno(), folder, pipes.stdout, tty=False, stdin_open=True)
    finally:
        os.close(folder)
    assert caught.value.filename == "standard input"


def test_megabytes_both_ways_at_once_with_a_slow_reader(monitor: Monitor, pipes: Pipes) -> None:
    size = 3_000_000
    up, down = os.urandom(size), os.urandom(size)
    received, echoed = bytearray(), bytearray()

    def feed() -> None:
        view = memoryview(up)
        while view:
            view = view[os.write(pipes.typing, view) :]
        os.close(pipes.typing)

    def read_out() -> None:
        while len(echoed) < size:
            echoed.extend(os.read(pipes.read_out, 20_000))

    def script() -> None:
        chunks = [protocol.frame(protocol.STDOUT, down[i : i + 50_000]) for i in range(0, size, 50_000)]
        sender = threading.Thread(target=monitor.send, args=chunks)
        sender.start()
        while True:
            kind, payload = monitor.next()
            if kind == protocol.STDIN_EOF:
                break
            assert kind == protocol.STDIN
            received.extend(payload)
        sender.join()
        monitor.send(protocol.exited(0))

    helpers = [threading.Thread(target=feed), threading.Thread(target=read_out)]
    for helper in helpers:
        helper.start()
    monitor.play(script)
    assert pipes.attach(monitor, stdin_open=True).kind == client.EXITED
    for helper in helpers:
        helper.join(10)
    assert bytes(received) == up
    assert bytes(echoed) == down


def test_a_monitor_that_dies_is_an_error(monitor: Monitor, pipes: Pipes) -> None:
    monitor.send(protocol.frame(protocol.STDOUT, b"half"))
    monitor.socket.close()
    with pytest.raises(errors.MinicontainerError, match="monitor ended"):
        pipes.attach(monitor)
    assert os.read(pipes.read_out, 100) == b"half"


def test_a_monitor_that_dies_with_unread_input_is_the_same_error(monitor: Monitor, pipes: Pipes) -> None:
    """The socket then answers ECONNRESET instead of its end."""
    monitor.client_socket.send(b"unread")
    monitor.socket.close()
    with pytest.raises(errors.MinicontainerError, match="monitor ended"):
        pipes.attach(monitor)


def test_what_the_monitor_said_before_it_closed_is_heard(monitor: Monitor, pipes: Pipes) -> None:
    """Sending to it fails by then; its last words count all the same."""
    monitor.send(protocol.frame(protocol.STDOUT, b"bye"), protocol.exited(9))
    monitor.socket.close()
    os.write(pipes.typing, b"too late")
    outcome = pipes.attach(monitor, stdin_open=True)
    assert (outcome.kind, outcome.status) == (client.EXITED, 9)


def test_an_error_is_raised_as_it_was(monitor: Monitor, pipes: Pipes) -> None:
    error = OSError(errno.EACCES, "Permission denied", "/x")
    error.step = {"name": "mount", "man": "mount(2)", "args": {}}  # type: ignore[attr-defined]
    monitor.send(protocol.failed(errors.to_wire(error)))
    with pytest.raises(PermissionError) as caught:
        pipes.attach(monitor)
    assert caught.value.filename == "/x"
    assert caught.value.step["name"] == "mount"  # type: ignore[attr-defined]


def test_a_frame_that_only_clients_send_is_refused(monitor: Monitor, pipes: Pipes) -> None:
    monitor.send(protocol.signal(9))
    with pytest.raises(errors.CorruptData, match="kind 5"):
        pipes.attach(monitor)


def test_a_reader_that_leaves_ends_the_attachment(monitor: Monitor, pipes: Pipes) -> None:
    os.close(pipes.read_out)
    monitor.send(protocol.frame(protocol.STDOUT, b"for nobody"))
    assert pipes.attach(monitor).kind == client.BROKEN_PIPE
    assert monitor.next() == (protocol.DETACH, b"")


def test_a_full_disk_is_an_error_that_names_the_output(monitor: Monitor, pipes: Pipes) -> None:
    monitor.send(protocol.frame(protocol.STDOUT, b"x"))
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(OSError, match="standard output") as caught:
            client.attach(monitor.client_socket.fileno(), pipes.stdin, full, tty=False, stdin_open=False)
    finally:
        os.close(full)
    assert caught.value.errno == errno.ENOSPC


def test_an_output_that_somebody_made_non_blocking_is_waited_for(monitor: Monitor, pipes: Pipes) -> None:
    os.set_blocking(pipes.stdout, False)
    data = os.urandom(300_000)
    received = bytearray()

    def slow_reader() -> None:
        time.sleep(0.05)
        while len(received) < len(data):
            received.extend(os.read(pipes.read_out, 70_000))

    reader = threading.Thread(target=slow_reader)
    reader.start()
    monitor.play(lambda: monitor.send(protocol.frame(protocol.STDOUT, data), protocol.exited(0)))
    assert pipes.attach(monitor).kind == client.EXITED
    reader.join(10)
    assert bytes(received) == data


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_signals_are_passed_on(monitor: Monitor, pipes: Pipes, name: str) -> None:
    number = signal.Signals[name]
    before = signal.getsignal(number)

    def script() -> None:
        os.write(pipes.typing, b"x")
        assert monitor.next() == (protocol.STDIN, b"x")  # so the handlers are there
        os.kill(os.getpid(), number)
        assert monitor.next() == (protocol.SIGNAL, number.to_bytes(4, "big"))
        monitor.send(protocol.exited(128 + number))

    monitor.play(script)
    assert pipes.attach(monitor, stdin_open=True).status == 128 + number
    assert signal.getsignal(number) is before


def test_a_signal_during_a_blocked_write_is_passed_on(monitor: Monitor, pipes: Pipes) -> None:
    """Nobody reads the output, and still ^C reaches the program."""
    fcntl.fcntl(pipes.stdout, fcntl.F_SETPIPE_SZ, 4096)

    def script() -> None:
        monitor.send(protocol.frame(protocol.STDOUT, bytes(50_000)))
        # Before the first byte is written, the handlers are there.
        while int.from_bytes(fcntl.ioctl(pipes.read_out, termios.FIONREAD, bytes(4)), sys.byteorder) < 4096:
            time.sleep(0.005)
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
            assert monitor.next() == (protocol.SIGNAL, number.to_bytes(4, "big"))
        count = 0
        while count < 50_000:
            count += len(os.read(pipes.read_out, 65536))
        monitor.send(protocol.exited(130))

    monitor.play(script)
    assert pipes.attach(monitor).status == 130


def test_a_storm_of_signals_loses_none_and_breaks_nothing(monitor: Monitor, pipes: Pipes) -> None:
    """Handlers run between any two steps of the loop; the frames stay whole whenever that is."""
    chunks, received = 300, bytearray()
    stop = threading.Event()

    def storm() -> None:
        while not stop.is_set():
            os.kill(os.getpid(), signal.SIGUSR1)
            time.sleep(0.0005)

    def read_out() -> None:
        while part := os.read(pipes.read_out, 65536):
            received.extend(part)

    def script() -> None:
        for i in range(chunks):
            monitor.send(protocol.frame(protocol.STDOUT, bytes([i % 256]) * 5000))
        monitor.send(protocol.exited(0))

    reader = threading.Thread(target=read_out)
    reader.start()
    sender = threading.Thread(target=storm)
    previous = signal.signal(signal.SIGUSR1, lambda *_: None)
    monitor.play(script)
    sender.start()
    try:
        assert pipes.attach(monitor).kind == client.EXITED
    finally:
        stop.set()
        sender.join()
        signal.signal(signal.SIGUSR1, previous)
    os.close(pipes.stdout)
    reader.join(10)
    assert bytes(received) == b"".join(bytes([i % 256]) * 5000 for i in range(chunks))
    monitor.client_socket.shutdown(socket.SHUT_WR)
    frames = []
    while (frame := monitor.next())[0] >= 0:
        frames.append(frame)
    assert frames
    assert set(frames) == {(protocol.SIGNAL, int(signal.SIGUSR1).to_bytes(4, "big"))}


def test_without_a_proxy_an_interrupt_ends_the_client(monitor: Monitor, pipes: Pipes) -> None:
    def script() -> None:
        os.write(pipes.typing, b"x")
        monitor.next()
        os.kill(os.getpid(), signal.SIGINT)

    monitor.play(script)
    with pytest.raises(KeyboardInterrupt):
        pipes.attach(monitor, stdin_open=True, sig_proxy=False)


class Screen:
    """A person at a terminal: the slave is the client's, the master is the keyboard and the screen."""

    def __init__(self) -> None:
        self.master, _ = terminal.open_ptmx()
        self.slave = terminal.peer(self.master)
        self.settings = termios.tcgetattr(self.slave)

    def attach(self, monitor: Monitor, **options: Any) -> client.Outcome:
        settings = {"tty": True, "stdin_open": True, **options}
        return client.attach(monitor.client_socket.fileno(), self.slave, self.slave, self.slave, **settings)

    def is_restored(self) -> bool:
        return termios.tcgetattr(self.slave) == self.settings


@pytest.fixture
def screen() -> Iterator[Screen]:
    try:
        made = Screen()
    except OSError as error:
        pytest.skip(f"no terminals here: {error}")
    yield made
    os.close(made.slave)
    os.close(made.master)


def test_a_terminal_is_raw_meanwhile_and_restored(monitor: Monitor, screen: Screen) -> None:
    terminal.set_size(screen.master, 33, 99)

    def script() -> None:
        assert monitor.next() == (protocol.RESIZE, b"\x00\x21\x00\x63")
        os.write(screen.master, b"\x03\r")
        assert monitor.next() == (protocol.STDIN, b"\x03\r")
        monitor.send(protocol.frame(protocol.STDOUT, b"a\n"), protocol.exited(0))

    monitor.play(script)
    assert screen.attach(monitor).kind == client.EXITED
    assert os.read(screen.master, 100) == b"a\n"
    assert screen.is_restored()


def test_a_new_window_size_is_told(monitor: Monitor, screen: Screen) -> None:
    def script() -> None:
        monitor.next()
        terminal.set_size(screen.master, 10, 20)
        os.kill(os.getpid(), signal.SIGWINCH)  # the kernel's goes to a foreground group, not to a test
        assert protocol.read_resize(monitor.next()[1]) == (10, 20)
        monitor.send(protocol.exited(0))

    monitor.play(script)
    assert screen.attach(monitor).kind == client.EXITED


def test_the_keys_detach(monitor: Monitor, screen: Screen) -> None:
    def script() -> None:
        monitor.next()
        os.write(screen.master, b"ls\r")
        assert monitor.next() == (protocol.STDIN, b"ls\r")
        os.write(screen.master, b"\x10\x11")
        assert monitor.next() == (protocol.DETACH, b"")

    monitor.send(protocol.started({}))
    monitor.play(script)
    assert screen.attach(monitor).kind == client.DETACHED
    assert screen.is_restored()


@pytest.mark.parametrize("begins", [True, False])
def test_keys_typed_before_the_program_runs_detach_once_it_does(
    monitor: Monitor, screen: Screen, begins: bool
) -> None:
    def script() -> None:
        monitor.next()
        os.write(screen.master, b"a\x10\x11")
        assert monitor.next() == (protocol.STDIN, b"a")  # the keys came with it
        if begins:
            monitor.send(protocol.started({}))
            assert monitor.next() == (protocol.DETACH, b"")
        else:
            monitor.send(protocol.failed(errors.to_wire(errors.CommandNotFound("no such program"))))

    monitor.play(script)
    if begins:
        assert screen.attach(monitor).kind == client.DETACHED
    else:
        with pytest.raises(errors.CommandNotFound):
            screen.attach(monitor)
    assert screen.is_restored()


def test_raw_mode_comes_back_after_a_stop(monitor: Monitor, screen: Screen) -> None:
    def script() -> None:
        monitor.next()
        termios.tcsetattr(screen.slave, termios.TCSANOW, screen.settings)  # what a shell does
        os.kill(os.getpid(), signal.SIGCONT)
        assert monitor.next()[0] == protocol.RESIZE
        assert not screen.is_restored()
        monitor.send(protocol.exited(0))

    monitor.play(script)
    assert screen.attach(monitor).kind == client.EXITED
    assert screen.is_restored()


def test_an_exception_restores_the_terminal(monitor: Monitor, screen: Screen) -> None:
    monitor.socket.close()
    with pytest.raises(errors.MinicontainerError):
        screen.attach(monitor)
    assert screen.is_restored()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_from_outside_restores_the_terminal(monitor: Monitor, screen: Screen, number: int) -> None:
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        try:
            screen.attach(monitor)
        except KeyboardInterrupt:
            os._exit(130)
        finally:
            os._exit(1)
    assert monitor.next()[0] == protocol.RESIZE
    assert not screen.is_restored()
    os.kill(pid, number)
    _, status = os.waitpid(pid, 0)
    assert screen.is_restored()
    ended = os.WEXITSTATUS(status) - 128 if os.WIFEXITED(status) else os.WTERMSIG(status)
    assert ended == number


def test_a_terminal_that_hangs_up_ends_the_input(monitor: Monitor) -> None:
    try:
        screen = Screen()
    except OSError as error:
        pytest.skip(f"no terminals here: {error}")

    def script() -> None:
        monitor.next()
        os.close(screen.master)
        assert monitor.next() == (protocol.STDIN_EOF, b"")
        monitor.send(protocol.exited(0))

    monitor.play(script)
    assert screen.attach(monitor).kind == client.EXITED
    os.close(screen.slave)
