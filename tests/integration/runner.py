"""Running the command line: to its end (`Runner.__call__`), in the background, on a terminal.

mc("run", "--rm", "busybox", "true")      a Result: code, out, err
mc.ok("ps", "-q")                         standard output; fails the test unless the code is 0
mc.start("run", ...)                      a Popen
mc.terminal("run", "-it", ...)            a Terminal: type, expect, resize, wait
"""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from tests.integration.host import Host

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = "from minicontainer.cli.main import main; main()"
TIMEOUT_S = 60.0


class Result:
    """How a command ended, and what it wrote."""

    def __init__(self, arguments: list[str], code: int, out: bytes, err: bytes) -> None:
        self.arguments = arguments
        self.code = code
        self.raw = out
        self.out = out.decode(errors="replace")
        self.err = err.decode(errors="replace")

    def __repr__(self) -> str:
        return f"<{' '.join(self.arguments)}: {self.code}, out {self.out[-600:]!r}, err {self.err[-600:]!r}>"


class Runner:
    """minicontainer with roots of its own, on a host of its own."""

    def __init__(self, host: Host, root: str, run_root: str, cache: str) -> None:
        self.host = host
        self.root = root
        self.run_root = run_root
        self.environment = {
            **{k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
            "PYTHONPATH": PROJECT,
            # The project's own folders stay without files that only root can remove.
            "PYTHONPYCACHEPREFIX": cache,
            "MINICONTAINER_ROOT": root,
            "MINICONTAINER_RUN_ROOT": run_root,
        }

    def __call__(
        self,
        *arguments: str,
        input: bytes = b"",
        env: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT_S,
    ) -> Result:
        """Run a command to its end."""
        started = self.start(*arguments, env=env, stdin=subprocess.PIPE)
        try:
            out, err = started.communicate(input, timeout)
        except subprocess.TimeoutExpired:
            started.kill()
            out, err = started.communicate()
            raise AssertionError(f"hangs: {Result(list(arguments), -1, out, err)}") from None
        return Result(list(arguments), started.returncode, out, err)

    def ok(self, *arguments: str, **options: Any) -> str:
        """Standard output, without its last newline, of a command that must succeed."""
        result = self(*arguments, **options)
        assert result.code == 0, result
        return result.out.removesuffix("\n")

    def start(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        wrapper: tuple[str, ...] = (),
        **options: Any,
    ) -> subprocess.Popen[bytes]:
        """Start a command; its outputs are pipes unless given.  ``wrapper`` goes before it."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        streams.update({name: options.pop(name) for name in streams if name in options})
        return self.host.popen(
            [*wrapper, sys.executable, "-c", PROGRAM, *arguments],
            env={**self.environment, **(env or {})},
            **streams,
            **options,
        )

    def terminal(self, *arguments: str, rows: int = 24, columns: int = 80) -> Terminal:
        """Start a command on a terminal of its own."""
        master, slave = pty.openpty()
        _set_size(master, rows, columns)
        before = termios.tcgetattr(slave)
        process = self.start(
            *arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, terminal=slave
        )
        return Terminal(self, process, master, slave, before)

    def state(self, container: str, form: str = "{{.State.Status}} {{.State.ExitCode}}") -> str:
        """What `inspect` says."""
        return self.ok("inspect", "--type", "container", "-f", form, container)

    def pid(self, container: str) -> int:
        """The pid of a container's program, on the host."""
        return int(self.state(container, "{{.State.Pid}}"))

    def monitor(self, container: str) -> int:
        """The pid of a container's monitor: the parent of its init."""
        return int(self.host.ask(f"parent {self.pid(container)}"))

    def await_clients(self, container: str, count: int) -> None:
        """Until its monitor has taken the connections of so many: 0 of them once who started it has left."""
        sockets = f"ls -l /proc/{self.monitor(container)}/fd | grep -c socket"
        until(lambda: int(self.host.sh(sockets)) == count + 1, f"{count} clients beside the listening socket")


class Terminal:
    """The user's side of a terminal."""

    def __init__(
        self, runner: Runner, process: subprocess.Popen[bytes], master: int, slave: int, before: list[Any]
    ) -> None:
        self.runner = runner
        self.process = process
        self.master = master
        self.slave = slave
        self.before = before
        self.seen = b""

    def type(self, text: str) -> None:
        """Type; a newline is the Enter key."""
        os.write(self.master, text.replace("\n", "\r").encode())

    def paste(self, text: str) -> None:
        """Type much: read what comes back meanwhile, as a terminal emulator does."""
        left = text.encode()
        os.set_blocking(self.master, False)
        while left:
            readable, writable, _ = select.select([self.master], [self.master], [], TIMEOUT_S)
            assert readable or writable, f"nobody reads: {len(left)} bytes are left"
            if readable:
                self.seen += os.read(self.master, 1 << 16)
            if writable:
                left = left[os.write(self.master, left[:4096]) :]
        os.set_blocking(self.master, True)

    def expect(self, text: str, timeout: float = 60.0) -> str:
        """Read until ``text`` was shown; everything up to and with it, which is then forgotten."""
        deadline = time.monotonic() + timeout
        wanted = text.encode()
        while wanted not in self.seen:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self.master], [], [], max(left, 0))
            assert ready, f"{text!r} was not shown, but {self.seen!r}"
            self.seen += os.read(self.master, 1 << 16)
        shown, _, self.seen = self.seen.partition(wanted)
        return (shown + wanted).decode(errors="replace")

    def resize(self, rows: int, columns: int) -> None:
        """Change the window; the kernel tells the foreground process group."""
        _set_size(self.master, rows, columns)

    def is_raw(self) -> bool:
        """Whether line editing and echo are off now."""
        return not termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ECHO)

    def restored(self) -> bool:
        """Whether the terminal's settings are what they were."""
        return termios.tcgetattr(self.slave) == self.before

    def wait(self, timeout: float = 60.0) -> int:
        """The exit code; what is still written is kept in ``seen``."""
        deadline = time.monotonic() + timeout
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"still runs, having shown {self.seen!r}"
            self._read_some()
        self._read_some()
        return self.process.returncode

    def _read_some(self) -> None:
        ready, _, _ = select.select([self.master], [], [], 0.02)
        if ready:
            self.seen += os.read(self.master, 1 << 16)

    def close(self) -> None:
        """End the command if it still runs, and give the terminal back."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _set_size(fd: int, rows: int, columns: int) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def until(condition: Any, what: str, timeout: float = 60.0) -> Any:
    """Poll until ``condition()`` is true; its value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.02)
    return value
