"""Running other people's engines: their daemons as our own private ones, their clients as commands.

A daemon (dockerd, containerd) gets a network and a mount namespace of its own, so that its bridges,
firewall rules and mounts end with it, and its data, sockets and pid file in the test's folder::

    unshare --net --mount ── lo up, its own shim sockets ── exec DAEMON
                                                                    └─ shims ── containers

Its control groups have a parent of their own, which `remove_groups` removes afterwards.  A shim that
its daemon did not end is known by the network namespace, and ended by its process id.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
import uuid

from tests.needs import SBIN, bound_controllers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Dialogue = Sequence[tuple[str, str]]  # what is shown, and what is typed then

# Root here may lack CAP_SYS_RESOURCE, and so may not raise these to what the engines would like.
NOFILE, NPROC = "nofile=1024:1024", "nproc=1024:1024"
PATH = f"{os.environ.get('PATH', os.defpath)}:{SBIN}"
TIMEOUT_S = 60.0
# Ends with 3 when it is told to, and says when it can be told.
TRAPS = 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done'
# Engines tell a terminal its size a moment after the program has started.
SIZE = (
    "i=0; until stty size 2>/dev/null | grep -q '[1-9]' || [ $i = 300 ]; do i=$((i+1)); sleep 0.1; done; "
    "stty size"
)
# A program that ends has said its last a moment before: who shows it may be told of the end first.
TERMINAL = f"echo go; read a; tty; {SIZE}; echo got $a; read b; exit 5"
TERMINAL_DIALOGUE = (("go", "hello\n"), ("got hello", "bye\n"))
SHORT_TERMINAL = f"tty; {SIZE}; echo go; read a; exit 4"
SHORT_DIALOGUE = (("go", "bye\n"),)
INSIDE = "ip link set lo up && mkdir -p /run/containerd/s && mount -t tmpfs tmpfs /run/containerd/s && exec "


def ours() -> str:
    """The runtime beside the interpreter that runs the tests, where ``pip install`` has put it."""
    return os.path.join(os.path.dirname(sys.executable), "minicontainer-runtime")


def runtime_path(name: str) -> str:
    """Of ``minicontainer``, ``runc`` or ``crun``; "" where it is not installed."""
    return ours() if name == "minicontainer" else shutil.which(name, path=PATH) or ""


class Result:
    """How a command ended, and what it wrote."""

    def __init__(self, words: list[str], code: int, out: str, err: str) -> None:
        self.words = words
        self.code = code
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"<{' '.join(self.words)}: {self.code}, out {self.out[-600:]!r}, err {self.err[-900:]!r}>"


class Client:
    """An engine's command line, with ``before`` in front of every command's words."""

    def __init__(self, before: list[str], environment: dict[str, str] | None = None) -> None:
        self.before = before
        self.environment = {**os.environ, "PATH": PATH, **(environment or {})}

    def __call__(self, *words: str, given: str = "", timeout: float = TIMEOUT_S) -> Result:
        """Run it to its end.  Engines pass SIGTERM on to a container, so it is killed if it hangs."""
        every = [*self.before, *words]
        ran = subprocess.run(
            every, input=given, capture_output=True, text=True, check=False,
            env=self.environment, timeout=timeout,
        )  # fmt: skip
        return Result(every, ran.returncode, ran.stdout, ran.stderr)

    def ok(self, *words: str, given: str = "") -> str:
        """What it wrote to standard output, without the last newline; it must succeed."""
        result = self(*words, given=given)
        assert result.code == 0, result
        return result.out.rstrip("\n")

    def terminal(
        self, *words: str, dialogue: Dialogue = (), rows: int = 24, columns: int = 80
    ) -> tuple[int, str]:
        """Run it on a terminal of that size, and type; its exit code and what was shown."""
        return on_terminal([*self.before, *words], self.environment, dialogue, (rows, columns))


class Engine(Client):
    """What the commands of docker and podman have in common."""

    def load(self, archive: str) -> None:
        """Have the image busybox."""
        self.ok("load", "--input", archive)

    def words(self, *words: str) -> list[str]:
        """``run`` with the test's runtime."""
        raise NotImplementedError

    def run(self, *words: str, given: str = "") -> Result:
        """Run a container to its end, by default without a network."""
        return self(*self.words(*words), given=given)

    def start_one(self, *words: str) -> str:
        """run -d, which must succeed: the container's id."""
        found = self.run("-d", *words)
        assert found.code == 0, found
        return found.out.strip()

    def inspect(self, container: str) -> dict[str, Any]:
        """inspect of one."""
        found: dict[str, Any] = json.loads(self.ok("inspect", container))[0]
        return found

    def pid(self, container: str) -> int:
        """Of its first process."""
        return int(self.inspect(container)["State"]["Pid"])


def on_terminal(
    words: list[str], environment: dict[str, str], dialogue: Dialogue, size: tuple[int, int]
) -> tuple[int, str]:
    """`Client.terminal`.  Of ``dialogue`` each answer is typed once its question was shown."""
    waiting = list(dialogue)
    pid, master = pty.fork()
    if pid == 0:
        try:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
            os.execvpe(words[0], words, environment)
        finally:
            os._exit(127)
    shown = b""
    until_time = time.monotonic() + TIMEOUT_S
    try:
        while data := _shown(master, until_time):
            shown += data
            if waiting and waiting[0][0].encode() in shown:
                os.write(master, waiting.pop(0)[1].encode())
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        shown += b"(killed by the test)"
    os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode(errors="replace")


def _shown(master: int, until_time: float) -> bytes:
    ready, _, _ = select.select([master], [], [], max(0.0, until_time - time.monotonic()))
    if not ready:
        raise TimeoutError
    try:
        return os.read(master, 65536)
    except OSError as error:
        if error.errno != errno.EIO:  # the last process on the other side is gone
            raise
        return b""


class Daemon:
    """A private daemon, from its start until `stop`."""

    def __init__(self, words: list[str], log: str) -> None:
        self.log = log
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                ["unshare", "--net", "--mount", "--propagation", "private",
                 "sh", "-c", f'{INSIDE} "$@"', "sh", *words],
                stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                env={**os.environ, "PATH": PATH}, start_new_session=True,
            )  # fmt: skip

    def await_ready(self, ready: Callable[[], bool]) -> str:
        """Wait until it answers; why it does not, or ""."""
        until_time = time.monotonic() + TIMEOUT_S
        while time.monotonic() < until_time and self.process.poll() is None:
            if ready():
                return ""
            time.sleep(0.1)
        return f"the daemon does not start here: {self.last_words()}"

    def last_words(self) -> str:
        """The end of its log."""
        with open(self.log, errors="replace") as file:
            return " / ".join(file.read().splitlines()[-3:])

    def stop(self) -> list[int]:
        """End it, and those of its processes that it left: their ids, which should be none."""
        # A process that has ended has no namespaces to be known by.
        namespace = os.readlink(f"/proc/{self.process.pid}/ns/net") if self.process.poll() is None else ""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        left = _left_in(namespace) if namespace else []
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return left


def _left_in(namespace: str) -> list[int]:
    """The processes that stay in a namespace: those that are about to end have the time for it."""
    deadline = time.monotonic() + 10
    while (found := _in_namespace(namespace)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


def _in_namespace(namespace: str) -> list[int]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/ns/net") == namespace:
                found.append(int(pid))
        except OSError:
            continue  # it has ended
    return found


def new_name() -> str:
    """A name that no other container or group has."""
    return f"mc-test-{uuid.uuid4().hex[:10]}"


def control(pid: int, controller: str, v1: str, v2: str) -> str:
    """A control file of the group that a process is in, by whichever version the host has it."""
    mount = bound_controllers()[controller]
    by_controller: dict[str, str] = {}
    with open(f"/proc/{pid}/cgroup") as table:
        for line in table:
            _, names, path = line.rstrip().split(":", 2)
            by_controller.update(dict.fromkeys(names.split(","), path))
    version_1 = controller in by_controller
    path = by_controller[controller if version_1 else ""]
    with open(f"{mount}{path}/{v1 if version_1 else v2}") as file:
        return file.read().strip()


def memory_limit(pid: int) -> int:
    """In bytes, of the group that a process is in."""
    return int(control(pid, "memory", "memory.limit_in_bytes", "memory.max"))


def hierarchies() -> list[str]:
    """Every cgroup mount point."""
    with open("/proc/self/mountinfo") as table:
        return [line.split()[4] for line in table if " - cgroup" in line]


def groups(parent: str) -> list[str]:
    """The control groups below those of that name, and these, children first."""
    return [
        folder
        for mount in hierarchies()
        for folder, _, _ in os.walk(f"{mount}/{parent}", topdown=False)
    ]  # fmt: skip


def remove_groups(parent: str) -> None:
    """Remove them, once they are empty: who was in them may still be about to end."""
    until(lambda: _removed(parent), f"the control groups {parent} are empty")


def _removed(parent: str) -> bool:
    for folder in groups(parent):
        try:
            os.rmdir(folder)
        except FileNotFoundError:
            continue  # a hierarchy that is mounted twice
        except OSError as error:
            if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                raise
            return False
    return True


def until(condition: Callable[[], Any], what: str, timeout: float = TIMEOUT_S) -> Any:
    """Poll until ``condition()`` is true; its value."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.05)
    return value


def state_by(runtime: str, root: str, container: str) -> dict[str, Any]:
    """What that very runtime, asked by its own command line, says of a container below ``root``."""
    words = [runtime, "--root", root, "state", container]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    assert ran.returncode == 0, f"{words}: {ran.stderr}"
    found: dict[str, Any] = json.loads(ran.stdout)
    return found
