"""Three runtimes behind one face, so that one case can be tried on each: their command lines.

::

    ran      any words: how they ended, and what they wrote
    must     the same, of words that have to succeed
    run, create, start, state, order, exec, pid, await_status     what most tests need

A start of runc's and crun's returns before the program runs, a delete of theirs before the kernel is done
with it: `program_runs` and `await_end` wait for what the kernel says.

A refusal is raised as `Refused`, with the runtime's own words.  Each has a --root of its own.  crun
takes a hybrid host whose v2 hierarchy has a controller for one that it cannot use: it is shown one
without a v2 hierarchy.
"""

from __future__ import annotations

import array
import json
import os
import shutil
import socket
import subprocess
import sys
import time

from tests.needs import SBIN
from tests.outcome import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.bundles import Bundle

UNIFIED = "/sys/fs/cgroup/unified"
HIDE_V2 = ["unshare", "--mount", "sh", "-c", f'umount -l {UNIFIED} && exec "$@"', "sh"]
TIMEOUT_S = 30


class Refused(Exception):
    """The runtime did not do what was asked; the text is its own."""


class Runtime:
    """``name``: runc, crun or minicontainer; ``root``: a folder for its state."""

    def __init__(self, name: str, root: str) -> None:
        self.name = name
        self.root = root
        self.program = [*program(name)]

    def ran(
        self,
        *words: str,
        options: tuple[str, ...] = (),
        given: bytes = b"",
        env: dict[str, str] | None = None,
        cwd: str | None = None,
        through: tuple[str, ...] = (),
    ) -> Outcome:
        """Run the command line; ``options`` are the global ones, ``given`` is its standard input,
        ``through`` what starts it.

        What it writes goes to files: a container keeps a pipe open for as long as it lives.
        """
        os.makedirs(self.root, exist_ok=True)
        paths = [f"{self.root}.{name}" for name in ("stdout", "stderr")]
        with open(paths[0], "wb") as out, open(paths[1], "wb") as err:
            ended = subprocess.run(
                [*through, *self.program, "--root", self.root, *options, *words],
                stdin=None if given else subprocess.DEVNULL, input=given or None, stdout=out, stderr=err,
                env={**os.environ, **(env or {})}, cwd=cwd,
                check=False, timeout=TIMEOUT_S,
            )  # fmt: skip
        texts = []
        for path in paths:
            with open(path, "rb") as file:
                texts.append(file.read().decode(errors="surrogateescape"))
        code = ended.returncode
        return Outcome(code if code >= 0 else 128 - code, texts[0], texts[1])

    def must(self, *words: str, **more: Any) -> str:
        """What it wrote.  Raises Refused."""
        found = self.ran(*words, **more)
        if found.code:
            raise Refused(found.err.strip() or f"exit code {found.code}")
        return found.out

    def run(self, bundle: Bundle, name: str) -> Outcome:
        """Run a bundle to its end.  A runtime that refuses it ends with a code, too: see ``err``."""
        bundle.write()
        return self.ran("run", "--bundle", bundle.path, name)

    def create(self, bundle: Bundle, name: str, *flags: str, terminal: bool = False, **more: Any) -> int:
        """Create a container; the master of its terminal, or -1.  Raises Refused."""
        bundle.write()
        words = ["create", "--bundle", bundle.path, *flags]
        if not terminal:
            self.must(*words, name, **more)
            return -1
        path = f"{bundle.path}/console.sock"
        return received(path, lambda: self.must(*words, "--console-socket", path, name, **more))

    def state(self, name: str) -> dict[str, Any]:
        """runtime.md, State.  Raises Refused."""
        found: dict[str, Any] = json.loads(self.must("state", name))
        return found

    def order(self, verb: str, name: str, *words: str) -> None:
        """start, kill, pause, resume, delete; kill takes a signal, delete ``--force``.  Raises Refused."""
        if verb == "delete":
            self.must(verb, *words, name)
        else:
            self.must(verb, name, *words)

    def exec(self, name: str, process: dict[str, Any], folder: str) -> Outcome:
        """One more process; ``folder`` is for a file that describes it."""
        path = f"{folder}/process.json"
        with open(path, "w") as file:
            json.dump(process, file)
        return self.ran("exec", "--process", path, name)

    def pid(self, name: str) -> int:
        """Init's process id."""
        return int(self.state(name)["pid"])

    def await_status(self, name: str, status: str) -> None:
        """Until the container is in this state."""
        until = time.monotonic() + TIMEOUT_S
        while (found := self.state(name)["status"]) != status:
            assert time.monotonic() < until, f"still {found}"
            time.sleep(0.01)


def await_true(condition: Callable[[], object]) -> None:
    """Until it is."""
    until = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.01)


def program_runs(pid: int, *words: str) -> None:
    """Until the process is the program with this command line: execve(2) is done with it then.

    The kernel sets the arguments last, after credentials, name and descriptors; the environment with them.
    """
    line = "".join(f"{word}\0" for word in words)
    await_true(lambda: _read(f"/proc/{pid}/cmdline") == line and _read(f"/proc/{pid}/environ"))


def await_end(pid: int) -> None:
    """Until nothing of a process is left but what its parent has to collect."""
    await_true(lambda: ended(pid))


def ended(pid: int) -> bool:
    """Whether it is so."""
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] in ([], ["Z"])


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def received(path: str, act: Callable[[], object]) -> int:
    """The terminal's master that comes over the socket ``path`` while ``act`` runs."""
    if os.path.lexists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(TIMEOUT_S)
        act()
        connection, _ = listener.accept()
        with connection:
            _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    fds = array.array("i")
    fds.frombytes(ancillary[0][2][:4])
    return fds[0]


def program(name: str) -> list[str]:
    """The words that start this runtime.  Raises FileNotFoundError."""
    if name == "minicontainer":
        launcher = os.path.join(os.path.dirname(sys.executable), "minicontainer-runtime")
        # Inside a container of minicontainer's, and in User-Mode Linux, there may be none.
        return [launcher] if os.path.exists(launcher) else [sys.executable, "-m", "minicontainer.runtime"]
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
    if path is None:
        raise FileNotFoundError(name)
    if name == "runc":
        return [path]
    # Else a group of systemd's is asked for where systemd runs.
    return [*(HIDE_V2 if os.path.isdir(UNIFIED) else []), path, "--cgroup-manager=cgroupfs"]
