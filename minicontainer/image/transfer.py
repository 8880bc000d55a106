"""A layer from its blob into the storage driver: unpacked and checked at once."""

from __future__ import annotations

import os

from minicontainer.errors import CorruptData
from minicontainer.image.blobs import Hasher, hash_file
from minicontainer.image.source import CHUNK, FileSource, StreamSource, compression, plain
from minicontainer.image.unpack import unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minicontainer.image.layout import ImageLayout
    from minicontainer.image.model import Image
    from minicontainer.storage.contract import Driver, Layer


def unpack_blob(layout: ImageLayout, driver: Driver, image: Image, n: int) -> None:
    """Unpack layer ``n`` over those below.  CorruptData, and no layer, if it is not what its diff id says."""
    layer, diff_id = image.manifest.layers[n], image.diff_ids[n]
    with driver.new_layer(image.chain[n], image.chain[:n]) as target:
        if target.complete:  # another process was faster
            return
        fd = layout.open_blob(layer.digest)
        try:
            kind = compression(os.pread(fd, 8, 0))
            try:
                found = _unpack_packed(fd, kind, target) if kind else _unpack_plain(fd, target)
            except CorruptData as error:
                raise CorruptData(f"layer {layer.digest}: {error}") from None
        finally:
            os.close(fd)
        if found != diff_id:
            raise CorruptData(f"layer {layer.digest} is damaged: its content is not {diff_id}")


def _unpack_plain(fd: int, target: Layer) -> str:
    hashing = hash_file(fd)
    try:
        unpack(FileSource(fd), target)
    finally:
        found = hashing.stop()
    return found


def _unpack_packed(fd: int, kind: str, target: Layer) -> str:
    hasher = Hasher()
    try:
        source = StreamSource(hasher.through(plain(_chunks(fd), kind)))
        unpack(source, target)
        source.drain()
    finally:
        found = hasher.digest()
    return found


def _chunks(fd: int) -> Iterator[bytes]:
    while chunk := os.read(fd, CHUNK):
        yield chunk
