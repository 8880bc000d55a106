"""What is wrong with a config.json on any host, said before anything is made.

Types are document.py's to check, and what the kernel knows better (a path, a number that it refuses)
is left to it.  Here is what would otherwise be a silence: a field that says nothing in its place, two
that contradict each other, and what this runtime does not do.
"""

from __future__ import annotations

import os

from minicontainer.errors import InvalidConfig, Unsupported
from minicontainer.linux import namespaces

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Linux, Process, Spec, User

NO_ID = 2**32 - 1
MOST_GROUPS = 65536  # NGROUPS_MAX (setgroups(2))
LONGEST_INTERFACE = 15  # IFNAMSIZ without its zero


def check(spec: Spec) -> None:
    """Raise InvalidConfig or Unsupported, with the field and its value."""
    check_version(spec.oci_version)
    if spec.process is None:
        raise InvalidConfig("config.json: process is missing")
    if spec.root is None:
        raise InvalidConfig("config.json: root is missing")
    _check_places(spec, spec.root.path)
    check_process(spec.process, spec.linux.mount_label if spec.linux else None)
    if spec.linux is not None:
        _check_namespaces(spec.linux)
        _check_linux(spec.linux)


def _check_places(spec: Spec, root: str) -> None:
    if not root:
        raise InvalidConfig("config.json: root.path is empty")
    own_mounts = any(n.type == "mount" and not n.path for n in (spec.linux.namespaces if spec.linux else []))
    if own_mounts and os.path.normpath(root) == "/":
        raise InvalidConfig("config.json: root.path: / is the host's own root, which cannot be a container's")
    for index, mount in enumerate(spec.mounts):
        if os.path.normpath("/" + mount.destination) in ("/", "//"):
            place = f"config.json: mounts[{index}].destination"
            raise InvalidConfig(f"{place}: {mount.destination!r} is the root itself, which root.path names")


def check_version(version: str) -> None:
    """``ociVersion`` is a version by semver.org, between `FIRST_VERSION` and `LAST_VERSION`.

    Only its first two numbers count: what differs after them, or before a release, is read the same.
    """
    from minicontainer.oci.runtime import FIRST_VERSION, LAST_VERSION

    core, dash, before_release = version.partition("+")[0].partition("-")
    numbers = core.split(".")
    if len(numbers) != 3 or not all(map(_is_number, numbers)) or (dash and not before_release):
        raise InvalidConfig(f"config.json: ociVersion: {version!r} is not a version such as 1.2.0")
    release = [int(number) for number in numbers[:2]]
    first, last = ([int(n) for n in known.split(".")[:2]] for known in (FIRST_VERSION, LAST_VERSION))
    if not first <= release <= last:
        raise Unsupported(
            f"config.json: ociVersion: {version} is not understood, only {FIRST_VERSION} to {LAST_VERSION}"
        )


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and (text == "0" or not text.startswith("0"))


def check_process(process: Process, mount_label: str | None = None) -> None:
    """What this host cannot do for a process, of exec too; args and cwd are process.py's to judge."""
    _check_user(process.user)
    if process.apparmor_profile or process.selinux_label or mount_label:
        from minicontainer.libcontainer import labels

        labels.check(process, mount_label)
    # Inside the container nothing could be imported any more.
    if process.rlimits:
        from minicontainer.linux import limits  # noqa: F401
    if process.scheduler or process.io_priority or process.exec_cpu_affinity:
        from minicontainer.libcontainer import scheduling  # noqa: F401


def import_for(linux: Linux) -> None:
    """What the process will need for these fields; inside the container it could not be imported."""
    if linux.memory_policy is not None:
        from minicontainer.libcontainer import scheduling  # noqa: F401
    if linux.personality is not None:
        from minicontainer.linux import personality  # noqa: F401


def _check_user(user: User) -> None:
    """Of setresuid(2), 2**32 - 1 asks for no change: the program would be root."""
    if len(user.additional_gids) > MOST_GROUPS:
        raise InvalidConfig(
            f"config.json: process.user.additionalGids: {len(user.additional_gids)} groups, and the kernel"
            f" takes {MOST_GROUPS}"
        )
    given = [("uid", user.uid), ("gid", user.gid)]
    given += [(f"additionalGids[{index}]", gid) for index, gid in enumerate(user.additional_gids)]
    for name, number in given:
        if number == NO_ID:
            raise InvalidConfig(f"config.json: process.user.{name}: {number} is nobody's number")


def _check_namespaces(linux: Linux) -> None:
    seen: set[str] = set()
    for index, namespace in enumerate(linux.namespaces):
        place = f"config.json: linux.namespaces[{index}].type"
        if namespace.type not in namespaces.FLAGS:
            raise InvalidConfig(f"{place}: unknown namespace type {namespace.type!r}")
        if namespace.type in seen:
            raise InvalidConfig(f"{place}: a second namespace of type {namespace.type!r}")
        if not namespaces.supported(namespace.type):
            raise Unsupported(f"{place}: this kernel has no {namespace.type} namespaces")
        seen.add(namespace.type)
    if "user" not in seen:
        for name, mappings in (("uid", linux.uid_mappings), ("gid", linux.gid_mappings)):
            if mappings:
                raise InvalidConfig(f"config.json: linux.{name}Mappings: there is no user namespace to map")


def _check_linux(linux: Linux) -> None:
    path = linux.cgroups_path or ""
    if path.count(":") == 2 and "/" not in path:
        raise Unsupported(
            f"config.json: linux.cgroupsPath: {path!r} names a unit of systemd's, and control groups are"
            " made without systemd here"
        )
    import_for(linux)
    if linux.time_offsets and not any(n.type == "time" and not n.path for n in linux.namespaces):
        raise InvalidConfig("config.json: linux.timeOffsets: there is no new time namespace to set")
    if linux.net_devices:
        _check_devices(linux)
    if linux.personality is not None and linux.personality.flags:
        # The specification knows none yet.
        raise Unsupported(f"config.json: linux.personality.flags: {linux.personality.flags} are not known")
    if linux.intel_rdt is not None:
        raise Unsupported("config.json: linux.intelRdt: cache and memory bandwidth are not divided here")


def _check_devices(linux: Linux) -> None:
    if not any(n.type == "network" for n in linux.namespaces):
        raise InvalidConfig("config.json: linux.netDevices: there is no network namespace to move them to")
    taken: set[str] = set()
    for name, device in linux.net_devices.items():
        inside = device.name or name
        for text in (name, inside):
            if not _is_interface(text):
                raise InvalidConfig(f"config.json: linux.netDevices: {text!r} cannot be an interface's name")
        if inside in taken:
            raise InvalidConfig(f"config.json: linux.netDevices.{name}: a second interface named {inside!r}")
        taken.add(inside)


def _is_interface(name: str) -> bool:
    """dev_valid_name of the kernel's net/core/dev.c, and no ``%d`` for it to number."""
    if not name or len(name.encode()) > LONGEST_INTERFACE or name in (".", ".."):
        return False
    return not any(c in "/:%" or c.isspace() or c == "\0" for c in name)
