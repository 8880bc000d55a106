"""What a step changed, read from the kernel before and after it.

A step watches (kind, key) pairs (linux/door.py); each kind has one small reader here, which gives
what it finds as a dictionary of texts.  What differs between two readings is a change:

    reader ── before ─► {"mnt": "mnt:[4026531841]"} ─┐
      the call                                       ├─► Change("namespace", "mnt", before, after)
    reader ── after ──► {"mnt": "mnt:[4026532211]"} ─┘

All but files are read through one descriptor of the host's /proc, opened at the start: it works in
any mount, pid and user namespace, and after pivot_root(2); ``self`` in it is whoever reads.  What
cannot be read is taken for absent on both sides, and shows no change.
"""

from __future__ import annotations

import os
import stat
import sys

from minicontainer.explain.record import Change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from minicontainer.linux.door import Step

    Reading = dict[str, str]
    Notes = list[tuple[str, str, Reading | None]]

LONGEST_FILE = 1 << 16
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
LIMITS = {  # the names of /proc/PID/limits
    "RLIMIT_CPU": "Max cpu time",
    "RLIMIT_FSIZE": "Max file size",
    "RLIMIT_DATA": "Max data size",
    "RLIMIT_STACK": "Max stack size",
    "RLIMIT_CORE": "Max core file size",
    "RLIMIT_RSS": "Max resident set",
    "RLIMIT_NPROC": "Max processes",
    "RLIMIT_NOFILE": "Max open files",
    "RLIMIT_MEMLOCK": "Max locked memory",
    "RLIMIT_AS": "Max address space",
    "RLIMIT_LOCKS": "Max file locks",
    "RLIMIT_SIGPENDING": "Max pending signals",
    "RLIMIT_MSGQUEUE": "Max msgqueue size",
    "RLIMIT_NICE": "Max nice priority",
    "RLIMIT_RTPRIO": "Max realtime priority",
    "RLIMIT_RTTIME": "Max realtime timeout",
}
CAPABILITY_SETS = {
    "inheritable": "CapInh",
    "permitted": "CapPrm",
    "effective": "CapEff",
    "bounding": "CapBnd",
    "ambient": "CapAmb",
}


class Observer:
    """Reads what steps watch; one per recorder, shared across fork."""

    def __init__(self) -> None:
        self.proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Give back the descriptor of /proc."""
        proc, self.proc = self.proc, -1
        if proc >= 0:
            os.close(proc)

    def look(self, step: Step, arguments: Mapping[str, Any]) -> Notes:
        """The reading before the call, to be given to `changes` after it."""
        if step.watch is None:
            return []
        pairs = [(kind, _settled(kind, key)) for kind, key in step.watch(arguments)]
        return [(kind, key, self.read(kind, key)) for kind, key in pairs]

    def changes(self, notes: Notes | None, result: Any) -> list[Change]:
        """What differs now from ``notes``; ``result`` is what the call returned."""
        found: list[Change] = []
        for kind, key, before in notes or []:
            after = self.read(kind, _child(key, result))
            if before is not None and after is not None:
                found += [
                    Change(kind, name, before.get(name), after.get(name))
                    for name in dict.fromkeys([*before, *after])
                    if before.get(name) != after.get(name)
                ]
        return found

    def read(self, kind: str, key: str) -> Reading | None:
        """What ``kind`` and ``key`` name, as texts; None if it cannot be read."""
        reader = READERS.get(kind)
        if reader is None:
            return None
        try:
            return reader(self, key)
        except OSError:
            return None

    def text(self, path: str) -> str:
        """The content of a file of /proc, by its path in it."""
        return _content(path, self.proc)

    def status(self, names: list[str]) -> Reading:
        """The lines of /proc/self/status that begin with ``names``."""
        lines = (line.partition(":") for line in self.text("self/status").splitlines())
        return {name: " ".join(value.split()) for name, _, value in lines if name in names}


def _settled(kind: str, key: str) -> str:
    """``key`` as it stays true after the call: links followed, the working folder spelled out."""
    if kind not in ("mount", "propagation"):
        return key
    if key.startswith("/proc/self/fd/"):
        try:
            return os.readlink(key)
        except OSError:
            return key
    return os.path.realpath(key)


def _child(key: str, result: Any) -> str:
    """The child's process id in place of the word, from what clone3 or fork returned."""
    if key != "child":
        return key
    return str(result[0] if isinstance(result, tuple) else result)


def _namespaces(observer: Observer, key: str) -> Reading:
    """The links of /proc/PID/ns; ``child`` before the clone is the parent itself.

    What future children will live in is told where it differs from what this process lives in.
    """
    who = "self" if key in ("", "child") else key
    found = {}
    for name in NAMESPACES:
        try:
            found[name] = os.readlink(f"{who}/ns/{name}", dir_fd=observer.proc)
        except FileNotFoundError:  # a kind that this kernel lacks (time: Linux 5.6)
            continue
    for name in ("pid", "time"):
        children = _for_children(observer, who, name)
        if name in found and children != found[name]:
            found[f"{name}_for_children"] = children
    return found


def _for_children(observer: Observer, who: str, name: str) -> str:
    try:
        return os.readlink(f"{who}/ns/{name}_for_children", dir_fd=observer.proc)
    except FileNotFoundError:  # after unshare(2) the namespace waits for its first process
        return "new, empty until the next fork"


def _mount(observer: Observer, key: str) -> Reading:
    """The lines of mountinfo whose mount point is ``key``: the last is the one on top."""
    lines = [line for line in observer.text("self/mountinfo").splitlines() if _mount_point(line) == key]
    return {key: "\n".join(lines)} if lines else {}


def _mount_point(line: str) -> str:
    return _unescaped(line.split(" ", 5)[4])


def _unescaped(text: str) -> str:
    """Undo mountinfo's octal escapes of blank, tab, newline and backslash."""
    for code in ("\\040", "\\011", "\\012", "\\134"):
        text = text.replace(code, chr(int(code[1:], 8)))
    return text


def _propagation(observer: Observer, key: str) -> Reading:
    """shared:N, master:N or private of the mount at ``key``, and how many of each kind below it."""
    found: Reading = {}
    below: dict[str, int] = {}
    for line in observer.text("self/mountinfo").splitlines():
        point = _mount_point(line)
        if point != key and not point.startswith(key.rstrip("/") + "/"):
            continue
        fields = line.split(" - ")[0].split()[6:]
        if point == key:
            found[key] = " ".join(fields) or "private"
        kind = fields[0].partition(":")[0] if fields else "private"
        below[kind] = below.get(kind, 0) + 1
    found[f"{key} and below"] = ", ".join(f"{count} {kind}" for kind, count in sorted(below.items()))
    return found


def _file(observer: Observer, key: str) -> Reading:
    """A control file's content; nothing where it does not exist."""
    try:
        return {key: _content(key)}
    except FileNotFoundError:
        return {}


def _folder(observer: Observer, key: str) -> Reading:
    return {key: "exists"} if os.path.isdir(key) else {}


def _link(observer: Observer, key: str) -> Reading:
    """A network interface of this network namespace (netdevice(7)): state, address, bridge."""
    from minicontainer.explain import link

    return link.read(key)


def _routes(observer: Observer, key: str) -> Reading:
    """The default route of this network namespace (/proc/net/route: addresses as the machine stores them)."""
    for line in observer.text("self/net/route").splitlines()[1:]:
        device, destination, gateway = line.split()[:3]
        if destination == "00000000":
            octets = int(gateway, 16).to_bytes(4, sys.byteorder)
            return {"default": f"via {'.'.join(map(str, octets))} dev {device}"}
    return {}


def _hostname(observer: Observer, key: str) -> Reading:
    return {"hostname": os.uname().nodename}


def _domainname(observer: Observer, key: str) -> Reading:
    return {"domainname": observer.text("sys/kernel/domainname")}


def _limits(observer: Observer, key: str) -> Reading:
    """``soft:hard`` of one limit, as /proc/self/limits has it."""
    label = LIMITS[key]
    for line in observer.text("self/limits").splitlines():
        if line.startswith(label):
            soft, hard = line[len(label) :].split()[:2]
            return {key: f"{soft}:{hard}"}
    return {}


def _caps(observer: Observer, key: str) -> Reading:
    """The names in one set, or in all five; the full set is said in one word."""
    from minicontainer.linux.capabilities import names

    chosen = {key: CAPABILITY_SETS[key]} if key else CAPABILITY_SETS
    found = observer.status(list(chosen.values()))
    every = (1 << int(observer.text("sys/kernel/cap_last_cap")) + 1) - 1
    sets = {name: int(found[line], 16) for name, line in chosen.items()}
    return {name: "all" if bits == every else " ".join(names(bits)) for name, bits in sets.items()}


def _ids(observer: Observer, key: str) -> Reading:
    return observer.status([key] if key else ["Uid", "Gid", "Groups"])


def _status(observer: Observer, key: str) -> Reading:
    return observer.status([key])


def _root(observer: Observer, key: str) -> Reading:
    return {"/": os.readlink("self/root", dir_fd=observer.proc)}


def _content(path: str, folder: int | None = None) -> str:
    """A regular file's first 64 KiB as text; OSError for anything that could block."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(22, "not a regular file", path)
        parts = []
        size = 0
        while size < LONGEST_FILE and (part := os.read(fd, LONGEST_FILE)):
            parts.append(part)
            size += len(part)
        return os.fsdecode(b"".join(parts)).rstrip("\n")
    finally:
        os.close(fd)


READERS: dict[str, Callable[[Observer, str], Reading]] = {
    "namespaces": _namespaces,
    "mount": _mount,
    "propagation": _propagation,
    "file": _file,
    "folder": _folder,
    "link": _link,
    "routes": _routes,
    "hostname": _hostname,
    "domainname": _domainname,
    "limits": _limits,
    "caps": _caps,
    "ids": _ids,
    "status": _status,
    "root": _root,
}
