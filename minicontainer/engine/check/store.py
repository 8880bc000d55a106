"""Images and unpacked layers: what leads where, and whether the blobs are what their names say.

An image that lacks a blob is told of and left: only who has it elsewhere can bring it back.
"""

from __future__ import annotations

import os

from minicontainer.engine.check.finding import Finding
from minicontainer.engine.check.life import describe
from minicontainer.errors import CorruptData
from minicontainer.image import layout as layouts
from minicontainer.oci import image as oci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minicontainer.engine.check.life import Lives
    from minicontainer.engine.engine import Engine
    from minicontainer.image.layout import ImageLayout

READ_AT_ONCE = 1 << 20


class Reached:
    """What the index leads to.  ``whole``: nothing was unreadable, so that the rest is nobody's."""

    __slots__ = ("blobs", "chains", "whole")

    def __init__(self) -> None:
        self.blobs: set[str] = set()
        self.chains: set[str] = set()
        self.whole = True


def look(engine: Engine, lives: Lives, *, verify: bool) -> Iterator[Finding]:
    """See the table in the package."""
    layout = engine.images.layout
    try:
        entries = layout.read_index()
    except CorruptData:
        path = f"{layout.path}/index.json"
        said = f"{describe(path)}: no image can be found; the blobs are untouched"
        yield Finding("image index", path, said)
        return
    reached = Reached()
    for digest in {entry.digest: entry for entry in entries}:
        names = [name for entry in entries if entry.digest == digest and (name := layouts.name_of(entry))]
        yield from _image(layout, digest, " ".join(names) or digest[7:19], reached, verify=verify)
    if reached.whole:
        yield from _spare(engine, lives, reached)


def _image(
    layout: ImageLayout, digest: str, title: str, reached: Reached, *, verify: bool
) -> Iterator[Finding]:
    try:
        manifest = layout.document(digest, oci.Manifest)
        config = layout.document(manifest.config.digest, oci.ImageConfig)
    except CorruptData as error:
        reached.whole = False
        yield Finding("image", title, f"{error}; `minicontainer rmi` and import it again")
        return
    reached.blobs.update((digest, manifest.config.digest), (layer.digest for layer in manifest.layers))
    reached.chains.update(oci.chain_ids(config.rootfs.diff_ids or []))
    if len(manifest.layers) != len(config.rootfs.diff_ids or []):
        yield Finding("image", title, "its manifest and its config disagree on the number of layers")
    for layer in manifest.layers:
        wrong = _blob(layout.blob_path(layer.digest), layer, verify=verify)
        if wrong:
            said = f"layer {layer.digest[7:19]} {wrong}; containers of it start only while it is unpacked"
            yield Finding("image", title, said)


def _blob(path: str, layer: oci.Descriptor, *, verify: bool) -> str:
    """What is wrong with a layer's blob; "" if nothing is."""
    try:
        size = os.stat(path).st_size
    except FileNotFoundError:
        return "is missing"
    if size != layer.size:
        return f"has {size} bytes in place of {layer.size}"
    if verify and f"sha256:{_sha256(path)}" != layer.digest:
        return "is damaged: its content has another digest"
    return ""


def _sha256(path: str) -> str:
    import hashlib

    found = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while part := file.read(READ_AT_ONCE):
            found.update(part)
    return found.hexdigest()


def _spare(engine: Engine, lives: Lives, reached: Reached) -> Iterator[Finding]:
    """Blobs and layers that nothing leads to."""
    layout = engine.images.layout
    for name in sorted(os.listdir(layout.blobs)) if os.path.isdir(layout.blobs) else []:
        if len(name) == 64 and f"sha256:{name}" not in reached.blobs:
            said = "no image leads to this blob"
            yield Finding("blob", f"{layout.blobs}/{name}", said, lambda: _collect(engine))
    if lives.damaged:
        return  # nobody knows what they stand on
    for driver in _drivers(engine):
        wanted = reached.chains | _stood_on(lives, driver)
        for chain in engine.driver(driver).layers():
            if chain not in wanted:
                path = f"{engine.folders.root}/layers/{driver}/{chain.removeprefix('sha256:')}"
                said = "no image and no container stands on this unpacked layer"
                yield Finding("layer", path, said, lambda: _collect(engine))


def _drivers(engine: Engine) -> list[str]:
    from minicontainer.storage import NAMES

    return [name for name in NAMES if os.path.isdir(f"{engine.folders.root}/layers/{name}")]


def _stood_on(lives: Lives, driver: str) -> set[str]:
    containers = [found.container for found in lives.found.values()]
    return {chain for one in containers if one.driver == driver for chain in one.chain}


def _collect(engine: Engine) -> str:
    """Blobs and layers that nothing leads to, once more under the lock, are removed."""
    from minicontainer.engine.check.life import Lives

    layout = engine.images.layout
    with layout.lock():
        blobs, chains = layout.collect(layout.read_index())
        lives = Lives(engine)
        layers = []
        for driver in _drivers(engine) if not lives.damaged else []:
            for chain in engine.driver(driver).layers():
                if chain not in chains | _stood_on(lives, driver):
                    engine.driver(driver).remove_layer(chain)
                    layers.append(chain)
    return f"removed {len(blobs)} blobs and {len(layers)} unpacked layers that nothing led to"
