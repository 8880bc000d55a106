"""The life of a container: what runc calls create, start, kill, state, delete and exec.

    container = Container.create("c1", bundle, root)   # init waits, all but execve is done
    container.start()
    code = container.wait()                            # only where this process created it
    container.delete()

A failure in the middle of ``create`` undoes what was done, last first, and is raised as it was.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import ExitStack, suppress

from minicontainer import cgroups
from minicontainer.errors import Conflict, InvalidConfig, MinicontainerError, Unsupported
from minicontainer.libcontainer import state as states
from minicontainer.libcontainer import sync
from minicontainer.libcontainer.init import Init
from minicontainer.libcontainer.rootfs import DEFAULT_DEVICES, CgroupMount, field
from minicontainer.linux import control, door, namespaces, pidfd, process
from minicontainer.linux.door import because
from minicontainer.oci.document import replace
from minicontainer.oci.runtime import SPEC_VERSION, DeviceRule, Resources, Spec, State, load_spec
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.cgroups.manager import Manager
    from minicontainer.libcontainer.exec import Joined
    from minicontainer.libcontainer.seccomp import Confinement
    from minicontainer.oci.runtime import IDMapping, Linux, Process

START_SOCKET = "start.sock"
DEFAULT_PARENT = "/minicontainer"


class Container:
    """A container that exists.  ``pidfd`` is init's, or -1 once it is gone."""

    def __init__(self, root: str, record: states.Record, fd: int, cgroup: Manager | None = None) -> None:
        self.root = root
        self.folder = os.path.join(root, record.id)
        self.record = record
        self.pidfd = fd
        self.cgroup = cgroup or cgroups.manager(record.cgroup)

    # -- making and finding one

    @classmethod
    def create(
        cls,
        container_id: str,
        bundle: str,
        root: str,
        *,
        stdio: tuple[int, int, int] = (0, 1, 2),
        on_console: Callable[[int], None] | None = None,
        prepare: Callable[[int], None] | None = None,
        die_with_parent: bool = False,
    ) -> Container:
        """Make a container of ``bundle``; its program waits for `start`.

        ``stdio`` are the program's standard streams, unless it has a terminal: then ``on_console``
        is given the master.  ``prepare`` is called with init's pid once its namespaces exist, and
        works while init mounts.  ``die_with_parent`` kills init when this process ends, however.
        Raises InvalidConfig, Unsupported, Conflict (the id is taken), CommandNotFound,
        CommandNotExecutable, OSError.
        """
        spec = load_spec(files.read(os.path.join(bundle, "config.json")))
        creation = _Creation(cls, container_id, bundle, root, spec)
        creation.stdio = stdio
        creation.on_console = on_console
        creation.prepare = prepare
        creation.die_with_parent = die_with_parent
        return creation.run()

    @classmethod
    def load(cls, container_id: str, root: str) -> Container:
        """The container that another process created.  Raises NotFound."""
        record = states.load(root, container_id)
        fd = -1
        if states.alive(record):
            try:
                fd = pidfd.pidfd_open(record.pid)
            except ProcessLookupError:
                fd = -1
            if not states.alive(record):
                # It ended between the two looks; the descriptor may be another process's.
                _close(fd)
                fd = -1
        return cls(root, record, fd)

    # -- its life

    def status(self) -> str:
        """created, running, paused or stopped, as the kernel says."""
        if not states.alive(self.record):
            return "stopped"
        if self._waits():
            return "created"
        return "paused" if self.cgroup.frozen() else "running"

    def _waits(self) -> bool:
        if not os.path.lexists(f"{self.folder}/{START_SOCKET}"):
            return False
        try:
            sync.connect(self.folder, START_SOCKET).close()
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        return True

    def state(self) -> State:
        """The state as the specification has it (runtime.md, State)."""
        status = self.status()
        return State(
            oci_version=SPEC_VERSION,
            id=self.record.id,
            status=status,
            bundle=self.record.bundle,
            pid=0 if status == "stopped" else self.record.pid,
            annotations=self.record.annotations,
        )

    def start(self) -> None:
        """Let the program run.  Raises what execve refused, and Conflict if it was started before."""
        try:
            channel = sync.connect(self.folder, START_SOCKET)
        except (ConnectionRefusedError, FileNotFoundError):
            states.require(self.record.id, "start", self.status())
            raise Conflict(f"cannot start container {self.record.id}: it no longer waits") from None
        try:
            channel.send("start")
            channel.expect()
        finally:
            channel.close()
        os.unlink(f"{self.folder}/{START_SOCKET}")

    def wait(self) -> int:
        """How the program ended: its exit code, or 128 + n by signal n.  Only for its creator."""
        code = process.wait(self.record.pid)
        self._forget_pidfd()
        return code

    def kill(self, number: int) -> None:
        """Signal init.  Raises Conflict when it has ended."""
        if self.pidfd < 0:
            states.require(self.record.id, "kill", "stopped")
        try:
            pidfd.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            states.require(self.record.id, "kill", "stopped")

    def exec(
        self, config: Process, stdio: tuple[int, int, int] = (0, 1, 2), *, confined: bool = True
    ) -> Joined:
        """Start one more process in the container; it is a child of this process.

        ``confined``: by the container's own seccomp program, where it has one.
        """
        from minicontainer.libcontainer.exec import join

        states.require(self.record.id, "exec", self.status())
        confinement = self._confinement() if confined else None
        state = self.state() if confinement is not None and confinement.notifies else None
        return join(self.record.pid, self.pidfd, config, self.cgroup, stdio, confinement, state)

    def _confinement(self) -> Confinement | None:
        if not os.path.exists(f"{self.folder}/{states.SECCOMP}"):
            return None
        from minicontainer.libcontainer import seccomp

        return seccomp.saved(self.folder)

    def pause(self) -> None:
        """Freeze every process of the container."""
        states.require(self.record.id, "pause", self.status())
        self.cgroup.freeze()

    def resume(self) -> None:
        """Thaw it."""
        states.require(self.record.id, "resume", self.status())
        self.cgroup.thaw()

    def delete(self, *, force: bool = False) -> None:
        """Remove what is left of a stopped container; ``force`` kills a running one first."""
        status = self.status()
        if force and status != "stopped":
            self.cgroup.kill()
            self._await_end()
        else:
            states.require(self.record.id, "delete", status)
        if self.cgroup.pids():
            # Without a pid namespace of its own, processes outlive init.
            self.cgroup.kill()
        self.cgroup.delete()
        self._forget_pidfd()
        _remove_folder(self.folder)

    def _await_end(self) -> None:
        import select

        if self.pidfd >= 0:
            poller = select.poll()
            poller.register(self.pidfd, select.POLLIN)
            poller.poll(10_000)

    def _forget_pidfd(self) -> None:
        fd, self.pidfd = self.pidfd, -1
        _close(fd)


class _Creation:
    """One `Container.create`, with what must be undone if it fails."""

    def __init__(self, kind: type[Container], container_id: str, bundle: str, root: str, spec: Spec) -> None:
        if spec.process is None:
            raise InvalidConfig("config.json: process is missing")
        if not container_id or "/" in container_id or container_id in (".", ".."):
            raise InvalidConfig(f"container id {container_id!r} cannot be a folder's name")
        _require_own_mounts(spec)
        self.kind = kind
        self.id = container_id
        self.bundle = os.path.abspath(bundle)
        self.root = root
        self.folder = os.path.join(root, container_id)
        self.spec = spec
        self.linux = _linux(spec)
        self.resources = _with_default_devices(self.linux)
        self.cgroup_path = self.linux.cgroups_path or f"{DEFAULT_PARENT}/{container_id}"
        self.stdio = (0, 1, 2)
        self.on_console: Callable[[int], None] | None = None
        self.prepare: Callable[[int], None] | None = None
        self.die_with_parent = False
        self.confinement: Confinement | None = None
        self.undo: list[Callable[[], None]] = []

    def run(self) -> Container:
        manager = cgroups.manager(self.cgroup_path)
        with field("linux.resources"):
            manager.check(self.resources)
        if self.linux.seccomp is not None:
            from minicontainer.libcontainer import seccomp

            self.confinement = seccomp.confinement(self.linux.seccomp, self.root)
        try:
            return self._make(manager)
        except BaseException:
            # Clean-up must not hide why: each part is tried, and the first error is the one raised.
            for action in reversed(self.undo):
                _attempt(action)
            raise

    def _make(self, manager: Manager) -> Container:
        self._claim_id()
        with field("linux.cgroupsPath"):
            self.undo.append(manager.delete)
            try:
                manager.create()
            except Conflict:
                self.undo.remove(manager.delete)  # the group is another's
                raise
        with field("linux.resources"):
            manager.apply(self.resources)
        with ExitStack() as opened:
            ours, theirs = sync.pair()
            opened.callback(ours.close)
            opened.callback(theirs.close)
            listener = opened.enter_context(sync.listen(self.folder, START_SOCKET))
            joins = self._open_namespaces(opened)
            init = Init(
                self.spec, self.bundle, theirs, listener, self.stdio, _cgroup_mounts(manager), joins,
                die_with_parent=self.die_with_parent, confinement=self.confinement,
            )  # fmt: skip
            pid, fd = self._clone(init, manager, ours, [f for kind, f in joins if kind == "pid"])
            self.undo.append(lambda: _end(pid, fd))
            theirs.close()
            listener.close()
            self._admit(pid)
            ours.send("go")
            record = self._record(pid)
            if self.prepare is not None:
                self._prepare(ours, pid, self.prepare)
            self._await_ready(ours, pid, fd)
            return self.kind(self.root, record, fd, manager)

    def _claim_id(self) -> None:
        os.makedirs(self.root, 0o711, exist_ok=True)
        try:
            os.mkdir(self.folder, 0o711)
        except FileExistsError:
            raise Conflict(f"container id {self.id!r} is already in use") from None
        self.undo.append(lambda: _remove_folder(self.folder))

    def _open_namespaces(self, opened: ExitStack) -> list[tuple[str, int]]:
        joins = []
        for namespace in self.linux.namespaces:
            if namespace.type not in namespaces.FLAGS:
                raise InvalidConfig(f"config.json: unknown namespace type {namespace.type!r}")
            if namespace.path:
                with field(f"linux.namespaces ({namespace.type})"):
                    fd = os.open(namespace.path, os.O_RDONLY | os.O_CLOEXEC)
                opened.callback(os.close, fd)
                joins.append((namespace.type, fd))
        order = list(namespaces.FLAGS)
        return sorted(joins, key=lambda join: order.index(join[0]))

    def _clone(
        self, init: Init, manager: Manager, ours: sync.Channel, pid_namespace: list[int]
    ) -> tuple[int, int]:
        new = {n.type for n in self.linux.namespaces if not n.path} - {"cgroup", "time"}
        flags = 0
        for kind in new:
            flags |= namespaces.FLAGS[kind]
        init.joins = [join for join in init.joins if join[0] != "pid"]
        new_time = any(n.type == "time" and not n.path for n in self.linux.namespaces)
        group = manager.clone_fd()
        init.cgroup = None if group is not None else manager
        try:
            if pid_namespace:
                because("the process made next is born in that pid namespace")
                namespaces.setns(pid_namespace[0], process.CLONE_NEWPID)
            if new_time:
                self._new_time_namespace()
            pid, fd = process.clone3(flags, group)
            if pid == 0:
                door.i_am("init")
                ours.close()
                init.run()
        finally:
            if group is not None:
                os.close(group)
            self._come_back((["pid"] if pid_namespace else []) + (["time"] if new_time else []))
        return pid, fd

    def _new_time_namespace(self) -> None:
        because("a time namespace takes its offsets before the first process enters it")
        namespaces.unshare(process.CLONE_NEWTIME)
        for clock, offset in self.linux.time_offsets.items():
            with field(f"linux.timeOffsets.{clock}"):
                line = f"{clock} {offset.secs} {offset.nanosecs}"
                control.write_control("/proc/self/timens_offsets", line)

    def _come_back(self, kinds: list[str]) -> None:
        """Later children of this process are born where this process is."""
        for kind in kinds:
            own = os.open(namespaces.path("self", kind), os.O_RDONLY | os.O_CLOEXEC)
            try:
                because("later children of this process are born in its own namespace again")
                namespaces.setns(own, namespaces.FLAGS[kind])
            finally:
                os.close(own)

    def _admit(self, pid: int) -> None:
        """What only the parent can do for the new process."""
        self._map_ids(pid)
        assert self.spec.process is not None
        if self.spec.process.oom_score_adj is not None:
            with field("process.oomScoreAdj"):
                because("how soon the kernel kills it when the machine has no memory left")
                control.write_control(f"/proc/{pid}/oom_score_adj", str(self.spec.process.oom_score_adj))

    def _map_ids(self, pid: int) -> None:
        if not any(n.type == "user" and not n.path for n in self.linux.namespaces):
            return
        if os.geteuid() != 0:
            because("an unprivileged gid map is accepted only without setgroups")
            control.write_control(f"/proc/{pid}/setgroups", "deny")
        for name, mappings in (("gid", self.linux.gid_mappings), ("uid", self.linux.uid_mappings)):
            with field(f"linux.{name}Mappings"):
                if not mappings:
                    raise InvalidConfig("a new user namespace needs mappings")
                because(f"which {name}s of the host the container's are")
                control.write_control(f"/proc/{pid}/{name}_map", _map_lines(mappings))

    def _prepare(self, ours: sync.Channel, pid: int, prepare: Callable[[int], None]) -> None:
        try:
            prepare(pid)
        except Exception:
            # If init has failed, that is why, and what it said is the error to tell.
            ours.connection.setblocking(False)
            with suppress(BlockingIOError):
                ours.expect("console", "ready")
            raise

    def _await_ready(self, ours: sync.Channel, pid: int, process_fd: int) -> None:
        while True:
            received = ours.expect("console", "confined", "ready")
            if received is None:
                raise MinicontainerError(_death(pid, self.resources))
            kind, fds = received
            if kind == "ready":
                return
            if kind == "confined":
                self._announce(ours, pid, process_fd, fds[0])
                continue
            if self.on_console is None:
                os.close(fds[0])
                raise InvalidConfig("config.json: process.terminal is set and nobody takes the terminal")
            self.on_console(fds[0])

    def _announce(self, ours: sync.Channel, pid: int, process_fd: int, listener: int) -> None:
        """Init goes on once the seccomp agent can answer for its calls."""
        assert self.confinement is not None
        state = State(
            oci_version=SPEC_VERSION,
            id=self.id,
            status="creating",
            pid=pid,
            bundle=self.bundle,
            annotations=self.spec.annotations,
        )
        self.confinement.announce(process_fd, listener, pid, state)
        ours.send("go")

    def _record(self, pid: int) -> states.Record:
        """Write state.json, while init works.

        A container whose creator is killed now can be found, and deleted.
        """
        ticks = states.start_time(pid)
        if ticks is None:
            raise MinicontainerError(_death(pid, self.resources))
        record = states.Record(
            id=self.id,
            pid=pid,
            start_time=ticks,
            bundle=self.bundle,
            cgroup=self.cgroup_path,
            created=time.time(),
            annotations=self.spec.annotations,
        )
        states.save(self.folder, record)
        if self.confinement is not None:
            from minicontainer.libcontainer import seccomp

            seccomp.save(self.folder, self.confinement)
        return record


def _require_own_mounts(spec: Spec) -> None:
    """Init changes its root and its mounts: in any namespace but a new one, those would be others'."""
    found = [n for n in _linux(spec).namespaces if n.type == "mount"]
    if not found:
        raise InvalidConfig("config.json: linux.namespaces: a container needs a mount namespace")
    if found[0].path:
        raise Unsupported("config.json: linux.namespaces: joining a mount namespace is not supported")


def _linux(spec: Spec) -> Linux:
    from minicontainer.oci.runtime import Linux

    return spec.linux or Linux()


def _with_default_devices(linux: Linux) -> Resources:
    """linux.resources, whose device rules also allow what every container has (config-linux.md,
    Default Devices), and making any node: what opens one is another question."""
    resources = linux.resources or Resources()
    if not resources.devices:
        return resources
    usable: list[tuple[str, int, int | None]]
    usable = [("c", major, minor) for _, major, minor in DEFAULT_DEVICES]
    usable += [("c", 5, 1), ("c", 5, 2), ("c", 136, None)]  # console, ptmx, the terminals of devpts
    allowed = [DeviceRule(allow=True, type=kind, access="m") for kind in ("c", "b")]
    allowed += [DeviceRule(allow=True, type=t, major=a, minor=b, access="rwm") for t, a, b in usable]
    return replace(resources, devices=[*resources.devices, *allowed])


def _map_lines(mappings: list[IDMapping]) -> str:
    return "\n".join(f"{m.container_id} {m.host_id} {m.size}" for m in mappings)


def _death(pid: int, resources: Resources) -> str:
    """Why init ended without a word, as far as it can be known."""
    limit = resources.memory.limit if resources.memory else None
    hint = f"; a memory limit of {limit} bytes may be too low" if limit and limit < 32 << 20 else ""
    return f"the container's init (pid {pid}) was killed before it was ready{hint}"


def _cgroup_mounts(manager: Manager) -> list[CgroupMount]:
    """What a mount of type cgroup shows: every hierarchy that the container has a group in."""
    host = manager.hierarchies
    if host.version == "v2":
        return [CgroupMount("cgroup2", "cgroup2", "")]
    folders: dict[str, list[str]] = {}
    for controller, folder in host.bound.items():
        if os.path.isdir(folder + manager.path):
            folders.setdefault(folder, []).append(controller)
    return [
        CgroupMount(os.path.basename(folder), "cgroup", ",".join(controllers))
        for folder, controllers in folders.items()
    ]


def _end(pid: int, fd: int) -> None:
    try:
        pidfd.pidfd_send_signal(fd, signal.SIGKILL)
    except ProcessLookupError:
        door.because("it has ended by itself, having said why")
    process.wait(pid)
    os.close(fd)


def _attempt(action: Callable[[], None]) -> None:
    try:
        action()
    except OSError as error:
        import sys

        print(f"minicontainer: while undoing: {error}", file=sys.stderr)


def _close(fd: int) -> None:
    if fd >= 0:
        os.close(fd)


def _remove_folder(folder: str) -> None:
    """Remove a container's state folder; its own files only, so that nothing else is ever lost."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        os.unlink(os.path.join(folder, name))
    os.rmdir(folder)
