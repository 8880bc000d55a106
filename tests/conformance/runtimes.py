"""Three runtimes behind one face, so that one case can be tried on each.

::

    Runtime            run, create, start, state, kill, pause, resume, exec, delete
    ├── CommandLine    runc and crun: their command line, with a --root of their own
    └── Library        minicontainer's libcontainer, in this process

A refusal is raised as `Refused`, with the runtime's own words.  crun takes a hybrid host whose v2
hierarchy has a controller for one that it cannot use: it is shown one without a v2 hierarchy.
"""

from __future__ import annotations

import array
import json
import os
import shutil
import socket
import subprocess
import time

from minicontainer.errors import MinicontainerError
from minicontainer.libcontainer.container import Container
from minicontainer.linux.process import wait
from tests.needs import SBIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.bundles import Bundle

UNIFIED = "/sys/fs/cgroup/unified"
HIDE_V2 = ["unshare", "--mount", "sh", "-c", f'umount -l {UNIFIED} && exec "$@"', "sh"]
TIMEOUT_S = 30


class Refused(Exception):
    """The runtime did not do what was asked; the text is its own."""


class Outcome:
    """How a program ended, and what it wrote."""

    __slots__ = ("code", "err", "out")

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    def __repr__(self) -> str:
        return f"<exit code {self.code}, out {self.out!r}, err {self.err!r}>"


class Runtime:
    """What each can do.  ``root`` is a folder for its state."""

    name = ""

    def __init__(self, root: str) -> None:
        self.root = root

    def run(self, bundle: Bundle, name: str) -> Outcome:
        """Run a bundle to its end.  A runtime that refuses it ends with a code, too: see ``err``."""
        raise NotImplementedError

    def create(self, bundle: Bundle, name: str, *, terminal: bool = False) -> int:
        """Create a container; the master of its terminal, or -1.  Raises Refused."""
        raise NotImplementedError

    def state(self, name: str) -> dict[str, Any]:
        """runtime.md, State."""
        raise NotImplementedError

    def order(self, verb: str, name: str, *words: str) -> None:
        """start, kill, pause, resume, delete; kill takes a signal, delete ``--force``.  Raises Refused."""
        raise NotImplementedError

    def exec(self, name: str, process: dict[str, Any], folder: str) -> Outcome:
        """One more process; ``folder`` is for a file that describes it."""
        raise NotImplementedError

    def pid(self, name: str) -> int:
        """Init's process id."""
        return int(self.state(name)["pid"])

    def await_status(self, name: str, status: str) -> None:
        """Until the container is in this state."""
        until = time.monotonic() + TIMEOUT_S
        while (found := self.state(name)["status"]) != status:
            assert time.monotonic() < until, f"still {found}"
            time.sleep(0.01)

    def close(self) -> None:
        """Collect what is left."""


class CommandLine(Runtime):
    """runc or crun."""

    def __init__(self, name: str, root: str) -> None:
        super().__init__(root)
        self.name = name
        program = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")
        assert program is not None
        self.words = [program, "--root", root]
        if name == "crun":
            # Else a group of systemd's is asked for where systemd runs.
            self.words = [program, "--root", root, "--cgroup-manager=cgroupfs"]
            if os.path.isdir(UNIFIED):
                self.words = [*HIDE_V2, *self.words]

    def _ran(self, *words: str, stdout: Any = subprocess.PIPE) -> Outcome:
        ran = subprocess.run(
            [*self.words, *words], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE,
            check=False, timeout=TIMEOUT_S,
        )  # fmt: skip
        out, err = ((text or b"").decode(errors="surrogateescape") for text in (ran.stdout, ran.stderr))
        code = ran.returncode
        return Outcome(code if code >= 0 else 128 - code, out, err)

    def _must(self, *words: str) -> str:
        found = self._ran(*words)
        if found.code:
            raise Refused(found.err.strip())
        return found.out

    def run(self, bundle: Bundle, name: str) -> Outcome:
        bundle.write()
        return self._ran("run", "--bundle", bundle.path, name)

    def create(self, bundle: Bundle, name: str, *, terminal: bool = False) -> int:
        bundle.write()
        words = ["create", "--bundle", bundle.path]
        if not terminal:
            # Files: the container keeps them open, and a pipe would never end.
            log = f"{bundle.path}/create.log"
            with open(log, "wb") as file:
                ran = subprocess.run(
                    [*self.words, *words, name], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                    check=False, timeout=TIMEOUT_S,
                )  # fmt: skip
            if ran.returncode:
                with open(log) as text:
                    raise Refused(text.read().strip())
            return -1
        path = f"{bundle.path}/console.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(1)
            listener.settimeout(TIMEOUT_S)
            self._must(*words, "--console-socket", path, name)
            connection, _ = listener.accept()
            with connection:
                return _received(connection)

    def state(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._must("state", name))
        return found

    def order(self, verb: str, name: str, *words: str) -> None:
        if verb == "delete":
            self._must(verb, *words, name)
        else:
            self._must(verb, name, *words)

    def exec(self, name: str, process: dict[str, Any], folder: str) -> Outcome:
        path = f"{folder}/process.json"
        with open(path, "w") as file:
            json.dump(process, file)
        return self._ran("exec", "--process", path, name)


def _received(connection: socket.socket) -> int:
    _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4))
    fds = array.array("i")
    fds.frombytes(ancillary[0][2][:4])
    return fds[0]


class Library(Runtime):
    """minicontainer's libcontainer."""

    name = "minicontainer"

    def __init__(self, root: str) -> None:
        super().__init__(root)
        self.children: list[int] = []

    def run(self, bundle: Bundle, name: str) -> Outcome:
        bundle.write()
        with _Files(bundle.path) as files:
            try:
                container = Container.create(name, bundle.path, self.root, stdio=files.fds)
            except (MinicontainerError, OSError) as error:
                return Outcome(getattr(error, "exit_code", 1), "", str(error))
            try:
                container.start()
            except (MinicontainerError, OSError) as error:
                container.wait()
                container.delete()
                return Outcome(getattr(error, "exit_code", 1), "", str(error))
            code = container.wait()
            container.delete()
            return files.outcome(code)

    def create(self, bundle: Bundle, name: str, *, terminal: bool = False) -> int:
        bundle.write()
        masters: list[int] = []
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        try:
            container = Container.create(
                name, bundle.path, self.root, stdio=(null, null, null), on_console=masters.append
            )
        except (MinicontainerError, OSError) as error:
            raise Refused(str(error)) from None
        finally:
            os.close(null)
        self.children.append(container.record.pid)
        self._forget(container)
        return masters[0] if masters else -1

    def _load(self, name: str) -> Container:
        try:
            return Container.load(name, self.root)
        except MinicontainerError as error:
            raise Refused(str(error)) from None

    @staticmethod
    def _forget(container: Container) -> None:
        if container.pidfd >= 0:
            os.close(container.pidfd)
            container.pidfd = -1

    def state(self, name: str) -> dict[str, Any]:
        from minicontainer.oci.document import to_builtins

        container = self._load(name)
        found: dict[str, Any] = to_builtins(container.state())
        self._forget(container)
        return found

    def order(self, verb: str, name: str, *words: str) -> None:
        container = self._load(name)
        try:
            if verb == "kill":
                import signal

                container.kill(signal.Signals[f"SIG{words[0]}"])
            elif verb == "delete":
                container.delete(force="--force" in words)
            else:
                getattr(container, verb)()
        except (MinicontainerError, OSError) as error:
            raise Refused(str(error)) from None
        finally:
            self._forget(container)

    def exec(self, name: str, process: dict[str, Any], folder: str) -> Outcome:
        from minicontainer.oci.document import convert
        from minicontainer.oci.runtime import Process

        container = self._load(name)
        with _Files(folder) as files:
            try:
                joined = container.exec(convert(Process, process, "process.json"), files.fds)
            except (MinicontainerError, OSError) as error:
                return Outcome(getattr(error, "exit_code", 1), "", str(error))
            finally:
                self._forget(container)
            return files.outcome(wait(joined.pid))

    def close(self) -> None:
        for pid in reversed(self.children):
            os.waitpid(pid, 0)


class _Files:
    """Files as standard streams."""

    def __init__(self, folder: str) -> None:
        self.paths = [f"{folder}/{name}" for name in ("stdout", "stderr")]
        flags = os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        out, err = (os.open(path, flags, 0o666) for path in self.paths)
        self.fds = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), out, err

    def __enter__(self) -> _Files:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self.fds:
            os.close(fd)

    def outcome(self, code: int) -> Outcome:
        """What was written."""
        texts = []
        for path in self.paths:
            with open(path, errors="surrogateescape") as file:
                texts.append(file.read())
        return Outcome(code, texts[0], texts[1])


def make(name: str, root: str) -> Runtime:
    """The runtime of this name."""
    return Library(root) if name == Library.name else CommandLine(name, root)
