"""A cgroup file system in a folder, for the drivers to write to without root.

It listens at the door, as the kernel would: a new group gets its files, a written file keeps the
value alone, a process that is written to cgroup.procs leaves the group it was in, rmdir refuses
groups that are in use, and a v2 group with processes refuses to hand controllers down.

Process ids are above the kernel's greatest (4194304), so that a signal can reach nobody.
"""

from __future__ import annotations

import errno
import os

from minicontainer.cgroups.host import Hierarchies, hierarchies

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from minicontainer.linux.door import Call

SOMEBODY = 4194304 + 1000

V1_HIERARCHIES = ("cpu,cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "hugetlb",
                  "net_cls,net_prio")  # fmt: skip
V1_COMMON = {"cgroup.procs": "", "tasks": ""}
V1 = {
    "cpu": {
        "cpu.shares": "1024", "cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000",
        "cpu.cfs_burst_us": "0", "cpu.idle": "0",
        "cpu.stat": "nr_periods 10\nnr_throttled 4\nthrottled_time 7000",
    },
    "cpuacct": {"cpuacct.usage": "5000000", "cpuacct.stat": "user 3\nsystem 1"},
    "cpuset": {"cpuset.cpus": "", "cpuset.mems": ""},
    "memory": {
        "memory.limit_in_bytes": "9223372036854771712", "memory.usage_in_bytes": "4096",
        "memory.max_usage_in_bytes": "8192", "memory.soft_limit_in_bytes": "9223372036854771712",
        "memory.memsw.limit_in_bytes": "9223372036854771712", "memory.memsw.usage_in_bytes": "5120",
        "memory.failcnt": "1", "memory.memsw.failcnt": "1", "memory.swappiness": "60",
        "memory.kmem.tcp.limit_in_bytes": "-1",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1",
        "memory.stat": "cache 100\ntotal_inactive_file 64",
    },
    "devices": {"devices.allow": "", "devices.deny": ""},
    "freezer": {"freezer.state": "THAWED"},
    "blkio": {
        "blkio.bfq.weight": "100", "blkio.bfq.weight_device": "",
        "blkio.throttle.read_bps_device": "", "blkio.throttle.write_bps_device": "",
        "blkio.throttle.read_iops_device": "", "blkio.throttle.write_iops_device": "",
        "blkio.throttle.io_service_bytes_recursive": "8:0 Read 10\n8:0 Write 20\n8:16 Read 1\nTotal 31",
        "blkio.throttle.io_serviced_recursive": "8:0 Read 3\n8:0 Write 4\nTotal 7",
    },
    "pids": {"pids.max": "max", "pids.current": "2", "pids.events": "max 5"},
    "hugetlb": {"hugetlb.2MB.limit_in_bytes": "-1", "hugetlb.2MB.rsvd.limit_in_bytes": "-1"},
    "net_cls": {"net_cls.classid": "0"},
    "net_prio": {"net_prio.ifpriomap": "lo 0\neth0 0"},
}  # fmt: skip

V2_CONTROLLERS = "cpuset cpu io memory hugetlb pids"
V2_COMMON = {
    "cgroup.procs": "", "cgroup.subtree_control": "", "cgroup.freeze": "0", "cgroup.kill": "",
    "cgroup.events": "populated 0\nfrozen 0", "cgroup.type": "domain",
    "cpu.stat": "usage_usec 5000\nuser_usec 3000\nsystem_usec 1000\nnr_periods 10\nnr_throttled 4\n"
    "throttled_usec 7",
}  # fmt: skip
V2 = {
    "cpu": {"cpu.weight": "100", "cpu.max": "max 100000", "cpu.max.burst": "0", "cpu.idle": "0"},
    "cpuset": {"cpuset.cpus": "", "cpuset.mems": ""},
    "memory": {
        "memory.max": "max", "memory.low": "0", "memory.high": "max", "memory.swap.max": "max",
        "memory.current": "4096", "memory.peak": "8192", "memory.swap.current": "1024",
        "memory.events": "low 0\nhigh 0\nmax 2\noom 1\noom_kill 1", "memory.stat": "anon 1\ninactive_file 64",
    },
    "io": {
        "io.max": "", "io.weight": "default 100",
        "io.stat": "8:0 rbytes=10 wbytes=20 rios=3 wios=4 dbytes=0 dios=0\n8:16 rbytes=1",
    },
    "hugetlb": {"hugetlb.2MB.max": "max", "hugetlb.2MB.rsvd.max": "max"},
    "pids": {"pids.max": "max", "pids.current": "2", "pids.events": "max 5"},
}  # fmt: skip


class FakeKernel:
    """One version's tree below ``root``; a listener for door.listeners."""

    def __init__(self, root: Path, version: str, *, namespaced: bool = False) -> None:
        self.root = str(root)
        self.version = version
        self.steps: list[tuple[str, str]] = []  # (name, path below root and the data)
        self.killed: list[int] = []
        self.refuse_once: dict[str, int] = {}  # file name -> errno
        # Kept here, not in the files: a write lands over what they held.
        self._members: dict[str, set[int]] = {}
        self._handed: dict[str, list[str]] = {}
        lines = []
        if version == "v1":
            for number, names in enumerate(V1_HIERARCHIES, 30):
                point = f"{self.root}/{names}"
                os.mkdir(point)
                self._populate(point)
                lines.append(f"{number} 1 0:{number} / {point} rw,relatime - cgroup cgroup rw,{names}")
            self._put(f"{self.root}/cpuset/cpuset.cpus", "0-3")
            self._put(f"{self.root}/cpuset/cpuset.mems", "0")
        else:
            point = f"{self.root}/unified"
            os.mkdir(point)
            self._put(f"{point}/cgroup.controllers", V2_CONTROLLERS)
            self._populate(point)
            self._put(f"{point}/io.cost.qos", "")
            if not namespaced:
                os.unlink(f"{point}/cgroup.type")
            lines.append(f"30 1 0:30 / {point} rw,relatime - cgroup2 cgroup2 rw")
        self.mountinfo = f"{self.root}/mountinfo"
        self._put(self.mountinfo, "\n".join(lines))
        self.known = f"{self.root}/known"
        self._put(self.known, "#subsys_name hierarchy num_cgroups enabled\nrdma 0 1 1\nperf_event 0 1 0")

    def hierarchies(self) -> Hierarchies:
        return hierarchies(self.mountinfo, self.known)

    def value(self, path: str) -> str:
        with open(f"{self.root}/{path}") as file:
            return file.read().rstrip("\n")

    def groups(self) -> list[str]:
        """Every group but the roots, below the fake's root."""
        found = [os.path.relpath(folder, self.root) for folder, _, _ in os.walk(self.root)]
        return sorted(path for path in found if "/" in path)

    def settle(self, group: str, *pids: int) -> None:
        """Have processes in a group, as if they had been moved there."""
        for pid in pids:
            self._move(pid, f"{self.root}/{group}")

    def before(self, call: Call) -> None:
        name, path = call.step.name, call.arguments.get("path", "")
        below_root = os.path.relpath(path, self.root) if path else ""
        self.steps.append((name, " ".join([below_root, call.arguments.get("data", "")])))
        if name == "write_control":
            self._before_write(path, call.arguments["data"])
        elif name == "remove_group":
            self._before_remove(path)
        elif name == "kill":
            self.killed.append(call.arguments["pid"])

    def after(self, call: Call) -> None:
        name, path = call.step.name, call.arguments.get("path", "")
        if call.error is not None:
            return
        if name == "make_group":
            self._populate(path)
        elif name == "write_control":
            self._after_write(path, call.arguments["data"])

    def _before_write(self, path: str, data: str) -> None:
        file = os.path.basename(path)
        refused = self.refuse_once.pop(file, None)
        if refused is not None:
            raise OSError(refused, os.strerror(refused), path)
        folder = os.path.dirname(path)
        if (
            file == "cgroup.subtree_control"
            and os.path.exists(f"{folder}/cgroup.type")
            and self._procs(folder)
        ):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        if (
            file == "cgroup.procs"
            and self.version == "v2"
            and self.value_at(folder, "cgroup.subtree_control")
        ):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        if file not in ("cgroup.procs", "cgroup.subtree_control") and os.path.exists(path):
            os.truncate(path, 0)

    def _before_remove(self, folder: str) -> None:
        if not os.path.isdir(folder):
            return
        below = [entry for entry in os.scandir(folder) if entry.is_dir()]
        if below or self._procs(folder):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), folder)
        for entry in os.scandir(folder):
            os.unlink(entry.path)

    def _after_write(self, path: str, data: str) -> None:
        folder, file = os.path.split(path)
        if file in ("cgroup.procs", "tasks"):
            self._move(os.getpid() if data == "0" else int(data), folder)
        elif file == "cgroup.freeze":
            self._put(f"{folder}/cgroup.events", f"populated 1\nfrozen {data}")
        elif file == "cgroup.kill":
            for group, _, _ in os.walk(folder):
                self.killed += self._procs(group)
                self._members.pop(group, None)
                self._put(f"{group}/cgroup.procs", "")
        elif file == "cgroup.subtree_control":
            self._hand_down(folder, [word.removeprefix("+") for word in data.split()])

    def _hand_down(self, folder: str, new: list[str]) -> None:
        had = self._handed.get(folder, [])
        self._handed[folder] = sorted({*had, *new})
        self._put(f"{folder}/cgroup.subtree_control", " ".join(self._handed[folder]))
        for entry in os.scandir(folder):
            if entry.is_dir():
                self._populate(entry.path)

    def _populate(self, folder: str) -> None:
        if self.version == "v1":
            names = os.path.relpath(folder, self.root).split("/")[0].split(",")
            files = dict(V1_COMMON)
            for name in names:
                files.update(V1[name])
        else:
            above = self._handed.get(os.path.dirname(folder), [])
            if os.path.dirname(folder) != self.root:
                self._put(f"{folder}/cgroup.controllers", " ".join(above))
            files = dict(V2_COMMON)
            for name in above:
                files.update(V2[name])
        for file, content in files.items():
            if not os.path.exists(f"{folder}/{file}"):
                self._put(f"{folder}/{file}", content)

    def _move(self, pid: int, folder: str) -> None:
        # Of v1's hierarchies each has every process once.
        top = f"{self.root}/{os.path.relpath(folder, self.root).split('/')[0]}"
        for group, _, _ in os.walk(top):
            pids = self._members.setdefault(group, set())
            if group == folder:
                pids.add(pid)
            else:
                pids.discard(pid)
            self._put(f"{group}/cgroup.procs", "".join(f"{member}\n" for member in sorted(pids)))

    def _procs(self, folder: str) -> list[int]:
        return sorted(self._members.get(folder, ()))

    def value_at(self, folder: str, file: str) -> str:
        with open(f"{folder}/{file}") as found:
            return found.read().rstrip("\n")

    @staticmethod
    def _put(path: str, content: str) -> None:
        with open(path, "w") as file:
            file.write(content + ("\n" if content and not content.endswith("\n") else ""))
