"""One more process in a running container (runc exec).

::

    caller ──fork──► helper ──cgroup──setns(pidfd, all that differ)──clone3(CLONE_PARENT)──► the process
      │                 │                                                              │
      │◄── {"type": "forked", pid} ──┘ exits                                           │ prepares
      │◄────────────────────────────── {"type": "console"} + master, with a terminal ──│
      │◄─────────────────────── {"type": "confined"}, {"type": "go"} ─────────────────►│ SCMP_ACT_NOTIFY
      │◄──────────────────────────── end of file: it runs; or {"type": "error", ...} ──│ execve

The helper is needed because setns with a pid namespace moves only future children.  CLONE_PARENT
makes the process the caller's own child, so that the caller can wait for it.  The helper is not
dumpable before it joins: nothing inside may look into it or keep it (CVE-2016-9962).
"""

from __future__ import annotations

import os

from minicontainer import errors
from minicontainer.errors import Conflict
from minicontainer.libcontainer import process as program
from minicontainer.libcontainer import sync, validate
from minicontainer.libcontainer.state import start_time
from minicontainer.linux import control, credentials, door, mount, namespaces, pidfd, prctl, process, signals
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cgroups.manager import Manager
    from minicontainer.libcontainer.confinement import Confinement
    from minicontainer.oci.runtime import Linux, Process, State


class Joined:
    """A process started in a container: its host pid, and its terminal's master or -1."""

    __slots__ = ("console", "pid")

    def __init__(self, pid: int, console: int) -> None:
        self.pid = pid
        self.console = console


class Exec:
    """The plan of one more process beside init (``pid``, held by ``pidfd``)."""

    def __init__(self, pid: int, pidfd: int, config: Process, manager: Manager | None) -> None:
        self.pid = pid
        self.pidfd = pidfd
        self.config = config
        self.manager = manager
        self.stdio = (0, 1, 2)
        self.confinement: Confinement | None = None  # the container's
        self.linux: Linux | None = None  # the container's, as far as it is for all processes
        self.state: State | None = None  # for its agent, where it has a listener
        self.shares_mounts = False  # its root is not that of its mount namespace
        self.preserve_fds = 0
        self.die_with_parent = False  # SIGKILL when the thread that is its parent ends
        self.subgroups: list[str] = []  # folders of control groups below the container's

    def run(self) -> Joined:
        """Start the process; it is a child of this one.

        Raises what the process could not do, as `process.prepare` and execve raise it; Conflict where the
        container has ended meanwhile.
        """
        try:
            return self._run()
        except OSError:  # which names some file or call that failed for that
            if start_time(self.pid) is None:
                raise Conflict(f"cannot exec beside process {self.pid}: the container has ended") from None
            raise

    def _run(self) -> Joined:
        validate.check_process(self.config)
        if self.linux is not None:
            validate.import_for(self.linux)
        if self.config.terminal:
            from minicontainer.libcontainer import console  # noqa: F401 - later nothing can be imported
        kinds = _differing(self.pid)
        ours, theirs = sync.pair()
        because("a helper joins the container's namespaces; this process stays where it is")
        helper = process.fork()
        if helper == 0:
            ours.close()
            self._help(kinds, theirs)
        theirs.close()
        try:
            return _await_start(ours, helper, self.confinement, self.state)
        finally:
            ours.close()

    def _help(self, kinds: list[str], channel: sync.Channel) -> None:
        door.i_am("helper")
        try:
            root = os.open(f"/proc/{self.pid}/root", os.O_PATH | os.O_CLOEXEC) if self.shares_mounts else -1
            self._enter_groups()
            proc = program.hold_proc(self.config)
            because("from here on, nobody inside the container can trace us or open our files")
            prctl.set_dumpable(False)
            flags = 0
            for kind in kinds:
                flags |= namespaces.FLAGS[kind]
            because("join every namespace of the container's init at once")
            namespaces.setns(self.pidfd, flags)
            if root >= 0:
                mount.chdir(root)
                because("the container's root is a folder of a mount namespace that it shares")
                mount.chroot(".")
                os.close(root)
            program.import_no_more()
            because("setns moves only future children into a pid namespace: so one more process")
            child = process.clone_sibling()
            if child == 0:
                door.i_am("exec")
                self._become(channel, proc)
            channel.send("forked", pid=child)
        except BaseException as error:
            channel.send_error(error)
        os._exit(0)

    def _enter_groups(self) -> None:
        affinity = self.config.exec_cpu_affinity
        if affinity is not None:
            from minicontainer.libcontainer import scheduling

            scheduling.place_before_cgroup(affinity)
        if self.manager is not None:
            self.manager.add(0)
        for folder in self.subgroups:
            because("a group that the container has made below its own")
            control.write_control(f"{folder}/cgroup.procs", "0")
        if affinity is not None:
            scheduling.place_in_cgroup(affinity)

    def _become(self, channel: sync.Channel, proc: int) -> None:
        config, confinement = self.config, self.confinement
        try:
            signals.reset()
            credentials.umask(program.UMASK)
            process.setsid()
            program.leave_keys()
            if config.terminal:
                from minicontainer.libcontainer import console  # imported by the parent

                master = console.open_terminal(config)
                channel.send("console", fds=(master,))
                os.close(master)
            else:
                for stream, fd in enumerate(self.stdio):
                    os.dup2(fd, stream)
            becoming = program.prepare(config, self.linux, confinement, proc)
            if self.die_with_parent:
                because("who waits for this process is to be there when it ends")
                prctl.set_pdeathsig(signals.SIGKILL)  # a change of user would have cleared it
            if confinement is not None and confinement.notifies:
                from minicontainer.libcontainer import seccomp_listener  # imported by the parent

                becoming.limit_files()
                seccomp_listener.hand_over(channel, program.confine(confinement))
                confinement = None
            becoming.become(confinement, preserve_fds=self.preserve_fds)
        except BaseException as error:
            channel.send_error(error)
        os._exit(126)


def _await_start(
    channel: sync.Channel, helper: int, confinement: Confinement | None, state: State | None
) -> Joined:
    """Until both ends in the other processes are closed: the process is the program, or has ended.

    What the helper says and what the process says may come in either order.
    """
    joined = Joined(-1, -1)
    failure: Exception | None = None
    listener = -1
    while (received := channel.receive()) is not None:
        message, fds = received
        if message["type"] == "error":
            failure = errors.from_wire(message["error"])
        elif message["type"] == "console":
            joined.console = fds[0]
        elif message["type"] == "confined":
            listener = int(message["fd"])
        else:
            joined.pid = int(message["pid"])
        if listener >= 0 and joined.pid >= 0 and confinement is not None and state is not None:
            failure = _announce(channel, confinement, listener, joined.pid, state)
            listener = -1
    process.wait(helper)
    if joined.pid < 0:
        failure = failure or errors.MinicontainerError("the helper of exec was killed")
    if failure is not None:
        if joined.console >= 0:
            os.close(joined.console)
        if joined.pid >= 0:
            # Not waited for, it would keep the container's pid namespace from ending.
            process.wait(joined.pid)
        raise failure
    return joined


def _announce(
    channel: sync.Channel, confinement: Confinement, listener: int, pid: int, state: State
) -> Exception | None:
    """Let the process go on once the agent has its listener; without one, no call of it would end."""
    held = pidfd.pidfd_open(pid)
    try:
        confinement.announce(held, listener, pid, state)
    except OSError as error:
        pidfd.pidfd_send_signal(held, signals.SIGKILL)
        return error
    finally:
        os.close(held)
    channel.send("go")
    return None


def _differing(pid: int) -> list[str]:
    """The kinds of namespaces that process ``pid`` does not share with us, in the order to join them."""
    return [
        kind
        for kind in namespaces.FLAGS
        if namespaces.supported(kind)
        and os.readlink(namespaces.path(pid, kind)) != os.readlink(namespaces.path("self", kind))
    ]
