"""The monitor: one process per container, from before its init is made until after it ended.

::

    caller ──fork──► monitor ──clone3──► init ─► the program
      │  socket         │ │                  0 1 2 │
      │◄── attach.py ──►│ └── pipes or a terminal ─┘
      ▼                 ├── log.json
    (may go)            ├── attach.sock ◄── later clients
                        └── status.json: what became of it

It has a mount namespace of its own: the root file system is mounted there and nowhere else, so the
kernel unmounts it when the monitor ends, whatever ends it.  Init dies with the monitor
(PR_SET_PDEATHSIG); what the monitor could not give back then (cgroup, address, status), the next
command gives back (`engine.Engine.recover`).

In order: mount, configure, create (the network is attached while init mounts), start, serve; then
status, network, cgroup, and only then the clients are told.  With a restart policy it all begins again
(relaunch.py), with a new Monitor that has the old one's status and nobody who waits for it to start.
"""

from __future__ import annotations

import errno
import os
import time

from minicontainer import errors
from minicontainer.engine import attach, events, logs, records, restart_policy, userns
from minicontainer.engine.leaving import leave_caller
from minicontainer.engine.records import Status
from minicontainer.engine.rest import Rest
from minicontainer.engine.session import Client, Session, drain
from minicontainer.errors import CorruptData, MinicontainerError
from minicontainer.libcontainer.container import Container as Runtime
from minicontainer.libcontainer.options import Options
from minicontainer.libcontainer.state import start_time
from minicontainer.linux import credentials, door, mount, namespaces, process, signals
from minicontainer.linux.door import because
from minicontainer.linux.openat2 import open_in_root
from minicontainer.oci.document import dump, to_builtins
from minicontainer.storage.mapped import Acting
from minicontainer.util import files, sockets
from minicontainer.util.suppress import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.engine.engine import Engine
    from minicontainer.network.bridge import BridgeNetwork
    from minicontainer.network.record import Endpoint
    from minicontainer.util.sockets import Socket

BOUND_FILES = ("hostname", "hosts", "resolv.conf")


class Monitor:
    """The life of one container, seen from its monitor."""

    def __init__(
        self, engine: Engine, container: records.Container, client: Socket | None, lock: files.Lock
    ) -> None:
        self.engine = engine
        self.container = container
        self.folder = engine.folders.container(container.id)
        self.meeting = f"{engine.folders.monitors}/{container.id}"
        self.mapping = userns.mapping(container.host)
        self.user = 0
        self.status = Status()
        self.starter = client
        self.late: list[Socket] = []  # clients that came when the program had ended, or could not start
        self.lock = lock
        self.session = Session(self.signal, self.resized)
        self.runtime: Runtime | None = None
        self.network: BridgeNetwork | None = None

    def run(self) -> None:
        """Everything, run after run; never raises, never returns to the caller's code."""
        try:
            following: Monitor | None = self
            while following is not None:
                following = following._run_once()
        finally:
            os._exit(0)

    def _run_once(self) -> Monitor | None:
        try:
            if self.starter is not None:
                self._separate()
            self._launch()
        except Exception as error:
            self._fail(error)
            return None
        assert self.runtime is not None
        return self.over(self.session.attempt(self.runtime.pidfd))

    @classmethod
    def awake(cls, engine: Engine, container_id: str, session: Session) -> Monitor:
        """The monitor that this process was before it rested, from what is on disk (rest.py)."""
        container = records.load_container(engine.folders.container(container_id))
        monitor = cls(engine, container, None, engine.folders.container_lock(container_id))
        monitor.session = session
        monitor.status = records.load_status(monitor.folder)
        monitor.runtime = Runtime.load(container_id, engine.folders.runtime)
        if container.host.network_mode == "bridge":
            monitor.network = engine.bridge()
        return monitor

    def over(self, fault: Exception | None) -> Monitor | None:
        """After the session: the program has ended, or ends because its monitor cannot go on.

        The monitor of the next run, if its policy wants one; once it is time for that.
        """
        if fault is not None:
            self.status.error = f"the monitor failed: {fault}"
            self._kill(signals.SIGKILL)
        if not self._finish():
            return None
        from minicontainer.engine import relaunch

        return relaunch.following(self)

    # -- becoming a container

    def _separate(self) -> None:
        from minicontainer.engine import sharing

        leave_caller()
        credentials.umask(0o022)
        because("mounts made here are the monitor's alone and end with it")
        namespaces.unshare(process.CLONE_NEWNS)
        shared = sharing.hold(self.container.host.mounts)
        because("the host's mounts still arrive here, ours do not go there")
        mount.mount(None, "/", None, mount.MS_SLAVE | mount.MS_REC)
        sharing.put_back(shared)

    def _launch(self) -> None:
        with suppress(CorruptData):
            before = records.load_status(self.folder)
            self.status.address, self.status.ran = before.address, before.ran
        self.status.monitor = os.getpid()
        self.status.monitor_start = start_time(os.getpid()) or 0
        self.status.state = "starting"
        self._save(sync=False)
        if self.session.listener is None:
            os.makedirs(self.meeting, 0o700, exist_ok=True)
            self.session.listener = sockets.listen(self.meeting, records.SOCKET, sockets.SOCK_STREAM)
        self.lock.release()
        rootfs = f"{self.folder}/rootfs"
        from minicontainer.engine import isolation

        joins = isolation.joined(self.engine, self.container.host)
        if "ipc" in joins:
            isolation.share_memory(joins["ipc"])
        driver = self.engine.driver(self.container.driver)
        driver.mount(self.folder, self.container.chain, rootfs, self.mapping)
        self._configure(rootfs, joins)
        inner = self._open_streams()
        self.session.log = self._open_log()
        try:
            asked = Options(
                stdio=inner,
                on_console=self.session.take_console,
                prepare=self._attach_network,
                die_with_parent=True,
            )
            self.runtime = Runtime.create(self.container.id, self.folder, self.engine.folders.runtime, asked)
        finally:
            for fd in set(inner):
                os.close(fd)
        self.runtime.start()
        self._watch_health()
        self.status.state = "running"
        self.status.ran = True
        self.status.pid = self.runtime.record.pid
        self.status.started = time.time()
        self.status.finished, self.status.exit_code, self.status.error = 0.0, 0, ""  # the last run's
        self.status.oom_killed = False
        self._save(sync=False)
        self._tell_of_network("connect")
        self._tell("start")
        self.session.facts = {"id": self.container.id, "pid": self.status.pid}
        if self.starter is not None:
            self.session.welcome(self.starter)
        self._drop_own_streams()
        self.session.rest = Rest.of(self.engine, self.container.id, self.runtime.pidfd)

    def _watch_health(self) -> None:
        if self.container.config.healthcheck is not None:
            from minicontainer.engine.healthwatch import Watch

            self.session.watch = Watch.begin(self.engine.folders, self.container)

    def _open_log(self) -> logs.Writer | None:
        if self.container.host.log_driver == "none":
            return None
        from minicontainer.engine import logoptions

        options = logoptions.parse(self.container.host.log_opts)
        return logs.Writer(f"{self.folder}/{logs.FILE}", *options, logoptions.attributes(self.container))

    def _configure(self, rootfs: str, joins: dict[str, int]) -> None:
        from minicontainer.engine import identity, spec

        config = self.container.config
        root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            account = identity.account(root, config.user, self.container.host)
            self.user = account.uid
            if config.working_dir.strip("/"):
                with Acting(self.mapping):
                    _make_inside(root, config.working_dir)
        finally:
            os.close(root)
        self._write_files(None)
        document = spec.build(self.container, account, self.folder, list(BOUND_FILES), joins)
        files.write_atomic(f"{self.folder}/config.json", dump(document), sync=False)

    def _write_files(self, endpoint: Endpoint | None) -> None:
        """/etc/hosts and the others, in place: they are bound by inode."""
        for name, text in self._etc(endpoint).items():
            fd = os.open(f"{self.folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                files.write_all(fd, text.encode())
                if self.mapping is not None:
                    os.fchown(fd, self.mapping.uid(0), self.mapping.gid(0))
            finally:
                os.close(fd)

    def _etc(self, endpoint: Endpoint | None) -> dict[str, str]:
        from minicontainer.network import files as network

        name = self.container.config.hostname
        own_resolver = network.host_resolv_conf()
        if self.container.host.network_mode == "host":
            own = os.path.exists("/etc/hosts")
            hosts = files.read("/etc/hosts").decode() if own else network.hosts(name, None)
        else:
            hosts = network.hosts(name, endpoint)
            own_resolver = network.resolv_conf(own_resolver)
        host = self.container.host
        return {
            "hostname": network.hostname(name),
            "hosts": hosts + network.extra(host.extra_hosts, endpoint),
            "resolv.conf": network.replaced(own_resolver, host.dns, host.dns_search, host.dns_options),
        }

    def _open_streams(self) -> tuple[int, int, int]:
        if self.container.config.tty:
            null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
            return null, null, null
        owner = self.mapping.uid(self.user) if self.mapping is not None else -1
        return self.session.open_pipes(stdin=self.container.config.open_stdin, owner=owner)

    def signal(self, number: int) -> None:
        """Pass a client's signal on to the program."""
        restart_policy.mark_signal(self.engine.folders, self.container, number)
        self._kill(number)

    def resized(self, rows: int, columns: int) -> None:
        """Tell the journal of a new size of the terminal."""
        events.of_resizing(self.engine.folders, self.container, rows, columns)

    def _kill(self, number: int) -> None:
        assert self.runtime is not None
        self._tell("kill", signal=str(number))
        try:
            self.runtime.kill(number)
        except MinicontainerError:
            return  # it has just ended; its status follows

    def _attach_network(self, pid: int) -> None:
        if self.container.host.network_mode != "bridge":
            return
        self.network = self.engine.bridge()
        place = namespaces.path(pid, "network")
        endpoint = self.network.attach(self.container.id, place, wanted=self.status.address)
        self.status.address = endpoint.address
        self.status.network = to_builtins(endpoint)
        self._write_files(endpoint)

    def _drop_own_streams(self) -> None:
        """The caller's terminal and pipes are not the monitor's to keep open."""
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        os.close(null)

    def _fail(self, error: Exception) -> None:
        self.lock.release()
        self.status.error = str(error) or type(error).__name__
        if self.starter is None:  # restarted by its policy: of the last run there is more to tell
            self.status.finished = self.status.finished or time.time()
            self._end("exited")
            return
        self.status.exit_code = getattr(error, "exit_code", 125)
        self.status.pid = 0
        self.status.started = 0.0
        try:
            self._end("created")
        finally:
            for connection in (self.starter, *self.late):
                client = Client(connection)
                client.sender.put_frame(attach.failed(errors.to_wire(error)))
                drain(client)

    # -- the end

    def _finish(self) -> bool:
        """Whether its policy wants another run."""
        assert self.runtime is not None
        code = self.runtime.wait()
        log = self.session.log
        if log is not None:
            log.close()
            if log.lost:
                self.status.error = f"{log.lost} lines are missing in the log: {log.reason}"
        self.status.oom_killed = self._ran_out_of_memory(code)
        self.status.exit_code = code
        self.status.finished = time.time()
        self._tell_of_end(code)
        try:
            return self._end("restarting" if self._wanted() else "exited")
        finally:
            # With a full disk the status is lost, but those who are attached still learn it.
            for connection in self.late:
                self.session.welcome(connection)
            self.session.farewell(attach.exited(code), self.lock.release)
            self.lock.release()

    def _wanted(self) -> bool:
        marks = restart_policy.marks(self.engine.folders, self.container.id)
        return restart_policy.wanted(self.container.host, self.status, marks)

    def _tell(self, action: str, **extra: str) -> None:
        events.of_container(self.engine.folders, self.container, action, **extra)

    def _tell_of_network(self, action: str) -> None:
        events.of_network(self.engine.folders, action, self.container.host.network_mode, self.container.id)

    def _tell_of_end(self, code: int) -> None:
        with suppress(CorruptData, FileNotFoundError):
            self.container = records.load_container(self.folder)  # it may have been renamed
        if self.status.oom_killed:
            self._tell("oom")
        lasted = int(self.status.finished - self.status.started)
        self._tell("die", exitCode=str(code), execDuration=str(lasted))
        self._tell_of_network("disconnect")

    def _end(self, state: str) -> bool:
        """Give everything back; only then is the container over.  True if it is to be restarted.

        Until that its status claims a monitor: should this one be killed, or fail to give something
        back, the next command finds the claim untrue and mends (`records.without_monitor`).
        """
        with suppress(OSError):  # a full disk loses the exit code to a kill from here on; no more
            self._save(sync=False)
        if not self._give_back():
            self._shut()
            return False
        if self.container.host.auto_remove:
            self._shut()
            self._discard()
            return False
        self.status.pid = 0
        self.status.network = {}
        if state == "restarting" and self._put_off():
            return True
        self._shut()
        marks = restart_policy.marks(self.engine.folders, self.container.id)
        self.status.stopped = restart_policy.STOPPED in marks
        self.status.state = "exited" if state == "restarting" else state
        self.status.monitor = self.status.monitor_start = 0
        self._save()
        return False

    def _shut(self) -> None:
        """Take no more clients: before the status says so, and another monitor may listen there."""
        if self.session.listener is not None:
            with suppress(FileNotFoundError):
                os.unlink(f"{self.meeting}/{records.SOCKET}")
            self.late = self.session.last_comers()

    def _put_off(self) -> bool:
        """Record that it is to be restarted; False if a user has stopped it just now."""
        self._unmount(f"{self.folder}/rootfs")
        if self.container.host.ipc_mode.startswith("container:"):
            from minicontainer.engine import isolation

            self._unmount(isolation.SHM)
        before = self.status.delay
        restart_policy.count(self.status)
        self.status.state = "restarting"
        # Until the clients know how this run ended: who finds it waiting, and has the lock, may kill us.
        self.lock.acquire()
        self._save(sync=False)
        # Who stops it marks it first, and then reads the status: one of us sees the other.
        if restart_policy.CANCELED not in restart_policy.marks(self.engine.folders, self.container.id):
            return True
        self.status.restarts, self.status.delay = self.status.restarts - 1, before
        return False

    def _ran_out_of_memory(self, code: int) -> bool:
        """Whether the kernel killed a process of the container for want of memory."""
        if not self.container.host.memory and code != 128 + signals.SIGKILL:
            return False  # not worth reading all statistics for
        assert self.runtime is not None
        memory = self.runtime.cgroup.stats().memory
        return memory is not None and memory.oom_kills > 0

    def _discard(self) -> None:
        """For --rm.  Whoever works on the container now (commit, restart) holds its lock, and is waited for.

        A restart has started it again by then: another monitor's it is, not ours to remove.
        """
        self._unmount(f"{self.folder}/rootfs")
        lock = self.engine.folders.container_lock(self.container.id)
        if not lock.acquire(wait=False):
            self.status.released = True
            self._save(sync=False)
            lock.acquire()
        try:
            if records.load_status(self.folder).monitor == self.status.monitor:
                self.engine.discard(self.container)
        finally:
            lock.release()

    def _unmount(self, place: str) -> None:
        because("nothing may be mounted in a folder that is to be removed, or mounted anew")
        try:
            mount.umount2(place, mount.MNT_DETACH)
        except OSError as error:
            if error.errno != errno.EINVAL:  # it failed before anything was mounted there
                raise

    def _give_back(self) -> bool:
        """Network, cgroup, runtime state; whether all of it went.  Each is tried."""
        actions: list[Callable[[], object]] = []
        if self.network is not None:
            network = self.network
            actions.append(lambda: network.release(self.container.id))
        if self.runtime is not None:
            runtime = self.runtime
            actions.append(lambda: runtime.delete(force=True))
        else:
            # It failed half-way, and took back what it could.
            actions.append(lambda: self.engine.give_back(self.container))
        done = True
        for action in actions:
            try:
                action()
            except (OSError, MinicontainerError):
                done = False
        return done

    def _save(self, *, sync: bool = True) -> None:
        """Not synced while it runs: what a reboot leaves of that is mended anyway."""
        records.save(f"{self.folder}/status.json", self.status, sync=sync)


def launch(engine: Engine, container: records.Container, lock: files.Lock) -> tuple[int, Socket]:
    """Fork the monitor of ``container``; its process id, and the first client's end of a socket.

    ``lock`` is the container's.  Both processes hold it now, until the caller has left it and the
    monitor has written that it starts the container: nobody sees it as one that may be removed.
    """
    ours, theirs = sockets.pair(sockets.SOCK_STREAM)
    because("a monitor for this container, which outlives this command")
    pid = process.fork()
    if pid == 0:
        ours.close()
        door.i_am("monitor")
        Monitor(engine, container, theirs, lock).run()
    theirs.close()
    return pid, ours


def _make_inside(root: int, path: str) -> None:
    """mkdir -p of ``path`` inside the tree at ``root``: Docker makes a missing working directory."""
    done = ""
    for part in path.strip("/").split("/"):
        parent = open_in_root(root, done or "/", os.O_PATH | os.O_DIRECTORY)
        try:
            os.mkdir(part, 0o755, dir_fd=parent)
        except FileExistsError:
            done = f"{done}/{part}"
        else:
            done = f"{done}/{part}"
        finally:
            os.close(parent)
