"""seccomp(2): a program that the kernel asks about every system call of this process from now on.

A filter is a sequence of 8-byte instructions of classic BPF (linux/filter.h, struct sock_filter)::

    code   jump if true   jump if false   k
    u16    u8             u8              u32

that reads struct seccomp_data (the call's number, the architecture, the instruction pointer, six
arguments) and returns one of SECCOMP_RET_*.  Filters are inherited by fork and kept by execve; none
can be taken away, and with several the strictest answer counts.

Installing one needs no_new_privs, or CAP_SYS_ADMIN in the process's user namespace.
"""

from __future__ import annotations

import ctypes
import errno
import struct

from minicontainer.linux import libc
from minicontainer.linux.door import flags, step

SECCOMP_SET_MODE_FILTER = 1
SECCOMP_GET_ACTION_AVAIL = 2
SECCOMP_GET_NOTIF_SIZES = 3

SECCOMP_FILTER_FLAG_TSYNC = 1  # every thread of the process
SECCOMP_FILTER_FLAG_LOG = 2  # Linux 4.14: log every action but ALLOW, where the system's policy has it
SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4  # Linux 4.17: no speculation barriers on the filter's account
SECCOMP_FILTER_FLAG_NEW_LISTENER = 8  # Linux 5.0: a descriptor that receives what USER_NOTIF holds back
SECCOMP_FILTER_FLAG_TSYNC_ESRCH = 16  # Linux 5.7: TSYNC fails with ESRCH, not with a thread's id
SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV = 32  # Linux 5.19: only death interrupts a call that was received

ACTIONS = {
    "kill_process": 0x80000000,
    "kill_thread": 0x00000000,
    "trap": 0x00030000,
    "errno": 0x00050000,
    "user_notif": 0x7FC00000,
    "trace": 0x7FF00000,
    "log": 0x7FFC0000,
    "allow": 0x7FFF0000,
}

MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS
INSTRUCTION_SIZE = 8


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def instruction(code: int, k: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One struct sock_filter."""
    return struct.pack("=HBBI", code, if_true, if_false, k)


@step(
    "seccomp(2)",
    why="from here on the kernel asks this program about every system call",
    shell=lambda a: f"# seccomp(SECCOMP_SET_MODE_FILTER, {len(a['program']) // 8} instructions)",
    show={
        "filter_flags": flags("SECCOMP_FILTER_FLAG_", __name__),
        "program": lambda value: f"{len(value) // INSTRUCTION_SIZE} instructions",
    },
    watch=lambda a: [("status", "Seccomp")],
)
def set_mode_filter(program: bytes, filter_flags: int = 0) -> int:
    """SECCOMP_SET_MODE_FILTER (Linux 3.17).

    0, or with SECCOMP_FILTER_FLAG_NEW_LISTENER the listener's descriptor (close-on-exec).  EACCES
    without no_new_privs and CAP_SYS_ADMIN; EINVAL for a bad program or a flag that the kernel lacks;
    EBUSY when another filter of this process has a listener already.
    """
    code = ctypes.create_string_buffer(program, len(program))
    described = _Program(len(program) // INSTRUCTION_SIZE, ctypes.addressof(code))
    call = libc.number("seccomp")
    return libc.syscall(call, SECCOMP_SET_MODE_FILTER, filter_flags, ctypes.byref(described))


def has_flag(flag: int) -> bool:
    """Whether the kernel knows ``flag``: a null program is then a bad address (seccomp(2), EFAULT)."""
    try:
        libc.syscall(libc.number("seccomp"), SECCOMP_SET_MODE_FILTER, flag, None)
    except OSError as error:
        return error.errno == errno.EFAULT
    return True


def action_available(action: int) -> bool:
    """SECCOMP_GET_ACTION_AVAIL (Linux 4.14): whether the kernel knows the SECCOMP_RET_* ``action``."""
    value = ctypes.c_uint32(action)
    try:
        libc.syscall(libc.number("seccomp"), SECCOMP_GET_ACTION_AVAIL, 0, ctypes.byref(value))
    except OSError as error:
        if error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            return False
        raise
    return True


def notification_sizes() -> tuple[int, int, int]:
    """SECCOMP_GET_NOTIF_SIZES (Linux 5.0): bytes of seccomp_notif, seccomp_notif_resp, seccomp_data."""
    sizes = (ctypes.c_uint16 * 3)()
    libc.syscall(libc.number("seccomp"), SECCOMP_GET_NOTIF_SIZES, 0, ctypes.byref(sizes))
    return sizes[0], sizes[1], sizes[2]
