"""``--security-opt`` (docker-run(1)): what a container is kept from, beside its capabilities.

===============================  ================================================================
``no-new-privileges[:BOOL]``     no program can give it more than it has (PR_SET_NO_NEW_PRIVS)
``apparmor=PROFILE``             the AppArmor profile of its programs, or ``unconfined``
``label=KEY:VALUE``              a part of its SELinux label: user, role, type, level
``label=disable``                no SELinux label of its own
``mask=PATH[:PATH...]``          more paths that it may not read
``unmask=ALL|PATH[:PATH...]``    paths that it may read and write after all; ``*`` matches any text
``systempaths=unconfined``       none of /proc and /sys is hidden or read-only
``seccomp=FILE|unconfined``      which system calls it may make
===============================  ================================================================

``:`` may stand for the first ``=``, as in older Dockers.  A label that this kernel has no module for
is an error: who asks for one relies on it.
"""

from __future__ import annotations

import os

from minicontainer.engine import seccomp
from minicontainer.errors import Unsupported, UsageError

LABEL_KEYS = ("user", "role", "type", "level", "filetype")
MASKED = (
    "/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware",
    "/sys/devices/virtual/powercap",
)  # fmt: skip
READONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

APPARMOR_ENABLED = "/sys/module/apparmor/parameters/enabled"
SELINUX = "/sys/fs/selinux/enforce"
# What container-selinux gives a container (container_selinux(8)).
PROCESS_LABEL = {"user": "system_u", "role": "system_r", "type": "container_t"}
FILE_LABEL = {"user": "system_u", "role": "object_r", "type": "container_file_t"}


class Security:
    """What the options ask for; ``seccomp`` and ``apparmor`` are empty for the default."""

    __slots__ = ("apparmor", "label", "mask", "no_new_privileges", "seccomp", "unmask")

    def __init__(self) -> None:
        self.no_new_privileges = False
        self.apparmor = ""
        self.seccomp = ""
        self.label: list[str] = []
        self.mask: list[str] = []
        self.unmask: list[str] = []

    def masked(self, *, privileged: bool) -> list[str]:
        """linux.maskedPaths: those of every container, less ``unmask``, and ``mask``."""
        usual = [] if privileged else [path for path in MASKED if not self._unmasked(path)]
        return usual + [path for path in self.mask if path not in usual]

    def readonly(self, *, privileged: bool) -> list[str]:
        """linux.readonlyPaths, less ``unmask``."""
        return [] if privileged else [path for path in READONLY if not self._unmasked(path)]

    def _unmasked(self, path: str) -> bool:
        return any(_matches(pattern, path) for pattern in self.unmask)


def parse(options: list[str]) -> Security:
    """The meaning of all ``--security-opt``.  Raises UsageError for one that is none."""
    found = Security()
    for option in options:
        key, value = _divided(option)
        if key == "no-new-privileges":
            found.no_new_privileges = _boolean(option, value)
        elif not value:
            raise UsageError(f'invalid --security-opt: "{option}"')
        elif key == "label":
            found.label.append(_label(option, value))
        elif key in ("apparmor", "seccomp"):
            setattr(found, key, value)
        elif key in ("mask", "unmask"):
            getattr(found, key).extend(_paths(option, value))
        elif key == "systempaths" and value == "unconfined":
            found.unmask.append("ALL")
        else:
            raise UsageError(f'invalid --security-opt: "{option}"')
    return found


def check(options: list[str], container_id: str) -> None:
    """Raise UsageError for an option that is none, Unsupported for one that this kernel cannot do."""
    found = parse(options)
    if found.seccomp:
        seccomp.linux_seccomp(found.seccomp, [], privileged=False)
    apparmor_profile(found.apparmor, privileged=False)
    selinux_labels(found.label, container_id, privileged=False)


def _divided(option: str) -> tuple[str, str]:
    equals, colon = option.find("="), option.find(":")
    at = min((place for place in (equals, colon) if place >= 0), default=len(option))
    return option[:at], option[at + 1 :]


def _boolean(option: str, value: str) -> bool:
    if value.lower() in ("", "true", "1", "t"):
        return True
    if value.lower() in ("false", "0", "f"):
        return False
    raise UsageError(f'invalid --security-opt: "{option}": it is true or false')


def _label(option: str, value: str) -> str:
    key, _, part = value.partition(":")
    if value == "disable" or (key in LABEL_KEYS and part):
        return value
    wanted = "disable, or one of user, role, type, level, filetype with a value, as type:container_t"
    raise UsageError(f'invalid --security-opt: "{option}": a label is {wanted}')


def _paths(option: str, value: str) -> list[str]:
    paths = value.split(":")
    for path in paths:
        if not path.startswith("/") and not (path == "ALL" and option.startswith("unmask")):
            raise UsageError(f'invalid --security-opt: "{option}": {path!r} is not an absolute path')
    return paths


def _matches(pattern: str, path: str) -> bool:
    if pattern == "ALL":
        return True
    if "*" not in pattern and "?" not in pattern and "[" not in pattern:
        return path == pattern
    from fnmatch import fnmatchcase

    return fnmatchcase(path, pattern)


def apparmor_profile(asked: str, *, privileged: bool) -> str | None:
    """process.apparmorProfile.  Raises Unsupported for a profile on a kernel without AppArmor."""
    if not asked or privileged:
        return None
    if os.path.exists(APPARMOR_ENABLED):
        with open(APPARMOR_ENABLED) as file:
            if file.read().strip() == "Y":
                return asked
    if asked == "unconfined":
        return None
    raise Unsupported(f"AppArmor is not supported on this host, but the profile '{asked}' was specified")


def selinux_labels(asked: list[str], container_id: str, *, privileged: bool) -> tuple[str, str] | None:
    """(process.selinuxLabel, linux.mountLabel), or None for none.

    Two categories of the container's own (its level) keep it from the files of others.  Raises
    Unsupported for a label on a kernel without SELinux.
    """
    given = dict(entry.split(":", 1) for entry in asked if entry != "disable")
    if not os.path.exists(SELINUX):
        if given:
            shown = ", ".join(f"label={entry}" for entry in asked)
            raise Unsupported(f"SELinux is not enabled on this host, but {shown} was specified")
        return None
    if "disable" in asked or (privileged and not given):
        return None
    first, second = sorted((int(container_id[:4], 16) % 1024, int(container_id[4:8], 16) % 1023))
    level = given.get("level") or f"s0:c{first},c{second + (first == second)}"
    process = {**PROCESS_LABEL, **{key: given[key] for key in PROCESS_LABEL if key in given}}
    files = {**FILE_LABEL, **({"type": given["filetype"]} if "filetype" in given else {})}
    return _joined(process, level), _joined(files, level)


def _joined(parts: dict[str, str], level: str) -> str:
    return ":".join([parts["user"], parts["role"], parts["type"], level])
