"""Without root: the command becomes root of a user namespace of its user's, and goes on as it is.

::

    uid 1000 ── unshare(CLONE_NEWUSER) ──► root of a namespace  0 = 1000, and with /etc/subuid
       │                                       │                1.. = the user's subordinate ids
       │ a container runs already:             ▼
       └── setns(its monitor's) ───────► mounts, containers, monitors as ever

All commands share the namespace of those containers that run: only there can they signal and enter
them; it ends with the last.  newuidmap(1) maps subordinate ids; without it, or without a line in
/etc/subuid, there is one id, and setgroups(2) is refused (user_namespaces(7)).

Images and containers are then below $XDG_DATA_HOME and $XDG_RUNTIME_DIR.  What needs the host's root
is refused: other networks than none, limits where no control group was delegated.
"""

from __future__ import annotations

import os

from minicontainer.engine import records
from minicontainer.engine.userns import SUBGID, SUBUID, subordinate
from minicontainer.errors import CorruptData, Unsupported, UsageError
from minicontainer.linux import control, namespaces, process
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.records import HostConfig

HELPERS = ("newuidmap", "newgidmap")


def default_roots() -> tuple[str, str]:
    """Where an ordinary user's images and containers are, and what a reboot may forget of them."""
    home = os.environ.get("HOME") or f"/tmp/minicontainer-{os.getuid()}"
    data = os.environ.get("XDG_DATA_HOME") or f"{home}/.local/share"
    run = os.environ.get("XDG_RUNTIME_DIR")
    return f"{data}/minicontainer", f"{run}/minicontainer" if run else f"{data}/minicontainer/run"


def enter(root: str) -> None:
    """Become root of a user namespace: that of the containers below ``root``, or a new one.

    And of a mount namespace, in which that root may try what it can mount.  Raises Unsupported where
    the kernel gives an ordinary user none.
    """
    _enter(root)
    because("mounts are this user namespace's to make only where the mount namespace is its own, too")
    namespaces.unshare(process.CLONE_NEWNS)


def _enter(root: str) -> None:
    fd = _namespace_of(_running(root))
    if fd >= 0:
        because("only in the user namespace of the running containers can they be reached")
        try:
            namespaces.setns(fd, process.CLONE_NEWUSER)
        finally:
            os.close(fd)
        return
    uid, gid = os.getuid(), os.getgid()
    ranges = _subordinate(uid)
    ready, go = os.pipe2(os.O_CLOEXEC)
    helper = _mapper(os.getpid(), uid, gid, ranges, (ready, go)) if ranges else -1
    os.close(ready)
    try:
        because("an ordinary user is root in a user namespace of his own, and nowhere else")
        namespaces.unshare(process.CLONE_NEWUSER)
    except OSError as error:
        os.close(go)
        raise Unsupported(
            f"containers need root, or user namespaces for ordinary users ({error.strerror}): try sudo "
            "(`minicontainer doctor` says what else)"
        ) from None
    if helper < 0:
        os.close(go)
        _map_one(uid, gid)
        return
    os.write(go, b"1")
    os.close(go)
    if process.wait(helper):
        raise Unsupported(f"newuidmap could not map the ids that {SUBUID} and {SUBGID} give to this user")


def _map_one(uid: int, gid: int) -> None:
    because("an unprivileged gid map is accepted only without setgroups")
    control.write_control("/proc/self/setgroups", "deny")
    for name, own in (("gid", gid), ("uid", uid)):
        because(f"this user's {name} is the only one there")
        control.write_control(f"/proc/self/{name}_map", f"0 {own} 1")


def _namespace_of(monitor: int) -> int:
    """A descriptor of its user namespace; -1 for none, or one that has ended just now."""
    try:
        return os.open(namespaces.path(monitor, "user"), os.O_RDONLY | os.O_CLOEXEC) if monitor else -1
    except (FileNotFoundError, ProcessLookupError):
        return -1


def _running(root: str) -> int:
    """The monitor of some running container; 0 when none runs."""
    try:
        names = os.listdir(f"{root}/containers")
    except FileNotFoundError:
        return 0
    for name in names:
        if name.startswith("."):
            continue
        try:
            status = records.load_status(f"{root}/containers/{name}")
        except (FileNotFoundError, CorruptData):
            continue  # whoever asks for that container is told
        if records.monitored(status):
            return status.monitor
    return 0


def _subordinate(uid: int) -> list[tuple[str, int, int]]:
    """(helper, first id, how many) for both kinds; empty without a range of both, or the helpers."""
    import pwd
    import shutil

    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return []  # newuidmap serves users that have a name
    found = []
    for helper, path in zip(HELPERS, (SUBUID, SUBGID), strict=True):
        ranges = subordinate(path, name) or subordinate(path, str(uid))
        program = shutil.which(helper)
        if not ranges or program is None:
            return []
        found.append((program, *ranges[0]))
    return found


def _mapper(pid: int, uid: int, gid: int, ranges: list[tuple[str, int, int]], pipe: tuple[int, int]) -> int:
    """A child that stays outside, and maps ``pid``'s ids once it is told so; its process id."""
    because("only a process outside the new user namespace may map others' ids into it")
    helper = process.fork()
    if helper:
        return helper
    status = 1
    try:
        os.close(pipe[1])
        if os.read(pipe[0], 1):
            status = 0
            for (program, first, count), own in zip(ranges, (uid, gid), strict=True):
                words = [program, str(pid), "0", str(own), "1", "1", str(first), str(count)]
                status = status or _run(program, words)
    finally:
        os._exit(status)


def _run(program: str, words: list[str]) -> int:
    because("a program with the right to map subordinate ids")
    child = process.fork()
    if child == 0:
        try:
            process.execve(program, words, dict(os.environ))
        finally:
            os._exit(127)
    return process.wait(child)


def check(host: HostConfig) -> None:
    """Raise Unsupported for what only the host's root can give a container, in a user namespace."""
    if host.network_mode != "none":
        raise Unsupported(f"--network {host.network_mode} needs root; without it there is --network none")
    if host.userns_mode not in ("", "host"):
        raise Unsupported(f"--userns {host.userns_mode} needs root: layers cannot be mapped without it")
    if host.privileged:
        raise Unsupported("--privileged needs root: the host's devices cannot be given without it")
    if host.pid_mode == "host" or host.ipc_mode == "host":
        raise UsageError("cannot share the host PID or IPC namespace when user namespaces are enabled")
