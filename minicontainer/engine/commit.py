"""``commit``: a container's changes as the top layer of a new image.

A running container is frozen meanwhile, so that the layer is one moment's.  Who freezes it is a
child of this process that thaws it again when a pipe closes: also when this process is killed.
"""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack, suppress

from minicontainer import errors
from minicontainer.engine import events
from minicontainer.engine.engine import Engine, Found
from minicontainer.errors import Conflict, NotFound
from minicontainer.linux import door, process
from minicontainer.linux.door import because
from minicontainer.oci import jsontext
from minicontainer.oci.image import ContainerConfig, Healthcheck

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from minicontainer.engine.records import Config, Container
    from minicontainer.image.model import Image
    from minicontainer.libcontainer.container import Container as Runtime

FROZEN = b"frozen"


class Frozen:
    """The container does not run inside ``with``; nor does it stay frozen if this process dies.

    ::

        this process                 the helper
          │  fork ───────────────────► freezes
          │◄── "frozen" or {...errors.to_wire} and end of file
          │  reads the changes         waits
          │  closes the pipe ─────────► thaws, exits 0      (so does the kernel, if we are killed)
          │  thaws, if it did not
    """

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
        with os.fdopen(ready, "rb") as answer:
            said = answer.read()
        if said != FROZEN:
            self._release()
            if said:
                raise errors.from_wire(jsontext.loads(said))
            raise errors.MinicontainerError("the process that freezes the container was killed")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def _release(self) -> None:
        os.close(self.pipe)
        if process.wait(self.helper):
            because("the process that was to thaw it was killed, or failed")
            with suppress(FileNotFoundError):  # it has ended
                self.runtime.cgroup.thaw()


def _hold(runtime: Runtime, ready: int, release: int) -> None:
    """The helper's whole life; does not return."""
    door.i_am("freezer")
    status = 1
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        because("what is committed is one moment's state")
        runtime.cgroup.freeze()
        os.write(ready, FROZEN)
        os.close(ready)
        os.read(release, 1)
        because("it goes on")
        runtime.cgroup.thaw()
        status = 0
    except (OSError, errors.MinicontainerError) as error:
        _tell(ready, error)
    finally:
        os._exit(status)


def _tell(ready: int, error: Exception) -> None:
    with suppress(OSError):  # nobody waits for it any more
        os.write(ready, jsontext.dumps(errors.to_wire(error)).encode())


def commit(
    engine: Engine,
    text: str,
    reference: str | None,
    *,
    author: str = "",
    message: str = "",
    instructions: list[str] | None = None,
    pause: bool = True,
    progress: Callable[[int], None] | None = None,
) -> Image:
    """A new image of the container that ``text`` names; ``progress`` is told each amount written.

    Raises NotFound, UsageError for a wrong instruction or reference, MinicontainerError for a full
    disk; nothing is left then.
    """
    container_id = engine.resolve(text)
    with engine.folders.container_lock(container_id):
        try:
            found = engine.load_locked(container_id)
        except NotFound:
            raise NotFound(f"No such container: {text}") from None
        if not pause or not found.running or found.paused:  # one that is paused stays so
            return _commit(engine, found, reference, author, message, instructions, progress)
        with ExitStack() as stack:
            with suppress(FileNotFoundError, ProcessLookupError, Conflict):  # it ends just now
                stack.enter_context(Frozen(engine.runtime(found)))
                events.of_container(engine.folders, found.container, "pause")
                stack.callback(events.of_container, engine.folders, found.container, "unpause")
            return _commit(engine, found, reference, author, message, instructions, progress)


def _commit(
    engine: Engine,
    found: Found,
    reference: str | None,
    author: str,
    message: str,
    instructions: list[str] | None,
    progress: Callable[[int], None] | None,
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
    image = engine.images.commit(
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
            stop_timeout=config.stop_timeout,
            healthcheck=_healthcheck(config),
            on_build=base.on_build,
            shell=base.shell,
        ),
        created_by=" ".join([*(config.entrypoint or []), *config.cmd]),
        progress=progress,
    )
    _tell_journal(engine, container, image, reference, message)
    return image


def _healthcheck(config: Config) -> Healthcheck | None:
    own = config.healthcheck
    if own is None:
        return None
    return Healthcheck(
        test=own.test or None,
        interval=own.interval,
        timeout=own.timeout,
        start_period=own.start_period,
        start_interval=own.start_interval,
        retries=own.retries,
    )


def _tell_journal(
    engine: Engine, container: Container, image: Image, reference: str | None, message: str
) -> None:
    if reference:
        events.of_image(engine.folders, "tag", image.id, reference)
    facts = {"comment": message, "imageID": image.id, "imageRef": reference or ""}
    events.of_container(engine.folders, container, "commit", **facts)
