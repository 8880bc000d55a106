"""libc by ctypes: one handle, one way to turn -1 into OSError, system calls by number.

Numbers are looked up for this machine once; only what libc (glibc 2.31, Debian 11's, or later, and
musl) does not wrap is called by number.  Numbers from 424 on are the same on every architecture.
"""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

libc = ctypes.CDLL(None, use_errno=True)

SYS_PIDFD_SEND_SIGNAL = 424
SYS_OPEN_TREE = 428
SYS_MOVE_MOUNT = 429
SYS_FSOPEN = 430
SYS_FSCONFIG = 431
SYS_FSMOUNT = 432
SYS_FSPICK = 433
SYS_PIDFD_OPEN = 434
SYS_CLONE3 = 435
SYS_CLOSE_RANGE = 436
SYS_OPENAT2 = 437
SYS_PIDFD_GETFD = 438
SYS_MOUNT_SETATTR = 442

_OLD_NUMBERS = {  # before the numbers were unified: unistd_64.h and asm-generic/unistd.h
    "x86_64": {
        "pivot_root": 155, "bpf": 321, "capset": 126, "capget": 125, "keyctl": 250, "seccomp": 317,
        "sched_setattr": 314, "ioprio_set": 251, "set_mempolicy": 238,
    },
}  # fmt: skip
_OLD_NUMBERS["aarch64"] = _OLD_NUMBERS["riscv64"] = {
    "pivot_root": 41, "bpf": 280, "capset": 91, "capget": 90, "keyctl": 219, "seccomp": 277,
    "sched_setattr": 274, "ioprio_set": 30, "set_mempolicy": 237,
}  # fmt: skip

_syscall = libc.syscall
_syscall.restype = ctypes.c_long


# personality(2) may show a 64-bit process a 32-bit machine; its system calls stay what they are.
_MACHINES = {"i686": "x86_64", "armv8l": "aarch64"} if ctypes.sizeof(ctypes.c_void_p) == 8 else {}


def number(name: str) -> int:
    """The number of a system call that is older than the unified table; ENOSYS elsewhere."""
    machine = os.uname().machine
    machine = _MACHINES.get(machine, machine)
    try:
        return _OLD_NUMBERS[machine][name]
    except KeyError:
        raise OSError(38, f"no system call number for {name} on {machine}") from None


def check(result: int, path: str | bytes | None = None) -> int:
    """``result``, or OSError from errno if it is -1; ``path`` is what the call was about."""
    if result == -1:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno), path)
    return result


def syscall(sys_number: int, *args: Any, path: str | bytes | None = None) -> int:
    """A system call by number.  Integers are passed as longs (ctypes would pass C ints)."""
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in args]
    return check(_syscall(ctypes.c_long(sys_number), *words), path)


def function(name: str, *argtypes: Any) -> Any:
    """The libc function ``name`` with its argument types set; it returns a C int."""
    found = getattr(libc, name)
    found.argtypes = argtypes
    return found
