"""The v1 driver: the same path in each of several hierarchies.

::

    /sys/fs/cgroup/freezer/minicontainer/<id>     always: kill, freeze, the list of processes
    /sys/fs/cgroup/memory/minicontainer/<id>      ┐
    /sys/fs/cgroup/cpuacct/minicontainer/<id>     ├ always, where bound: statistics
    /sys/fs/cgroup/{pids,blkio}/minicontainer/<id> ┘
    /sys/fs/cgroup/{cpu,cpuset,devices,hugetlb}/...   when a limit needs it, or all devices are
                                                  allowed: a privileged container limits its own here
    /sys/fs/cgroup/{systemd,unified}/...          when systemd runs: it ends what is left in the
                                                  caller's unit when that stops

What it costs (Linux 6.18, hybrid, 2 cores), per hierarchy: mkdir 0.02 to 0.06 ms, rmdir 0.02, and

    cgroup.procs of another process or of oneself   4 to 13 ms for the first hierarchy, then 0.02
    tasks, "0", by the process itself               0.02 each

because moving a whole process waits for an RCU grace period (cgroup_threadgroup_rwsem), and moving
one's only thread does not (since Linux 5.4).  So init adds itself: ``add(0)`` in a process with one
thread writes to ``tasks``.
"""

from __future__ import annotations

import os

from minicontainer.cgroups import PARENT, devices, tree
from minicontainer.cgroups.setting import check_present, check_usage, refuse, write
from minicontainer.errors import Conflict, Unsupported
from minicontainer.linux.control import write_control
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.cgroups.host import Hierarchies
    from minicontainer.cgroups.setting import Setting
    from minicontainer.cgroups.stats import Stats
    from minicontainer.oci.runtime import Resources

# The freezer first: whoever dies half-way has left nothing running that kill() would not find.
# What engines count by themselves is found through /proc/PID/cgroup: without a group of its own, a
# container would be told to have done the whole host's input and output.  (Not cpu: its groups forbid
# realtime scheduling until some of that is given to them.)
ALWAYS = ("freezer", "memory", "cpuacct", "pids", "blkio")
SYSTEMD = "/run/systemd/system"


class V1Manager:
    """See manager.Manager."""

    __slots__ = ("hierarchies", "path")

    def __init__(self, path: str, hierarchies: Hierarchies) -> None:
        self.path = path
        self.hierarchies = hierarchies

    def check(self, resources: Resources) -> None:
        settings = self._settings(resources)
        wanted = [(setting.limit, setting.controller) for setting in settings]
        policy = devices.policy(resources.devices)
        if policy.restricts:
            devices.exceptions(policy)
            wanted.append(("devices", "devices"))
        bound = self.hierarchies.bound
        for limit, controller in [*wanted, ("a container", "freezer")]:
            if controller not in bound:
                raise refuse(limit, f"the {controller} controller is {self.hierarchies.where(controller)}")
            if bound[controller] in self.hierarchies.read_only:
                raise refuse(limit, f"the {controller} controller is read-only at {bound[controller]}")
        check_present(settings, self._has)

    def create(self) -> None:
        running = tree.processes(self._folder("freezer"))
        if running:
            raise Conflict(f"cgroup {self.path} is in use: process {running[0]} is in it")
        for mount in self._mounts():
            because(f"a control group of its own: {self._purpose(mount)}")
            tree.make(mount, self.path)

    def apply(self, resources: Resources, before: Callable[[list[str]], None] | None = None) -> None:
        settings = self._settings(resources)
        policy = devices.policy(resources.devices)
        controllers = [setting.controller for setting in settings]
        if policy.restricts:
            controllers.append("devices")
        elif resources.devices:
            controllers += self._writable()
        for controller in dict.fromkeys(controllers):
            self._join(controller)
        if resources.memory and resources.memory.check_before_update:
            check_usage(resources.memory, f"{self._folder('memory')}/memory.usage_in_bytes")
        if before is not None:
            before([f"{self._folder(setting.controller)}/{setting.file}" for setting in settings])
        write(settings, self._folder)
        if resources.devices and os.path.isdir(self._folder("devices")):
            from minicontainer.cgroups.v1 import devices as controller_files

            controller_files.apply(self._folder("devices"), policy)

    def add(self, pid: int) -> None:
        # st_nlink of /proc/self/task is 2 and the threads: more than one must move together.
        alone = pid == 0 and os.stat("/proc/self/task").st_nlink == 3
        for folder in self._folders():
            because(f"this process joins the group: {self._purpose(folder[: -len(self.path)])}")
            threads = alone and not folder.startswith(f"{self.hierarchies.unified}/")
            write_control(f"{folder}/{'tasks' if threads else 'cgroup.procs'}", str(pid))

    def clone_fd(self) -> int | None:
        return None

    def stats(self) -> Stats:
        from minicontainer.cgroups.stats import Stats
        from minicontainer.cgroups.v1 import blkio, cpu, cpuacct, memory, pids

        os.stat(self._folder("freezer"))
        stats = Stats()
        if self._exists("memory"):
            stats.memory = memory.stats(self._folder("memory"))
        if self._exists("cpuacct"):
            stats.cpu = cpuacct.stats(self._folder("cpuacct"))
            if self._exists("cpu"):
                cpu.add_stats(self._folder("cpu"), stats.cpu)
        if self._exists("pids"):
            stats.pids = pids.stats(self._folder("pids"))
        if self._exists("blkio"):
            stats.io = blkio.stats(self._folder("blkio"))
        return stats

    def freeze(self) -> None:
        from minicontainer.cgroups.v1 import freezer

        freezer.freeze(self._folder("freezer"))

    def thaw(self) -> None:
        from minicontainer.cgroups.v1 import freezer

        freezer.thaw(self._folder("freezer"))

    @property
    def freezer_file(self) -> str:
        return f"{self._folder('freezer')}/freezer.state"

    def frozen(self) -> bool:
        from minicontainer.cgroups.v1 import freezer

        return self._exists("freezer") and freezer.state(self._folder("freezer")) == "FROZEN"

    def kill(self) -> None:
        from minicontainer.cgroups.killing import kill_frozen
        from minicontainer.cgroups.v1 import freezer

        folder = self._folder("freezer")
        if not os.path.isdir(folder):
            return

        def thaw_all() -> None:
            # Also what the container froze below: it could not die there (runc #2105).
            for group in tree.groups(folder):
                with tree.unless_gone(group):
                    freezer.thaw(group)

        with tree.unless_gone(folder):
            kill_frozen(lambda: freezer.freeze(folder, 0.2), thaw_all, self.pids)

    def pids(self) -> list[int]:
        return tree.processes(self._folder("freezer"))

    def delete(self) -> None:
        for folder in reversed(self._folders()):
            tree.remove(folder)
        if self.path.startswith(PARENT + "/"):
            for mount in reversed(self._all_mounts()):
                # Also where the group is gone: whoever removed it may have been killed before this.
                tree.remove_parents(mount, self.path)

    def _settings(self, resources: Resources) -> list[Setting]:
        found: list[Setting] = []
        if resources.memory:
            from minicontainer.cgroups.v1 import memory

            found += memory.settings(resources.memory)
        if resources.cpu:
            from minicontainer.cgroups.v1 import cpu, cpuset

            found += cpu.settings(resources.cpu) + cpuset.settings(resources.cpu)
        if resources.pids:
            from minicontainer.cgroups.v1 import pids

            found += pids.settings(resources.pids)
        if resources.block_io:
            from minicontainer.cgroups.v1 import blkio

            found += blkio.settings(resources.block_io)
        if resources.hugepage_limits:
            from minicontainer.cgroups.v1 import hugetlb

            found += hugetlb.settings(resources.hugepage_limits)
        if resources.network:
            from minicontainer.cgroups.v1 import network

            found += network.settings(resources.network)
        if resources.rdma:
            from minicontainer.cgroups import rdma

            found += rdma.settings(resources.rdma)
        for file in resources.unified:
            raise refuse(f"unified {file}", "that is a file of cgroup v2, and limits are cgroup v1's here")
        return found

    def _join(self, controller: str) -> None:
        """Make the group in one more hierarchy, with the processes that are in the others."""
        if self._exists(controller):
            return
        if controller not in self.hierarchies.bound:
            raise Unsupported(f"the {controller} controller is {self.hierarchies.where(controller)}")
        mount = self.hierarchies.bound[controller]
        because(f"a control group of its own: {self._purpose(mount)}")
        tree.make(mount, self.path)
        if controller == "cpuset":
            from minicontainer.cgroups.v1 import cpuset

            cpuset.fill(mount, self.path)
        moved: set[int] = set()
        while new := set(self.pids()) - moved:
            for pid in sorted(new):
                because("it runs already, and is limited from now on")
                try:
                    write_control(f"{mount}{self.path}/cgroup.procs", str(pid))
                except ProcessLookupError:
                    continue
            moved |= new

    def _writable(self) -> list[str]:
        """All controllers, for who is allowed all devices: a privileged container may limit its own."""
        return [
            name for name, mount in self.hierarchies.bound.items() if mount not in self.hierarchies.read_only
        ]

    def _mounts(self) -> list[str]:
        """The hierarchies that every container is in."""
        bound = self.hierarchies.bound
        found = [bound[controller] for controller in ALWAYS if controller in bound]
        if os.path.isdir(SYSTEMD):
            found += [m for m in (self.hierarchies.named.get("systemd"), self.hierarchies.unified) if m]
        return list(dict.fromkeys(found))

    def _folders(self) -> list[str]:
        """The groups that exist, the freezer's first."""
        return [mount + self.path for mount in self._all_mounts() if os.path.isdir(mount + self.path)]

    def _all_mounts(self) -> list[str]:
        """Every hierarchy that a group of ours can be in, the freezer's first."""
        mounts = [self.hierarchies.bound["freezer"], *self.hierarchies.bound.values()]
        mounts += [m for m in (self.hierarchies.named.get("systemd"), self.hierarchies.unified) if m]
        return list(dict.fromkeys(mounts))

    def _folder(self, controller: str) -> str:
        return self.hierarchies.bound[controller] + self.path

    def _exists(self, controller: str) -> bool:
        return controller in self.hierarchies.bound and os.path.isdir(self._folder(controller))

    def _purpose(self, mount: str) -> str:
        names = [name for name, point in self.hierarchies.bound.items() if point == mount]
        if not names:
            return "so that systemd does not take it for a part of the caller's unit"
        uses = {"freezer": "to stop and kill", "cpuset": "to choose processors"}
        return ", ".join(f"{name} ({uses.get(name, 'to count and limit')})" for name in names)

    def _has(self, file: str) -> bool:
        """Whether the kernel has a control file; True where nothing can tell before a group exists."""
        controller = file.partition(".")[0]
        mount = self.hierarchies.bound.get(controller)
        if mount is None:
            return True
        if os.path.isdir(mount + self.path):
            return os.path.exists(f"{mount}{self.path}/{file}")
        # The root lacks some files that groups have, so its word counts only where it says yes.
        if os.path.exists(f"{mount}/{file}"):
            return True
        other = tree.any_group(mount)
        return other is None or os.path.exists(f"{other}/{file}")
