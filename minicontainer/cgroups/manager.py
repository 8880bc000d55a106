"""What both drivers do.

::

    check ──► create ──► apply ──► add / clone_fd ──► stats, freeze, thaw, kill, pids ──► delete

`check` comes before anything is made; `apply` may come again at any time (an update).  A manager
holds no state that is not in the file system: another process makes its own from the same path.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from minicontainer.cgroups.host import Hierarchies
    from minicontainer.cgroups.stats import Stats
    from minicontainer.oci.runtime import Resources

    class Manager(Protocol):
        """One container's control group."""

        @property
        def path(self) -> str:
            """Absolute, below the mount point of each hierarchy."""

        @property
        def hierarchies(self) -> Hierarchies:
            """Where the host's controllers are."""

        @property
        def freezer_file(self) -> str:
            """Where the kernel says whether the group is frozen: v1's freezer.state, v2's cgroup.events."""

        def check(self, resources: Resources) -> None:
            """Raise Unsupported for a limit that this host cannot enforce, InvalidConfig for nonsense.

            The message names the limit, the controller, and where that is bound.  Changes nothing.
            """

        def create(self) -> None:
            """Make the group, and its parents where they are missing.

            Raises Conflict if it exists with processes in it; an empty one is taken over.
            """

        def apply(self, resources: Resources, before: Callable[[list[str]], None] | None = None) -> None:
            """Write the limits.  Raises OSError as the kernel gave it, Unsupported for a missing file.

            ``before`` is told the paths of the control files, just before the first is written.
            """

        def add(self, pid: int) -> None:
            """Move a process in, with all its threads; 0 is the calling process.

            Raises ProcessLookupError for a process that is gone.  On v1 a process that adds itself
            saves the kernel's grace period (see v1/driver.py); on v2 `clone_fd` does.
            """

        def clone_fd(self) -> int | None:
            """v2: a descriptor for clone3(2) with CLONE_INTO_CGROUP, which the caller closes; v1: None."""

        def stats(self) -> Stats:
            """What the group has used.  Raises FileNotFoundError if it does not exist."""

        def freeze(self) -> None:
            """Stop every process; returns when all are stopped.  Raises TimeoutError."""

        def thaw(self) -> None:
            """Let them go on."""

        def frozen(self) -> bool:
            """Whether every process is stopped."""

        def kill(self) -> None:
            """Send SIGKILL to everything inside, in a way that a fork cannot outrun.

            It does not wait for the deaths.  No group: nothing to do.
            """

        def pids(self) -> list[int]:
            """The processes inside and in groups below, sorted; empty if there is no group."""

        def delete(self) -> None:
            """Remove the group and the groups below it; kills nothing.

            Raises OSError(EBUSY) while processes remain (after trying for ten seconds).  Idempotent.
            """
