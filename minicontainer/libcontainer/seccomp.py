"""linux.seccomp of config.json as a program for the kernel (config-linux.md, Seccomp).

::

    parent                                             init, or exec's process
      profile ──► cache ──► libseccomp ──► program ──►   limits, user, capabilities, ...
                                                         install it ──► execve

Init only installs: after pivot_root there is no library to load, and compiling a profile of 400
names takes longer than everything else that a start does.  A compiled program is therefore kept::

    <state root>/.seccomp/<sha256 of libseccomp's version, the machine and the rules>

in a folder of the runtime's user alone (0700).  A file that somebody else owns, or whose size cannot
be a program's, is not used.

What comes of it, and is also kept for exec, is a Confinement (confinement.py).
"""

from __future__ import annotations

import os

from minicontainer.errors import InvalidConfig, Unsupported, field
from minicontainer.libcontainer import seccomp_stub
from minicontainer.libcontainer.confinement import Confinement
from minicontainer.linux import libseccomp, seccomp
from minicontainer.oci import document, jsontext
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Seccomp, Syscall, SyscallArg

CACHE = ".seccomp"
CACHE_FORMAT = 1  # to be raised when the same rules compile to another program
CACHE_ENTRIES = 64

# A binary tree gains nothing for so few calls, and of none libseccomp up to 2.5.4 makes a wrong one.
FEW = 32

EPERM, EDOM, ENOSYS, MAX_ERRNO = 1, 33, 38, 4095
NOTIFY = "SCMP_ACT_NOTIFY"
ACTIONS = {
    "SCMP_ACT_KILL": libseccomp.SCMP_ACT_KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": libseccomp.SCMP_ACT_KILL_PROCESS,
    "SCMP_ACT_KILL_THREAD": libseccomp.SCMP_ACT_KILL_THREAD,
    "SCMP_ACT_TRAP": libseccomp.SCMP_ACT_TRAP,
    "SCMP_ACT_ERRNO": libseccomp.SCMP_ACT_ERRNO,
    "SCMP_ACT_TRACE": libseccomp.SCMP_ACT_TRACE,
    "SCMP_ACT_ALLOW": libseccomp.SCMP_ACT_ALLOW,
    "SCMP_ACT_LOG": libseccomp.SCMP_ACT_LOG,
    NOTIFY: libseccomp.SCMP_ACT_NOTIFY,
}
WITH_ERRNO = {"SCMP_ACT_ERRNO": MAX_ERRNO, "SCMP_ACT_TRACE": 0xFFFF}
PERMISSIVE = {"SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE"}

FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": seccomp.SECCOMP_FILTER_FLAG_TSYNC,
    "SECCOMP_FILTER_FLAG_LOG": seccomp.SECCOMP_FILTER_FLAG_LOG,
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": seccomp.SECCOMP_FILTER_FLAG_SPEC_ALLOW,
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": seccomp.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV,
}

# The specification's names -> libseccomp's own; those that its headers merely spell in capitals
# (SCMP_ARCH_X86_64) follow the rule.
ARCHITECTURES = {
    name: name.removeprefix("SCMP_ARCH_").lower()
    for name in (
        "SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_ARM", "SCMP_ARCH_AARCH64",
        "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL",
        "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64",
        "SCMP_ARCH_PPC64LE", "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_PARISC",
        "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64", "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K",
        "SCMP_ARCH_SH", "SCMP_ARCH_SHEB",
    )
}  # fmt: skip


def confinement(profile: Seccomp, root: str) -> Confinement:
    """What ``profile`` asks for; compiled programs are kept below ``root``, the runtime's state root.

    Raises InvalidConfig with the field, or Unsupported for what this libseccomp or kernel lacks.
    """
    notifies = any(call.action == NOTIFY for call in profile.syscalls)
    try:
        _check_listener(profile, notifies=notifies)
        flags = _flags(profile, notifies=notifies)
        program = _cached(profile, root)
    except (InvalidConfig, Unsupported) as error:
        place = getattr(error, "context", "linux.seccomp")
        raise type(error)(f"config.json: {place}: {error}") from None
    except OSError as error:
        if error.filename != libseccomp.LIBRARY:
            raise
        reason = f"this host has no libseccomp ({error.strerror})"
        raise Unsupported(f"config.json: linux.seccomp: {reason}") from None
    if notifies:
        return Confinement(program, flags, profile.listener_path or "", profile.listener_metadata or "")
    return Confinement(program, flags)


def _check_listener(profile: Seccomp, *, notifies: bool) -> None:
    with field("linux.seccomp.listenerPath"):
        if notifies and not profile.listener_path:
            raise InvalidConfig(f"missing, and {NOTIFY} needs it")
    with field("linux.seccomp.listenerMetadata"):
        if profile.listener_metadata and not profile.listener_path:
            raise InvalidConfig("needs a listenerPath")


# -- flags


def _flags(profile: Seccomp, *, notifies: bool) -> int:
    asked = 0
    for index, name in enumerate(profile.flags or []):
        with field(f"linux.seccomp.flags[{index}]"):
            if name not in FLAGS:
                raise InvalidConfig(f"unknown flag {name!r}")
            if not seccomp.has_flag(_probed(FLAGS[name])):
                raise Unsupported(f"this kernel lacks {name}")
            asked |= FLAGS[name]
    if profile.flags is None and seccomp.has_flag(seccomp.SECCOMP_FILTER_FLAG_SPEC_ALLOW):
        # runc's default since 1.2, and the kernel's since 5.16; an empty list asks for none.
        asked = seccomp.SECCOMP_FILTER_FLAG_SPEC_ALLOW
    if not notifies:
        # It speaks of the listener only, and the kernel refuses it without one.
        return asked & ~seccomp.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
    if asked & seccomp.SECCOMP_FILTER_FLAG_TSYNC:
        asked |= seccomp.SECCOMP_FILTER_FLAG_TSYNC_ESRCH
    return asked | seccomp.SECCOMP_FILTER_FLAG_NEW_LISTENER


def _probed(flag: int) -> int:
    if flag == seccomp.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV:
        return flag | seccomp.SECCOMP_FILTER_FLAG_NEW_LISTENER
    return flag


# -- the cache


def _cached(profile: Seccomp, root: str) -> bytes:
    folder = f"{root}/{CACHE}"
    path = f"{folder}/{_key(profile)}"
    program = _read(folder, path)
    if program is None:
        program = compile_profile(profile)
        try:
            _keep(root, folder, path, program)
        except OSError:
            # A full or read-only disk costs the next start its time and this one nothing.
            return program
    return program


def _key(profile: Seccomp) -> str:
    rules = document.to_builtins(profile)
    for name in ("flags", "listenerPath", "listenerMetadata"):  # not the program's
        rules.pop(name, None)
    compiler = [CACHE_FORMAT, *libseccomp.version(), libseccomp.native()]
    return _sha256(jsontext.dumps([compiler, rules]).encode())


def _sha256(data: bytes) -> str:
    # hashlib loads OpenSSL first: 2 ms, for what the interpreter has built in.
    try:
        from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            from hashlib import sha256
    return str(sha256(data).hexdigest())


def _read(folder: str, path: str) -> bytes | None:
    """The program in the cache; None when there is none that can be trusted."""
    try:
        if not _trusted(os.lstat(folder), 0o077):
            return None
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not _trusted(os.fstat(fd), 0o022):
            return None
        limit = seccomp.MAX_INSTRUCTIONS * seccomp.INSTRUCTION_SIZE
        program = os.read(fd, limit + 1)
    finally:
        os.close(fd)
    return program if program and len(program) <= limit and not len(program) % 8 else None


def _trusted(status: os.stat_result, forbidden: int) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & forbidden


def _keep(root: str, folder: str, path: str, program: bytes) -> None:
    os.makedirs(root, 0o711, exist_ok=True)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        if not _trusted(os.lstat(folder), 0o077):
            return
    names = os.listdir(folder)
    if len(names) >= CACHE_ENTRIES:
        for name in names:
            os.unlink(f"{folder}/{name}")
    files.write_atomic(path, program, sync=False)


# -- the compiler


def compile_profile(profile: Seccomp) -> bytes:
    """The program for ``profile``, with what seccomp_stub.py puts in front.

    Raises InvalidConfig with the field; OSError (ENOENT, filename libseccomp.LIBRARY) without it.
    """
    with field("linux.seccomp.defaultAction"):
        if profile.default_action == NOTIFY:
            raise InvalidConfig(f"{NOTIFY} cannot be the default")
    where = ("linux.seccomp.defaultAction", "linux.seccomp.defaultErrnoRet")
    default = _action(profile.default_action, profile.default_errno_ret, where)
    tokens = _architectures(profile)
    building = libseccomp.Filter(default)
    try:
        _add_architectures(building, tokens[1:])
        if sum(len(call.names) for call in profile.syscalls) > FEW:
            building.optimize(2)
        for index, call in enumerate(profile.syscalls):
            _add(building, call, default, f"linux.seccomp.syscalls[{index}]")
        program = building.export()
    finally:
        building.close()
    if profile.default_action not in PERMISSIVE and profile.default_errno_ret != ENOSYS:
        program = seccomp_stub.prologue(_highest(profile, tokens)) + program
    length = len(program) // seccomp.INSTRUCTION_SIZE
    if length > seccomp.MAX_INSTRUCTIONS:
        raise InvalidConfig(
            f"{length} instructions are more than the kernel takes ({seccomp.MAX_INSTRUCTIONS})"
        )
    return program


def _add_architectures(building: libseccomp.Filter, tokens: list[int]) -> None:
    with field("linux.seccomp.architectures"):
        for token in tokens:
            try:
                building.add_architecture(token)
            except OSError as error:
                if error.errno != EDOM:
                    raise
                raise InvalidConfig("not all have this machine's byte order") from None


def _architectures(profile: Seccomp) -> list[int]:
    """libseccomp's tokens, the machine's own first."""
    tokens = [libseccomp.native()]
    for index, name in enumerate(profile.architectures):
        with field(f"linux.seccomp.architectures[{index}]"):
            if name not in ARCHITECTURES:
                raise InvalidConfig(f"unknown architecture {name!r}")
            token = libseccomp.architecture(ARCHITECTURES[name])
            if not token:
                raise Unsupported(f"this libseccomp does not know {name}")
            if token not in tokens:
                tokens.append(token)
    return tokens


def _action(name: str, errno_ret: int | None, where: tuple[str, str]) -> int:
    """libseccomp's number; ``where`` are the two fields."""
    with field(where[0]):
        if name not in ACTIONS:
            raise InvalidConfig(f"unknown action {name!r}")
    if name not in WITH_ERRNO:
        with field(where[1]):
            if errno_ret is not None:
                raise InvalidConfig(f"{name} returns no errno")
        return ACTIONS[name]
    value = EPERM if errno_ret is None else errno_ret
    with field(where[1]):
        if value > WITH_ERRNO[name]:
            raise InvalidConfig(f"{value} is more than {WITH_ERRNO[name]}")
    return ACTIONS[name] | value


def _add(building: libseccomp.Filter, call: Syscall, default: int, place: str) -> None:
    action = _action(call.action, call.errno_ret, (f"{place}.action", f"{place}.errnoRet"))
    with field(f"{place}.names"):
        if not call.names:
            raise InvalidConfig("empty")
        if call.action == NOTIFY and "write" in call.names:
            # By write(2) init tells its parent of the listener, before anybody could answer for it.
            raise InvalidConfig(f"{NOTIFY} cannot be used for write")
    tests = [_test(test, f"{place}.args[{index}]") for index, test in enumerate(call.args)]
    if action == default:
        return  # libseccomp refuses such a rule
    for name in call.names:
        number = libseccomp.number(name)
        if number == libseccomp.UNKNOWN_CALL:
            continue  # newer than this libseccomp, or another architecture's: the default's, as in runc
        for alternative in _alternatives(tests):
            try:
                building.add_rule(action, number, alternative)
            except OSError as error:
                with field(place):
                    raise InvalidConfig(f"{name}: {error.strerror}") from None


def _test(test: SyscallArg, place: str) -> tuple[int, int, int, int]:
    with field(f"{place}.op"):
        if test.op not in libseccomp.OPERATORS:
            raise InvalidConfig(f"unknown operator {test.op!r}")
    with field(f"{place}.index"):
        if test.index > 5:
            raise InvalidConfig(f"a system call has six arguments, 0 to 5, and no {test.index}")
    return test.index, libseccomp.OPERATORS[test.op], test.value, test.value_two or 0


def _alternatives(tests: list[tuple[int, int, int, int]]) -> list[list[tuple[int, int, int, int]]]:
    """All tests must hold; but of several for one argument, any (what runc makes of it: libseccomp
    takes one test an argument)."""
    if len({test[0] for test in tests}) == len(tests):
        return [tests]
    return [[test] for test in tests]


def _highest(profile: Seccomp, tokens: list[int]) -> dict[int, int]:
    found = {}
    names = [name for call in profile.syscalls for name in call.names]
    for token in tokens:
        highest = max((libseccomp.number(name, token) for name in names), default=-1)
        if highest >= 0:
            found[token] = highest
    return found
