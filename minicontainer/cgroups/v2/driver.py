"""The v2 driver: one group in one tree.

::

    /sys/fs/cgroup                       subtree_control: memory pids io, and what a limit needs
      └── minicontainer                  the same; never has processes
            └── <id>                     the container

memory, pids and io are enabled for their statistics where the host has them (processor time is
counted everywhere); cpu, cpuset and hugetlb when a limit needs them, or all devices are allowed (a
privileged container limits its own): cpu alone changes how all of the host is scheduled.  The group is
killed by cgroup.kill (Linux 5.14), before that as on v1.

A process that is written to cgroup.procs waits for an RCU grace period (4 to 13 ms measured on Linux
6.18); one that is born in the group does not: clone3(2) with CLONE_INTO_CGROUP and `clone_fd`.
"""

from __future__ import annotations

import errno
import os
import time
from contextlib import suppress

from minicontainer.cgroups import devices, tree
from minicontainer.cgroups.setting import check_present, check_usage, refuse, write
from minicontainer.cgroups.v2 import nesting
from minicontainer.errors import Conflict
from minicontainer.linux.control import write_control
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.cgroups.host import Hierarchies
    from minicontainer.cgroups.setting import Setting
    from minicontainer.cgroups.stats import Stats
    from minicontainer.oci.runtime import Resources

ALWAYS = frozenset(("memory", "pids", "io"))
PATIENCE = 10.0  # a process that waits for a slow disk stops when that has answered
# Files that not every kernel has, and what tells before there is a group to look into.
SINCE = {"cpu.max.burst": (5, 14), "cpu.idle": (5, 15)}


class V2Manager:
    """See manager.Manager."""

    __slots__ = ("folder", "hierarchies", "path", "root")

    def __init__(self, path: str, hierarchies: Hierarchies) -> None:
        assert hierarchies.unified is not None
        self.path = path
        self.hierarchies = hierarchies
        self.root = hierarchies.unified
        self.folder = self.root + path

    def check(self, resources: Resources) -> None:
        settings = self._settings(resources)
        for setting in settings:
            if setting.controller not in (self.hierarchies.unified_controllers | {"cgroup"}):
                where = self.hierarchies.where(setting.controller)
                raise refuse(setting.limit, f"the {setting.controller} controller is {where}")
        devices.policy(resources.devices)
        if self.root in self.hierarchies.read_only:
            raise refuse("a container's group", f"cgroup v2 is read-only at {self.root}")
        check_present(settings, self._has)

    def create(self) -> None:
        running = tree.processes(self.folder)
        if running:
            raise Conflict(f"cgroup {self.path} is in use: process {running[0]} is in it")
        because("a group of its own for what the container may use")
        tree.make(self.root, self.path)
        nesting.enable(self.root, self.path, self.hierarchies.unified_controllers & ALWAYS)

    def apply(self, resources: Resources, before: Callable[[list[str]], None] | None = None) -> None:
        settings = self._settings(resources)
        needed = {setting.controller for setting in settings} - {"cgroup"}
        nesting.enable(self.root, self.path, needed)
        if resources.memory and resources.memory.check_before_update:
            check_usage(resources.memory, f"{self.folder}/memory.current")
        if before is not None:
            before([f"{self.folder}/{setting.file}" for setting in settings])
        write(settings, lambda _controller: self.folder)
        if resources.devices:
            from minicontainer.cgroups.v2 import devices as device_program

            policy = devices.policy(resources.devices)
            if not policy.restricts:
                self._offer()
            device_program.apply(self.folder, policy)

    def _offer(self) -> None:
        """Hand down all that can be: a privileged container may limit its own."""
        for controller in sorted(self.hierarchies.unified_controllers):
            # Nobody asked for it, and the kernel may have reasons: EINVAL for cpu beside real-time tasks.
            with suppress(OSError):
                nesting.enable(self.root, self.path, {controller})

    def add(self, pid: int) -> None:
        because("count and limit this process here")
        write_control(f"{nesting.entry(self.folder)}/cgroup.procs", str(pid))

    def clone_fd(self) -> int | None:
        return os.open(nesting.entry(self.folder), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def stats(self) -> Stats:
        from minicontainer.cgroups.stats import Stats
        from minicontainer.cgroups.v2 import cpu, io, memory, pids

        os.stat(self.folder)
        has = tree.text(f"{self.folder}/cgroup.controllers").split()
        return Stats(
            memory=memory.stats(self.folder) if "memory" in has else None,
            cpu=cpu.stats(self.folder),
            pids=pids.stats(self.folder) if "pids" in has else None,
            io=io.stats(self.folder) if "io" in has else None,
        )

    def freeze(self, patience: float = PATIENCE) -> None:
        because("stop every process of the group")
        write_control(f"{self.folder}/cgroup.freeze", "1")
        until = time.monotonic() + patience
        while not self.frozen():
            if time.monotonic() > until:
                self.thaw()
                raise TimeoutError(
                    errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT), f"{self.folder}/cgroup.freeze"
                )
            time.sleep(0.0005)

    def thaw(self) -> None:
        because("let the group's processes go on")
        write_control(f"{self.folder}/cgroup.freeze", "0")

    @property
    def freezer_file(self) -> str:
        return f"{self.folder}/cgroup.events"

    def frozen(self) -> bool:
        return tree.table(f"{self.folder}/cgroup.events").get("frozen") == 1

    def kill(self) -> None:
        if not os.path.isdir(self.folder):
            return
        with tree.unless_gone(self.folder):
            self._kill()

    def _kill(self) -> None:
        if os.path.exists(f"{self.folder}/cgroup.kill"):
            because("SIGKILL to everything in the group, and to what it forks meanwhile")
            write_control(f"{self.folder}/cgroup.kill", "1")
            return
        from minicontainer.cgroups.killing import kill_frozen

        kill_frozen(lambda: self.freeze(0.2), self.thaw, self.pids)

    def pids(self) -> list[int]:
        return tree.processes(self.folder)

    def delete(self) -> None:
        tree.remove(self.folder)
        tree.remove_parents(self.root, self.path)

    def _settings(self, resources: Resources) -> list[Setting]:
        found: list[Setting] = []
        if resources.memory:
            from minicontainer.cgroups.v2 import memory

            found += memory.settings(resources.memory)
        if resources.cpu:
            from minicontainer.cgroups.v2 import cpu, cpuset

            found += cpu.settings(resources.cpu) + cpuset.settings(resources.cpu)
        if resources.pids:
            from minicontainer.cgroups.v2 import pids

            found += pids.settings(resources.pids)
        if resources.block_io:
            from minicontainer.cgroups.v2 import io

            found += io.settings(resources.block_io, self._has)
        if resources.hugepage_limits:
            from minicontainer.cgroups.v2 import hugetlb

            found += hugetlb.settings(resources.hugepage_limits)
        if resources.network and (resources.network.class_id or resources.network.priorities):
            raise refuse("network", "the net_cls and net_prio controllers exist in cgroup v1 only")
        if resources.rdma:
            from minicontainer.cgroups import rdma

            found += rdma.settings(resources.rdma)
        if resources.unified:
            from minicontainer.cgroups.v2 import unified

            found += unified.settings(resources.unified)
        return found

    def _has(self, file: str) -> bool:
        """Whether the kernel has a control file; True where nothing can tell before a group exists.

        A group lacks the files of controllers that it was not given, so only one that has the
        controller can say no.
        """
        controller = file.partition(".")[0]
        for group in (self.folder, tree.any_group(self.root)):
            if group is None or not os.path.isdir(group):
                continue
            if controller in (*tree.text(f"{group}/cgroup.controllers").split(), "cgroup"):
                return os.path.exists(f"{group}/{file}")
        if file in SINCE:
            return _kernel() >= SINCE[file]
        if file == "io.weight":
            return os.path.exists(f"{self.root}/io.cost.qos")  # the same option; only the root has it
        if file == "io.bfq.weight":
            return os.path.isdir("/sys/module/bfq")
        if file == "memory.swap.max":
            return os.path.exists("/proc/swaps")
        return True


def _kernel() -> tuple[int, int]:
    major, minor, *_ = os.uname().release.split(".")
    return int(major), int("".join(c for c in minor if c.isdigit()))
