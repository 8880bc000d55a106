"""Which container has which name: a symbolic link ``.names/<name>`` to ``../<id>`` for each.

A link is made or renamed in one step, so a name is taken exactly once.  One that leads nowhere is free:
its container was never finished, or is gone.  Changes are made with the lock ``containers``.
"""

from __future__ import annotations

import os

from minicontainer.errors import Conflict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.records import Container, Folders


class Names:
    """The names below one root."""

    def __init__(self, folders: Folders) -> None:
        self.folders = folders

    def taken(self, name: str) -> bool:
        """Whether a container has the name."""
        return os.path.exists(self._link(name))

    def owner(self, name: str) -> str:
        """The id that a name was given to.  Raises FileNotFoundError."""
        return os.path.basename(os.readlink(self._link(name)))

    def owns(self, container_id: str, name: str) -> bool:
        """Whether the name was given to the container."""
        try:
            return bool(name) and self.owner(name) == container_id
        except OSError:
            return False

    def of(self, container_id: str) -> list[str]:
        """The names that were given to the container: one, by looking through all."""
        return [name for name in os.listdir(self.folders.names) if self.owns(container_id, name)]

    def refuse_taken(self, name: str) -> None:
        """Raise Conflict if a container has the name."""
        try:
            owner = self.owner(name)
        except FileNotFoundError:
            return  # nobody's; asked without the lock, it may have been given back just now
        if self.taken(name):
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container "{owner}". '
                "You have to remove (or rename) that container to be able to reuse that name."
            )

    # -- with the lock ``containers``

    def take(self, container: Container) -> None:
        """Take the container's name; one that has none gets one.  Raises Conflict."""
        if not container.name:
            from minicontainer.engine import names

            container.name = names.fresh_name(self.taken)
        self.refuse_taken(container.name)
        link = self._link(container.name)
        if os.path.lexists(link):
            os.unlink(link)
        os.symlink(f"../{container.id}", link)

    def rename(self, old: str, new: str) -> None:
        """Raises Conflict."""
        self.refuse_taken(new)
        os.rename(self._link(old), self._link(new))

    def give_back(self, container: Container) -> None:
        """For a container whose folder is gone, or never was."""
        # Its monitor may know it by the name that it had before a rename.
        known = self.owns(container.id, container.name)
        for name in [container.name] if known else self.of(container.id):
            os.unlink(self._link(name))

    def forget_the_gone(self) -> None:
        """Remove the links that lead nowhere."""
        for name in os.listdir(self.folders.names):
            if not self.taken(name):
                os.unlink(self._link(name))

    def _link(self, name: str) -> str:
        return f"{self.folders.names}/{name}"
