"""A host of the tests' own, and what is to be the same on it before and after each test.

::

    pytest ── clone3(pid, mount, network namespaces) ──► the host's PID 1: reaps, answers
      │                                                       ▲
      └── setns(pid) + fork + setns(mount, network) ──► a command under test ──► monitors, inits

Nothing else runs there, so whatever is left is a leak; and when PID 1 ends, the kernel ends it all.
Mounts propagate (shared) as on a host that systemd booted.  Control groups are the real host's: those
named by the id of a container of ours are ours.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import time

from minicontainer.linux import mount, namespaces, prctl, process
from tests.needs import SBIN, bound_controllers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"
GROUPS = "minicontainer"  # the folder of ours in each control group hierarchy
PATIENCE_S = 30.0


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
        # It ends when all that ran there are reaped; commands that a failed test left are ours to reap.
        while os.waitpid(-1, 0)[0] != self.pid:
            continue
        for fd in (*self.spaces.values(), self.own_pids, self.pidfd):
            os.close(fd)

    def popen(self, arguments: list[str], *, terminal: int = -1, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command there; ``terminal`` becomes its controlling one.  Its pid is ours to signal."""

        folder = options.pop("cwd", None) or os.getcwd()

        def enter() -> None:
            for kind in ("network", "mount"):
                namespaces.setns(self.spaces[kind], namespaces.FLAGS[kind])
            os.chdir(folder)  # a mount namespace is entered at its root
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

    def sh(self, command: str) -> str:
        """The output of a shell command there; it must succeed."""
        started = self.popen(["sh", "-ec", command], stdout=subprocess.PIPE, env=_environment())
        out, _ = started.communicate(timeout=60)
        assert started.returncode == 0, f"{command}: {started.returncode}"
        return out.decode()

    def look(self, ids: set[str], *folders: str) -> dict[str, list[str]]:
        """What is to be the same before and after: of the containers ``ids`` and in our ``folders``."""
        found: dict[str, list[str]] = self.ask("look")
        found["files"] = sorted(path for folder in folders for path in _paths(folder))
        found["groups"] = _groups(ids)
        return found

    def settled(self, before: dict[str, list[str]], ids: set[str], *folders: str) -> dict[str, list[str]]:
        """What differs from ``before`` once what is still ending has ended: lines with + and -."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            now = self.look(ids, *folders)
            found = {kind: _differing(kind, before[kind], now[kind]) for kind in now}
            differences = {kind: lines for kind, lines in found.items() if lines}
            if not differences or time.monotonic() > deadline:
                return differences
            time.sleep(0.02)


def _differing(kind: str, before: list[str], now: list[str]) -> list[str]:
    lost = [f"- {line}" for line in before if line not in now]
    if kind in ("processes", "groups"):
        lost = []  # they may have been on their way out before
    if kind == "mounts":
        # Others on this machine may remove a folder, and with it the copy of their mount on it.
        lost = [line for line in lost if os.path.lexists(line.split()[5])]
    return lost + [f"+ {line}" for line in now if line not in before]


def _open(pid: int | str, kind: str) -> int:
    return os.open(namespaces.path(pid, kind), os.O_RDONLY | os.O_CLOEXEC)


def _paths(folder: str) -> list[str]:
    return [
        os.path.join(where, name)
        for where, folders, names in os.walk(folder)
        for name in (*folders, *names)
        if not name.startswith("lock-")  # one of the 16 that the layers share
        and ".seccomp" not in (name, os.path.basename(where))  # compiled profiles, kept for the next
        and os.path.basename(where) != "events"  # a journal, which begins a new file now and then
    ]


class Ids:
    """The ids of all containers since this was made: their locks are watched (inotify(7))."""

    IN_CREATE = 0x100

    def __init__(self, folder: str) -> None:
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        self.seen: set[str] = set()
        if libc.inotify_add_watch(self.fd, folder.encode(), self.IN_CREATE) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch", folder)

    def __call__(self) -> set[str]:
        """All until now."""
        try:
            while events := os.read(self.fd, 1 << 16):
                while events:
                    _, _, _, size = struct.unpack_from("iIII", events)
                    self.seen.add(events[16 : 16 + size].rstrip(b"\0").decode())
                    events = events[16 + size :]
        except BlockingIOError:
            return self.seen
        return self.seen

    def close(self) -> None:
        """Watch no more."""
        os.close(self.fd)


def _groups(ids: set[str]) -> list[str]:
    places = {*bound_controllers().values(), "/sys/fs/cgroup/unified"}
    return sorted(
        f"{place}/{GROUPS}/{name}"
        for place in places
        if os.path.isdir(f"{place}/{GROUPS}")
        for name in os.listdir(f"{place}/{GROUPS}")
        if name in ids
    )


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
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps at once, as any PID 1 should
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
    return {
        "mounts": _lines("/proc/self/mountinfo"),
        "links": sorted(name for _, name in socket.if_nameindex()),
        "routes": _lines("/proc/self/net/route"),
        "rules": _tables(),
        "forwarding": _lines(IP_FORWARD),
        "processes": [_described(name) for name in os.listdir("/proc") if name.isdigit() and name != "1"],
    }


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
