"""One probe of a health check: a process of its own, between the monitor and the command in the container.

::

    monitor ──fork──► prober ──exec.py──► the command
       ▲                │ ◄── its output, by a pipe, and its end, by its pidfd
       │                │     too late: SIGKILL to all of its session, and their children
       └── {json} ──────┘ exits; or "" where it was killed

The monitor goes on with its session meanwhile, whatever the command does and wherever it hangs; it knows
the prober by a pipe, which it can keep while it rests.  Should the monitor die, the prober dies with it,
and the command with the prober (PR_SET_PDEATHSIG).

The command gets what the container's own program got (config.json): user, environment, folder, rights.
"""

from __future__ import annotations

import os
import select
import time

from minicontainer.engine import events, health, records
from minicontainer.errors import MinicontainerError
from minicontainer.libcontainer.container import Container as Runtime
from minicontainer.linux import pidfd, prctl, process, signals
from minicontainer.linux.door import because
from minicontainer.oci import document, jsontext
from minicontainer.oci.process import Process
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from minicontainer.engine.health import Healthcheck, Result

AGAIN = 0.01  # seconds between two looks at what is left of a session
PF_EXITING = 0x4  # linux/sched.h: a process that is in exit(2) has it until it is gone


def live(folders: records.Folders, container_id: str, pipe: int, monitor: int) -> NoReturn:
    """The prober's whole life: one probe, whose result goes into ``pipe``."""
    try:
        because("who would be told of the result is gone then")
        prctl.set_pdeathsig(signals.SIGKILL)
        if os.getppid() == monitor:
            result = _result(folders, container_id)
            said = document.to_builtins(result) if result is not None else {}
            files.write_all(pipe, jsontext.dumps(said).encode())
    finally:
        os._exit(0)


def _result(folders: records.Folders, container_id: str) -> Result | None:
    """Of one probe; None where it tells nothing: the container is paused, or ends."""
    start = time.time_ns()
    pid = -1
    try:
        runtime = Runtime.load(container_id, folders.runtime)
        if runtime.status() == "paused":
            return None
        pid = runtime.record.pid
        code, said = Probe(folders, container_id).run(runtime)
        if code < 0 and runtime.status() == "paused":
            return None
    except (OSError, MinicontainerError) as error:
        code, said = -1, str(error)
    if code != 0 and pid > 0 and _ends(pid):
        return None
    return health.Result(start=start, end=time.time_ns(), exit_code=code, output=said)


def _ends(init: int) -> bool:
    """Whether a container's init is in exit(2): the kernel kills all others of its pid namespace before
    that returns (pid_namespaces(7)), and probes among them."""
    try:
        stat = files.read(f"/proc/{init}/stat")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return bool(int(stat[stat.rindex(b")") + 2 :].split()[6]) & PF_EXITING)


class Probe:
    """The plan of one probe."""

    def __init__(self, folders: records.Folders, container_id: str) -> None:
        self.folders = folders
        self.container = records.load_container(folders.container(container_id))
        self.asked: Healthcheck = self.container.config.healthcheck or health.Healthcheck()
        self.output = b""

    def run(self, runtime: Runtime) -> tuple[int, str]:
        """Its exit code, -1 where its time was up, and what is to be told.  Raises what `exec` raises."""
        config = self._process()
        told = events.OfExec(self.folders, self.container, config.args)
        told("exec_create")
        reading, writing = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reading, False)
        self._give_away(writing, config)
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        joined = runtime.exec(config, (null, writing, writing), die_with_parent=True)
        os.close(writing)
        told("exec_start")
        in_time = self._await(joined.pid, reading)
        if not in_time:
            end_session(joined.pid)
        code = process.wait(joined.pid)
        self._collect(reading)
        told("exec_die", exitCode=str(code))
        if not in_time:
            return -1, health.timed_out(self.asked, self.output)
        return code, health.output(self.output)

    def _process(self) -> Process:
        text = files.read(f"{self.folders.container(self.container.id)}/config.json")
        config = document.convert(Process, jsontext.loads(text)["process"], "config.json: process")
        config.args = health.command(self.asked)
        config.terminal = False
        config.console_size = None
        return config

    def _give_away(self, pipe: int, config: Process) -> None:
        """In a user namespace, a pipe of the host's root is nobody's, and cannot be opened by name."""
        if self.container.host.uid_mappings:
            from minicontainer.engine import userns
            from minicontainer.linux import credentials

            mapping = userns.mapping(self.container.host)
            if mapping is not None:
                credentials.fchown(pipe, mapping.uid(config.user.uid), -1)

    def _await(self, pid: int, reading: int) -> bool:
        """Until the process has ended; False when its time is up."""
        fd = pidfd.pidfd_open(pid)
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.register(reading, select.POLLIN)
        deadline = time.monotonic() + (self.asked.timeout or health.TIMEOUT) / health.SECOND
        while True:
            left = deadline - time.monotonic()
            ready = dict(poll.poll(max(left, 0) * 1000))
            if fd in ready:
                return True
            if left <= 0:
                return False
            if reading in ready and not self._read(reading):
                poll.unregister(reading)

    def _read(self, reading: int) -> bool:
        """Take some of the output, of which only the beginning is kept; False at its end, or for none."""
        try:
            data = os.read(reading, 1 << 16)
        except BlockingIOError:
            return False
        self.output += data[: health.LONGEST + 1 - len(self.output)]
        return bool(data)

    def _collect(self, reading: int) -> None:
        """What was written before the end; another process may have the pipe open, and go on writing."""
        for _ in range(2):  # a pipe holds as much as one reading takes
            if not self._read(reading):
                break


def end_session(leader: int) -> None:
    """Kill a process that leads a session and was not waited for, those of its session and their children.

    A process that made itself a session of its own, and whose parent has ended, is not found.
    """
    while left := members(leader):
        # The leader first: a shell whose child is killed goes on with its next command.
        for pid in sorted(left, key=lambda pid: pid != leader):
            because("the probe took too long: nothing of it stays")
            _kill(pid)
        time.sleep(AGAIN)


def _kill(pid: int) -> None:
    try:
        process.kill(pid, signals.SIGKILL)
    except ProcessLookupError:
        return  # it has just ended


def members(leader: int) -> list[int]:
    """Those of the session that still run: one that is a zombie was killed already."""
    found = processes()
    family = {pid for pid, (_, _, session) in found.items() if session == leader}
    size = 0
    while size != len(family):
        size = len(family)
        family |= {pid for pid, (_, parent, _) in found.items() if parent in family}
    return [pid for pid in family if found[pid][0] not in "ZX"]


def processes() -> dict[int, tuple[str, int, int]]:
    """The state, parent and session of every process (proc_pid_stat(5))."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = files.read(f"/proc/{name}/stat").decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended since
            state, parent, _, session = stat[stat.rindex(")") + 2 :].split()[:4]
            found[int(name)] = state, int(parent), int(session)
    return found
