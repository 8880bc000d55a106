"""The life of a container: what runc calls create, start, kill, state, delete and exec.

    container = Container.create("c1", bundle, root)   # init waits, all but execve is done
    container.start()
    code = container.wait()                            # only where this process created it
    container.delete()

``create`` itself is creation.py, and every verb imports what it alone needs: `state` and `kill` are
asked many times for each `create`.
"""

from __future__ import annotations

import os

from minicontainer.errors import Conflict, UsageError
from minicontainer.libcontainer import state as states

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minicontainer.cgroups.manager import Manager
    from minicontainer.libcontainer.confinement import Confinement
    from minicontainer.libcontainer.exec import Exec, Joined
    from minicontainer.libcontainer.options import Options
    from minicontainer.oci.runtime import Linux, Process, Resources, State


class Container:
    """A container that exists.  ``pidfd`` is init's, or -1 once it is gone."""

    def __init__(self, root: str, record: states.Record, fd: int, cgroup: Manager | None = None) -> None:
        self.root = root
        self.folder = os.path.join(root, record.id)
        self.record = record
        self.pidfd = fd
        self._cgroup = cgroup

    @property
    def cgroup(self) -> Manager:
        """The container's control group."""
        if self._cgroup is None:
            from minicontainer import cgroups

            path = self.record.cgroup
            self._cgroup = cgroups.manager(path) if self.record.freezer else cgroups.no_manager(path)
        return self._cgroup

    # -- making and finding one

    @classmethod
    def create(
        cls,
        container_id: str,
        bundle: str,
        root: str,
        asked: Options | None = None,
    ) -> Container:
        """Make a container of ``bundle``; its program waits for `start`.

        Raises InvalidConfig, Unsupported, Conflict (the id is taken), CommandNotFound,
        CommandNotExecutable, OSError.
        """
        from minicontainer.libcontainer.creation import Creation

        record, fd, manager = Creation(container_id, bundle, root, asked).run()
        return cls(root, record, fd, manager)

    @classmethod
    def load(cls, container_id: str, root: str) -> Container:
        """The container that another process created.  Raises NotFound."""
        record = states.load(root, container_id)
        fd = -1
        if states.alive(record):
            try:
                fd = os.pidfd_open(record.pid)
            except ProcessLookupError:
                fd = -1
            if not states.alive(record):
                # It ended between the two looks; the descriptor may be another process's.
                _close(fd)
                fd = -1
        return cls(root, record, fd)

    # -- its life

    def status(self) -> str:
        """creating, created, running, paused or stopped, as the kernel says."""
        if not states.alive(self.record):
            return "stopped"
        if states.frozen(self.record):  # a created one too: it could answer neither start nor exec
            return "paused"
        return "created" if self._waits() else "running"

    def _waits(self) -> bool:
        if not os.path.lexists(f"{self.folder}/{states.START_SOCKET}"):
            return False
        from minicontainer.util import sockets

        try:
            sockets.connect(self.folder, states.START_SOCKET, sockets.SOCK_SEQPACKET).close()
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True

    def state(self) -> State:
        """The state as the specification has it (runtime.md, State)."""
        status = self.status()
        return states.describe(self.record, status)

    def start(self) -> None:
        """Let the program run.  Raises what execve refused, and Conflict if it was started before."""
        from minicontainer.libcontainer import sync

        if states.frozen(self.record):  # it could not answer
            states.require(self.record.id, "start", self.status())
        try:
            channel = sync.connect(self.folder, states.START_SOCKET)
        except (ConnectionRefusedError, FileNotFoundError):
            states.require(self.record.id, "start", self.status())
            raise Conflict(f"cannot start container {self.record.id}: it no longer waits") from None
        try:
            channel.send("start")
            channel.expect()
        finally:
            channel.close()
        try:
            os.unlink(f"{self.folder}/{states.START_SOCKET}")
        except FileNotFoundError:  # the program has ended, and who waited for that deleted the container
            if os.path.isdir(self.folder):
                raise
        self._run_hooks("poststart", "running")

    def wait(self) -> int:
        """How the program ended: its exit code, or 128 + n by signal n.  Only for its creator."""
        from minicontainer.linux import process

        code = process.wait(self.record.pid)
        self.forget()
        return code

    def kill(self, number: int) -> None:
        """Signal init.  Raises Conflict when it has ended."""
        if self.pidfd < 0:
            states.require(self.record.id, "kill", "stopped")
        from minicontainer.linux import pidfd

        try:
            pidfd.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            states.require(self.record.id, "kill", "stopped")

    def kill_all(self, number: int) -> None:
        """Signal every process of the container; none is left to signal in one that has ended."""
        from minicontainer.linux import process

        for pid in self.cgroup.pids():
            try:
                process.kill(pid, number)
            except ProcessLookupError:
                continue

    def exec(self, config: Process, stdio: tuple[int, int, int] = (0, 1, 2), **how: Any) -> Joined:
        """Start one more process in the container; it is a child of this process.  ``how``: as of `plan`."""
        plan = self.plan(config, **how)
        plan.stdio = stdio
        return plan.run()

    def plan(
        self,
        config: Process,
        *,
        preserve_fds: int = 0,
        subgroups: list[str] | None = None,
        ignore_paused: bool = False,
        die_with_parent: bool = False,
    ) -> Exec:
        """One more process in the container, which the plan's ``run`` starts, here or in a fork.

        It is confined as the container is.  ``subgroups``: control
        groups below the container's to be in, ``[CONTROLLER[,CONTROLLER...]:]PATH`` (runc exec
        --cgroup).  ``ignore_paused``: a frozen container's process starts, and freezes.
        ``die_with_parent``: it is killed when the process that runs the plan ends.
        """
        from minicontainer.libcontainer.exec import Exec

        status = self.status()
        if not (ignore_paused and status == "paused"):
            states.require(self.record.id, "exec", status)
        plan = Exec(self.record.pid, self.pidfd, config, self.cgroup)
        plan.preserve_fds = preserve_fds
        plan.die_with_parent = die_with_parent
        plan.shares_mounts = self.record.borrowed is not None
        plan.subgroups = [folder for text in subgroups or () for folder in self._subgroup(text)]
        plan.linux = self._linux()
        plan.confinement = self._confinement()
        if plan.confinement is not None and plan.confinement.notifies:
            plan.state = self.state()
        return plan

    def _subgroup(self, text: str) -> list[str]:
        """The folders of one value of --cgroup.  Raises UsageError."""
        before, colon, path = text.rpartition(":")
        path = "/" + path.strip("/")
        if ".." in path.split("/"):
            raise UsageError(f"--cgroup {text}: not below the container's group")
        hierarchies = self.cgroup.hierarchies
        places = hierarchies.bound if hierarchies.bound else {"": hierarchies.unified or ""}
        wanted = before.split(",") if colon else [*places]
        for controller in wanted:
            if controller not in places:
                raise UsageError(f"--cgroup {text}: no cgroup v1 hierarchy of {controller!r}")
        folders = dict.fromkeys(places[controller] + self.cgroup.path + path for controller in wanted)
        found = [folder for folder in folders if os.path.isdir(folder)]
        if not found or (colon and len(found) < len(folders)):
            raise UsageError(f"--cgroup {text}: the container has no such group")
        return found

    def _linux(self) -> Linux | None:
        """What config.json says of every process (Record.linux)."""
        if self.record.linux is None:
            return None
        from minicontainer.oci.document import convert
        from minicontainer.oci.runtime import Linux

        return convert(Linux, self.record.linux, "state.json")

    def _confinement(self) -> Confinement | None:
        if not os.path.exists(f"{self.folder}/{states.SECCOMP}"):
            return None
        from minicontainer.libcontainer import confinement

        return confinement.saved(self.folder)

    def pause(self) -> None:
        """Freeze every process of the container."""
        states.require(self.record.id, "pause", self.status())
        self.cgroup.freeze()

    def resume(self) -> None:
        """Thaw it."""
        states.require(self.record.id, "resume", self.status())
        self.cgroup.thaw()

    def update(self, resources: Resources, before: Callable[[list[str]], None] | None = None) -> None:
        """Give it other limits; ``before`` as `Manager.apply` has it.

        Raises Unsupported, InvalidConfig, Conflict (it has stopped), OSError.
        """
        states.require(self.record.id, "update", self.status())
        self.cgroup.check(resources)
        try:
            self.cgroup.apply(resources, before)
        finally:
            if self.status() == "stopped" and not self.cgroup.pids():
                # It ended meanwhile: a group that was made just now came too late to be removed.
                self.cgroup.delete()

    def delete(self, *, force: bool = False) -> None:
        """Remove what is left of a stopped container; ``force`` kills a running one first."""
        status = self.status()
        if force and status != "stopped":
            self.cgroup.kill()
            self._kill_init()
            self._await_end()
        else:
            states.require(self.record.id, "delete", status)
        if self.cgroup.pids():
            # Without a pid namespace of its own, processes outlive init.
            self.cgroup.kill()
        self.cgroup.delete()
        if self.record.borrowed:
            from minicontainer.libcontainer.borrowing import give_back

            give_back(self.record.borrowed)
        self.forget()
        if states.remove(self.folder):
            self._run_hooks("poststop", "stopped")

    def _run_hooks(self, kind: str, status: str) -> None:
        if self.record.hooks is None:
            return
        from minicontainer.libcontainer import hooks
        from minicontainer.oci.document import convert
        from minicontainer.oci.runtime import Hooks

        asked = convert(Hooks, self.record.hooks, "state.json")
        cwd = self.record.bundle if os.path.isdir(self.record.bundle) else "/"
        hooks.run_all(asked, kind, states.describe(self.record, status), cwd)

    def _kill_init(self) -> None:
        """Where there is no control group (an ordinary user's), the pid namespace ends with its init."""
        from minicontainer.linux import pidfd, signals

        if self.pidfd >= 0:
            try:
                pidfd.pidfd_send_signal(self.pidfd, signals.SIGKILL)
            except ProcessLookupError:
                return  # it has ended

    def _await_end(self) -> None:
        import select

        if self.pidfd >= 0:
            poller = select.poll()
            poller.register(self.pidfd, select.POLLIN)
            poller.poll(10_000)

    def forget(self) -> None:
        """Close what holds init, which has been waited for."""
        fd, self.pidfd = self.pidfd, -1
        _close(fd)


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)
