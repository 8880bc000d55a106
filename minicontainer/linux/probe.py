"""Whether this kernel has a system call, and what a process may do: found out without doing anything.

A call is made with arguments that every kernel which has it refuses before it acts (EINVAL, EBADF,
EFAULT); ENOSYS means that it is missing, or that a seccomp filter says so.  What cannot be asked is
tried in a forked child, inside namespaces that end with it.  Neither changes anything, so these are
no steps.
"""

from __future__ import annotations

import errno
import os

from minicontainer.linux import libc, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_BAD = -1
# name -> (number, arguments that are refused, the Linux version that brought it)
CALLS: dict[str, tuple[int, tuple[int | None, ...], str]] = {
    "clone3": (libc.SYS_CLONE3, (None, 0), "5.3"),
    "pidfd_open": (libc.SYS_PIDFD_OPEN, (_BAD, 0), "5.3"),
    "pidfd_send_signal": (libc.SYS_PIDFD_SEND_SIGNAL, (_BAD, 0, None, 0), "5.1"),
    "close_range": (libc.SYS_CLOSE_RANGE, (0xFFFFFFFF, 0xFFFFFFFF, 4), "5.11"),
    "openat2": (libc.SYS_OPENAT2, (_BAD, None, None, 0), "5.6"),
    "open_tree": (libc.SYS_OPEN_TREE, (_BAD, None, 0x7FFFFFFF), "5.2"),
    "move_mount": (libc.SYS_MOVE_MOUNT, (_BAD, None, _BAD, None, 0x7FFFFFFF), "5.2"),
    "fsopen": (libc.SYS_FSOPEN, (None, 0x7FFFFFFF), "5.2"),
    "mount_setattr": (libc.SYS_MOUNT_SETATTR, (_BAD, None, 0, None, 0), "5.12"),
}


def missing(name: str) -> str | None:
    """Why the system call ``name`` of `CALLS` is not to be had; None when it is there."""
    number, arguments, since = CALLS[name]
    try:
        libc.syscall(number, *arguments)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return f"needs Linux {since}, or a seccomp filter on us hides it"
    return None


def refusal(attempt: Callable[[], object]) -> OSError | None:
    """The OSError that ``attempt`` ends with in a child process, None if it has none.

    Any other exception comes back as an OSError of EPROTO with its text.
    """
    reader, writer = os.pipe()
    pid = process.fork()
    if pid == 0:
        os.close(reader)
        _attempt(attempt, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        number, _, text = answer.read().decode().partition(" ")
    os.waitpid(pid, 0)
    if not number:
        return OSError(errno.EPROTO, "the trial ended without an answer")
    return OSError(int(number), text) if int(number) else None


def _attempt(attempt: Callable[[], object], writer: int) -> None:
    answer = f"{errno.EPROTO} the trial ended without an answer"
    try:
        attempt()
        answer = "0 "
    except OSError as error:
        answer = f"{error.errno or errno.EPROTO} {error.strerror or error}"
    except Exception as error:  # the child may not go on as a second caller, whatever happens
        answer = f"{errno.EPROTO} {type(error).__name__}: {error}"
    finally:
        os.write(writer, answer.encode())
        os._exit(0)
