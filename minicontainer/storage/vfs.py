"""The vfs driver: every layer and every container is a whole copy.  Slow, and works everywhere.

::

    layers/vfs/HEX/           a copy of the layer below, with this layer's changes made in it
    containers/ID/files       a copy of the top layer: the container's root file system

Copies share their blocks on btrfs and XFS, since copy_file_range(2) lets them.  Deletions are made,
not marked.
"""

from __future__ import annotations

import os
import stat

from minicontainer.linux import mount as linux_mount
from minicontainer.linux.door import because
from minicontainer.storage import changes as differences
from minicontainer.storage.contract import Layer, LayerFolder
from minicontainer.storage.mapped import attach
from minicontainer.storage.tree import copy_tree, remove_at, remove_tree, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minicontainer.storage.mapped import Mapping


class VfsLayer(Layer):
    """Deletions remove what was copied from below and keep what this layer unpacked itself."""

    __slots__ = ("_placed",)

    def fill(self) -> None:
        """Start from a copy of the layer below."""
        self._placed: set[bytes] = set()
        super().fill()
        if self.below:
            copy_tree(os.fsencode(self.below[0]), os.fsencode(self.path))

    def placed(self, dirfd: int, name: bytes, path: bytes, *, folder: bool) -> None:
        """Remember ``path`` and the folders it lies in."""
        while self.below and path and path not in self._placed:
            self._placed.add(path)
            path = path.rpartition(b"/")[0]

    def whiteout(self, dirfd: int, name: bytes, path: bytes) -> None:
        """Remove it, or of a folder that this layer unpacked too, the rest."""
        if not self.below:
            return
        if path not in self._placed:
            remove_at(dirfd, name)
        elif stat.S_ISDIR(os.stat(name, dir_fd=dirfd, follow_symlinks=False).st_mode):
            self._clear(dirfd, name, path)

    def opaque(self, dirfd: int, path: bytes) -> None:
        """Remove what the folder had before this layer."""
        if self.below:
            self._clear(dirfd, b".", path)

    def _clear(self, dirfd: int, name: bytes, path: bytes) -> None:
        folders = [(name, path)]
        root = f"/proc/self/fd/{dirfd}/".encode()
        while folders:
            folder, path = folders.pop()
            fd = os.open(root + folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                for entry in os.listdir(root + folder):
                    inside = path + b"/" + entry if path else entry
                    if inside not in self._placed:
                        remove_at(fd, entry)
                    elif stat.S_ISDIR(os.stat(entry, dir_fd=fd, follow_symlinks=False).st_mode):
                        folders.append((folder + b"/" + entry, inside))
            finally:
                os.close(fd)


class Vfs(LayerFolder):
    """See the file's docstring."""

    name = "vfs"
    layer = VfsLayer

    def prepare(self, folder: str, chain: list[str]) -> None:
        """Copy the top layer."""
        files = os.path.join(folder, "files")
        os.mkdir(files, 0o755)
        if chain:
            copy_tree(os.fsencode(self.layer_path(chain[-1])), os.fsencode(files))

    def mount(self, folder: str, chain: list[str], target: str, mapping: Mapping | None = None) -> None:
        """Bind the copy to ``target``."""
        if mapping is not None:
            namespace = mapping.namespace()
            try:
                attach(os.path.join(folder, "files"), target, namespace)
            finally:
                os.close(namespace)
            return
        because("the vfs driver has no union to mount: the container gets its own copy of the image")
        linux_mount.mount(os.path.join(folder, "files"), target, None, linux_mount.MS_BIND)

    def changes(self, folder: str, chain: list[str]) -> Iterator[differences.Change]:
        """Compare the copy with its original."""
        lowers = [os.fsencode(self.layer_path(chain[-1]))] if chain else []
        return differences.find_changes(os.fsencode(os.path.join(folder, "files")), lowers, overlay=False)

    def places(self, folder: str, chain: list[str]) -> dict[str, str] | None:
        """A copy has none."""
        return None

    def usage(self, folder: str) -> tuple[int, int]:
        """Bytes and inodes of the whole copy."""
        return usage(os.path.join(folder, "files"))

    def remove(self, folder: str) -> None:
        """Remove the copy."""
        remove_tree(os.path.join(folder, "files"))
