"""``exec``: one more process in a running container.

A session (session.py) stands between it and the caller, as a monitor does for the container: no
descriptor of the caller's gets into the container, and the process lives on when the caller is killed.
"""

from __future__ import annotations

import os

from minicontainer import errors
from minicontainer.engine import attach, events, identity
from minicontainer.engine.engine import Engine, Found
from minicontainer.engine.leaving import leave_caller
from minicontainer.engine.session import Client, Session, drain
from minicontainer.errors import Conflict, MinicontainerError
from minicontainer.linux import door, pidfd, process
from minicontainer.linux.door import because
from minicontainer.oci.process import Process, User, load_process
from minicontainer.util import files, sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.libcontainer.exec import Exec
    from minicontainer.util.sockets import Socket


class Options:
    """What `exec` was asked for; empty means as the container has it."""

    __slots__ = ("args", "env", "privileged", "stdin", "tty", "user", "working_dir")

    def __init__(
        self,
        args: list[str],
        *,
        env: list[str] | None = None,
        working_dir: str = "",
        user: str = "",
        tty: bool = False,
        stdin: bool = False,
        privileged: bool = False,
    ) -> None:
        self.args = args
        self.env = env or []
        self.working_dir = working_dir
        self.user = user
        self.tty = tty
        self.stdin = stdin
        self.privileged = privileged


def configure(engine: Engine, found: Found, options: Options) -> Process:
    """The process as the specification describes it.  Raises NotFound for an unknown user."""
    try:
        text = files.read(f"{engine.folders.container(found.container.id)}/config.json")
    except FileNotFoundError:  # it has ended, and --rm removed it
        raise Conflict(f"container {found.container.id} is not running") from None
    own = load_process(text)
    # A magic link: the container's root as its init sees it, whatever its image has in /proc.
    try:
        root = os.open(f"/proc/{found.status.pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        raise Conflict(f"container {found.container.id} is not running") from None
    try:
        account = identity.account(root, options.user or found.container.config.user, found.container.host)
    finally:
        os.close(root)
    env = [entry for entry in own.env if not entry.startswith("HOME=")] if options.user else own.env
    defaults = [f"HOME={account.home}", *(["TERM=xterm"] if options.tty else [])]
    return Process(
        cwd=options.working_dir or own.cwd,
        args=options.args,
        env=identity.merge_environment(identity.merge_environment(defaults, env), options.env),
        terminal=options.tty,
        user=User(uid=account.uid, gid=account.gid, additional_gids=account.additional_gids),
        capabilities=identity.exec_capabilities(
            found.container.host, account.uid, privileged=options.privileged
        ),
        rlimits=own.rlimits,
        no_new_privileges=own.no_new_privileges and not options.privileged,
        apparmor_profile=None if options.privileged else own.apparmor_profile,
        selinux_label=own.selinux_label,
    )


def pass_on(pid: int, number: int) -> None:
    """Signal the process, which may have ended just now."""
    try:
        process.kill(pid, number)
    except ProcessLookupError:
        return  # it has just ended; the wait tells


def launch(engine: Engine, found: Found, options: Options) -> Socket:
    """Start the process in a session of its own; a client's socket, as `Engine.start` gives one."""
    config = configure(engine, found, options)
    # Before the fork: what both have in memory then is shared, and what one of them writes is copied.
    plan = engine.runtime(found).plan(config)
    owner = _owner(found, config)
    told = events.OfExec(engine.folders, found.container, options.args)
    told("exec_create")
    ours, theirs = sockets.pair(sockets.SOCK_STREAM)
    because("a session for this process, which outlives this command")
    if process.fork() == 0:
        ours.close()
        door.i_am("session")
        _live(plan, options, theirs, owner, told)
    theirs.close()
    return ours


def _owner(found: Found, config: Process) -> int:
    """The host's uid of a process in a user namespace; -1 for one with the host's ids."""
    if not found.container.host.uid_mappings:
        return -1
    from minicontainer.engine import userns

    mapping = userns.mapping(found.container.host)
    return mapping.uid(config.user.uid) if mapping is not None else -1


def _live(plan: Exec, options: Options, starter: Socket, owner: int, told: events.OfExec) -> None:
    """The session's whole life; does not return."""
    try:
        leave_caller()
        pid = -1
        session = Session(lambda number: pass_on(pid, number))
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        inner = (null, null, null) if options.tty else session.open_pipes(stdin=options.stdin, owner=owner)
        try:
            plan.stdio = inner
            joined = plan.run()
        except (OSError, MinicontainerError) as error:
            client = Client(starter)
            client.sender.put_frame(attach.failed(errors.to_wire(error)))
            drain(client)
            return
        for fd in {*inner} - {null}:
            os.close(fd)
        pid = joined.pid
        if joined.console >= 0:
            session.take_console(joined.console)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        told("exec_start")
        session.facts = {"pid": pid}
        session.welcome(starter)
        session.serve(pidfd.pidfd_open(pid))
        code = process.wait(pid)
        told("exec_die", exitCode=str(code))
        session.farewell(attach.exited(code))
    finally:
        os._exit(0)
