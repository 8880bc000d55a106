"""Containers for the tests of this folder, and what must be the same before and after."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time

from minicontainer.cgroups.host import hierarchies
from minicontainer.errors import MinicontainerError
from minicontainer.libcontainer.container import Container
from minicontainer.libcontainer.options import Options
from tests.kernel.linux.child import children
from tests.outcome import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from tests.bundles import Bundle

_number = itertools.count()


class Containers:
    """A factory that remembers what it made."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.prefix = f"lc{os.getpid()}-"
        self.made: list[Container] = []
        os.makedirs(root, exist_ok=True)

    def new_id(self) -> str:
        """An id that no other test has."""
        return f"{self.prefix}{next(_number)}"

    def create(self, bundle: Bundle, **options: Any) -> Container:
        """A container that waits to be started; options as Container.create's."""
        bundle.write()
        options.setdefault("stdio", (0, 1, 2))
        name = options.pop("id", None) or self.new_id()
        container = Container.create(name, bundle.path, self.root, Options(**options))
        self.made.append(container)
        return container

    def start(self, bundle: Bundle, **options: Any) -> Container:
        """A container whose program runs."""
        container = self.create(bundle, **options)
        container.start()
        return container

    def sleeping(self, bundle: Bundle, **options: Any) -> Container:
        """A container whose program sleeps, to be looked at from outside."""
        bundle.program("/bin/sleep", "1000")
        return self.start(bundle, **options)

    def run(self, bundle: Bundle, script: str | None = None, **options: Any) -> Outcome:
        """Run the bundle's program, or a shell's script, to its end."""
        if script is not None:
            bundle.script(script)
        with Streams(bundle.path) as streams:
            container = self.create(bundle, stdio=streams.fds, **options)
            container.start()
            code = container.wait()
            container.delete()
            self.made.remove(container)
            return streams.outcome(code)

    def exec(self, container: Container, process: dict[str, Any]) -> Outcome:
        """One more process in a container, to its end; ``process`` in the specification's words."""
        from minicontainer.linux.process import wait
        from minicontainer.oci.document import convert
        from minicontainer.oci.runtime import Process

        config = convert(Process, process, "process.json")
        with Streams(self.root) as streams:
            joined = container.exec(config, streams.fds)
            return streams.outcome(wait(joined.pid))

    def delete_all(self) -> None:
        """Delete what is left, whatever state it is in, and collect the processes."""
        # The last first: a pid namespace ends when those who joined it are waited for.
        for container in reversed(self.made):
            try:
                container.delete(force=True)
            except (MinicontainerError, FileNotFoundError):
                container.cgroup.delete()
            try:
                os.waitpid(container.record.pid, 0)
            except ChildProcessError:
                continue
        self.made.clear()


class Streams:
    """Files as standard streams: nothing can block on them."""

    def __init__(self, folder: str) -> None:
        number = next(_number)
        self.paths = [f"{folder}/{name}-{number}" for name in ("stdout", "stderr")]
        flags = os.O_CREAT | os.O_TRUNC | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
        out, err = (os.open(path, flags, 0o666) for path in self.paths)
        self.fds = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC), out, err

    def __enter__(self) -> Streams:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self.fds:
            os.close(fd)
        for path in self.paths:
            os.unlink(path)

    def outcome(self, code: int) -> Outcome:
        """What was written so far."""
        texts = []
        for path in self.paths:
            with open(path, errors="surrogateescape") as file:
                texts.append(file.read())
        return Outcome(code, texts[0], texts[1])


class Holdings:
    """What this process and this host hold of the containers whose ids begin with ``prefix``."""

    def __init__(self, prefix: str, root: str) -> None:
        self.descriptors = {name: _target(name) for name in os.listdir("/proc/self/fd")}
        self.children = children()
        with open("/proc/self/mountinfo") as table:
            # Only of this test's folder: others may mount elsewhere meanwhile.
            self.mounts = [line for line in table if os.path.dirname(root) in line]
        self.groups = [group for group in _groups() if os.path.basename(group).startswith(prefix)]
        # The runtime's own, as the programs it compiled, begin with a dot.
        self.states = [name for name in os.listdir(root) if not name.startswith(".")]
        self.namespaces = {name: os.readlink(f"/proc/self/ns/{name}") for name in os.listdir("/proc/self/ns")}

    def beyond(self, before: Holdings) -> list[str]:
        """Lines for what there is more than ``before``."""
        left = [
            f"descriptor {n}: {t}" for n, t in self.descriptors.items() if t and n not in before.descriptors
        ]
        left += [f"child {pid}" for pid in self.children if pid not in before.children]
        left += [f"mount {line}" for line in self.mounts if line not in before.mounts]
        left += [f"group {path}" for path in self.groups]
        left += [f"state {name}" for name in self.states]
        left += [f"namespace {n} changed" for n, t in self.namespaces.items() if t != before.namespaces[n]]
        return left


def _target(fd: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:
        return ""  # the descriptor that listed the folder


def _groups() -> list[str]:
    found = hierarchies()
    mounts = {*found.bound.values(), *found.named.values(), *filter(None, [found.unified])}
    parents = [f"{mount}/minicontainer" for mount in mounts]
    return [f"{parent}/{name}" for parent in parents if os.path.isdir(parent) for name in os.listdir(parent)]


def wait_until(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for ``condition`` to be true; the test fails if that takes too long."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "that took too long"
        time.sleep(0.005)


@contextlib.contextmanager
def open_files(count: int) -> Iterator[None]:
    """So many descriptors more, as a caller with much to do has."""
    held = [os.open("/", os.O_PATH | os.O_CLOEXEC) for _ in range(count)]
    try:
        yield
    finally:
        for fd in held:
            os.close(fd)


def dies_of(container: Container, number: int = signal.SIGKILL) -> int:
    """Signal a container, and how it ended."""
    container.kill(number)
    return container.wait()
