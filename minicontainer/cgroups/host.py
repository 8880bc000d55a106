"""Which cgroup hierarchies this host has, and which controller is bound where (cgroups(7)).

A controller belongs to one v1 hierarchy or to the v2 one, never to both.  Read are::

    /proc/self/mountinfo   34 31 0:31 / /sys/fs/cgroup/cpuset rw,... - cgroup cgroup rw,cpuset
                           41 31 0:38 / /sys/fs/cgroup/unified rw,... - cgroup2 cgroup2 rw
    UNIFIED/cgroup.controllers   what v2 can hand out below its mount point
    /proc/cgroups          only to say why a controller is missing
"""

from __future__ import annotations

from minicontainer.util import files

# Every controller that was ever bound to a v1 hierarchy; other mount options are flags.
V1_CONTROLLERS = frozenset(
    ("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory", "misc",
     "net_cls", "net_prio", "perf_event", "pids", "rdma")
)  # fmt: skip


class Hierarchies:
    """The hierarchies as this process sees them.

    ``bound``: v1 controller -> mount point.  ``named``: name of a v1 hierarchy without controllers
    ("systemd") -> mount point.  ``unified``: the mount point of cgroup2 or None.
    ``unified_controllers``: what cgroup2 offers at that point.  ``read_only``: mount points that
    cannot be written.
    """

    __slots__ = ("bound", "known", "named", "read_only", "unified", "unified_controllers")

    def __init__(
        self,
        bound: dict[str, str],
        named: dict[str, str],
        unified: str | None,
        unified_controllers: set[str],
        read_only: set[str],
        known: str = "/proc/cgroups",
    ) -> None:
        self.bound = bound
        self.named = named
        self.unified = unified
        self.unified_controllers = unified_controllers
        self.read_only = read_only
        self.known = known

    @property
    def version(self) -> str:
        """``v1``, ``v2``, or ``hybrid`` where cgroup2 is mounted and v1 has controllers."""
        if self.unified is None:
            return "v1"
        return "hybrid" if self.bound else "v2"

    def where(self, controller: str) -> str:
        """Where ``controller`` is, as the end of "the memory controller is ..."."""
        if controller in self.bound:
            return f"bound to cgroup v1 at {self.bound[controller]}"
        if controller in self.unified_controllers:
            return f"bound to cgroup v2 at {self.unified}"
        # v2 renamed one controller; /proc/cgroups calls it blkio everywhere.
        row = _known(self.known).get({"io": "blkio"}.get(controller, controller))
        if row is None:
            return "not in this kernel"
        hierarchy, enabled = row
        if not enabled:
            return "disabled on the kernel's command line (cgroup_disable)"
        if hierarchy:
            return "bound to a cgroup v1 hierarchy that is not mounted here"
        if self.unified is not None:
            return f"not handed down to {self.unified}, nor mounted as cgroup v1"
        return "in this kernel but mounted nowhere"


def hierarchies(mountinfo: str = "/proc/self/mountinfo", cgroups: str = "/proc/cgroups") -> Hierarchies:
    """Read the hierarchies (proc_pid_mountinfo(5)).  Raises OSError."""
    bound: dict[str, str] = {}
    named: dict[str, str] = {}
    unified: str | None = None
    whole: set[str] = set()  # mount points that show their hierarchy from its root
    read_only: set[str] = set()
    lines = files.read(mountinfo).decode(errors="surrogateescape").splitlines()
    hidden = _hidden(lines)
    for line in lines:
        if " - cgroup" not in line:
            continue
        before, _, after = line.partition(" - ")
        fields, (kind, _source, options) = before.split(" "), after.split(" ", 2)
        if fields[0] in hidden:
            continue
        root, point = fields[3], _unescape(fields[4])
        flags = options.split(",")
        if root == "/":
            whole.add(point)
        if "ro" in fields[5].split(",") or "ro" in flags:
            read_only.add(point)
        if kind == "cgroup2":
            unified = _better(unified, point, whole)
        elif kind == "cgroup":
            for flag in flags:
                if flag in V1_CONTROLLERS:
                    bound[flag] = _better(bound.get(flag), point, whole)
                elif flag.startswith("name="):
                    named[flag[5:]] = _better(named.get(flag[5:]), point, whole)
    offered: set[str] = set()
    if unified is not None:
        offered.update(files.read(f"{unified}/cgroup.controllers").decode().split())
    return Hierarchies(bound, named, unified, offered, read_only, cgroups)


def _hidden(lines: list[str]) -> set[str]:
    """The ids of mounts that cannot be reached, because another was mounted over them or above them."""
    parent_of, point_of = {}, {}
    for line in lines:
        number, parent, _device, _root, point, _rest = line.split(" ", 5)
        parent_of[number], point_of[number] = parent, point
    # What is mounted on a mount's own root covers it.
    covered = {parent for number, parent in parent_of.items() if point_of.get(parent) == point_of[number]}
    hidden = set(covered)
    # Parents come before their children in the file, but for mounts that were moved.
    for number, parent in parent_of.items():
        inside_covered = parent in covered and point_of[number] != point_of[parent]
        if inside_covered or (parent in hidden and parent not in covered):
            hidden.add(number)
    return hidden


def _better(known: str | None, found: str, whole: set[str]) -> str:
    """Of two mounts of one hierarchy, the first that shows it from its root."""
    if known is None or (found in whole and known not in whole):
        return found
    return known


def _unescape(text: str) -> str:
    """mountinfo writes space, tab, newline and backslash as three octal digits."""
    if "\\" not in text:
        return text
    first, *rest = text.split("\\")
    return first + "".join(chr(int(part[:3], 8)) + part[3:] for part in rest)


def _known(path: str) -> dict[str, tuple[int, bool]]:
    """/proc/cgroups: controller -> (number of its v1 hierarchy or 0, enabled)."""
    try:
        lines = files.read(path).decode().splitlines()
    except FileNotFoundError:  # a kernel built without v1
        return {}
    rows = (line.split() for line in lines if not line.startswith("#"))
    return {name: (int(number), enabled == "1") for name, number, _groups, enabled in rows}
