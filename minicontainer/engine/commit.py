"""``commit``: a container's changes as the top layer of a new image.

A running container is frozen meanwhile, so that the layer is one moment's.  Who freezes it is a
child of this process that thaws it again when a pipe closes: also when this process is killed.
"""

from __future__ import annotations

import os
import signal

from minicontainer.engine.engine import Engine, Found
from minicontainer.errors import Conflict, NotFound
from minicontainer.linux import door, process
from minicontainer.linux.door import because
from minicontainer.oci.image import ContainerConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from minicontainer.image.model import Image
    from minicontainer.libcontainer.container import Container as Runtime


class Frozen:
    """The container does not run inside ``with``; nor does it stay frozen if this process dies."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.helper = -1
        self.pipe = -1

    def __enter__(self) -> None:
        ready, ready_child = os.pipe2(os.O_CLOEXEC)
        release_child, self.pipe = os.pipe2(os.O_CLOEXEC)
        because("a process that thaws the container again, even if this one is killed")
        self.helper = process.fork()
        if self.helper == 0:
            os.close(self.pipe)
            os.close(ready)
            _hold(self.runtime, ready_child, release_child)
        os.close(ready_child)
        os.close(release_child)
        answer = os.read(ready, 1)
        os.close(ready)
        if not answer:
            self._release()
            raise Conflict(f"cannot pause container {self.runtime.record.id}: it is ending")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _release(self) -> None:
        os.close(self.pipe)
        process.wait(self.helper)


def _hold(runtime: Runtime, ready: int, release: int) -> None:
    """The helper's whole life; does not return."""
    door.i_am("freezer")
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        because("what is committed is one moment's state")
        runtime.cgroup.freeze()
        try:
            os.write(ready, b"1")
            os.read(release, 1)
        finally:
            because("it goes on")
            runtime.cgroup.thaw()
    finally:
        os._exit(0)


def commit(
    engine: Engine,
    text: str,
    reference: str | None,
    *,
    author: str = "",
    message: str = "",
    instructions: list[str] | None = None,
    pause: bool = True,
) -> Image:
    """A new image of the container that ``text`` names.

    Raises NotFound, UsageError for a wrong instruction or reference, MinicontainerError for a full
    disk; nothing is left then.
    """
    container_id = engine.resolve(text)
    with engine.folders.lock(container_id):
        try:
            found = engine.load_locked(container_id)
        except NotFound:
            raise NotFound(f"No such container: {text}") from None
        if not (pause and found.running):
            return _commit(engine, found, reference, author, message, instructions)
        with Frozen(engine.runtime(found)):
            return _commit(engine, found, reference, author, message, instructions)


def _commit(
    engine: Engine,
    found: Found,
    reference: str | None,
    author: str,
    message: str,
    instructions: list[str] | None,
) -> Image:
    container = found.container
    try:
        parent: Image | None = engine.images.resolve(container.image_id)
    except NotFound:
        raise NotFound(
            f"the image of container {container.id[:12]} is gone: its layers cannot be committed"
        ) from None
    driver = engine.driver(container.driver)
    config = container.config
    base = parent.config if parent else ContainerConfig()
    return engine.images.commit(
        parent,
        driver.changes(engine.folders.container(container.id), container.chain),
        reference=reference,
        author=author,
        message=message,
        instructions=instructions,
        config=ContainerConfig(
            user=config.user,
            exposed_ports=base.exposed_ports,
            env=config.env or None,
            entrypoint=config.entrypoint or None,
            cmd=config.cmd or None,
            volumes=base.volumes,
            working_dir=config.working_dir,
            labels=config.labels or None,
            stop_signal=config.stop_signal,
            stop_timeout=base.stop_timeout,
            healthcheck=base.healthcheck,
            on_build=base.on_build,
            shell=base.shell,
        ),
        created_by=" ".join([*(config.entrypoint or []), *config.cmd]),
    )
