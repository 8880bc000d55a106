"""A host of the tests' own, and what is to be the same on it before and after each test.

::

    pytest ── clone3(pid, mount, network namespaces) ──► the host's PID 1: reaps, answers `look`
      │                                                       ▲
      └── setns(pid) + fork + setns(mount, network) ──► a command under test ──► monitors, inits

Nothing else runs there, so whatever is left is a leak; and when PID 1 ends, the kernel ends it all.
Mounts propagate (shared) as on a host that systemd booted.  Control groups are the real host's: a
group counts as ours unless a process that is not on our host is in it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time

from minicontainer.linux import mount, namespaces, prctl, process
from tests.needs import SBIN, bound_controllers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"
GROUPS = "minicontainer"  # the folder of ours in each control group hierarchy
PATIENCE_S = 4.0


class Host:
    """Namespaces with a PID 1 that this process can ask."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        kinds = process.CLONE_NEWPID | process.CLONE_NEWNS | process.CLONE_NEWNET
        self.pid, self.pidfd = process.clone3(kinds)
        if self.pid == 0:
            self.socket.close()
            _be_pid_1(theirs)
        theirs.close()
        self.socket.recv(1)
        self.spaces = {kind: _open(self.pid, kind) for kind in ("network", "mount", "pid")}
        self.own_pids = _open("self", "pid")

    def close(self) -> None:
        """End it, and all that runs there."""
        self.socket.close()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        for fd in (*self.spaces.values(), self.own_pids, self.pidfd):
            os.close(fd)

    def popen(self, arguments: list[str], *, terminal: int = -1, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command there; ``terminal`` becomes its controlling one.  Its pid is ours to signal."""

        def enter() -> None:
            for kind in ("network", "mount"):
                namespaces.setns(self.spaces[kind], namespaces.FLAGS[kind])
            if terminal >= 0:
                import fcntl
                import termios

                fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

        namespaces.setns(self.spaces["pid"], process.CLONE_NEWPID)
        try:
            return subprocess.Popen(arguments, preexec_fn=enter, **options)
        finally:
            namespaces.setns(self.own_pids, process.CLONE_NEWPID)

    def ask(self, question: str) -> Any:
        """The answer of PID 1."""
        self.socket.send(question.encode())
        size = int(self.socket.recv(64))
        answer = b""
        while len(answer) < size:
            answer += self.socket.recv(1 << 16)
        return json.loads(answer)

    def kill(self, pid: int, number: int = signal.SIGKILL) -> None:
        """Signal process ``pid``, as numbered there."""
        self.ask(f"kill {pid} {number}")

    def look(self, *folders: str) -> dict[str, list[str]]:
        """What is to be the same before and after; ``folders`` are the state folders."""
        found: dict[str, list[str]] = self.ask("look")
        found["files"] = sorted(path for folder in folders for path in _paths(folder))
        found["groups"] = _groups(self.pid)
        return found

    def settled(self, before: dict[str, list[str]], *folders: str) -> dict[str, list[str]]:
        """What differs from ``before`` once what is still ending has ended: lines with + and -."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            now = self.look(*folders)
            differences = {
                kind: [f"- {line}" for line in before[kind] if line not in now[kind]]
                + [f"+ {line}" for line in now[kind] if line not in before[kind]]
                for kind in now
                if now[kind] != before[kind]
            }
            if not differences or time.monotonic() > deadline:
                return differences
            time.sleep(0.02)


def _open(pid: int | str, kind: str) -> int:
    return os.open(namespaces.path(pid, kind), os.O_RDONLY | os.O_CLOEXEC)


def _paths(folder: str) -> list[str]:
    return [
        os.path.join(where, name) for where, folders, names in os.walk(folder) for name in (*folders, *names)
    ]


def _groups(pid_1: int) -> list[str]:
    home = os.readlink(f"/proc/{pid_1}/ns/pid")
    places = {*bound_controllers().values(), "/sys/fs/cgroup/unified"}
    return sorted(
        f"{place}/{GROUPS}/{name}"
        for place in places
        if os.path.isdir(f"{place}/{GROUPS}")
        for name in os.listdir(f"{place}/{GROUPS}")
        if os.path.isdir(f"{place}/{GROUPS}/{name}") and not _foreign(f"{place}/{GROUPS}/{name}", home)
    )


def _foreign(group: str, home: str) -> bool:
    """Whether a process that does not descend from our host is in the group."""
    try:
        with open(f"{group}/cgroup.procs") as file:
            pids = file.read().split()
        return any(home not in _pid_namespaces(int(pid)) for pid in pids)
    except OSError:
        return False  # it is just going


def _pid_namespaces(pid: int) -> list[str]:
    """The pid namespaces of a process and of its ancestors."""
    found = []
    while pid > 1:
        found.append(os.readlink(f"/proc/{pid}/ns/pid"))
        with open(f"/proc/{pid}/stat") as file:
            pid = int(file.read().rpartition(")")[2].split()[1])
    return found


# -- in the host's PID 1


def _be_pid_1(channel: socket.socket) -> None:
    try:
        prctl.set_pdeathsig(signal.SIGKILL)
        mount.mount("none", "/", None, mount.MS_REC | mount.MS_PRIVATE)
        groups = os.open("/sys/fs/cgroup", os.O_PATH | os.O_CLOEXEC)
        mount.mount("sysfs", "/sys", "sysfs")
        mount.mount(f"/proc/self/fd/{groups}", "/sys/fs/cgroup", None, mount.MS_BIND | mount.MS_REC)
        mount.mount("proc", "/proc", "proc")
        mount.mount("none", "/", None, mount.MS_REC | mount.MS_SHARED)
        os.close(groups)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True, env=_environment())
        channel.send(b"1")
        while question := channel.recv(1 << 12):
            answer = json.dumps(_answer(*question.decode().split())).encode()
            channel.send(b"%d" % len(answer))
            for start in range(0, len(answer), 1 << 15):
                channel.send(answer[start : start + (1 << 15)])
    finally:
        os._exit(1)


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{os.environ.get('PATH', os.defpath)}:{SBIN}"}


def _answer(question: str, *arguments: str) -> object:
    if question == "kill":
        os.kill(int(arguments[0]), int(arguments[1]))
        return None
    if question == "parent":
        with open(f"/proc/{arguments[0]}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    _reap()
    return {
        "mounts": _lines("/proc/self/mountinfo"),
        "links": sorted(name for _, name in socket.if_nameindex()),
        "routes": _lines("/proc/self/net/route"),
        "rules": _tables(),
        "forwarding": _lines(IP_FORWARD),
        "processes": [_described(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"],
    }


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return


def _lines(path: str) -> list[str]:
    with open(path) as file:
        return file.read().splitlines()


def _tables() -> list[str]:
    listing = subprocess.run(
        ["nft", "list", "tables"], capture_output=True, text=True, check=False, env=_environment()
    )
    return listing.stdout.splitlines()


def _described(pid: str) -> str:
    """A process that should not be there, with the files it has open."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            state = file.read().rpartition(")")[2].split()[0]
        with open(f"/proc/{pid}/cmdline") as file:
            words = file.read().replace("\0", " ")
        opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    except OSError:
        return f"{pid} (ending)"
    return f"{pid} {state} {words[:200]}: {' '.join(opened)}"
