"""What the new process does, from clone3 to execve.  The order is the content.

Everything that it needs is imported before it is cloned: after pivot_root Python's own files are
out of reach.  It talks to its parent as sync.py draws it.
"""

from __future__ import annotations

import gc
import os
import stat

from minicontainer.errors import InvalidConfig, field
from minicontainer.libcontainer import process as program
from minicontainer.libcontainer.options import INIT_ANNOTATION
from minicontainer.libcontainer.rootfs import NULL_DEVICE, Rootfs
from minicontainer.libcontainer.sync import Channel
from minicontainer.linux import (
    credentials,
    namespaces,
    netdevice,
    prctl,
    process,
    signals,
    uts,
)
from minicontainer.linux.door import because
from minicontainer.oci.runtime import SPEC_VERSION, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cgroups.manager import Manager
    from minicontainer.libcontainer.cgroup_mounts import CgroupMount
    from minicontainer.libcontainer.confinement import Confinement
    from minicontainer.libcontainer.options import Options
    from minicontainer.oci.runtime import Hooks, Linux, Process, Spec
    from minicontainer.util.sockets import Socket


class Init:
    """The plan of one init, made by the parent, carried out by the clone."""

    def __init__(
        self,
        container_id: str,
        spec: Spec,
        bundle: str,
        channel: Channel,
        listener: Socket,
        asked: Options,
        hierarchies: list[CgroupMount],
        joins: list[tuple[str, int]],
    ) -> None:
        if spec.process is None:
            raise InvalidConfig("config.json: process is missing")
        self.spec = spec
        self.id = container_id
        self.bundle = bundle
        self.process: Process = spec.process
        self.linux: Linux = _linux(spec)
        self.channel = channel
        self.listener = listener
        self.asked = asked
        self.joins = joins
        self.confinement: Confinement | None = None
        self.reaps = spec.annotations.get(INIT_ANNOTATION) == "true"
        self.proc = -1
        self.cgroup: Manager | None = None  # to join by itself, where clone3 cannot put it there (v1)
        self.rootfs = Rootfs(spec, bundle, self.linux, hierarchies)
        if spec.hooks is not None:
            from minicontainer.libcontainer import hooks  # noqa: F401 - later nothing can be imported

            early = (spec.hooks.prestart, spec.hooks.create_runtime, spec.hooks.create_container)
            self.rootfs.hooked = any(early)
        if self.reaps:
            from minicontainer.libcontainer import reaper  # noqa: F401
        if self.process.terminal:
            from minicontainer.libcontainer import console  # noqa: F401
        self.new = {n.type for n in self.linux.namespaces if not n.path}

    def run(self) -> None:
        """Never returns: the process becomes the program, or exits 1 having told its parent why."""
        connection: Channel | None = None
        # A collection would write to every object's page, and each page that is written is copied.
        gc.disable()
        try:
            signals.reset()
            if self.asked.die_with_parent:
                prctl.set_pdeathsig(signals.SIGKILL)
            if self.channel.expect("go") is None:
                os._exit(1)
            because("another container may share the pid namespace: it finds nothing of ours in /proc")
            prctl.set_dumpable(False)
            self._isolate()
            becoming = self._settle()
            if self.confinement is not None and self.confinement.notifies:
                self._confine_now(becoming)
            self.channel.send("ready")
            self.channel.close()
            connection = self._wait_for_start()
            self._execute(connection, becoming)
        except BaseException as error:
            # The one place where every error is caught: it is raised again in the parent.
            _tell(connection or self.channel, error)
        os._exit(1)

    def _isolate(self) -> None:
        """Namespaces, names, the root file system."""
        because("the modes of what is made from here on are as they are written")
        credentials.umask(program.UMASK)
        self.proc = program.hold_proc(self.process)
        if self.cgroup is not None:
            with field("linux.cgroupsPath"):
                self.cgroup.add(0)
        process.setsid()
        if self.asked.new_keyring:
            program.leave_keys()
        for kind, fd in self.joins:
            with field(f"linux.namespaces ({kind})"):
                namespaces.setns(fd, namespaces.FLAGS[kind])
                os.close(fd)
        if "cgroup" in self.new:
            because("the group that this process was moved to is the root of what the container sees")
            namespaces.unshare(process.CLONE_NEWCGROUP)
        if "network" in self.new:
            netdevice.interface_up("lo")
        self._name()
        self.rootfs.enter()
        if "user" in {n.type for n in self.linux.namespaces}:
            # Only now: the way to the bundle may be the caller's alone.
            because("the user that is root inside this user namespace")
            with field("linux.gidMappings"):
                credentials.setresgid(0)
            with field("linux.uidMappings"):
                credentials.setresuid(0)
        program.import_no_more()
        self.rootfs.fill()
        if self.rootfs.hooked and self.spec.hooks is not None:
            self._run_early_hooks(self.spec.hooks)
        self._connect_streams()
        self.rootfs.protect()

    def _run_early_hooks(self, asked: Hooks) -> None:
        """prestart, createRuntime (by the parent) and createContainer."""
        self.rootfs.show_host()
        self.channel.send("hooks")
        if self.channel.expect("go") is None:
            os._exit(1)
        from minicontainer.libcontainer import hooks

        hooks.run(asked, "create_container", self._state("creating"), "/")
        self.rootfs.leave_host()

    def _state(self, status: str) -> State:
        """The state as hooks inside see it: with the pid that this process has there (as runc)."""
        return State(
            oci_version=SPEC_VERSION, id=self.id, status=status, pid=os.getpid(), bundle=self.bundle,
            annotations=self.spec.annotations,
        )  # fmt: skip

    def _name(self) -> None:
        for name, value, call in (
            ("hostname", self.spec.hostname, uts.sethostname),
            ("domainname", self.spec.domainname, uts.setdomainname),
        ):
            if value:
                with field(name):
                    if "uts" not in {n.type for n in self.linux.namespaces}:
                        raise InvalidConfig(f"config.json: {name} needs a uts namespace")
                    call(value)

    def _connect_streams(self) -> None:
        if self.process.terminal:
            with field("process.terminal"):
                from minicontainer.libcontainer import console

                master = console.open_terminal(self.process)
                self.channel.send("console", fds=(master,))
                os.close(master)
                console.bind_console()
            return
        null = _own_null()
        for stream, fd in enumerate(self.asked.stdio):
            os.dup2(null if null >= 0 and _is_null(fd) else fd, stream)

    def _settle(self) -> program.Program:
        becoming = program.prepare(self.process, self.linux, self.confinement, self.proc)
        if self.asked.die_with_parent:
            because("the change of user cleared it")
            prctl.set_pdeathsig(signals.SIGKILL)
        return becoming

    def _confine_now(self, becoming: program.Program) -> None:
        """The agent gets the listener from whoever creates the container, so that is when it is made."""
        # Imported by the parent, with what made the confinement.
        from minicontainer.libcontainer import seccomp_listener

        assert self.confinement is not None
        confined, self.confinement = self.confinement, None
        becoming.limit_files()
        listener = program.confine(confined, executes=not self.reaps)
        seccomp_listener.hand_over(self.channel, listener)

    def _wait_for_start(self) -> Channel:
        while True:
            connection, _ = self.listener.accept()
            channel = Channel(connection)
            if channel.expect("start") is not None:
                self.listener.close()
                return channel
            channel.close()

    def _execute(self, connection: Channel, becoming: program.Program) -> None:
        def become() -> None:
            try:
                if self.spec.hooks is not None:
                    from minicontainer.libcontainer import hooks

                    hooks.run(self.spec.hooks, "start_container", self._state("created"), "/")
                becoming.become(self.confinement, preserve_fds=self.asked.preserve_fds)
            except Exception as error:
                _tell(connection, error)
                os._exit(126)

        if self.reaps:
            prctl.set_dumpable(False)
            if self.confinement is not None:
                # The small init is as confined as one that came with the image would be.
                process.close_range(3)
                becoming.limit_files()
                confined, self.confinement = self.confinement, None
                program.confine(confined, executes=False)
            from minicontainer.libcontainer import reaper

            reaper.run(become, connection.close)
        become()


def _own_null() -> int:
    """The container's null device, in place of the host's: what is open belongs to the container's tree
    then, and criu finds it there (runc does so too).  -1 where it has none.
    """
    try:
        fd = os.open("/dev/null", os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return -1
    if _is_null(fd):
        return fd
    os.close(fd)
    return -1


def _is_null(fd: int) -> bool:
    status = os.fstat(fd)
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == NULL_DEVICE


def _tell(channel: Channel, error: BaseException) -> None:
    try:
        channel.send_error(error)
    except OSError:
        # The parent is gone, and with it everyone who could be told.
        os._exit(1)


def _linux(spec: Spec) -> Linux:
    from minicontainer.oci.runtime import Linux

    return spec.linux or Linux()
