"""capabilities(7): the sets of a process.

python-prctl drops from the bounding set.  capset(2) goes by ctypes, because python-prctl 1.8.1 sets
one capability of one set at a time and ends at the names it was built with (the kernel has had
PERFMON, BPF and CHECKPOINT_RESTORE since 5.8 and 5.9); the ambient set goes by ctypes likewise.
"""

from __future__ import annotations

import ctypes
import errno

import _prctl

from minicontainer.linux import libc
from minicontainer.linux.door import step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = (
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL",
    "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
    "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE", "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF", "CAP_CHECKPOINT_RESTORE",
)  # fmt: skip
NUMBERS = {name: value for value, name in enumerate(NAMES)}

PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_IS_SET = 1
PR_CAP_AMBIENT_RAISE = 2
PR_CAP_AMBIENT_CLEAR_ALL = 4
_VERSION_3 = 0x20080522

_LONGS = (ctypes.c_ulong,) * 4
_ambient = libc.function("prctl", ctypes.c_int, *_LONGS)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def last() -> int:
    """The number of the newest capability that this kernel knows (/proc/sys/kernel/cap_last_cap)."""
    with open("/proc/sys/kernel/cap_last_cap") as file:
        return int(file.read())


def mask(names: list[str]) -> int:
    """The bits of the capabilities named; KeyError for an unknown name."""
    bits = 0
    for name in names:
        bits |= 1 << NUMBERS[name]
    return bits


def names(bits: int) -> list[str]:
    """The names of the capabilities in ``bits``, in the kernel's order."""
    return [name for number, name in enumerate(NAMES) if bits >> number & 1]


def _listed(bits: int) -> str:
    return ",".join(name[4:].lower() for name in names(bits)) or "none"


def _clauses(effective: int, permitted: int, inheritable: int) -> str:
    """Three sets as cap_from_text(3) reads them: capabilities that are in the same sets together."""
    found: dict[str, list[str]] = {}
    for number, name in enumerate(NAMES):
        sets = (("e", effective), ("i", inheritable), ("p", permitted))
        letters = "".join(letter for letter, bits in sets if bits >> number & 1)
        if letters:
            found.setdefault(letters, []).append(name.lower())
    return " ".join(f"{','.join(names)}={letters}" for letters, names in found.items()) or "="


def current() -> dict[str, int]:
    """This process's sets as bits: inheritable, permitted, effective, bounding, ambient.

    Asked of the kernel and not of /proc, where a container may have put what it likes: a bounding set
    that looks empty is one that nobody would cut.
    """
    header = _Header(_VERSION_3, 0)
    data = (_Data * 2)()
    libc.syscall(libc.number("capget"), ctypes.byref(header), ctypes.byref(data))
    found = {name: getattr(data[0], name) | getattr(data[1], name) << 32 for name, _ in _Data._fields_}
    found["bounding"] = _asked(lambda number: _prctl.prctl(_prctl.PR_CAPBSET_READ, number))
    # The ambient set is never more than the inheritable one.
    found["ambient"] = found["inheritable"] and _asked(
        lambda number: libc.check(_ambient(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, number, 0, 0))
    )
    return found


def _asked(holds: Callable[[int], int]) -> int:
    """The bits for which ``holds`` is true, up to the newest capability that this kernel knows."""
    bits = 0
    for number in range(len(NAMES)):
        try:
            bits |= bool(holds(number)) << number
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            break
    return bits


@step(
    "prctl(2)",
    why="no program started from here can ever gain this capability",
    shell=lambda a: f"setpriv --bounding-set -{NAMES[a['number']][4:].lower()}",
    show={"number": lambda value: f"PR_CAPBSET_DROP, {NAMES[value]}"},
    watch=lambda a: [("caps", "bounding")],
)
def drop_bounding(number: int) -> None:
    """PR_CAPBSET_DROP: take one capability out of the bounding set (needs CAP_SETPCAP)."""
    _prctl.prctl(_prctl.PR_CAPBSET_DROP, number)


@step(
    "capset(2)",
    why="hold exactly the capabilities that the container was given",
    shell=lambda a: f"capsh --caps='{_clauses(a['effective'], a['permitted'], a['inheritable'])}'",
    show={"effective": _listed, "permitted": _listed, "inheritable": _listed},
    watch=lambda a: [("caps", "effective"), ("caps", "permitted"), ("caps", "inheritable")],
)
def capset(effective: int, permitted: int, inheritable: int) -> None:
    """Set three of this process's sets, as bits."""
    header = _Header(_VERSION_3, 0)
    data = (_Data * 2)()
    for half in (0, 1):
        shift = 32 * half
        data[half] = _Data(*(bits >> shift & 0xFFFFFFFF for bits in (effective, permitted, inheritable)))
    libc.syscall(libc.number("capset"), ctypes.byref(header), ctypes.byref(data))


@step(
    "prctl(2)",
    why="no capability passes to programs by the ambient set",
    shell=lambda a: "setpriv --ambient-caps -all",
    watch=lambda a: [("caps", "ambient")],
)
def clear_ambient() -> None:
    """PR_CAP_AMBIENT_CLEAR_ALL (Linux 4.3)."""
    libc.check(_ambient(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))


@step(
    "prctl(2)",
    why="a program of an ordinary user keeps this capability across execve",
    shell=lambda a: f"setpriv --ambient-caps +{NAMES[a['number']][4:].lower()}",
    show={"number": lambda value: f"PR_CAP_AMBIENT_RAISE, {NAMES[value]}"},
    watch=lambda a: [("caps", "ambient")],
)
def raise_ambient(number: int) -> None:
    """PR_CAP_AMBIENT_RAISE: the capability must be permitted and inheritable."""
    libc.check(_ambient(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0), NAMES[number])
