"""No control group: an ordinary user's container, in a user namespace, on a host that gave him none.

It runs as any other process of the user's session.  What would need a group is refused by name; what
keeps a container together without one is its pid namespace, which ends with its first process.
"""

from __future__ import annotations

from minicontainer.cgroups.stats import Stats
from minicontainer.errors import Unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.cgroups.host import Hierarchies
    from minicontainer.oci.runtime import Resources

LIMITS = ("memory", "cpu", "pids", "block_io", "hugepage_limits", "unified", "rdma", "network")
_NEEDS = "this user may not make control groups here (run it as root, or have a group delegated)"


class NoManager:
    """manager.Manager, for a group that does not exist.

    Device rules are not enforced: in a user namespace no device node can be made.
    """

    def __init__(self, path: str, hierarchies: Hierarchies) -> None:
        self.path = path
        self.hierarchies = hierarchies

    def check(self, resources: Resources) -> None:
        """Raise Unsupported for any limit."""
        for name in LIMITS:
            if getattr(resources, name, None):
                raise Unsupported(f"a limit of {name.replace('_', ' ')} cannot be set: {_NEEDS}")

    def create(self) -> None:
        """Nothing is made."""

    def apply(self, resources: Resources, before: Callable[[list[str]], None] | None = None) -> None:
        """Raise Unsupported for any limit."""
        self.check(resources)

    def add(self, pid: int) -> None:
        """The process stays in its caller's group."""

    def clone_fd(self) -> int | None:
        """None."""
        return None

    def stats(self) -> Stats:
        """Nobody counts."""
        return Stats()

    def freeze(self) -> None:
        """Raise Unsupported."""
        raise Unsupported(f"the container cannot be frozen: {_NEEDS}")

    def thaw(self) -> None:
        """Nothing is frozen."""

    @property
    def freezer_file(self) -> str:
        """None: nothing is ever frozen."""
        return ""

    def frozen(self) -> bool:
        """Never."""
        return False

    def kill(self) -> None:
        """Nothing is known to be inside."""

    def pids(self) -> list[int]:
        """None."""
        return []

    def delete(self) -> None:
        """There is nothing to delete."""
