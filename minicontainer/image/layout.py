"""The image layout on disk (image-spec, image-layout.md), read by skopeo and umoci as it is.

::

    ROOT/images/
        oci-layout                    {"imageLayoutVersion":"1.0.0"}
        index.json                    manifests[]: one entry for each reference, named by the annotation
                                      org.opencontainers.image.ref.name = NAME:TAG; none if untagged
        blobs/sha256/HEX              manifests, configs, layers; complete if they have this name
        blobs/sha256/.tmp-*           under way (blobs.py)
        .lock                         held by whoever changes index.json or removes blobs

Readers take no lock: index.json is replaced whole, and a blob only goes after the index forgot it;
who finds one missing reads the index again.
New blobs get their names while the lock is held for the index entry that needs them, so whoever
collects unreferenced ones under the same lock never sees them early.
"""

from __future__ import annotations

import os

from minicontainer.errors import CorruptData
from minicontainer.oci import image as oci
from minicontainer.storage import temporary
from minicontainer.util.files import Lock, read, write_atomic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    D = TypeVar("D", bound=oci.Document)


class ImageLayout:
    """The folder ``ROOT/images``; an empty store where it is missing."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.blobs = os.path.join(path, "blobs", "sha256")
        self._index = os.path.join(path, "index.json")

    def lock(self) -> Lock:
        """The lock for `write_index` and `collect`; makes the folders first."""
        os.makedirs(self.blobs, mode=0o700, exist_ok=True)
        return Lock(os.path.join(self.path, ".lock"))

    def read_index(self) -> list[oci.Descriptor]:
        """The entries of index.json.  CorruptData if it cannot be read as one."""
        try:
            data = read(self._index)
        except FileNotFoundError:
            return []
        return oci.load(data, oci.Index, self._index).manifests

    def write_index(self, entries: list[oci.Descriptor]) -> None:
        """Replace index.json.  Call with the lock held."""
        mark = os.path.join(self.path, "oci-layout")
        if not os.path.exists(mark):
            write_atomic(mark, oci.dump(oci.Layout(oci.LAYOUT_VERSION)), mode=0o644)
        index = oci.Index(2, entries, media_type=oci.MEDIA_INDEX)
        write_atomic(self._index, oci.dump(index), mode=0o644)

    def blob_path(self, digest: str) -> str:
        """Where the blob is; CorruptData if ``digest`` is no sha256."""
        from minicontainer.image.reference import is_digest

        if not is_digest(digest):
            raise CorruptData(f"{digest!r} is not a sha256 digest")
        return os.path.join(self.blobs, digest.removeprefix("sha256:"))

    def open_blob(self, digest: str) -> int:
        """A descriptor of the blob.  CorruptData if it is missing."""
        try:
            return os.open(self.blob_path(digest), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise CorruptData(f"blob {digest} is missing from {self.path}") from None

    def document(self, digest: str, kind: type[D]) -> D:
        """A small JSON blob; CorruptData if it is missing, not what its digest says, or has a bad field."""
        try:
            data = read(self.blob_path(digest))
        except FileNotFoundError:
            raise CorruptData(f"blob {digest} is missing from {self.path}") from None
        if oci.digest(data) != digest:
            raise CorruptData(f"blob {digest} is damaged: its content has another digest")
        return oci.load(data, kind, f"blob {digest}")

    def store(self, document: oci.Document, media_type: str) -> oci.Descriptor:
        """Write a document as a blob.  Call with the lock held."""
        data = oci.dump(document)
        digest = oci.digest(data)
        write_atomic(self.blob_path(digest), data, mode=0o644)
        return oci.Descriptor(media_type, digest, len(data))

    def collect(self, entries: list[oci.Descriptor]) -> tuple[list[str], set[str]]:
        """Remove blobs that ``entries`` do not lead to; (their digests, the chain ids still wanted).

        Call with the lock held.  A manifest that cannot be read keeps every blob, since nobody knows
        which are its own.
        """
        wanted: set[str] = set()
        chains: set[str] = set()
        for digest in {entry.digest for entry in entries}:
            manifest = self.document(digest, oci.Manifest)
            wanted.update((digest, manifest.config.digest), (layer.digest for layer in manifest.layers))
            config = self.document(manifest.config.digest, oci.ImageConfig)
            chains.update(oci.chain_ids(config.rootfs.diff_ids or []))
        removed = []
        for name in sorted(os.listdir(self.blobs)):
            digest = f"sha256:{name}"
            if len(name) == 64 and digest not in wanted:
                os.unlink(os.path.join(self.blobs, name))
                removed.append(digest)
        return removed, chains

    def sweep(self) -> list[str]:
        """Remove what killed writers left; the paths removed."""
        if not os.path.isdir(self.path):
            return []
        with self.lock():
            return temporary.sweep(self.path) + temporary.sweep(self.blobs)


def name_of(entry: oci.Descriptor) -> str | None:
    """The reference of an index entry."""
    return (entry.annotations or {}).get(oci.REF_NAME)


def named(entry: oci.Descriptor, name: str | None) -> oci.Descriptor:
    """An index entry for the same manifest under another reference, or none."""
    others = {key: value for key, value in (entry.annotations or {}).items() if key != oci.REF_NAME}
    if name is not None:
        others[oci.REF_NAME] = name
    return oci.Descriptor(entry.media_type, entry.digest, entry.size, others or None, entry.platform)


def tag(entries: list[oci.Descriptor], manifest: oci.Descriptor, name: str | None) -> list[oci.Descriptor]:
    """``entries`` with ``name`` moved to ``manifest``; who had it stays, untagged if it has no other."""
    kept = untag(entries, [name]) if name is not None else list(entries)
    kept = [e for e in kept if e.digest != manifest.digest or name_of(e) is not None]
    if name is None and any(e.digest == manifest.digest for e in kept):
        return kept
    return [*kept, named(manifest, name)]


def untag(entries: list[oci.Descriptor], names: list[str]) -> list[oci.Descriptor]:
    """``entries`` without the references; a manifest that loses its last one stays, untagged."""
    kept = [e for e in entries if name_of(e) not in names]
    there = {e.digest for e in kept}
    for entry in entries:
        if entry.digest not in there:
            there.add(entry.digest)
            kept.append(named(entry, None))
    return kept
