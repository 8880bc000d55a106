"""What a storage driver is, and what all drivers share: the folder of unpacked layers.

::

    ROOT/layers/
        driver                   which driver this root works with, as probed once
        DRIVER/
            HEX/                 one unpacked layer, by chain id; complete if it has this name
            .tmp-*/              one being unpacked (temporary.py)
            lock-X               held while a layer whose chain id begins with X is unpacked

    containers/ID/               what a driver adds there is its own affair

A layer is unpacked under a temporary name and renamed when it is complete, so a reader needs no
lock.  Everything below ``layers/`` can be made again from the image's blobs.
"""

from __future__ import annotations

import errno
import os
import stat

from minicontainer.storage import temporary
from minicontainer.storage.tree import remove_tree
from minicontainer.util.files import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Protocol

    from minicontainer.storage.changes import Change
    from minicontainer.storage.mapped import Mapping

    class Driver(Protocol):
        """Layers, and a container's writable layer over them.

        ``chain`` is the chain ids of a container's layers, lowest first; ``folder`` is the container's.
        """

        name: str

        def has_layer(self, chain_id: str) -> bool:
            """Whether the layer is unpacked and complete."""

        def layers(self) -> list[str]:
            """The chain ids of all unpacked layers."""

        def new_layer(self, chain_id: str | None, below: list[str]) -> Layer:
            """A layer to unpack over the chain ``below``, inside ``with``; None: named at the end."""

        def remove_layer(self, chain_id: str) -> None:
            """Forget an unpacked layer, if it is there."""

        def prepare(self, folder: str, chain: list[str]) -> None:
            """Make the container's writable layer."""

        def mount(self, folder: str, chain: list[str], target: str, mapping: Mapping | None = None) -> None:
            """Mount the container's root file system at ``target``, in the caller's mount namespace.

            With a ``mapping``, its owners are those that the ids on disk stand for (mapped.py).
            """

        def changes(self, folder: str, chain: list[str]) -> Iterator[Change]:
            """What the container changed, folders before their content; also what commit writes."""

        def places(self, folder: str, chain: list[str]) -> dict[str, str] | None:
            """Where on the host the layers are, by Docker's names for them (inspect, GraphDriver.Data)."""

        def usage(self, folder: str) -> tuple[int, int]:
            """Bytes and inodes of the writable layer."""

        def remove(self, folder: str) -> None:
            """Remove what `prepare` made."""

        def sweep(self) -> list[str]:
            """Remove what killed processes left half-made; the paths removed."""


class Layer:
    """A layer being unpacked: renamed to its chain id on a clean exit, removed on an error.

    Whoever unpacks calls `placed` after each member, and `whiteout` and `opaque` for the marks of
    deletion (image-spec, layer.md, Whiteouts), which concern the layers below only.
    """

    __slots__ = ("_fd", "_lock", "below", "chain_id", "folder", "path")

    @property
    def xattr_escape(self) -> tuple[str, str] | None:
        """The prefix of names to store under another prefix, and that one."""
        return None

    def __init__(self, folder: str, chain_id: str | None, below: list[str]) -> None:
        self.folder = folder
        self.chain_id = chain_id
        self.below = [os.path.join(folder, hex_of(c)) for c in reversed(below)]  # topmost first
        self._lock: Lock | None = None
        if chain_id is not None:
            self._lock = Lock(os.path.join(folder, f"lock-{hex_of(chain_id)[0]}"))
            self._lock.acquire()
        try:
            self.path, self._fd = temporary.new_folder(folder)
        except BaseException:
            self._release()
            raise
        try:
            self.fill()
        except BaseException:
            self._discard()
            raise

    @property
    def complete(self) -> bool:
        """Whether another process finished the same layer while we waited for the lock."""
        return self.chain_id is not None and os.path.isdir(self._final())

    def fill(self) -> None:
        """Give the new folder its first content; here only the attributes of its root."""
        os.chmod(self.path, 0o755)
        if self.below:
            copy_root(self.below[0], self.path)

    def placed(self, dirfd: int, name: bytes, path: bytes, *, folder: bool) -> None:
        """``path`` (``name`` in ``dirfd``) was unpacked."""

    def whiteout(self, dirfd: int, name: bytes, path: bytes) -> None:
        """The layers below have no ``path`` any more."""
        raise NotImplementedError

    def opaque(self, dirfd: int, path: bytes) -> None:
        """Nothing in folder ``path`` (open as ``dirfd``) comes from the layers below."""
        raise NotImplementedError

    def __enter__(self) -> Layer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None or self.complete:
            self._discard()
            return
        try:
            os.rename(self.path, self._final())
        except OSError as failed:
            self._discard()
            # Somebody else's layer of the same content came first.
            if failed.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            os.close(self._fd)
            self._release()

    def _final(self) -> str:
        assert self.chain_id is not None, "a layer needs its chain id before it is committed"
        return os.path.join(self.folder, hex_of(self.chain_id))

    def _discard(self) -> None:
        try:
            remove_tree(self.path)
        finally:
            os.close(self._fd)
            self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


class LayerFolder:
    """The part of a driver that keeps the unpacked layers below ``ROOT/layers/NAME``."""

    name = ""
    layer = Layer

    def __init__(self, root: str) -> None:
        self.layers_path = os.path.join(root, "layers", self.name)

    def layer_path(self, chain_id: str) -> str:
        """Where the layer is, or would be."""
        return os.path.join(self.layers_path, hex_of(chain_id))

    def has_layer(self, chain_id: str) -> bool:
        """Whether the layer is unpacked and complete."""
        return os.path.isdir(self.layer_path(chain_id))

    def layers(self) -> list[str]:
        """The chain ids of all unpacked layers."""
        try:
            names = os.listdir(self.layers_path)
        except FileNotFoundError:
            return []
        return [f"sha256:{name}" for name in sorted(names) if len(name) == 64]

    def new_layer(self, chain_id: str | None, below: list[str]) -> Layer:
        """A layer to unpack into, inside ``with``; ``below`` is the chain it stands on.

        A chain id that is unknown (None) must be set on the layer before the block ends.
        """
        os.makedirs(self.layers_path, mode=0o700, exist_ok=True)
        return self.layer(self.layers_path, chain_id, below)

    def remove_layer(self, chain_id: str) -> None:
        """Forget an unpacked layer, if it is there: out of sight at once, then removed."""
        try:
            away, fd = temporary.take_away(self.layer_path(chain_id))
        except FileNotFoundError:
            return  # not unpacked: nothing to forget
        try:
            remove_tree(away)
        finally:
            os.close(fd)

    def sweep(self) -> list[str]:
        """Remove what killed processes left half-made; the paths removed."""
        return temporary.sweep(self.layers_path) + temporary.sweep(os.path.dirname(self.layers_path))


def hex_of(chain_id: str) -> str:
    """The 64 digits of ``sha256:HEX``, which are safe as a file name."""
    digits = chain_id.removeprefix("sha256:")
    if len(digits) != 64 or digits.strip("0123456789abcdef"):
        raise ValueError(f"not a chain id: {chain_id}")
    return digits


def copy_root(source: str, target: str) -> None:
    """Give folder ``target`` the owner, mode and times of ``source``."""
    status = os.lstat(source)
    os.chown(target, status.st_uid, status.st_gid)
    os.chmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
