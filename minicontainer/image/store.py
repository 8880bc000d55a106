"""The image store: an OCI layout (layout.py) and the layers unpacked from it (storage/).

::

    import   stream ──────────────► blob + unpacked layer ─┐
    commit   a container's changes ► blob ─────────────────┼─► config ─► manifest ─► index.json
                                                           └── all under the index lock
    run      resolve ─► ensure_unpacked ─► chain ids for the storage driver
    rmi      index.json ─► blobs and layers that nothing leads to any more

A commit stores its layer as plain tar and leaves unpacking to the first container that runs it:
the container's own folder cannot become the layer while it may still be written to, and a copy
would write everything twice.  Unpacking then copies inside the kernel, while another thread
compares the blob with its digest.

Locks: the index lock is taken last and briefly; a layer's own lock (storage/contract.py) never inside it.
"""

from __future__ import annotations

import errno
import os

from minicontainer.errors import Conflict, CorruptData, MinicontainerError, NotFound
from minicontainer.image import layout as files
from minicontainer.image import reference as references
from minicontainer.image.model import HistoryEntry, Image, layer_size
from minicontainer.oci import image as oci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    from minicontainer.image.receive import Stream
    from minicontainer.storage.changes import Change
    from minicontainer.storage.contract import Driver

    R = TypeVar("R")

_HINT = "see `minicontainer images`; get one with `make rootfs` or `minicontainer import FILE NAME`"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class ImageStore:
    """The images below ``root``, unpacked by ``driver``."""

    def __init__(self, root: str, driver: Driver) -> None:
        self.root = root
        self.driver = driver
        self.layout = files.ImageLayout(os.path.join(root, "images"))
        self.damaged: list[str] = []

    # Looking

    def images(self) -> list[Image]:
        """All images, the newest first; what is wrong with the others is in ``damaged`` afterwards."""

        def find(entries: list[oci.Descriptor]) -> list[Image]:
            digests = dict.fromkeys(entry.digest for entry in entries)
            return [self._image(digest, entries) for digest in digests]

        return sorted(self._reading(find), key=lambda image: (image.created, image.id), reverse=True)

    def resolve(self, text: str) -> Image:
        """The image by NAME[:TAG], NAME@DIGEST, id, or a prefix of the id that fits only one.

        NotFound says how to get one, Conflict that a prefix fits several, CorruptData that a blob
        is damaged or missing.
        """

        def find(entries: list[oci.Descriptor]) -> Image:
            digests = list(self._by_reference(text, entries)) or self._by_id(text, entries)
            if len(digests) > 1:
                raise Conflict(f"several images have an id that begins with {text}")
            if not digests:
                raise NotFound(f"no such image: {text} ({_HINT})")
            return self._image(digests[0], entries)

        return self._reading(find)

    def history(self, image: Image) -> list[HistoryEntry]:
        """How the image came to be, newest first."""
        sizes = [layer_size(layer) for layer in image.manifest.layers]
        lines = []
        for step in image.document.history or []:
            size = 0 if step.empty_layer or not sizes else sizes.pop(0)
            lines.append(
                HistoryEntry(None, step.created or "", step.created_by or "", size, step.comment or "")
            )
        lines.reverse()
        if lines:
            lines[0].id = image.id
        return lines

    def _reading(self, find: Callable[[list[oci.Descriptor]], R]) -> R:
        """``find`` over the index, again if somebody removed an image under its hands."""
        while True:
            entries = self.layout.read_index()
            try:
                return find(entries)
            except CorruptData:
                if self.layout.read_index() == entries:
                    raise

    def _image(self, digest: str, entries: list[oci.Descriptor]) -> Image:
        manifest = self.layout.document(digest, oci.Manifest)
        document = self.layout.document(manifest.config.digest, oci.ImageConfig)
        if len(manifest.layers) != len(document.rootfs.diff_ids or []):
            raise CorruptData(f"manifest {digest} and its config disagree on the number of layers")
        names = sorted({name for e in entries if e.digest == digest and (name := files.name_of(e))})
        return Image(digest, manifest, document, names)

    @staticmethod
    def _by_reference(text: str, entries: list[oci.Descriptor]) -> Iterator[str]:
        """At most one manifest digest.  What is no reference may yet be an id."""
        if references.is_digest(text) or (len(text) == 64 and references.is_hex(text)):
            return
        wanted = references.parse(text)
        for entry in entries:
            name = files.name_of(entry)
            if name is None:
                continue
            if wanted.digest is not None:
                if entry.digest == wanted.digest and name.rpartition(":")[0] == wanted.name:
                    yield entry.digest
                    return
            elif name == wanted.tagged():
                yield entry.digest
                return

    def _by_id(self, text: str, entries: list[oci.Descriptor]) -> list[str]:
        prefix = text.removeprefix("sha256:")
        if not references.is_hex(prefix) or len(prefix) > 64:
            return []
        found: dict[str, str] = {}
        for digest in dict.fromkeys(entry.digest for entry in entries):
            try:
                config = self.layout.document(digest, oci.Manifest).config.digest
            except CorruptData:
                continue  # another image's affair
            if config.removeprefix("sha256:").startswith(prefix):
                found.setdefault(config, digest)
        return list(found.values())

    # Using

    def ensure_unpacked(self, image: Image) -> list[str]:
        """Unpack the layers that are not; the chain ids, lowest first.

        CorruptData if a layer is not what its diff id says: it is then not kept.  NotFound if the
        image is being removed.
        """
        missing = [n for n, chain_id in enumerate(image.chain) if not self.driver.has_layer(chain_id)]
        if missing:
            from minicontainer.image.transfer import unpack_blob

            try:
                for n in missing:
                    with self._room():
                        unpack_blob(self.layout, self.driver, image, n)
            except CorruptData:
                self._drop_if_removed(image, missing)
                raise
            self._drop_if_removed(image, missing)
        return image.chain

    def require(self, image: Image) -> None:
        """Raise NotFound if the image was removed; a removal that is under way is waited for."""
        with self.layout.lock():
            if not _listed(image, self.layout.read_index()):
                raise _removed(image)

    def _drop_if_removed(self, image: Image, unpacked: list[int]) -> None:
        """Raise NotFound if the image was removed while it was unpacked; its remover saw no such layers."""
        with self.layout.lock():
            entries = self.layout.read_index()
            if _listed(image, entries):
                return
            _, wanted = self.layout.collect(entries)
            for n in reversed(unpacked):
                if image.chain[n] not in wanted and self.driver.has_layer(image.chain[n]):
                    self.driver.remove_layer(image.chain[n])
        raise _removed(image) from None

    # Making

    def import_tar(
        self,
        stream: Stream,
        reference: str | None,
        *,
        changes: list[str] | None = None,
        message: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> Image:
        """A new image of one layer, from a tar archive (plain, gzip or zstd) of a root file system.

        ``changes`` are Dockerfile instructions; ``progress`` is told the bytes read so far.
        """
        from minicontainer.image import instructions
        from minicontainer.image.blobs import BlobWriter
        from minicontainer.image.receive import receive

        name = self._new_name(reference)
        config = instructions.apply(oci.ContainerConfig(), changes or [])
        self.sweep()
        with self._room(), BlobWriter(self.layout.blobs) as blob:
            layer, diff_id = receive(stream, blob, self.driver, progress)
            now = timestamp()
            document = oci.ImageConfig(
                oci.machine(),
                "linux",
                oci.RootFS("layers", [diff_id]),
                config=config,
                created=now,
                history=[oci.History(created=now, comment=message or "Imported from -")],
            )
            return self._publish(document, [layer], name, blob.install)

    def commit(
        self,
        parent: Image | None,
        changes: Iterable[Change],
        *,
        reference: str | None = None,
        author: str = "",
        message: str = "",
        instructions: list[str] | None = None,
        config: oci.ContainerConfig | None = None,
        created_by: str = "",
        progress: Callable[[int], None] | None = None,
    ) -> Image:
        """A new image: ``parent`` and a layer of a container's ``changes`` (`Driver.changes`).

        ``config`` is the container's, the parent's if None; ``instructions`` change it;
        ``created_by`` is the container's command; ``progress`` is told each amount of bytes written.
        No changes make no layer.
        """
        from minicontainer.image import instructions as dockerfile
        from minicontainer.image.blobs import BlobWriter
        from minicontainer.image.tarwrite import write_layer

        name = self._new_name(reference)
        base = config or (parent.config if parent is not None else oci.ContainerConfig())
        config = dockerfile.apply(base, instructions or [])
        self.sweep()
        with self._room(), BlobWriter(self.layout.blobs, progress) as blob:
            count, size = write_layer(changes, blob)
            diff_id = blob.finish()
            layers = list(parent.manifest.layers) if parent is not None else []
            document = _child(parent, config, author, created_by, message, diff_id if count else None)
            if not count:
                return self._publish(document, layers, name, None)
            annotations = {oci.UNPACKED_SIZE: str(size)}
            layers.append(oci.Descriptor(oci.MEDIA_LAYER, diff_id, blob.size, annotations))
            return self._publish(document, layers, name, blob.install)

    def tag(self, text: str, reference: str) -> None:
        """Give an image one more reference, taking it from whoever has it.  Raises UsageError for none."""
        references.parse(reference)
        name = self._new_name(reference)
        with self.layout.lock():
            image = self.resolve(text)
            entries = self.layout.read_index()
            entry = next(e for e in entries if e.digest == image.manifest_digest)
            self.layout.write_index(files.tag(entries, entry, name))

    @staticmethod
    def _new_name(reference: str | None) -> str | None:
        if not reference:
            return None
        parsed = references.parse(reference)
        if parsed.digest is not None:
            raise Conflict(f"a new image cannot be named by a digest: {reference}")
        return parsed.tagged()

    def _publish(
        self,
        document: oci.ImageConfig,
        layers: list[oci.Descriptor],
        name: str | None,
        install: Callable[[], None] | None,
    ) -> Image:
        """Make the blobs visible and name the image, in one hold of the lock."""
        with self.layout.lock():
            if install is not None:
                install()
            for layer in layers:
                if not os.path.exists(self.layout.blob_path(layer.digest)):
                    raise Conflict("the image that this one is based on was removed meanwhile")
            config = self.layout.store(document, oci.MEDIA_CONFIG)
            manifest = oci.Manifest(2, config, layers, media_type=oci.MEDIA_MANIFEST)
            entry = self.layout.store(manifest, oci.MEDIA_MANIFEST)
            entry.platform = oci.Platform(document.architecture, document.os, document.variant)
            entries = files.tag(self.layout.read_index(), entry, name)
            self.layout.write_index(entries)
            # Without the lock, another process may have removed it again.
            return self._image(entry.digest, entries)

    # Removing

    def remove(
        self,
        text: str,
        *,
        force: bool = False,
        every_name: bool = False,
        in_use: Callable[[str], list[str]] = lambda _: [],
    ) -> list[str]:
        """Untag an image, or remove it with its last tag; what was done, in Docker's words.

        ``in_use`` tells the ids of the containers that use an image id.  Such an image is refused
        with Conflict; by ``force`` it loses its references, and stays for the containers.  With
        ``every_name`` an id stands for all references, those of several repositories too.
        """
        from minicontainer.image.removal import remove

        self.sweep()
        return remove(self, text, force=force, every_name=every_name, containers=in_use)

    def sweep(self) -> list[str]:
        """Remove what killed processes left half-made; the paths removed."""
        return self.layout.sweep() + self.driver.sweep()

    def _room(self) -> _Room:
        return _Room(self.root)


class _Room:
    """Turns "no space left" inside ``with`` into one line that says where."""

    def __init__(self, root: str) -> None:
        self.root = root

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and error.errno in _FULL:
            reason = os.strerror(error.errno or errno.ENOSPC).lower()
            raise MinicontainerError(f"cannot write to the image store in {self.root}: {reason}") from error


def _listed(image: Image, entries: list[oci.Descriptor]) -> bool:
    return any(entry.digest == image.manifest_digest for entry in entries)


def _removed(image: Image) -> NotFound:
    return NotFound(f"image {image.id} was removed meanwhile")


def _child(
    parent: Image | None,
    config: oci.ContainerConfig,
    author: str,
    created_by: str,
    message: str,
    diff_id: str | None,
) -> oci.ImageConfig:
    """The config document of a committed image."""
    now = timestamp()
    step = oci.History(now, created_by or None, author or None, message or None, diff_id is None)
    added = [diff_id] if diff_id is not None else []
    if parent is None:
        platform = (oci.machine(), "linux")
        return oci.ImageConfig(
            *platform, oci.RootFS("layers", added), config, now, author or None, history=[step]
        )
    below = parent.document
    return oci.ImageConfig(
        below.architecture,
        below.os,
        oci.RootFS("layers", [*parent.diff_ids, *added]),
        config,
        now,
        author or None,
        below.variant,
        below.os_version,
        [*(below.history or []), step],
    )


def timestamp() -> str:
    """Now, as RFC 3339 with nanoseconds, in UTC."""
    import time

    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"
