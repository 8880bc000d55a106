"""A layer coming in from a stream: stored, hashed twice and unpacked in one pass.

::

    stream ─► chunks ─► BlobWriter (digest) ─► gunzip/unzstd ─► Hasher (diff id) ─► unpack
                                           plain tar: the digest is the diff id

The layer's name, its chain id, is known only when the last byte was seen; until then it lies under
a temporary one.
"""

from __future__ import annotations

from minicontainer.errors import CorruptData
from minicontainer.image.blobs import BlobWriter, Hasher
from minicontainer.image.source import CHUNK, StreamSource, compression, plain
from minicontainer.image.unpack import unpack
from minicontainer.oci.image import MEDIA_LAYER, UNPACKED_SIZE, Descriptor

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Protocol

    from minicontainer.storage.contract import Driver

    class Stream(Protocol):
        """Anything with ``read``."""

        def read(self, size: int, /) -> bytes:
            """Up to ``size`` bytes, none at the end."""


def receive(
    stream: Stream, blob: BlobWriter, driver: Driver, progress: Callable[[int], None] | None
) -> tuple[Descriptor, str]:
    """Take in the only layer of a new image; its descriptor and diff id.

    ``progress`` is told the bytes read so far.  ``blob`` is finished, not yet installed.
    Raises CorruptData for what is no archive, Unsupported for other compressions.
    """
    first = _fill(stream)
    if not first:
        raise CorruptData("the archive is empty")
    kind = compression(first)
    hasher = Hasher() if kind else None
    with driver.new_layer(None, []) as layer:
        try:
            chunks = plain(_stored(first, stream, blob, progress), kind)
            source = StreamSource(hasher.through(chunks) if hasher else chunks)
            size = unpack(source, layer)
            source.drain()
        finally:
            diff_id = hasher.digest() if hasher else ""
        digest = blob.finish()
        diff_id = diff_id or digest
        layer.chain_id = diff_id  # of a lowest layer, both are the same
    media_type = f"{MEDIA_LAYER}+{kind}" if kind else MEDIA_LAYER
    return Descriptor(media_type, digest, blob.size, {UNPACKED_SIZE: str(size)}), diff_id


def _fill(stream: Stream) -> bytes:
    """The first bytes, as many as magic numbers need, though a pipe may give fewer at a time."""
    data = stream.read(CHUNK)
    while data and len(data) < 8:
        more = stream.read(CHUNK)
        if not more:
            break
        data += more
    return data


def _stored(
    first: bytes, stream: Stream, blob: BlobWriter, progress: Callable[[int], None] | None
) -> Iterator[bytes]:
    chunk = first
    done = 0
    while chunk:
        blob.write(chunk)
        done += len(chunk)
        if progress is not None:
            progress(done)
        yield chunk
        chunk = stream.read(CHUNK)
