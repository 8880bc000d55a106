"""libseccomp by ctypes: rules by the names of system calls, compiled to a program for seccomp.py.

Nothing here changes the kernel: a filter is built in this process's memory and exported.  The
library is optional; `Filter` raises OSError (ENOENT, with dlopen's words) where it is missing.

    filter = Filter(default_action)      seccomp_init(3)
    filter.add_architecture("x86")       seccomp_arch_add(3)
    filter.add_rule(action, call, tests) seccomp_rule_add_array(3)
    program = filter.export()            seccomp_export_bpf(3)
    filter.close()                       seccomp_release(3)

The functions return negative errno values, raised here as OSError.
"""

from __future__ import annotations

import ctypes
import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIBRARY = "libseccomp.so.2"
SCMP_FLTATR_CTL_OPTIMIZE = 8  # libseccomp 2.5: 2 makes a binary tree of the calls' numbers
UNKNOWN_CALL = -1  # __NR_SCMP_ERROR; other negative numbers are calls that this architecture lacks

# scmp_filter.h; the low 16 bits of ERRNO and TRACE carry a value.
SCMP_ACT_KILL_PROCESS = 0x80000000
SCMP_ACT_KILL_THREAD = 0x00000000
SCMP_ACT_TRAP = 0x00030000
SCMP_ACT_ERRNO = 0x00050000
SCMP_ACT_NOTIFY = 0x7FC00000
SCMP_ACT_TRACE = 0x7FF00000
SCMP_ACT_LOG = 0x7FFC0000
SCMP_ACT_ALLOW = 0x7FFF0000

OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}

_library: Any = None


class _Test(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


class _Version(ctypes.Structure):
    """struct scmp_version."""

    _fields_ = (("major", ctypes.c_uint), ("minor", ctypes.c_uint), ("micro", ctypes.c_uint))


def _load() -> Any:
    global _library
    if _library is None:
        try:
            loaded = ctypes.CDLL(LIBRARY)
        except OSError as error:
            raise OSError(errno.ENOENT, str(error), LIBRARY) from None
        filter_type = ctypes.c_void_p
        for name, result, arguments in (
            ("seccomp_version", ctypes.POINTER(_Version), ()),
            ("seccomp_init", filter_type, (ctypes.c_uint32,)),
            ("seccomp_release", None, (filter_type,)),
            ("seccomp_arch_native", ctypes.c_uint32, ()),
            ("seccomp_arch_resolve_name", ctypes.c_uint32, (ctypes.c_char_p,)),
            ("seccomp_arch_exist", ctypes.c_int, (filter_type, ctypes.c_uint32)),
            ("seccomp_arch_add", ctypes.c_int, (filter_type, ctypes.c_uint32)),
            ("seccomp_attr_set", ctypes.c_int, (filter_type, ctypes.c_int, ctypes.c_uint32)),
            ("seccomp_syscall_resolve_name", ctypes.c_int, (ctypes.c_char_p,)),
            ("seccomp_syscall_resolve_name_arch", ctypes.c_int, (ctypes.c_uint32, ctypes.c_char_p)),
            (
                "seccomp_rule_add_array",
                ctypes.c_int,
                (filter_type, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Test)),
            ),
            ("seccomp_export_bpf", ctypes.c_int, (filter_type, ctypes.c_int)),
        ):
            function = getattr(loaded, name)
            function.restype = result
            function.argtypes = arguments
        _library = loaded
    return _library


def version() -> tuple[int, int, int]:
    """The library's version; OSError (ENOENT) without it."""
    found = _load().seccomp_version().contents
    return found.major, found.minor, found.micro


def native() -> int:
    """The token of this machine's architecture."""
    return int(_load().seccomp_arch_native())


def architecture(name: str) -> int:
    """The token of ``x86_64``, ``x32``, ``aarch64``, ...; 0 for one that this library does not know."""
    return int(_load().seccomp_arch_resolve_name(name.encode()))


def number(name: str, token: int | None = None) -> int:
    """A system call's number, on this machine or on the architecture ``token``.

    `UNKNOWN_CALL` for a name that the library does not know, another negative number where the
    architecture has no such call.
    """
    encoded = name.encode(errors="replace")
    if token is None:
        return int(_load().seccomp_syscall_resolve_name(encoded))
    return int(_load().seccomp_syscall_resolve_name_arch(token, encoded))


class Filter:
    """A filter in the making."""

    __slots__ = ("_context", "_library")

    def __init__(self, default_action: int) -> None:
        self._library = _load()
        self._context = self._library.seccomp_init(default_action)
        if not self._context:
            raise OSError(errno.EINVAL, "seccomp_init: the kernel or libseccomp lacks this action")

    def add_architecture(self, token: int) -> None:
        """One more architecture, if it is not there yet; the machine's own is there from the start."""
        if self._library.seccomp_arch_exist(self._context, token) != 0:
            _check(self._library.seccomp_arch_add(self._context, token), "seccomp_arch_add")

    def optimize(self, level: int) -> None:
        """1: calls in the order of their weight; 2: a binary tree (libseccomp 2.5)."""
        attribute = SCMP_FLTATR_CTL_OPTIMIZE
        _check(self._library.seccomp_attr_set(self._context, attribute, level), "seccomp_attr_set")

    def add_rule(self, action: int, call: int, tests: list[tuple[int, int, int, int]]) -> None:
        """``action`` for ``call`` when every test holds: (argument, operator, value, second value)."""
        array = (_Test * len(tests))(*(_Test(*test) for test in tests))
        done = self._library.seccomp_rule_add_array(self._context, action, call, len(tests), array)
        _check(done, "seccomp_rule_add_array")

    def export(self) -> bytes:
        """The program, instructions of 8 bytes each."""
        fd = os.memfd_create("seccomp", os.MFD_CLOEXEC)
        try:
            _check(self._library.seccomp_export_bpf(self._context, fd), "seccomp_export_bpf")
            return os.pread(fd, os.fstat(fd).st_size, 0)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Free it."""
        context, self._context = self._context, None
        if context:
            self._library.seccomp_release(context)


def _check(result: int, what: str) -> None:
    if result < 0:
        raise OSError(-result, f"{what}: {os.strerror(-result)}")
