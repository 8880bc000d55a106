"""Which system calls a container may make: a profile in Docker's format, resolved for one container.

::

    seccomp.json, or --security-opt seccomp=FILE          linux.seccomp of config.json
    { "defaultAction", "defaultErrnoRet", "flags",          the same
      "archMap": [{"architecture", "subArchitectures"}] ──► architectures, for this machine
      "syscalls": [{ "names", "action", "errnoRet", "args",  the same, for those entries that apply:
                     "includes": {"caps", "arches", "minKernel"},   all of these hold
                     "excludes": {"caps", "arches", "minKernel"} }] }   none of these does

Capabilities are those of the bounding set, as Docker takes them; architectures have Go's names.

``seccomp.json`` beside this file is the default.  Its effect is Docker's (moby: profiles/seccomp);
where Docker's versions differ: no io_uring, as since Docker 25; no AF_VSOCK and no AF_ALG sockets; the
calls of newer kernels that Docker 28 allows.  The small init of --init is confined as the program is,
like Docker's.
"""

from __future__ import annotations

import os

from minicontainer.errors import InvalidConfig, UsageError
from minicontainer.oci import jsontext
from minicontainer.oci.document import Document, convert
from minicontainer.oci.runtime import Seccomp, Syscall, SyscallArg
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.document import Uint32

DEFAULT_FILE = os.path.join(os.path.dirname(__file__), "seccomp.json")
OPTION = "seccomp"
UNCONFINED = "unconfined"
BUILTIN = "builtin"

# uname(2)'s machine -> (Go's name, the specification's)
MACHINES = {
    "x86_64": ("amd64", "SCMP_ARCH_X86_64"),
    "i686": ("386", "SCMP_ARCH_X86"),
    "aarch64": ("arm64", "SCMP_ARCH_AARCH64"),
    "armv7l": ("arm", "SCMP_ARCH_ARM"),
    "riscv64": ("riscv64", "SCMP_ARCH_RISCV64"),
    "ppc64le": ("ppc64le", "SCMP_ARCH_PPC64LE"),
    "s390x": ("s390x", "SCMP_ARCH_S390X"),
    "loongarch64": ("loong64", "SCMP_ARCH_LOONGARCH64"),
    "mips64": ("mips64", "SCMP_ARCH_MIPS64"),
}


class Condition(Document):
    """``includes`` or ``excludes`` of a rule."""

    caps: list[str] = []
    arches: list[str] = []
    min_kernel: str | None = None


class Rule(Document):
    """One entry of ``syscalls``; ``name`` is the older form of ``names``."""

    action: str
    name: str | None = None
    names: list[str] = []
    errno_ret: Uint32 | None = None
    args: list[SyscallArg] = []
    includes: Condition | None = None
    excludes: Condition | None = None


class Family(Document):
    """An architecture, and those whose programs its machines also run."""

    architecture: str
    sub_architectures: list[str] = []


class Profile(Document):
    """A file in Docker's format."""

    default_action: str
    default_errno_ret: Uint32 | None = None
    architectures: list[str] = []
    arch_map: list[Family] = []
    flags: list[str] | None = None
    listener_path: str | None = None
    listener_metadata: str | None = None
    syscalls: list[Rule] = []


def embed(option: str) -> str:
    """``--security-opt`` with the file that ``seccomp=FILE`` names in its place, as Docker keeps it: the
    container starts again with the same profile, whatever becomes of the file.

    Other options come back as they are.  Raises UsageError for a file that is missing or no profile.
    """
    key, separator, value = option.partition("=") if "=" in option else option.partition(":")
    if key != OPTION or not value or value in (UNCONFINED, BUILTIN):
        return option
    try:
        text = files.read(value).decode()
    except OSError as error:
        raise UsageError(f"opening seccomp profile ({value}) failed: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"seccomp profile ({value}) is not text") from None
    load(text, f"seccomp profile ({value})")
    return f"{key}{separator}{jsontext.dumps(jsontext.loads(text))}"


def load(text: str, source: str) -> Profile:
    """The profile in a JSON text.  Raises UsageError, beginning with ``source``."""
    try:
        profile = convert(Profile, jsontext.loads(text), source)
    except ValueError as error:
        raise UsageError(f"{source}: {error}") from None
    except InvalidConfig as error:
        raise UsageError(str(error)) from None
    if profile.architectures and profile.arch_map:
        raise UsageError(f"{source}: both architectures and archMap are given: use one of them")
    for index, rule in enumerate(profile.syscalls):
        if rule.name and rule.names:
            raise UsageError(f"{source}: syscalls[{index}]: both name and names are given: use names")
    return profile


def linux_seccomp(asked: str, capabilities: list[str], *, privileged: bool) -> Seccomp | None:
    """linux.seccomp of a container with these capabilities; None for one that is not confined.

    ``asked`` is empty, ``builtin``, ``unconfined``, or a profile's text.  A privileged container has
    the profile it asks for, and none by itself.  Raises UsageError for a text that is no profile.
    """
    if asked == UNCONFINED or (privileged and not asked):
        return None
    if asked in ("", BUILTIN):
        profile = load(files.read(DEFAULT_FILE).decode(), DEFAULT_FILE)
    else:
        profile = load(asked, "seccomp profile")
    return resolve(profile, capabilities, os.uname())


def resolve(profile: Profile, capabilities: list[str], machine: os.uname_result) -> Seccomp | None:
    """The rules of ``profile`` that apply; None for a profile that says nothing."""
    if not profile.default_action and not profile.syscalls:
        return None
    go_name, native = MACHINES.get(machine.machine, ("", ""))
    architectures = profile.architectures
    for family in profile.arch_map:
        if family.architecture == native:
            architectures = [native, *family.sub_architectures]
    kernel = _release(machine.release)
    return Seccomp(
        default_action=profile.default_action,
        default_errno_ret=profile.default_errno_ret,
        architectures=architectures,
        flags=profile.flags,
        listener_path=profile.listener_path,
        listener_metadata=profile.listener_metadata,
        syscalls=[
            Syscall(names=rule.names or [rule.name or ""], action=rule.action, errno_ret=rule.errno_ret,
                    args=rule.args)
            for rule in profile.syscalls
            if _applies(rule, capabilities, go_name, kernel)
        ],
    )  # fmt: skip


def _applies(rule: Rule, capabilities: list[str], architecture: str, kernel: tuple[int, int]) -> bool:
    wanted, unwanted = rule.includes, rule.excludes
    if unwanted is not None and (
        architecture in unwanted.arches
        or any(name in capabilities for name in unwanted.caps)
        or (unwanted.min_kernel and kernel >= _release(unwanted.min_kernel))
    ):
        return False
    return wanted is None or (
        (not wanted.arches or architecture in wanted.arches)
        and all(name in capabilities for name in wanted.caps)
        and (not wanted.min_kernel or kernel >= _release(wanted.min_kernel))
    )


def _release(text: str) -> tuple[int, int]:
    """(6, 1) for ``6.1.0-18-amd64``."""
    major, _, rest = text.partition(".")
    minor = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    if not major.isdigit() or not minor:
        raise UsageError(f"{text!r} is not a kernel's version, as 4.8")
    return int(major), int(minor)
