"""The last steps before execve, the same for a container's first program and for exec.

    limits, personality ─► bounding set ─► groups, user ─► cwd ─► capability sets ─► no_new_privs
           ─► program found ─► the limit of open files ─► seccomp's program ─► execve

The order is the kernel's: the bounding set needs CAP_SETPCAP, which a change of user takes away;
the other sets can only be cut after that change; the working folder must be one that the new user
may enter.  Without no_new_privs a seccomp program needs CAP_SYS_ADMIN, which most containers lack:
it is lent to the process, as permitted, until the program is in.

The limit of open files is the program's, and what our caller has open counts: so it is lowered when
nothing more will be opened.  It is raised among the other limits, while that is still allowed.
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
from minicontainer.libcontainer import executable
from minicontainer.libcontainer.user import home_of
from minicontainer.linux import capabilities, credentials, keyring, mount, prctl, process
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.libcontainer.confinement import Confinement
    from minicontainer.oci.runtime import Capabilities, Linux, Process

SYS_ADMIN = capabilities.mask(["CAP_SYS_ADMIN"])
SETGID = capabilities.mask(["CAP_SETGID"])
FILES = "RLIMIT_NOFILE"
UMASK = 0o022  # of everything that is made, and of a program unless process.user.umask says otherwise


class Program:
    """What execve gets: the file at ``path``, the arguments of ``config``, the environment.

    ``files``: the limit of open files, as (field, soft, hard), where it is still to be lowered.
    """

    __slots__ = ("config", "files", "path", "variables")

    def __init__(
        self, config: Process, path: str, variables: dict[str, str], files: tuple[str, int, int] | None
    ) -> None:
        self.config = config
        self.path = path
        self.variables = variables
        self.files = files

    def limit_files(self) -> None:
        """Lower the limit of open files; a second time does nothing.  Whoever is confined before
        `become` calls it before that: the profile may not allow it."""
        if self.files is not None:
            (name, soft, hard), self.files = self.files, None
            with field(name):
                from minicontainer.linux import limits

                because("it counts what our caller has open too, so it is the last limit")
                limits.setrlimit(FILES, soft, hard)

    def become(self, confinement: Confinement | None = None, *, preserve_fds: int = 0) -> None:
        """`confine`, and execve; what the kernel refuses is raised with Docker's meaning, exit code 126
        or 127.

        Without ``confinement`` there is no profile, or it is in force already.  ``preserve_fds``
        descriptors from 3 on stay open.
        """
        process.close_range(3 + preserve_fds)
        self.limit_files()
        if confinement is not None:
            # As late as can be: what follows it, the profile must allow.
            confine(confinement)
        try:
            process.execve(self.path, self.config.args, self.variables)
        except OSError as error:
            refused = _refused(self.config.args[0], error)
            if refused is error:
                raise
            raise refused from None


def _refused(name: str, error: OSError) -> Exception:
    """What execve's error means for the caller of a container."""
    import errno

    reason = f'exec: "{name}": {str(error.strerror).lower()}'
    wrapped: MinicontainerError
    if error.errno == errno.ENOENT:
        wrapped = CommandNotFound(f"{reason} (its interpreter or loader is missing in the image)")
    elif error.errno in (errno.EACCES, errno.ENOEXEC, errno.EPERM, errno.EISDIR, errno.ELIBBAD):
        wrapped = CommandNotExecutable(reason)
    else:
        return error
    wrapped.step = getattr(error, "step", None)
    return wrapped


def prepare(
    config: Process, linux: Linux | None = None, confinement: Confinement | None = None, proc: int = -1
) -> Program:
    """Everything up to `Program.become`.  ``proc`` is of `hold_proc`.

    Raises CommandNotFound, CommandNotExecutable, InvalidConfig with the field, or OSError.
    """
    files = _limit(config)
    _schedule(config, linux)
    if linux is not None and linux.personality is not None:
        _choose_domain(linux.personality.domain)
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
    path = executable.find(config)
    executable.refuse_own_interpreter(path, config.args[0])
    if proc >= 0:
        from minicontainer.libcontainer import labels

        labels.apply(config, proc)  # before no_new_privs, which forbids some changes of label
    if config.no_new_privileges:
        prctl.set_no_new_privs()
    return Program(config, path, environment(config), files)


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


def _limit(config: Process) -> tuple[str, int, int] | None:
    """Set the limits; Program.files."""
    files = None
    if config.rlimits:
        from minicontainer.linux import limits  # imported by the parent
    for index, limit in enumerate(config.rlimits):
        place = f"process.rlimits[{index}] ({limit.type})"
        with field(place):
            if limit.type not in limits.RLIMITS:
                raise InvalidConfig(f"unknown resource limit {limit.type!r}")
            # The specification's uint64 maximum is the kernel's RLIM_INFINITY, Python's -1.
            soft, hard = (-1 if value == 2**64 - 1 else value for value in (limit.soft, limit.hard))
            if limit.type == FILES and 0 <= soft <= hard:
                now = limits.getrlimit(FILES)
                until_then = max(soft, now[0]), max(hard, now[1])
                files = (place, soft, hard) if until_then != (soft, hard) else None
                if files is not None and until_then == now:
                    continue
                soft, hard = until_then
            limits.setrlimit(limit.type, soft, hard)
    return files


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


def _choose_domain(name: str) -> None:
    from minicontainer.linux import personality  # imported by the parent

    with field("linux.personality"):
        if name not in personality.DOMAINS:
            raise InvalidConfig(f"unknown domain {name!r}")
        personality.personality(personality.DOMAINS[name])


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
