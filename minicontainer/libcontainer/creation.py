"""Making a container: everything up to an init that waits at start.sock.

::

    config.json ─► check ─► claim the id ─► cgroup, limits ─► clone3 ─► init.py, beside:
        id maps, oom score ─► "go" ─► state.json ─► prepare (the engine's network) ─► hooks ─► "ready"

A failure in the middle undoes what was done, last first, and is raised as it was.
"""

from __future__ import annotations

import os
import time

from minicontainer import cgroups
from minicontainer.errors import Conflict, InvalidConfig, MinicontainerError, field
from minicontainer.libcontainer import claim, devices, sync, validate
from minicontainer.libcontainer import state as states
from minicontainer.libcontainer.init import Init
from minicontainer.libcontainer.options import Options
from minicontainer.libcontainer.process import not_granted
from minicontainer.linux import control, door, namespaces, pidfd, process, signals
from minicontainer.linux.door import because
from minicontainer.oci.document import to_builtins
from minicontainer.oci.runtime import SPEC_VERSION, Linux, load_spec
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from minicontainer.cgroups.manager import Manager
    from minicontainer.libcontainer.cgroup_mounts import CgroupMount
    from minicontainer.libcontainer.confinement import Confinement
    from minicontainer.oci.runtime import Resources


class Creation:
    """One `Container.create`, with what must be undone if it fails."""

    def __init__(self, container_id: str, bundle: str, root: str, asked: Options | None = None) -> None:
        """Raises InvalidConfig for an id or a configuration that cannot be."""
        states.check_id(container_id)
        self.bundle = os.path.abspath(bundle)
        spec = load_spec(files.read(os.path.join(self.bundle, "config.json")))
        validate.check(spec)
        self.id = container_id
        self.root = root
        self.folder = os.path.join(root, container_id)
        self.spec = spec
        self.linux = spec.linux or Linux()
        self.resources = devices.allowing_defaults(self.linux)
        self.cgroup_path = self.linux.cgroups_path or f"{cgroups.PARENT}/{container_id}"
        self.asked = asked or Options()
        self.confinement: Confinement | None = None
        self.claimed = ""
        self.undo: list[Callable[[], None]] = []
        self.opened: list[Callable[[], None]] = []
        if spec.hooks is not None:
            from minicontainer.libcontainer import hooks

            hooks.check(spec.hooks)

    def run(self) -> tuple[states.Record, int, Manager]:
        """The record, init's pidfd, the control group."""
        self._amend_process()
        with field("linux.cgroupsPath"):
            manager = cgroups.manager(self.cgroup_path, rootless=self.asked.rootless)
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
        finally:
            for close in reversed(self.opened):
                close()

    def _amend_process(self) -> None:
        """What the caller and config.json must agree on."""
        config = self.spec.process
        assert config is not None
        if self.asked.console_expected and not config.terminal:
            raise InvalidConfig("config.json: process.terminal is not set: there is no terminal to send")
        everything = any(n.type == "user" for n in self.linux.namespaces)
        if self.asked.warn and (names := not_granted(config.capabilities, everything=everything)):
            self.asked.warn(f"config.json: process.capabilities: not granted: {', '.join(names)}")
        if self.asked.listen_fds:
            config.env = [*config.env, f"LISTEN_FDS={self.asked.listen_fds}", "LISTEN_PID=1"]

    def _make(self, manager: Manager) -> tuple[states.Record, int, Manager]:
        self._claim_id()
        self._make_group(manager)
        borrowed = self._borrow()
        ours, theirs = sync.pair()
        listener = sync.listen(self.folder, states.START_SOCKET)
        self.opened += [ours.close, theirs.close, listener.close]
        joins = self._open_namespaces()
        init = Init(
            self.id,
            self.spec,
            self.bundle,
            theirs,
            listener,
            self.asked,
            self._hierarchies(manager),
            joins,
        )
        self.opened.append(init.rootfs.drop)
        init.rootfs.map_owners()
        init.rootfs.pivots = self.asked.pivots
        init.confinement = self.confinement
        pid, fd = self._clone(init, manager, ours, [f for kind, f in joins if kind == "pid"])
        self.undo.append(lambda: end(pid, fd))
        theirs.close()
        listener.close()
        self._admit(pid)
        ours.send("go")
        try:
            record = self._record(pid, manager, borrowed)
        except MinicontainerError:
            self._tell(ours)
            raise
        if self.asked.prepare is not None:
            self._prepare(ours, pid, self.asked.prepare)
        self._await_ready(ours, record, fd)
        return record, fd, manager

    def _hierarchies(self, manager: Manager) -> list[CgroupMount]:
        """What a mount of type cgroup shows, if there is one."""
        if not any(mount.type == "cgroup" for mount in self.spec.mounts):
            return []
        from minicontainer.libcontainer import cgroup_mounts

        return cgroup_mounts.of(manager, self.linux)

    def _claim_id(self) -> None:
        os.makedirs(self.root, 0o711, exist_ok=True)
        try:
            os.mkdir(self.folder, 0o711)
        except FileExistsError:
            raise Conflict(f"container id {self.id!r} is already in use") from None
        self.undo.append(self._give_up_id)

    def _give_up_id(self) -> None:
        states.remove(self.folder)

    def _make_group(self, manager: Manager) -> None:
        if manager.freezer_file:
            self.claimed = self.cgroup_path
        claim.write(self.folder, self.claimed)
        with field("linux.cgroupsPath"):
            self.undo.append(manager.delete)
            try:
                manager.create()
            except Conflict:
                self.undo.remove(manager.delete)  # the group is another's
                raise
        claim.write(self.folder, self.claimed, claim.MADE)
        with field("linux.resources"):
            manager.apply(self.resources)

    def _open_namespaces(self) -> list[tuple[str, int]]:
        joins = []
        for namespace in self.linux.namespaces:
            if namespace.type not in namespaces.FLAGS:
                raise InvalidConfig(f"config.json: unknown namespace type {namespace.type!r}")
            if namespace.path:
                with field(f"linux.namespaces ({namespace.type})"):
                    fd = os.open(namespace.path, os.O_RDONLY | os.O_CLOEXEC)
                self.opened.append(lambda fd=fd: os.close(fd))  # type: ignore[misc]
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
        new_time = any(n.type == "time" and not n.path for n in self.linux.namespaces)
        group = manager.clone_fd()
        init.cgroup = None if group is not None else manager
        guest = any(kind == "user" for kind, _ in init.joins)
        if guest:
            pid_namespace = []
        else:
            init.joins = [join for join in init.joins if join[0] != "pid"]
        try:
            if pid_namespace:
                because("the process made next is born in that pid namespace")
                with field("linux.namespaces (pid)"):
                    namespaces.setns(pid_namespace[0], process.CLONE_NEWPID)
            if new_time:
                self._new_time_namespace()
            if guest:
                from minicontainer.libcontainer.guest import clone

                return clone(init, ours, flags, group)
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
        if self.linux.net_devices:
            self._move_interfaces(pid)
        assert self.spec.process is not None
        if self.spec.process.oom_score_adj is not None:
            with field("process.oomScoreAdj"):
                because("how soon the kernel kills it when the machine has no memory left")
                control.write_control(f"/proc/{pid}/oom_score_adj", str(self.spec.process.oom_score_adj))

    def _move_interfaces(self, pid: int) -> None:
        from minicontainer.libcontainer import netdevices

        interfaces = netdevices.Interfaces(self.linux, pid)
        self.opened.append(interfaces.close)
        self.undo.append(interfaces.give_back)
        interfaces.move()

    def _map_ids(self, pid: int) -> None:
        if not any(n.type == "user" and not n.path for n in self.linux.namespaces):
            return
        from minicontainer.libcontainer import idmap
        from minicontainer.util import idmaps

        if os.geteuid() != 0:
            because("an unprivileged gid map is accepted only without setgroups")
            control.write_control(f"/proc/{pid}/setgroups", "deny")
        for name, mappings in (("gid", self.linux.gid_mappings), ("uid", self.linux.uid_mappings)):
            with field(f"linux.{name}Mappings"):
                if not mappings:
                    raise InvalidConfig("a new user namespace needs mappings")
                because(f"which {name}s of the host the container's are")
                control.write_control(f"/proc/{pid}/{name}_map", idmaps.lines(idmap.ranges(mappings)))

    def _prepare(self, ours: sync.Channel, pid: int, prepare: Callable[[int], None]) -> None:
        try:
            prepare(pid)
        except Exception:
            self._tell(ours)
            raise

    def _tell(self, ours: sync.Channel) -> None:
        """If init has failed, that is why we do, and what it said is the error to tell: raises that."""
        ours.connection.setblocking(False)
        try:
            received = ours.expect("console", "confined", "hooks", "ready")
        except BlockingIOError:
            because("init has said nothing")
        else:
            for fd in received[1] if received else ():
                os.close(fd)

    def _await_ready(self, ours: sync.Channel, record: states.Record, process_fd: int) -> None:
        while True:
            received = ours.expect("console", "confined", "hooks", "ready")
            if received is None:
                raise MinicontainerError(_death(record.pid, self.resources))
            kind, fds = received
            if kind == "ready":
                return
            if kind == "confined":
                self._announce(ours, record, process_fd, fds[0])
                continue
            if kind == "hooks":
                self._run_hooks(record)
                ours.send("go")
                continue
            if self.asked.on_console is None:
                os.close(fds[0])
                raise InvalidConfig("config.json: process.terminal is set and nobody takes the terminal")
            self.asked.on_console(fds[0])

    def _announce(self, ours: sync.Channel, record: states.Record, process_fd: int, listener: int) -> None:
        """Init goes on once the seccomp agent can answer for its calls."""
        assert self.confinement is not None
        state = states.describe(record, "creating")
        self.confinement.announce(process_fd, listener, record.pid, state)
        ours.send("go")

    def _run_hooks(self, record: states.Record) -> None:
        """Init waits: its mounts are made, the host's tree is still "/" for it."""
        from minicontainer.libcontainer import hooks

        asked = self.spec.hooks
        assert asked is not None
        # What they have set up, those for the end take down, even if no program ever ran.
        stopped = states.describe(record, "stopped")
        self.undo.insert(0, lambda: hooks.run_all(asked, "poststop", stopped, self.bundle))
        # Before 1.0.2 prestart hooks were a part of start, and those who still write some expect so.
        for kind, status in (("prestart", "created"), ("create_runtime", "creating")):
            hooks.run(asked, kind, states.describe(record, status), self.bundle)

    def _borrow(self) -> str | None:
        """Record.borrowed."""
        found = [n.path for n in self.linux.namespaces if n.type == "mount"]
        if found or self.spec.root is None:
            return "" if found and found[0] else None
        from minicontainer.libcontainer import borrowing

        path = os.path.realpath(os.path.join(self.bundle, self.spec.root.path))
        claim.write(self.folder, self.claimed, claim.MADE, path)
        borrowing.borrow(path)
        self.undo.append(lambda: borrowing.give_back(path))
        return path

    def _record(self, pid: int, manager: Manager, borrowed: str | None) -> states.Record:
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
            rootfs=os.path.join(self.bundle, self.spec.root.path) if self.spec.root else "",
            owner=os.getuid(),
            hooks=to_builtins(self.spec.hooks) if self.spec.hooks else None,
            oci_version=SPEC_VERSION,
            freezer=manager.freezer_file,
            borrowed=borrowed,
            linux=_shared(self.linux),
        )
        states.save(self.folder, record)
        claim.forget(self.folder)
        if self.confinement is not None:
            from minicontainer.libcontainer import confinement

            confinement.save(self.folder, self.confinement)
        return record


def _shared(linux: Linux) -> dict[str, Any] | None:
    """Record.linux; None for nothing."""
    return to_builtins(Linux(personality=linux.personality, memory_policy=linux.memory_policy)) or None


def _death(pid: int, resources: Resources) -> str:
    """Why init ended without a word, as far as it can be known."""
    limit = resources.memory.limit if resources.memory else None
    hint = f"; a memory limit of {limit} bytes may be too low" if limit and limit < 32 << 20 else ""
    return f"the container's init (pid {pid}) was killed before it was ready{hint}"


def end(pid: int, fd: int) -> None:
    """Kill a child of this process, and collect it."""
    try:
        pidfd.pidfd_send_signal(fd, signals.SIGKILL)
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
