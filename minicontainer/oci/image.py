"""The OCI image specification's documents as types (image-spec 1.1).

::

    index.json ──manifests[]──► manifest ──config──► image config (its digest is the image's id)
                                    └─────layers[]─► layer blobs, lowest first

Each arrow is a `Descriptor`: media type, digest and size of a blob in ``blobs/sha256/``.  Unknown
properties are ignored.  Programs in Go write ``null`` where a list or map is empty, so those of the
image config may be None.  `load` names the document and the field that is wrong.
"""

from __future__ import annotations

import os

import msgspec

from minicontainer.errors import CorruptData

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeVar

    D = TypeVar("D", bound="Document")

LAYOUT_VERSION = "1.0.0"

MEDIA_INDEX = "application/vnd.oci.image.index.v1+json"
MEDIA_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MEDIA_CONFIG = "application/vnd.oci.image.config.v1+json"
MEDIA_LAYER = "application/vnd.oci.image.layer.v1.tar"
MEDIA_LAYER_GZIP = MEDIA_LAYER + "+gzip"
MEDIA_LAYER_ZSTD = MEDIA_LAYER + "+zstd"

REF_NAME = "org.opencontainers.image.ref.name"
# Ours, on a layer's descriptor: the bytes of its files, which a compressed blob's size does not tell.
UNPACKED_SIZE = "minicontainer.layer.unpacked-size"

_GOARCH = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "loongarch64": "loong64"}


class Document(msgspec.Struct, omit_defaults=True, rename="camel"):
    """What every document shares: camel-case names, defaults left out when written."""


class Platform(Document):
    architecture: str
    os: str
    variant: str | None = None


class Descriptor(Document):
    """A pointer to a blob; ``size`` in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] | None = None
    platform: Platform | None = None


class Index(Document):
    schema_version: int
    manifests: list[Descriptor]
    media_type: str | None = None
    annotations: dict[str, str] | None = None


class Manifest(Document):
    schema_version: int
    config: Descriptor
    layers: list[Descriptor]
    media_type: str | None = None
    annotations: dict[str, str] | None = None


class Healthcheck(Document, rename="pascal"):
    """Docker's addition to the image config; times in nanoseconds."""

    test: list[str] | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    retries: int = 0
    start_interval: int = 0


class ContainerConfig(Document, rename="pascal"):
    """How to run a container of the image (config.md, ``config``; the last four are Docker's)."""

    user: str = ""
    exposed_ports: dict[str, dict[str, str]] | None = None
    env: list[str] | None = None
    entrypoint: list[str] | None = None
    cmd: list[str] | None = None
    volumes: dict[str, dict[str, str]] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    stop_timeout: int | None = None
    healthcheck: Healthcheck | None = None
    on_build: list[str] | None = None
    shell: list[str] | None = None


class History(Document, rename=None):
    """How a layer came to be; ``empty_layer`` marks an entry that has none."""

    created: str | None = None
    created_by: str | None = None
    author: str | None = None
    comment: str | None = None
    empty_layer: bool = False


class RootFS(Document, rename=None):
    """``diff_ids``: digests of the layers as plain tar, lowest first."""

    type: str
    diff_ids: list[str] | None


class ImageConfig(Document, rename=None):
    architecture: str
    os: str
    rootfs: RootFS
    config: ContainerConfig | None = None
    created: str | None = None
    author: str | None = None
    variant: str | None = None
    os_version: str | None = msgspec.field(default=None, name="os.version")
    history: list[History] | None = None


class Layout(Document):
    """The file ``oci-layout`` (image-layout.md)."""

    image_layout_version: str


def load(data: bytes, kind: type[D], source: str) -> D:
    """The document in ``data``; CorruptData names ``source`` and the field."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptData(f"{source}: {error}") from None


def dump(document: Document) -> bytes:
    """``document`` as compact JSON: the bytes that are hashed."""
    return msgspec.json.encode(document)


def machine() -> str:
    """This machine's architecture by Go's name, as image configs have it."""
    name = os.uname().machine
    return _GOARCH.get(name, name)


def digest(data: bytes) -> str:
    """``sha256:HEX`` of ``data``, a document: for whole layers OpenSSL's is faster."""
    return f"sha256:{_sha256()(data).hexdigest()}"


def _sha256() -> Any:
    # hashlib loads OpenSSL, 2 ms that every `run` would pay to check two small documents.
    for name in ("_sha2", "_sha256"):  # CPython's own, from 3.12 on and before
        try:
            return __import__(name).sha256
        except ImportError:
            continue
    import hashlib

    return hashlib.sha256


def chain_ids(diff_ids: list[str]) -> list[str]:
    """The chain id of each layer with all those below it (config.md, Layer ChainID).

    ``chain(1) = diff(1)``; ``chain(n) = sha256(chain(n-1) + " " + diff(n))``.
    """
    chain: list[str] = []
    for diff_id in diff_ids:
        chain.append(digest(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return chain
