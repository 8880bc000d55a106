"""The last steps before execve, the same for a container's first program and for exec.

    limits, personality ─► bounding set ─► groups, user ─► cwd ─► capability sets ─► no_new_privs
                                                 ─► program found ─► seccomp's program ─► execve

The order is the kernel's: the bounding set needs CAP_SETPCAP, which a change of user takes away;
the other sets can only be cut after that change; the working folder must be one that the new user
may enter.  Without no_new_privs a seccomp program needs CAP_SYS_ADMIN, which most containers lack:
it is lent to the process, as permitted, until the program is in.
"""

from __future__ import annotations

import os
import stat
import sys

from minicontainer.errors import (
    CommandNotExecutable,
    CommandNotFound,
    InvalidConfig,
    MinicontainerError,
    field,
)
from minicontainer.libcontainer.user import home_of
from minicontainer.linux import capabilities, credentials, keyring, limits, mount, personality, prctl, process
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.libcontainer.seccomp import Confinement
    from minicontainer.oci.runtime import Capabilities, Linux, Process

SYS_ADMIN = capabilities.mask(["CAP_SYS_ADMIN"])
SETGID = capabilities.mask(["CAP_SETGID"])
MOST_INTERPRETERS = 6  # the kernel follows five (execve(2), Interpreter scripts)
UMASK = 0o022  # of everything that is made, and of a program unless process.user.umask says otherwise
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def prepare(
    config: Process, linux: Linux | None = None, confinement: Confinement | None = None, proc: int = -1
) -> str:
    """Everything up to `confine` and execve; the path of the program.  ``proc`` is of `hold_proc`.

    Raises CommandNotFound, CommandNotExecutable, InvalidConfig with the field, or OSError.
    """
    _limit(config)
    _schedule(config, linux)
    if linux is not None and linux.personality is not None:
        with field("linux.personality"):
            personality.personality(_domain(linux.personality.domain))
    _own_streams(config)
    held = config.capabilities
    lender = confinement if not config.no_new_privileges else None
    now = capabilities.current() if held is not None or lender is not None else {}
    if held is not None:
        _cut_bounding(held, now)
    _become(config, keep=held is not None or lender is not None)
    with field("process.cwd"):
        _enter(config.cwd)
    if held is not None:
        _hold(held, now, lender)
    elif lender is not None and config.user.uid != 0:
        # The change of user would have left nothing.
        _set(0, 0, now["inheritable"], now, lender)
    program = find(config)
    _refuse_own_interpreter(program, config.args[0])
    if proc >= 0:
        from minicontainer.libcontainer import labels

        labels.apply(config, proc)  # before no_new_privs, which forbids some changes of label
    if config.no_new_privileges:
        prctl.set_no_new_privs()
    return program


def hold_proc(config: Process) -> int:
    """labels.hold(), before the host's /proc goes out of reach; -1 for a process without labels."""
    if not config.apparmor_profile and not config.selinux_label:
        return -1
    from minicontainer.libcontainer import labels

    return labels.hold(config)


def leave_keys() -> None:
    """A session keyring of the container's own, where the kernel has keys at all."""
    import errno

    try:
        keyring.join_session_keyring()
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise


def import_no_more() -> None:
    """From here on a module that is not loaded is missing: where the interpreter's own files were, the
    container's are, and what they say would run with all that we may still do (CVE-2019-14271).
    """
    inside = [
        sys.modules["_frozen_importlib"].BuiltinImporter,
        sys.modules["_frozen_importlib"].FrozenImporter,
    ]
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder in inside]
    sys.path.clear()


def _limit(config: Process) -> None:
    for index, limit in enumerate(config.rlimits):
        with field(f"process.rlimits[{index}] ({limit.type})"):
            if limit.type not in limits.RLIMITS:
                raise InvalidConfig(f"unknown resource limit {limit.type!r}")
            limits.setrlimit(limit.type, _signed(limit.soft), _signed(limit.hard))


def _schedule(config: Process, linux: Linux | None) -> None:
    policy = linux.memory_policy if linux is not None else None
    if config.scheduler is None and config.io_priority is None and policy is None:
        return
    from minicontainer.libcontainer import scheduling

    if config.scheduler is not None:
        scheduling.schedule(config.scheduler)
    if config.io_priority is not None:
        scheduling.prioritize_io(config.io_priority)
    if policy is not None:
        scheduling.place_memory(policy)


def _signed(value: int) -> int:
    # The specification's uint64 maximum is the kernel's RLIM_INFINITY, Python's -1.
    return limits.RLIM_INFINITY if value == 2**64 - 1 else value


def _domain(name: str) -> int:
    if name not in personality.DOMAINS:
        raise InvalidConfig(f"unknown domain {name!r}")
    return personality.DOMAINS[name]


def _own_streams(config: Process) -> None:
    """/dev/stdout must open for the program's user: the pipe or terminal behind it was made by root.

    A file of the host keeps its owner.
    """
    for stream in (0, 1, 2):
        status = os.fstat(stream)
        if status.st_uid != config.user.uid and (config.terminal or stat.S_ISFIFO(status.st_mode)):
            try:
                credentials.fchown(stream, config.user.uid, -1)
            except OSError as error:
                import errno

                # A stream that cannot change hands (read-only file system, a user namespace without
                # that id) can still be used as it is; runc goes on here too.
                if error.errno not in (errno.EPERM, errno.EROFS, errno.EINVAL):
                    raise


def _cut_bounding(held: Capabilities, now: dict[str, int]) -> None:
    with field("process.capabilities.bounding"):
        kept = _mask(held.bounding)
    dropped = now["bounding"] & ~kept
    for number in range(len(capabilities.NAMES)):
        if dropped >> number & 1:
            capabilities.drop_bounding(number)


def _mask(names: list[str]) -> int:
    # What this kernel has no number for cannot be had either; `not_granted` tells of both.
    return capabilities.mask([name for name in names if name in capabilities.NUMBERS])


def not_granted(held: Capabilities | None, *, everything: bool) -> list[str]:
    """The capabilities in ``held`` that the process will not have (config.md, Process: a warning, and no
    failure).  ``everything``: it is in a user namespace of its own, where all can be had."""
    if held is None:
        return []
    asked = dict.fromkeys([*held.bounding, *held.permitted, *held.effective, *held.inheritable])
    have = -1 if everything else capabilities.current()["permitted"]
    return [
        name for name in asked if name not in capabilities.NUMBERS or not have & capabilities.mask([name])
    ]


def _become(config: Process, *, keep: bool) -> None:
    user = config.user
    if keep and user.uid != 0:
        prctl.set_keepcaps(True)
    _leave_groups(user.additional_gids)
    with field("process.user.gid"):
        credentials.setresgid(user.gid)
    with field("process.user.uid"):
        credentials.setresuid(user.uid)
    if user.umask is not None:
        credentials.umask(user.umask)


def _leave_groups(additional_gids: list[int]) -> None:
    """The caller's groups are left for the container's.

    user_namespaces(7): refused for good where an unprivileged parent wrote the gid map.  That is told
    by the capability, not by /proc/self/setgroups, which a container could have written itself.
    """
    try:
        credentials.setgroups(additional_gids)
    except PermissionError:
        if not capabilities.current()["effective"] & SETGID:
            raise


def _enter(cwd: str) -> None:
    if not cwd.startswith("/"):
        raise InvalidConfig(f"working directory {cwd!r} is not an absolute path")
    because("the program starts in this folder")
    mount.chdir(cwd)
    # The kernel says "(unreachable)" when the folder is outside the root (CVE-2024-21626).
    if not os.getcwd().startswith("/"):
        raise InvalidConfig(f"working directory {cwd!r} is outside the container")


def _hold(held: Capabilities, now: dict[str, int], lender: Confinement | None) -> None:
    with field("process.capabilities"):
        # What our own process lacks cannot be had.
        permitted = _mask(held.permitted) & now["permitted"]
        effective = _mask(held.effective) & permitted
        inheritable = _mask(held.inheritable) & (permitted | now["inheritable"])
        _set(effective, permitted, inheritable, now, lender)
        if now["ambient"]:
            capabilities.clear_ambient()
        ambient = _mask(held.ambient) & permitted & inheritable
        for number in range(len(capabilities.NAMES)):
            if ambient >> number & 1:
                capabilities.raise_ambient(number)


def _set(
    effective: int, permitted: int, inheritable: int, now: dict[str, int], lender: Confinement | None
) -> None:
    lent = SYS_ADMIN & now["permitted"] & ~effective if lender is not None else 0
    if lender is not None and lent:
        lender.sets = (effective, permitted, inheritable)
        because("the seccomp program still has to be installed, which needs CAP_SYS_ADMIN")
    capabilities.capset(effective, permitted | lent, inheritable)


def confine(confinement: Confinement, *, executes: bool = True) -> int:
    """Install the seccomp program; the listener's descriptor, or 0.

    ``executes``: the next call is execve, which makes new sets of the bounding, inheritable and
    ambient ones (capabilities(7)), so that what was lent is gone without a call that the program
    would have to allow.
    """
    from minicontainer.linux import seccomp  # imported by the parent, with what made the confinement

    with field("linux.seccomp"):
        if confinement.sets is not None:
            effective, permitted, inheritable = confinement.sets
            because("CAP_SYS_ADMIN, for the next call alone")
            capabilities.capset(effective | SYS_ADMIN, permitted | SYS_ADMIN, inheritable)
        listener = seccomp.set_mode_filter(confinement.program, confinement.flags)
        if confinement.sets is not None and not executes:
            because("what was lent for the call before")
            capabilities.capset(*confinement.sets)
    return listener


def find(config: Process) -> str:
    """The program's path, by PATH of the container's environment as execvp(3) would.

    Raises CommandNotFound or CommandNotExecutable with Docker's wording.
    """
    if not config.args:
        raise InvalidConfig("config.json: process.args is empty")
    name = config.args[0]
    if not name:
        raise CommandNotFound("exec: no command")
    if "/" in name:
        _check(name, name)
        return name
    path = next((v[5:] for v in reversed(config.env) if v.startswith("PATH=")), DEFAULT_PATH)
    refused: Exception | None = None
    for folder in path.split(":"):
        candidate = os.path.join(folder or ".", name)
        try:
            _check(candidate, name)
            return candidate
        except CommandNotExecutable as error:
            refused = refused or error
        except CommandNotFound:
            continue
    raise refused or CommandNotFound(f'exec: "{name}": executable file not found in $PATH')


def _check(path: str, name: str) -> None:
    try:
        status = os.stat(path)
    except PermissionError:
        raise CommandNotExecutable(f'exec: "{name}": permission denied') from None
    except OSError as error:
        # As Go writes it: engines know exit codes 126 and 127 by these words.
        raise CommandNotFound(f'exec: "{name}": stat {path}: {str(error.strerror).lower()}') from None
    if stat.S_ISDIR(status.st_mode):
        # What execve(2) would say.
        raise CommandNotExecutable(f'exec: "{name}": is a directory: permission denied')
    if not os.access(path, os.X_OK, effective_ids=True):
        raise CommandNotExecutable(f'exec: "{name}": permission denied')


def _refuse_own_interpreter(path: str, name: str) -> None:
    """An image's ``#!/proc/self/exe`` would start the host's Python, which runs this process, with the
    image's libraries: and let it open that file (CVE-2019-5736).

    Where the same file is on a mount of the container's own, whoever asked for that mount gave it.
    A container that exchanges the file between this look and execve is not caught.
    """
    try:
        own = os.stat("/proc/self/exe")
    except FileNotFoundError:
        return  # no /proc, no way to it
    for _ in range(MOST_INTERPRETERS):
        found = os.stat(path)
        if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino) and not _on_own_mount(path):
            raise CommandNotExecutable(f'exec: "{name}": leads to the interpreter of the runtime itself')
        following = _interpreter(path)
        if following is None or not os.path.exists(following):
            return
        path = following


def _on_own_mount(path: str) -> bool:
    """Whether a file is reached through a mount of this mount namespace (proc(5), fdinfo's mnt_id)."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{fd}") as info:
            mount_id = next(line.split()[1] for line in info if line.startswith("mnt_id:"))
    finally:
        os.close(fd)
    with open("/proc/self/mountinfo") as table:
        return any(line.split(" ", 1)[0] == mount_id for line in table)


def _interpreter(path: str) -> str | None:
    """What a script's first line names; None for anything but a script."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return None  # executable, not readable: the kernel would not read a first line either
    try:
        first = os.read(fd, 256).partition(b"\n")[0]
    finally:
        os.close(fd)
    words = first[2:].split(None, 1)
    return os.fsdecode(words[0]) if first.startswith(b"#!") and words else None


def environment(config: Process) -> dict[str, str]:
    """The environment that execve gets; later entries win.  Without HOME, that of the user in /etc/passwd."""
    found: dict[str, str] = {}
    for index, entry in enumerate(config.env):
        name, equals, value = entry.partition("=")
        if not name or not equals or "\0" in entry:
            raise InvalidConfig(f"config.json: process.env[{index}]: {entry!r} is not NAME=value")
        found[name] = value
    if "HOME" not in found:
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found["HOME"] = home_of(root, config.user.uid)
        finally:
            os.close(root)
    return found


def become_program(
    config: Process,
    program: str,
    variables: dict[str, str],
    confinement: Confinement | None = None,
    *,
    preserve_fds: int = 0,
) -> None:
    """`confine`, and execve; what the kernel refuses is raised with Docker's meaning, exit code 126 or 127.

    Without ``confinement`` there is no profile, or it is in force already.  ``preserve_fds`` descriptors
    from 3 on stay open.
    """
    import errno

    process.close_range(3 + preserve_fds)
    if confinement is not None:
        # As late as can be: what follows it, the profile must allow.
        confine(confinement)
    try:
        process.execve(program, config.args, variables)
    except OSError as error:
        reason = f'exec: "{config.args[0]}": {str(error.strerror).lower()}'
        wrapped: MinicontainerError
        if error.errno == errno.ENOENT:
            wrapped = CommandNotFound(f"{reason} (its interpreter or loader is missing in the image)")
        elif error.errno in (errno.EACCES, errno.ENOEXEC, errno.EPERM, errno.EISDIR, errno.ELIBBAD):
            wrapped = CommandNotExecutable(reason)
        else:
            raise
        wrapped.step = getattr(error, "step", None)
        raise wrapped from None
