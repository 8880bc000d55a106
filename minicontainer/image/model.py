"""An image as the rest of the program sees it."""

from __future__ import annotations

from minicontainer.oci.image import UNPACKED_SIZE, ContainerConfig, chain_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.image import Descriptor, ImageConfig, Manifest


class Image:
    """One image of the store.

    ``id`` and ``manifest_digest`` are ``sha256:HEX``; ``references`` are ``NAME:TAG``; ``size`` is
    the bytes of the files of all layers (of the blobs where nobody counted); ``created`` is RFC 3339;
    ``diff_ids`` and ``chain`` go from the lowest layer to the top.
    """

    __slots__ = ("_chain", "document", "id", "manifest", "manifest_digest", "references")

    def __init__(
        self, manifest_digest: str, manifest: Manifest, document: ImageConfig, references: list[str]
    ) -> None:
        self.id = manifest.config.digest
        self.manifest_digest = manifest_digest
        self.manifest = manifest
        self.document = document
        self.references = references
        self._chain: list[str] | None = None

    @property
    def config(self) -> ContainerConfig:
        """How its containers run."""
        return self.document.config or ContainerConfig()

    @property
    def created(self) -> str:
        """When it was made, RFC 3339; empty if it does not say."""
        return self.document.created or ""

    @property
    def diff_ids(self) -> list[str]:
        """Digests of the layers as plain tar."""
        return self.document.rootfs.diff_ids or []

    @property
    def chain(self) -> list[str]:
        """Chain ids of the layers: what a storage driver knows them by."""
        if self._chain is None:
            self._chain = chain_ids(self.diff_ids)
        return self._chain

    @property
    def size(self) -> int:
        """Bytes of all layers."""
        return sum(layer_size(layer) for layer in self.manifest.layers)


class HistoryEntry:
    """A line of ``history``, newest first: ``id`` is set on the first only, as the store knows no other."""

    __slots__ = ("comment", "created", "created_by", "id", "size")

    def __init__(self, id: str | None, created: str, created_by: str, size: int, comment: str) -> None:
        self.id = id
        self.created = created
        self.created_by = created_by
        self.size = size
        self.comment = comment


def layer_size(layer: Descriptor) -> int:
    """Bytes of a layer's files, or of its blob if nobody wrote that down."""
    text = (layer.annotations or {}).get(UNPACKED_SIZE, "")
    return int(text) if text.isdigit() else layer.size
