"""A container's processes to image files: what criu must be told to dump it.

criu reads the tree of processes from the kernel.  What the tree does not say is what comes from
outside, to be there again at restore instead of being saved::

    mounts of the host's files      ext_mnt (place, cookie); the cookie is the place, or /dev/null
                                    for what hides a file (as runc, so that either restores the
                                    other's images)
    namespaces by path              external net[INODE]:extRootNetNS, pid[INODE]:extRootPidNS
    standard streams                descriptors.json, ["/dev/null", "pipe:[4711]", "file[1b:2a4f]"];
                                    whoever restores gives his own for pipes and the host's files
    the terminal's master           orphan_pts_master: whoever restores is given a new one

Which mounts those are, config.json says (what is bound); where they are, the container's mountinfo.
"""

from __future__ import annotations

import os

from minicontainer.errors import NotFound, Unsupported, UsageError
from minicontainer.libcontainer import criu, mounts
from minicontainer.libcontainer import state as states
from minicontainer.libcontainer.devices import DEFAULT_DEVICES
from minicontainer.linux import namespaces, openat2
from minicontainer.oci import jsontext
from minicontainer.oci.runtime import load_spec
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.libcontainer.container import Container
    from minicontainer.oci.runtime import Mount, Spec

DESCRIPTORS = "descriptors.json"
LOG_LEVEL = 4
# Namespaces that criu leaves alone when told so; config-linux.md's name -> (criu's, the key's part).
EXTERNAL = {"network": ("net", "Net"), "pid": ("pid", "Pid")}
CONFIG_ANNOTATION = "org.criu.config"
CONFIG = "/etc/criu/runc.conf"  # what administrators write for every runtime with runc's command line
NULL = "/dev/null"
# In a user namespace they are the host's, bound.
DEFAULT_PLACES = [path for path, _, _ in DEFAULT_DEVICES]


class Options:
    """What may be asked of both; ``images`` and ``work`` are folders, ``work`` may be "".

    ``passed`` are criu's own options (criu.OPTIONS) by name, from the command line.  ``parent`` is the
    folder of an earlier dump, relative to ``images``.  ``status_fd`` is told of a ready page server.
    """

    __slots__ = ("cgroups", "images", "leave_running", "parent", "passed", "pre_dump", "program",
                 "status_fd", "work")  # fmt: skip

    def __init__(self, program: str, images: str, work: str, cgroups: str, passed: dict[str, Any]) -> None:
        """Raises UsageError for an unknown ``cgroups`` mode, Unsupported where there is no criu."""
        if cgroups not in criu.CGROUP_MODES:
            raise UsageError(f"--manage-cgroups-mode {cgroups}: not one of soft, full, strict, ignore")
        self.program = criu.find(program)
        self.images = os.path.abspath(images)
        self.work = os.path.abspath(work) if work else ""
        self.cgroups = cgroups
        self.passed = passed
        self.parent = ""
        self.leave_running = False
        self.pre_dump = False
        self.status_fd = -1

    def log(self, verb: str) -> str:
        """The file that criu writes its log to."""
        return f"{self.work or self.images}/{verb}.log"

    def common(self, verb: str, annotations: dict[str, str]) -> dict[str, Any]:
        """criu's options of dump and restore alike, but for the folders."""
        # Networks are the caller's, before the start or by hooks; criu makes an empty namespace.
        found: dict[str, Any] = {
            "log_level": LOG_LEVEL, "log_file": os.path.basename(self.log(verb)), "notify_scripts": True,
            "manage_cgroups": True, "manage_cgroups_mode": criu.CGROUP_MODES[self.cgroups],
            "empty_ns": namespaces.FLAGS["network"], "orphan_pts_master": True, **self.passed,
        }  # fmt: skip
        config = annotations.get(CONFIG_ANNOTATION, CONFIG)
        if config:
            found["config_file"] = config
        return found


class Folders:
    """The images' and the work folder, open for criu: ``options``."""

    def __init__(self, options: Options) -> None:
        self.paths = {"images_dir_fd": options.images} | (
            {"work_dir_fd": options.work} if options.work else {}
        )
        self.options = {name: _open_folder(path) for name, path in self.paths.items()}

    def __enter__(self) -> Folders:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self.options.values():
            os.close(fd)

    def reopen(self) -> None:
        """At the same numbers, in the mount namespace that this process is in now."""
        for name, path in self.paths.items():
            fd = _open_folder(path)
            os.dup2(fd, self.options[name])
            os.close(fd)


def _open_folder(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def checkpoint(container: Container, options: Options) -> None:
    """Dump a running container; with ``leave_running`` or ``pre_dump`` it goes on, else it is gone.

    Raises Conflict for one that does not run, Unsupported, MinicontainerError with criu's last errors:
    the container then runs as before.
    """
    record = container.record
    states.require(record.id, "checkpoint", container.status())
    spec = _spec(record.bundle)
    refuse(spec)
    if options.pre_dump:
        require_features(options, "mem_track", "pre-dump")
    if options.passed.get("lazy_pages"):
        require_features(options, "lazy_pages", "lazy pages")
    for folder in (options.images, options.work):
        if folder:
            make_folder(folder, spec)
    with Folders(options) as folders:
        asked = {**folders.options, **options.common("dump", record.annotations)}
        asked |= _of(container, spec, options)
        if not options.pre_dump:
            streams = descriptors(record.pid)
            asked["external"] += [entry for entry in dict.fromkeys(streams) if entry.startswith("file[")]
            files.write_atomic(f"{options.images}/{DESCRIPTORS}", jsontext.dumps(streams).encode())
        kind = criu.PRE_DUMP if options.pre_dump else criu.DUMP
        request = criu.Request(kind, asked, options.log("dump"))
        request.notified = lambda event, pid, fd: tell_ready(options, event)
        request.inherited = [*folders.options.values()]
        request.run(options.program)
    if not options.pre_dump and not options.leave_running:
        container.delete(force=True)


def refuse(spec: Spec) -> None:
    """Raises Unsupported for what criu would not restore as it was."""
    spaces = spec.linux.namespaces if spec.linux else []
    if not any(namespace.type == "mount" and not namespace.path for namespace in spaces):
        raise Unsupported("criu: a container needs a mount namespace of its own, to be restored into one")
    for namespace in spaces:
        if namespace.path and namespace.type in ("cgroup", "time"):
            raise Unsupported(
                f"criu cannot restore a container into a {namespace.type} namespace that exists"
            )
    for index, mount in enumerate(spec.mounts):
        if mounts.Options(mount.options).idmap or mount.uid_mappings or mount.gid_mappings:
            raise Unsupported(f"config.json: mounts[{index}]: criu cannot restore an id-mapped mount")


def make_folder(path: str, spec: Spec) -> None:
    """A folder for criu's files, which hold the container's memory and have mode 0644.

    What criu restores in a user namespace is not root for the host, and looks for files there: its
    group may search the folder.
    """
    if os.path.isdir(path):
        return
    os.makedirs(path, 0o700)
    mappings = spec.linux.gid_mappings if spec.linux else []
    root = next((m.host_id for m in mappings if m.container_id == 0), 0)
    if root:
        os.chown(path, -1, root)
        os.chmod(path, 0o710)


def _spec(bundle: str) -> Spec:
    path = os.path.join(bundle, "config.json")
    try:
        return load_spec(files.read(path))
    except FileNotFoundError:
        raise NotFound(f"{path} is gone: it says which namespaces are not the container's") from None


def _of(container: Container, spec: Spec, options: Options) -> dict[str, Any]:
    record = container.record
    found: dict[str, Any] = {
        "pid": record.pid, "root": record.rootfs, "leave_running": options.leave_running,
        "external": external_namespaces(spec),
    }  # fmt: skip
    group = freezer(container)
    if group:
        found["freeze_cgroup"] = group
    found["cgroup_dump_controller"] = own_controllers(container)
    if options.parent:
        found |= {"parent_img": options.parent, "track_mem": True}
    if not options.pre_dump:
        found["ext_mnt"] = external_mounts(record.pid, spec)
    return found


def require_features(options: Options, feature: str, what: str) -> None:
    """Raises Unsupported where this kernel, or this criu, lacks ``feature``."""
    if criu.Request(criu.FEATURE_CHECK, {feature: True}).missing(options.program):
        raise Unsupported(f"{what}: this kernel, or criu, lacks {feature} ('criu check --all' says more)")


def tell_ready(options: Options, event: str) -> None:
    """Write the byte that --status-fd asks for."""
    if event == "status-ready" and options.status_fd >= 0:
        os.write(options.status_fd, b"\0")
        os.close(options.status_fd)
        options.status_fd = -1


def external_namespaces(spec: Spec) -> list[str]:
    """``net[INODE]:extRootNetNS`` for a network or pid namespace that has a path."""
    found = []
    for namespace in spec.linux.namespaces if spec.linux else []:
        if namespace.path and namespace.type in EXTERNAL:
            name, part = EXTERNAL[namespace.type]
            found.append(f"{name}[{os.stat(namespace.path).st_ino}]:extRoot{part}NS")
    return found


def external_mounts(pid: int, spec: Spec) -> list[tuple[str, str]]:
    """(place, cookie) of each mount of the host's in the container of process ``pid``."""
    linux = spec.linux
    inside = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        bound = {_resolved(inside, mount.destination): from_outside(pid, mount) for mount in spec.mounts}
        groups = [_resolved(inside, mount.destination) for mount in spec.mounts if mount.type == "cgroup"]
        hidden = [_resolved(inside, path) for path in linux.masked_paths] if linux else []
    finally:
        os.close(inside)
    nodes = [node.path for node in linux.devices] if linux else []
    found = {}
    for place, kind in mount_points(files.read(f"/proc/{pid}/mountinfo").decode(errors="surrogateescape")):
        if place in hidden and kind != "tmpfs":
            found[place] = NULL
        elif place in groups and kind == "tmpfs":
            continue  # what holds the folders of the groups is the container's own
        elif place in DEFAULT_PLACES or place in nodes or bound.get(_owner(place, bound)):
            found[place] = NULL if place == NULL else place
    return list(found.items())


def from_outside(pid: int | str, mount: Mount) -> bool:
    """Whether it shows the host's files: a bind mount, or the container's groups alone, which creation
    binds where there is no cgroup namespace."""
    if mount.type == "cgroup":
        return _host_namespace(pid, "cgroup")
    return mount.type == "bind" or mounts.Options(mount.options).bind


def mount_points(mountinfo: str) -> list[tuple[str, str]]:
    """(place, type) of every mount but the root's (proc_pid_mountinfo(5))."""
    found = []
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        place = unescape(before.split(" ")[4])
        if place != "/":
            found.append((place, after.split(" ", 1)[0]))
    return found


def _owner(place: str, bound: dict[str, bool]) -> str:
    """The mount of config.json that a mount belongs to: the nearest above it."""
    while place not in bound and place != "/":
        place = os.path.dirname(place)
    return place


def _resolved(root: int, path: str) -> str:
    """Where a path leads in the container, as its mountinfo names it; "" for nowhere."""
    try:
        fd = openat2.open_in_root(root, path.lstrip("/") or ".", os.O_PATH)
    except OSError:
        return ""  # nothing is mounted there, then
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def unescape(path: str) -> str:
    """A path of mountinfo: space, tab, newline and backslash are three octal digits there."""
    first, *rest = path.split("\\")
    return first + "".join(chr(int(part[:3], 8)) + part[3:] for part in rest)


def _host_namespace(pid: int | str, kind: str) -> bool:
    return os.readlink(namespaces.path(pid, kind)) == os.readlink(namespaces.path("self", kind))


def descriptors(pid: int) -> list[str]:
    """What the standard streams are: a path inside, ``pipe:[INODE]``, or ``file[MOUNT:INODE]`` (both in
    hexadecimal digits) for a file of the host's, which criu knows by that name only."""
    table = files.read(f"/proc/{pid}/mountinfo").decode(errors="surrogateescape")
    inside = {line.split(" ", 1)[0] for line in table.splitlines()}
    return [_stream(pid, stream, inside) for stream in (0, 1, 2)]


def _stream(pid: int, stream: int, inside: set[str]) -> str:
    try:
        target = os.readlink(f"/proc/{pid}/fd/{stream}")
        lines = files.read(f"/proc/{pid}/fdinfo/{stream}").decode().splitlines()
        inode = os.stat(f"/proc/{pid}/fd/{stream}").st_ino
    except FileNotFoundError:
        return ""
    mount = next((line.split()[1] for line in lines if line.startswith("mnt_id:")), "")
    if not target.startswith("/") or not mount or mount in inside:
        return target
    return f"file[{int(mount):x}:{inode:x}]"


def freezer(container: Container) -> str:
    """The group that criu freezes, so that nothing is forked meanwhile; "" where there is none."""
    hierarchies, path = container.cgroup.hierarchies, container.cgroup.path
    mount = hierarchies.bound.get("freezer") or hierarchies.unified
    folder = f"{mount}{path}"
    return folder if mount and os.path.isdir(folder) else ""


def own_controllers(container: Container) -> list[str]:
    """The hierarchies of cgroup v1 in which the container has a group, as /proc/PID/cgroup names them:
    of any other, criu would save every group that the host has, and make them again."""
    hierarchies, path = container.cgroup.hierarchies, container.cgroup.path
    places = {**hierarchies.bound, **{f"name={name}": place for name, place in hierarchies.named.items()}}
    return [name for name, place in places.items() if os.path.isdir(place + path)]
