"""The engine: a container's whole life, composed of storage, images, network and libcontainer.

    create ─► start ─► (its monitor) ─► stop, kill ─► remove
                 └─► exec, commit, logs

It is a library over locked files: no daemon.  Whatever a killed process left is mended by the next
call that meets it (`recover`).  Where things are, and the order of locks, is drawn in records.py.
"""

from __future__ import annotations

import errno
import os

from minicontainer.engine import events, health, records, restart_policy
from minicontainer.engine.naming import Names
from minicontainer.engine.records import Container, Folders, HostConfig, Status
from minicontainer.errors import Conflict, CorruptData, MinicontainerError, NotFound
from minicontainer.libcontainer.state import start_time
from minicontainer.linux import signals
from minicontainer.util.suppress import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cgroups.manager import Manager
    from minicontainer.engine.health import Health
    from minicontainer.image.model import Image
    from minicontainer.image.store import ImageStore
    from minicontainer.libcontainer.container import Container as Runtime
    from minicontainer.network.bridge import BridgeNetwork
    from minicontainer.storage.contract import Driver
    from minicontainer.util.sockets import Socket

DEFAULT_ROOT = "/var/lib/minicontainer"
DEFAULT_RUN = "/run/minicontainer"
RETRY = 0.2  # seconds


class Found:
    """A container with its status, as `Engine.find` and `Engine.containers` give it."""

    __slots__ = ("_health", "_paused", "container", "folder", "status")

    def __init__(self, container: Container, status: Status, folder: str) -> None:
        self.container = container
        self.status = status
        self.folder = folder
        self._paused: bool | None = None
        self._health: Health | None = None

    @property
    def state(self) -> str:
        """created, running, paused, restarting or exited: one that is only being started is created, to a
        user."""
        if self.paused:
            return "paused"
        if self.restarting:
            return "restarting"
        return "created" if self.status.state == "starting" else self.status.state

    @property
    def running(self) -> bool:
        """Whether its program runs, or would if it was not paused."""
        return self.status.state == "running"

    @property
    def restarting(self) -> bool:
        """Whether its program has ended, and its restart policy wants it to run again."""
        status = self.status
        return status.state == "restarting" or (status.state == "starting" and status.restarts > 0)

    @property
    def ending(self) -> bool:
        """Whether it ran when it was found, and its program has ended since: its monitor gives back what it
        held, or is gone.  Raises FileNotFoundError for one that was removed."""
        if not self.running:
            return False
        now = records.load_status(self.folder)
        goes_on = now.state == "running" and not now.finished and records.monitored(now)
        return not goes_on or start_time(now.pid) is None

    @property
    def paused(self) -> bool:
        """Whether its processes are frozen: as the kernel says, when this is first asked."""
        if self._paused is None:
            from minicontainer.engine import pausing

            self._paused = self.running and pausing.frozen(self.container.id)
        return self._paused

    @property
    def health(self) -> Health | None:
        """What its health check says; None without one, and before the first start."""
        if self._health is None and self.status.started and health.command(self.container.config.healthcheck):
            self._health = records.known_health(self.folder)
        return self._health

    @property
    def health_status(self) -> str:
        """starting, healthy, unhealthy or none: what is not being probed is unhealthy."""
        if self.health is None:
            return health.NONE
        return self.health.status if self.running and not self.paused else health.UNHEALTHY

    def require_running(self) -> None:
        """Raise Conflict, in Docker's words, if its program does not run."""
        container_id = self.container.id
        if self.restarting:
            raise Conflict(f"Container {container_id} is restarting, wait until the container is running")
        if not self.running:
            raise Conflict(f"container {container_id} is not running")


class AlreadyRunning(Conflict):
    """A container to be started runs: no error to who only wants it to run."""


class Engine:
    """All containers and images below one root."""

    def __init__(self, root: str = DEFAULT_ROOT, run: str = DEFAULT_RUN, storage: str | None = None) -> None:
        self.folders = Folders(os.path.abspath(root), os.path.abspath(run))
        self.folders.make()
        self.names = Names(self.folders)
        self.storage = storage
        self._images: ImageStore | None = None
        self._drivers: dict[str | None, Driver] = {}
        self.damaged: list[str] = []

    # -- the parts

    def driver(self, name: str | None = None) -> Driver:
        """A storage driver; without a name, the one new containers get."""
        name = name or self.storage
        if name not in self._drivers:
            from minicontainer import storage

            self._drivers[name] = storage.driver(self.folders.root, name)
        return self._drivers[name]

    @property
    def images(self) -> ImageStore:
        """The image store."""
        if self._images is None:
            from minicontainer.image.store import ImageStore

            self._images = ImageStore(self.folders.root, self.driver())
        return self._images

    def bridge(self) -> BridgeNetwork:
        """The bridge network."""
        from minicontainer.network.bridge import BridgeNetwork

        return BridgeNetwork(self.folders.root, self.folders.run)

    # -- finding

    def ids(self) -> list[str]:
        """The ids of all containers."""
        return [name for name in os.listdir(self.folders.containers) if not name.startswith(".")]

    def containers(self) -> list[Found]:
        """All containers, the newest first; those whose monitor died are mended on the way.

        What is wrong with one whose files are damaged is in ``damaged`` afterwards.
        """
        found = []
        self.damaged = []
        for container_id in self.ids():
            try:
                found.append(self.load(container_id))
            except NotFound:
                continue  # removed since the folder was listed
            except CorruptData as error:
                self.damaged.append(f"{error}; `minicontainer rm -f {container_id[:12]}` removes it")
        return sorted(found, key=lambda f: f.container.created, reverse=True)

    def load(self, container_id: str) -> Found:
        """One container by its whole id.  Raises NotFound, CorruptData."""
        found = self.read(container_id)
        return self.recover(container_id) if _orphaned(found.status) else found

    def read(self, container_id: str) -> Found:
        """What the files say.  Raises NotFound, CorruptData."""
        folder = self.folders.container(container_id)
        try:
            found = Found(records.load_container(folder), records.load_status(folder), folder)
        except FileNotFoundError as error:
            if os.path.isdir(folder):  # it is made, and goes, as a whole
                raise CorruptData(f"{error.filename} is missing") from None
            raise NotFound(f"No such container: {container_id}") from None
        if not self.names.owns(container_id, found.container.name):
            # A rename was killed half-way, or is under way: the link is the name.
            found.container.name = next(iter(self.names.of(container_id)), found.container.name)
        return found

    def load_locked(self, container_id: str) -> Found:
        """The same for who holds the container's lock."""
        found = self.read(container_id)
        return self._mend(found) if _orphaned(found.status) else found

    def resolve(self, text: str) -> str:
        """The id that ``text`` (an id, a prefix of one, a name) stands for.  Raises NotFound."""
        if not text:
            raise NotFound("invalid container name or ID: value is empty")
        if "/" not in text:
            with suppress(OSError):  # it is no name, or not any more
                owner = self.names.owner(text)
                if self.names.taken(text):
                    return owner
        matches = [i for i in self.ids() if i.startswith(text)]
        if text in matches:
            return text
        if len(matches) > 1:
            raise NotFound(f"multiple containers found with provided prefix: {text}")
        if not matches:
            raise NotFound(f"No such container: {text}")
        return matches[0]

    def find(self, text: str) -> Found:
        """A container by id, prefix or name.  Raises NotFound."""
        try:
            return self.load(self.resolve(text))
        except NotFound as error:
            if str(error).startswith("No such container"):
                raise NotFound(f"No such container: {text}") from None
            raise

    def find_running(self, text: str) -> Found:
        """The same for a container that runs.  Raises NotFound, Conflict."""
        found = self.find(text)
        found.require_running()
        return found

    # -- making

    def create(self, image: Image, container: Container) -> Container:
        """Make ``container`` of ``image``: its folder, its writable layer, its name.

        ``container`` needs no id, chain or driver yet; a missing name is made up.  Raises Conflict
        when the name is taken, Unsupported for a limit that this host cannot enforce, UsageError
        without a program to run; nothing is made then.
        """
        from minicontainer.engine import creation

        return creation.create(self, image, container)

    def forget_name(self, container: Container) -> None:
        """Give back the name of a container whose folder is gone, or never was."""
        with self.folders.lock():
            self.names.give_back(container)

    def sweep_if_needed(self) -> None:
        """Remove what killed commands left half-made, or half removed."""
        from minicontainer.storage import temporary

        if temporary.sweep(self.folders.containers):
            self._forget_the_gone()

    def sweep(self) -> str:
        """The same, where only a part of it is left; says so."""
        from minicontainer.storage import temporary

        temporary.sweep(self.folders.containers)
        self._forget_the_gone()
        return "removed what was left of containers that do not exist"

    def _forget_the_gone(self) -> None:
        """Names, sockets and locks of containers that do not exist."""
        from minicontainer.storage.tree import remove_tree

        with self.folders.lock():
            self.names.forget_the_gone()
            for container_id in os.listdir(self.folders.monitors):
                if not os.path.isdir(self.folders.container(container_id)):
                    remove_tree(f"{self.folders.monitors}/{container_id}")
            for container_id in os.listdir(self.folders.locks):
                gone = not os.path.isdir(self.folders.container(container_id))
                if gone and container_id != records.ALL:
                    with suppress(FileNotFoundError):  # who waited for it was faster
                        os.unlink(f"{self.folders.locks}/{container_id}")

    def name_again(self, container_id: str) -> None:
        """Name a container that lost its name; with its lock.  By another if somebody has that by now."""
        container = self.read(container_id).container
        with self.folders.lock():
            if self.names.taken(container.name) and not self.names.owns(container_id, container.name):
                container.name = ""
            self.names.take(container)
            records.save(f"{self.folders.container(container_id)}/container.json", container)

    def mend_owner(self, name: str) -> None:
        """Before a name is taken, without any lock: an owner with --rm whose monitor was killed goes."""
        with suppress(CorruptData, NotFound, FileNotFoundError):
            self.load(self.names.owner(name))

    # -- its life

    def start(self, container_id: str) -> tuple[int, Socket]:
        """Start a container that is created or exited: its monitor's pid, and a client's socket.

        The first frame on the socket is STARTED or ERROR (attach.py).  Raises Conflict.
        """
        from minicontainer.engine import monitor

        with self.folders.container_lock(container_id) as lock:
            found = self.load_locked(container_id)
            if found.paused:
                raise Conflict("cannot start a paused container, try unpause instead")
            if found.status.state in records.CLAIMS:
                raise AlreadyRunning(f"container {found.container.name} is already running")
            restart_policy.unmark(self.folders, container_id)
            try:
                return monitor.launch(self, found.container, lock)
            except OSError:
                if found.container.host.auto_remove:
                    self.discard(found.container)
                raise

    def connect(self, container_id: str) -> Socket:
        """A client's socket of a running container.  Raises Conflict if it does not run."""
        from minicontainer.util import sockets

        try:
            folder = f"{self.folders.monitors}/{container_id}"
            return sockets.connect(folder, records.SOCKET, sockets.SOCK_STREAM)
        except (FileNotFoundError, ConnectionRefusedError):
            raise Conflict(f"container {container_id[:12]} is not running") from None

    def runs(self, found: Found) -> bool:
        """Whether a container still runs, in the same run; False for one that is gone."""
        try:
            now = self.load(found.container.id)
        except NotFound:
            return False
        return now.running and now.status.started == found.status.started

    def containers_of(self, image_id: str) -> list[str]:
        """The ids of the containers made of an image."""
        # Read, not loaded: who asks may hold the image store's lock, and mending takes locks before that.
        users = []
        for container_id in self.ids():
            with suppress(NotFound, CorruptData):
                if self.read(container_id).container.image_id == image_id:
                    users.append(container_id)
        return users

    def runtime(self, found: Found) -> Runtime:
        """libcontainer's side of a running container.  Raises Conflict if it does not run."""
        found.require_running()
        try:
            return self._runtime(found.container.id)
        except NotFound:  # it has ended just now
            raise Conflict(f"container {found.container.id} is not running") from None

    def _runtime(self, container_id: str) -> Runtime:
        from minicontainer.libcontainer.container import Container as Runtime

        return Runtime.load(container_id, self.folders.runtime)

    def _group(self, container_id: str) -> Manager:
        from minicontainer import cgroups

        return cgroups.manager(f"{cgroups.PARENT}/{container_id}")

    def signal(self, container_id: str, number: int) -> None:
        """Pass a signal on to a program that may have ended just now."""
        try:
            self._runtime(container_id).kill(number)
        except (NotFound, CorruptData):
            # Not made yet, or somebody spoiled /run's part of it: the group is known by its name.
            if number == signals.SIGKILL:
                self._group(container_id).kill()
        except MinicontainerError:
            return  # it has ended

    def pass_on(self, container: Container, number: int) -> None:
        """Pass on a signal that the user sent to an attached command."""
        restart_policy.mark_signal(self.folders, container, number)
        self.signal(container.id, number)

    def ask_to_end(self, container: Container, number: int) -> None:
        """Signal it, and tell the journal: before, so that nobody reads of a death ahead of its cause."""
        events.of_container(self.folders, container, "kill", signal=str(number))
        self.signal(container.id, number)

    def wait(self, found: Found, timeout: float) -> bool:
        """Until the container has ended and is cleaned up; False after ``timeout`` seconds (< 0: never)."""
        if not found.status.monitor:
            return True
        try:
            fd = os.pidfd_open(found.status.monitor)
        except ProcessLookupError:
            return True
        try:
            if start_time(found.status.monitor) != found.status.monitor_start:
                return True
            import select

            poller = select.poll()
            poller.register(fd, select.POLLIN)
            return bool(poller.poll(None if timeout < 0 else timeout * 1000))
        finally:
            os.close(fd)

    def remove(self, text: str, *, force: bool = False) -> None:
        """Remove a container; ``force`` kills a running one first.  Raises NotFound, Conflict."""
        container_id = self.resolve(text)
        try:
            again = False
            while not self._removed(container_id, force=force, again=again):
                again = True
        except NotFound:
            return  # --rm, or another rm, was faster
        except CorruptData:
            if not force:
                raise
            with self.folders.container_lock(container_id):
                if os.path.isdir(self.folders.container(container_id)):  # else another rm was faster
                    self._remove_damaged(container_id)

    def _removed(self, container_id: str, *, force: bool, again: bool) -> bool:
        """Remove it if it does not run; else kill it, if ``force`` allows that, ``again`` without telling."""
        with self.folders.container_lock(container_id):
            found = self.load_locked(container_id)
            if found.status.state not in records.CLAIMS:
                self.discard(found.container)
                return True
        if not force:
            state = found.state if found.paused or found.restarting else "running"
            first = "Unpause and then stop" if found.paused else "Stop"
            raise Conflict(
                f"You cannot remove a {state} container {container_id}. "
                f"{first} the container before attempting removal or force remove"
            )
        restart_policy.mark_signal(self.folders, found.container, signals.SIGKILL)
        if found.restarting:
            from minicontainer.engine import relaunch

            if relaunch.interrupt(self, container_id):
                return False  # now it can be
        if again:
            self.signal(container_id, signals.SIGKILL)
        else:
            self.ask_to_end(found.container, signals.SIGKILL)
        if found.paused:
            from minicontainer.engine import pausing

            pausing.let_go(self, container_id)
        self.wait(found, RETRY)  # one that is only being started has no process to kill yet
        return False

    def _remove_damaged(self, container_id: str) -> None:
        """Remove a container of which only the id is known."""
        stand_in = self._stand_in(container_id)
        self.give_back(stand_in)
        self.discard(stand_in)

    def give_back_of(self, container_id: str) -> None:
        """What a container that does not exist any more still holds."""
        self.give_back(self._stand_in(container_id))

    def _stand_in(self, container_id: str) -> Container:
        names = self.names.of(container_id)
        config, host = records.Config(), HostConfig()
        return Container(container_id, names[0] if names else "", 0.0, "", [], "", config, host)

    def discard(self, container: Container) -> None:
        """Remove a stopped container's folder, name and lock: out of sight first, then for good.

        While ``away`` is there, `sweep` finds all that a kill leaves.
        """
        from minicontainer.storage import temporary
        from minicontainer.storage.tree import remove_tree

        remove_tree(f"{self.folders.monitors}/{container.id}")
        away, fd = temporary.take_away(self.folders.container(container.id))
        try:
            self.forget_name(container)
            with suppress(FileNotFoundError):  # never locked, or swept since it was out of sight
                os.unlink(f"{self.folders.locks}/{container.id}")
            self.driver(container.driver).remove(away)
            events.of_container(self.folders, container, "destroy")
        finally:
            remove_tree(away)
            os.close(fd)

    # -- mending

    def recover(self, container_id: str) -> Found:
        """Give back what a container whose monitor is gone still holds, and say how it ended.

        Raises NotFound for one that was to be removed at its end, and now is.
        """
        with self.folders.container_lock(container_id):
            return self.load_locked(container_id)

    def _mend(self, found: Found) -> Found:
        container = found.container
        self.give_back(container)
        if found.status.started and not found.status.finished:
            events.of_container(self.folders, container, "die", exitCode="137")
        if container.host.auto_remove:
            self.discard(container)
            raise NotFound(f"No such container: {container.id}")
        ended = records.without_monitor(found.status)
        ended.stopped |= restart_policy.STOPPED in restart_policy.marks(self.folders, container.id)
        try:
            records.save(f"{self.folders.container(container.id)}/status.json", ended)
        except OSError as error:
            # It can be seen, and removed to make room; once there is some, the next command writes it down.
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
        return Found(container, ended, found.folder)

    def give_back(self, container: Container) -> None:
        """What a container holds besides its folder: processes, control group, runtime state, address."""
        from minicontainer.storage.tree import remove_tree

        try:
            self._runtime(container.id).delete(force=True)
        except (NotFound, CorruptData):
            # Killed before libcontainer had written its state, or that was spoiled: so by the group's name.
            manager = self._group(container.id)
            manager.kill()
            manager.delete()
        remove_tree(f"{self.folders.runtime}/{container.id}")
        if container.host.network_mode == "bridge":
            self.bridge().release(container.id)


def _orphaned(status: Status) -> bool:
    """Whether the status claims a container whose monitor is gone."""
    return status.state in records.CLAIMS and not records.monitored(status)


__all__ = ["DEFAULT_ROOT", "DEFAULT_RUN", "Container", "Engine", "Found", "HostConfig"]
