"""A host to break: a child that has namespaces and control groups to itself, thrown away with it.

::

    pytest ── fork ── own cgroups, unshare ── fork ──► "host", pid 1 of all that the commands make
                                                         │  /proc, cgroups, /sys, a tmpfs for the state,
                                                         │  all else read-only
                                                         └── Python -c main ...: a command under test

Nothing else runs there, so what a command leaves is the difference of two looks at it (`Host.facts`).
Ids are drawn at random, so a look tells only those apart that it knows (`Host.remember`); the rest is
compared as it is.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import sys
import time
import traceback

import pytest

from minicontainer.linux import mount, mountfd, namespaces, netdevice, process
from tests.faults import looks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")
    Facts = dict[str, list[str]]

ALL = os.environ.get("MINICONTAINER_FAULTS") == "all"
# Opened now: on the host it could not be written any more.
ROWS = open(path, "a") if (path := os.environ.get("MINICONTAINER_FAULTS_ROWS")) else None  # noqa: SIM115
HOWS = ("by itself", "by ps", "by repair", "LEAKED")  # what it took to recover; ps, or another command
AND = " and "
STATE = "/mnt"
ROOT, RUN, SCRATCH = f"{STATE}/root", f"{STATE}/run", f"{STATE}/scratch"
TEMPORARY = f"{STATE}/tmp"
FOLDERS = (ROOT, RUN, TEMPORARY)  # nowhere else can anything be written
PATIENCE_S = 60
SETTLING_S = 4
COMMAND = "from minicontainer.cli.main import main; main()"
# No process has a clock of its own (time_namespaces(7)): what Python's functions say is changed instead.
CLOCK = (
    "import time; real, real_ns = time.time, time.time_ns; time.time = lambda: real() + ahead; "
    "time.time_ns = lambda: real_ns() + int(ahead * 1e9); ahead = "
)
NEW = (
    process.CLONE_NEWNS
    | process.CLONE_NEWNET
    | process.CLONE_NEWPID
    | process.CLONE_NEWUTS
    | process.CLONE_NEWIPC
)
_ID = re.compile(r"[0-9a-f]{64}")


class Result:
    """How a command ended; ``code`` is None if it did not within `PATIENCE_S`."""

    __slots__ = ("code", "err", "out")

    def __init__(self, code: int | None, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err


class Host:
    """What a test does on the host, from inside it."""

    def __init__(self, hierarchies: list[str]) -> None:
        self.hierarchies = hierarchies
        self.known: dict[str, str] = {}
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PYTHONPYCACHEPREFIX": f"{STATE}/bytecode",
            "MINICONTAINER_ROOT": ROOT,
            "MINICONTAINER_RUN_ROOT": RUN,
            "TMPDIR": TEMPORARY,
        }

    def run(self, *words: str, fault: str = "", under: list[str] | None = None, ahead: float = 0.0) -> Result:
        """A command; ``fault`` is MINICONTAINER_FAULT, ``under`` a program that runs it (strace).

        ``ahead``: seconds by which the clock is ahead, to it and to the processes that it makes.
        """
        command = f"{CLOCK}{ahead}; {COMMAND}" if ahead else COMMAND
        with open(f"{SCRATCH}/out", "w+", errors="replace") as out, open(f"{SCRATCH}/err", "w+") as err:
            started = subprocess.Popen(
                [*(under or []), sys.executable, "-c", command, *words],
                stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                env={**self.environment, "MINICONTAINER_FAULT": fault},
            )  # fmt: skip
            try:
                code: int | None = started.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait()
                code = None
            out.seek(0)
            err.seek(0)
            return Result(code, out.read(), err.read())

    def good(self, *words: str) -> str:
        """The output of a command that must succeed."""
        result = self.run(*words)
        assert result.code == 0, f"{words}: {result.code} {result.err}"
        return result.out.strip()

    def containers(self) -> list[str]:
        """Every container by its id, as ``ps -a`` lists them: the ordinary command that mends."""
        return self.good("ps", "-a", "-q", "--no-trunc").split()

    def images(self) -> set[str]:
        """The ids of all images."""
        return set(self.good("images", "-q", "--no-trunc").split())

    def forget_images(self, kept: set[str]) -> None:
        """Remove the images that are not in ``kept``: one that lost its name to another stays as an image."""
        made = self.images() - kept
        if made:
            self.good("rmi", "-f", *made)

    def facts(self) -> Facts:
        """All that a command could leave behind."""
        reap()
        living = looks.living()
        addresses = [*looks.addresses(), *looks.endpoints(f"{ROOT}/networks/bridge.json")]
        return {
            "mounts": self._named(looks.mounts()),
            "cgroups": self._groups(),
            "limits": self._named(looks.limits(self.hierarchies)),
            "namespaces": looks.namespaces(living),
            "links": sorted(os.listdir("/sys/class/net")),
            "addresses": self._named(addresses),
            "rules": looks.rules(),
            "ip_forward": [looks.read("/proc/sys/net/ipv4/ip_forward")],
            "processes": sorted(living.values()),
            "locks": self._named(looks.locks(living)),
            "files": self._named([line for folder in FOLDERS for line in looks.files(folder)]),
            "states": self._named(looks.states(f"{ROOT}/containers")),
            "images": looks.images(f"{ROOT}/images/index.json"),
            "half-written": self._named(looks.half_written(ROOT, RUN)),
        }

    def remember(self, container_id: str, name: str) -> None:
        """From now on, looks tell this container from the others, by ``name``."""
        self.known[container_id] = name

    def logs(self) -> dict[str, bytes]:
        """What every container's log holds."""
        found = {}
        for container_id in os.listdir(f"{ROOT}/containers"):
            path = f"{ROOT}/containers/{container_id}/log.json"
            if os.path.exists(path):
                with open(path, "rb") as file:
                    found[path] = file.read()
        return found

    def lying_blobs(self) -> list[str]:
        """The blobs of images whose content has another digest than their name."""
        folder = f"{ROOT}/images/blobs/sha256"
        return [
            name
            for name in os.listdir(folder)
            if len(name) == 64 and looks.sha256(f"{folder}/{name}") != name
        ]

    def steady(self) -> Facts:
        """The same, once it no longer changes: a monitor ends a moment after its command."""
        seen = self.facts()
        while True:
            time.sleep(0.05)
            now = self.facts()
            if now == seen:
                return now
            seen = now

    def _groups(self) -> list[str]:
        found = []
        for folder in self.hierarchies:
            for path, _, files in os.walk(folder):
                state = looks.read(f"{path}/freezer.state") if "freezer.state" in files else ""
                state += looks.read(f"{path}/cgroup.freeze") if "cgroup.freeze" in files else ""
                found.append(f"{path} {state}")
        return self._named(sorted(found))

    def _named(self, lines: list[str]) -> list[str]:
        """``lines`` with the names of known ids, and ID for the others, which are random."""
        return sorted(_ID.sub(lambda m: self.known.get(m[0], "ID"), line) for line in lines)


def difference(before: Facts, after: Facts) -> list[str]:
    """One line for each thing that is there and should not be (+), or should be and is not (-)."""
    lines = []
    for kind in before:
        was, now = list(before[kind]), list(after[kind])
        for one in before[kind]:
            if one in now:
                now.remove(one)
                was.remove(one)
        lines += [f"- {kind}: {one}" for one in was] + [f"+ {kind}: {one}" for one in now]
    return lines


def settled(host: Host, wanted: Facts, patience: float = SETTLING_S) -> list[str]:
    """The difference to ``wanted``, once there is none, or none of the processes that could undo it."""
    until = time.monotonic() + patience
    while found := difference(wanted, now := host.facts()):
        if now["processes"] == wanted["processes"]:
            return difference(wanted, host.facts())  # the last of them may have been at it just then
        if time.monotonic() > until:
            break
        time.sleep(0.02)
    return found


def told(row: dict[str, int | str]) -> None:
    """Print what became of an operation's cases, and add it to the rows of the table (__main__.py)."""
    print(f"\n{row}")
    if ROWS is not None:
        ROWS.write(json.dumps(row) + "\n")
        ROWS.flush()


def jobs(kinds: tuple[str, ...]) -> tuple[str, ...]:
    """What one test is to try: a kind of fault, or in a sample all of them, on one host."""
    return kinds if ALL else (AND.join(kinds),)


def sample(found: list[T], salt: str, cases: int) -> list[T]:
    """Every n-th, about ``cases`` of them, beginning elsewhere for each ``salt``."""
    stride = max(1, len(found) // cases)
    return found[sum(salt.encode()) % stride :: stride]


def on_a_host(test: Callable[..., None]) -> Callable[..., None]:
    """Run the body of a test on a host of its own, which it gets as its first argument."""

    @functools.wraps(test)
    def inside(*args: Any, **kwargs: Any) -> None:
        trouble = _in_child(lambda host: test(host, *args, **kwargs))
        if trouble:
            pytest.fail(trouble, pytrace=False)

    # functools.wraps shows pytest the signature of the test, whose first argument is no fixture.
    del inside.__wrapped__
    return inside


def _in_child(work: Callable[[Host], None]) -> str:
    """The traceback of ``work`` on a new host; empty if there was none."""
    name = f"faults-{os.getpid()}"
    groups = {folder: f"{folder}/{name}" for folder in _cgroup_mounts()}
    reader, writer = os.pipe()
    for folder, group in groups.items():
        _hand_down(folder)
        os.mkdir(group)
        for file in ("cpuset.cpus", "cpuset.mems"):
            if os.path.exists(f"{folder}/cpuset.sched_load_balance"):  # v1: empty, and takes no process
                _write(f"{group}/{file}", looks.read(f"{folder}/{file}"))
    try:
        middle = os.fork()
        if middle == 0:
            _be_between(work, groups, writer)
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            text = answer.read().decode(errors="replace")
        _, status = os.waitpid(middle, 0)
    finally:
        for group in groups.values():
            _remove(group)
    return text or (f"the host ended with {status}" if status else "")


def _hand_down(folder: str) -> None:
    """v2: what the root of this hierarchy has, its children may have; v1 has no such files."""
    if os.path.exists(f"{folder}/cgroup.subtree_control"):
        for controller in looks.read(f"{folder}/cgroup.controllers").split():
            try:
                _write(f"{folder}/cgroup.subtree_control", f"+{controller}")
            except OSError:
                continue  # a container's own root has processes; cpu refuses beside real-time tasks


def _be_between(work: Callable[[Host], None], groups: dict[str, str], writer: int) -> None:
    """The process that enters the namespaces and makes pid 1; does not return."""
    text = ""
    try:
        namespaces.unshare(NEW)
        first = os.fork()
        if first == 0:
            _be_first(work, groups, writer)
        os.waitpid(first, 0)
    except BaseException:
        text = traceback.format_exc()
    os.write(writer, text.encode()[-60000:])
    os._exit(0)


def _be_first(work: Callable[[Host], None], groups: dict[str, str], writer: int) -> None:
    text = ""
    hierarchies: list[str] = []
    try:
        # Only here: cgroup v2 lets nobody of outside be in the group that is the root of a namespace.
        for group in groups.values():
            _write(f"{group}/cgroup.procs", "0")
        namespaces.unshare(process.CLONE_NEWCGROUP)
        hierarchies = _furnish()
        work(Host(hierarchies))
    except BaseException:
        text = traceback.format_exc()
    finally:
        _thaw(hierarchies)
        os.write(writer, text.encode()[-60000:])
        os._exit(0)


def _furnish() -> list[str]:
    """Mounts and folders of the new host; the mount points of its cgroup hierarchies."""
    mount.mount(None, "/", None, mount.MS_REC | mount.MS_PRIVATE)
    hierarchies = _cgroup_mounts()
    looks.inherited.update(line.split()[0] for line in looks.read("/proc/self/mountinfo").splitlines())
    mountfd.mount_setattr(mountfd.AT_FDCWD, "/", mountfd.AT_RECURSIVE, mountfd.MOUNT_ATTR_RDONLY)
    mount.mount("proc", "/proc", "proc")
    mount.mount("sysfs", "/sys", "sysfs")
    if list(hierarchies) == ["/sys/fs/cgroup"]:
        mount.mount("cgroup", "/sys/fs/cgroup", "cgroup2")
    else:
        mount.mount("tmpfs", "/sys/fs/cgroup", "tmpfs")
        for folder, (fstype, options) in hierarchies.items():
            os.makedirs(folder)
            mount.mount("cgroup", folder, fstype, 0, options)
    # Only what the commands themselves make may carry over from one to the next.
    mount.mount("tmpfs", STATE, "tmpfs")
    for path in (*FOLDERS, SCRATCH):
        os.mkdir(path)
    netdevice.interface_up("lo")
    _write("/proc/sys/net/ipv4/ip_forward", "0")
    return list(hierarchies)


def _cgroup_mounts() -> dict[str, tuple[str, str | None]]:
    """(file system type, options) of every writable hierarchy, by mount point."""
    found: dict[str, tuple[str, str | None]] = {}
    for line in looks.read("/proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        folder, (fstype, _, options) = before.split()[4], after.split()[:3]
        names = set(options.split(",")) - {"rw", "ro", "xattr", "nsdelegate", "memory_recursiveprot"}
        if fstype in ("cgroup", "cgroup2") and os.access(f"{folder}/cgroup.procs", os.W_OK):
            found[folder] = (fstype, ",".join(sorted(names)) if fstype == "cgroup" else None)
    return found


def _thaw(hierarchies: list[str]) -> None:
    """What is frozen could not die with the host."""
    for folder in hierarchies:
        for path, _, files in os.walk(folder):
            for file, word in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                if file in files and path != folder:
                    _write(f"{path}/{file}", word)


def _remove(group: str) -> None:
    """Remove a group and those below it, once the host's processes are gone from it."""
    until = time.monotonic() + PATIENCE_S
    folders = [path for path, _, _ in os.walk(group, topdown=False)]
    for folder in folders:
        while True:
            try:
                os.rmdir(folder)
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)


def reap() -> None:
    """Orphans become children of pid 1."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
