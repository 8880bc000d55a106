"""Making, replacing and ending processes: clone(2), fork(2), execve(2), kill(2), wait(2), setsid(2)."""

from __future__ import annotations

import ctypes
import os

from minicontainer.linux import signals
from minicontainer.linux.door import constant, flags, quote, step
from minicontainer.linux.libc import SYS_CLONE3, SYS_CLOSE_RANGE, check, syscall

CLONE_NEWTIME = 0x00000080
CLONE_PIDFD = 0x00001000
CLONE_PARENT = 0x00008000
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_INTO_CGROUP = 0x200000000

CLOSE_RANGE_CLOEXEC = 4

UNSHARE_OPTIONS = {
    CLONE_NEWTIME: "--time",
    CLONE_NEWNS: "--mount",
    CLONE_NEWCGROUP: "--cgroup",
    CLONE_NEWUTS: "--uts",
    CLONE_NEWIPC: "--ipc",
    CLONE_NEWUSER: "--user",
    CLONE_NEWPID: "--pid",
    CLONE_NEWNET: "--net",
}


def unshare_command(bits: int) -> str:
    """unshare(1) with the options that ask for the namespaces in ``bits``."""
    return " ".join(["unshare", *(option for bit, option in UNSHARE_OPTIONS.items() if bits & bit)])


class _CloneArgs(ctypes.Structure):
    """struct clone_args (linux/sched.h, CLONE_ARGS_SIZE_VER2: Linux 5.7)."""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "flags",
            "pidfd",
            "child_tid",
            "parent_tid",
            "exit_signal",
            "stack",
            "stack_size",
            "tls",
            "set_tid",
            "set_tid_size",
            "cgroup",
        )
    )


@step(
    "clone3(2)",
    why="make the process that becomes the container's init, in namespaces of its own",
    shell=lambda a: f"{unshare_command(a['flags'])} --fork",
    show={"flags": flags("CLONE_", __name__)},
    watch=lambda a: [("namespaces", "child")],
)
def clone3(flags: int, cgroup: int | None = None) -> tuple[int, int]:
    """Fork into the namespaces of ``flags``; ``(0, -1)`` in the child, ``(pid, pidfd)`` in the parent.

    ``cgroup`` is a descriptor of a cgroup v2 folder that the child starts in (CLONE_INTO_CGROUP,
    Linux 5.7).  Python's own fork handlers run as around os.fork().
    """
    pidfd = ctypes.c_int(-1)
    args = _CloneArgs(flags=flags | CLONE_PIDFD, pidfd=ctypes.addressof(pidfd), exit_signal=signals.SIGCHLD)
    if cgroup is not None:
        args.flags |= CLONE_INTO_CGROUP
        args.cgroup = cgroup
    pid = _clone(args)
    return pid, pidfd.value


# Unlike libc.syscall this one keeps the interpreter's lock: a child made while another thread holds
# it would wait for that thread, which it does not have, for ever.
_locked_syscall = ctypes.PyDLL(None, use_errno=True).syscall
_locked_syscall.restype = ctypes.c_long


def _clone(args: _CloneArgs) -> int:
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = -1
    try:
        size = ctypes.c_size_t(ctypes.sizeof(args))
        pid = check(_locked_syscall(ctypes.c_long(SYS_CLONE3), ctypes.byref(args), size))
    finally:
        if pid == 0:
            ctypes.pythonapi.PyOS_AfterFork_Child()
        else:
            ctypes.pythonapi.PyOS_AfterFork_Parent()
    return pid


@step(
    "clone3(2)",
    why="a sibling: the child's parent is this process's parent, who can then wait for it",
    shell=lambda a: (
        (f"{unshare_command(a['flags'])} --fork " if a["flags"] else "")
        + "( ... ) & # as a child of our parent: no shell command does this"
    ),
    show={"flags": flags("CLONE_", __name__)},
)
def clone_sibling(flags: int = 0, cgroup: int | None = None) -> int:
    """clone3 with CLONE_PARENT: 0 in the child, its process id in the caller, which is not its parent.

    ``flags`` and ``cgroup`` as `clone3` takes them.
    """
    args = _CloneArgs(flags=flags | CLONE_PARENT)
    if cgroup is not None:
        args.flags |= CLONE_INTO_CGROUP
        args.cgroup = cgroup
    return _clone(args)


@step("fork(2)", why="go on in two processes", shell=lambda a: "( ... ) &")
def fork() -> int:
    """0 in the child, the child's process id in the parent."""
    return os.fork()


@step("setsid(2)", why="leave the caller's terminal and job control", shell=lambda a: "setsid")
def setsid() -> None:
    """Become the leader of a new session without a terminal."""
    os.setsid()


@step("setpgid(2)", why="a process group of its own, for a terminal to be given to", shell=lambda a: "set -m")
def setpgid(pid: int, pgid: int) -> None:
    """Move a process to a process group; 0 is this process, and a group named after it."""
    os.setpgid(pid, pgid)


@step(
    "execve(2)",
    why="become the container's program",
    shell=lambda a: "exec " + " ".join(quote(word) for word in a["argv"]),
    show={
        "argv": lambda value: "[" + ", ".join(quote(word) for word in value) + "]",
        "environment": lambda value: f"{len(value)} variables",
    },
)
def execve(path: str | bytes, argv: list[str], environment: dict[str, str]) -> None:
    """Replace this process's program; returns only by raising."""
    try:
        os.execve(path, argv, environment)
    except OSError as error:
        error.filename = path
        raise


@step(
    "kill(2)",
    why="signal a process",
    shell=lambda a: f"kill -s {signals.name(a['number']).removeprefix('SIG')} {a['pid']}",
    show={"number": lambda value: signals.name(value)},
)
def kill(pid: int, number: int) -> None:
    """Send signal ``number``."""
    os.kill(pid, number)


@step(
    "waitpid(2)",
    why="wait for the process to end, and learn how",
    shell=lambda a: f"wait {a['pid']}",
)
def wait(pid: int) -> int:
    """How the child ``pid`` ended: its exit code, or 128 + n if signal n ended it."""
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


@step(
    "waitpid(2)",
    why="learn whether the process has ended, and how",
    shell=lambda a: f"kill -0 {a['pid']} || wait {a['pid']}",
)
def ended(pid: int) -> int | None:
    """As `wait`, for a child that has ended; None for one that runs.  Other children are left alone."""
    found, status = os.waitpid(pid, os.WNOHANG)
    if found == 0:
        return None
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


@step(
    "close_range(2)",
    why="nothing that was open in our process stays open in the container's program",
    shell=lambda a: f'for fd in $(ls /proc/self/fd); do [ $fd -lt {a["first"]} ] || eval "exec $fd>&-"; done',
    show={
        "last": lambda value: "~0U" if value == 0xFFFFFFFF else str(value),
        "flags": constant("CLOSE_RANGE_", __name__),
    },
)
def close_range(first: int, last: int = 0xFFFFFFFF, flags: int = CLOSE_RANGE_CLOEXEC) -> None:
    """Mark every descriptor from ``first`` to ``last`` close-on-exec (Linux 5.11)."""
    syscall(SYS_CLOSE_RANGE, first, last, flags)
