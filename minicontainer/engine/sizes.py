"""What containers take on the disk (Docker's SizeRw and SizeRootFs), and all of it together (`system df`).

Sizes are of files, as programs see them: what `images` and `ps -s` show adds up to what `system df` does.
"""

from __future__ import annotations

from minicontainer.errors import MinicontainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minicontainer.engine.engine import Engine, Found
    from minicontainer.engine.records import Container
    from minicontainer.image.model import Image


class Sizes:
    """Measures containers; each image once."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._images: dict[str, int] = {}

    def written(self, container: Container) -> int:
        """Bytes of the files that the container added or changed, each inode once."""
        engine = self.engine
        folder = engine.folders.container(container.id)
        files = {
            (change.status.st_dev, change.status.st_ino): change.status.st_size
            for change in engine.driver(container.driver).changes(folder, container.chain)
            if change.status is not None and not change.is_folder
        }
        return sum(files.values())

    def image(self, image_id: str) -> int:
        """Bytes of the image's layers; 0 for one that is gone."""
        if image_id not in self._images:
            try:
                self._images[image_id] = self.engine.images.resolve(image_id).size
            except MinicontainerError:
                self._images[image_id] = 0
        return self._images[image_id]


def layers_of(image: Image) -> Iterator[tuple[str, int]]:
    """(chain id, bytes) of its layers, the lowest first."""
    from minicontainer.image.model import layer_size

    return zip(image.chain, map(layer_size, image.manifest.layers), strict=True)


class ImageUse:
    """An image, the bytes of it that it shares with others and that are its own, its containers."""

    __slots__ = ("containers", "image", "shared")

    def __init__(self, image: Image, shared: int, containers: int) -> None:
        self.image = image
        self.shared = shared
        self.containers = containers

    @property
    def unique(self) -> int:
        """Bytes of the layers that no other image has."""
        return self.image.size - self.shared


class DiskUsage:
    """Everything below the root, measured when it is made.

    ``images``; ``layers`` are bytes by chain id, each layer once; ``containers`` with the bytes that each
    wrote.
    """

    def __init__(self, engine: Engine) -> None:
        present = engine.images.images()
        found = engine.containers()
        users: dict[str, int] = {}
        for one in found:
            image_id = one.container.image_id
            users[image_id] = users.get(image_id, 0) + 1
        self.layers = {chain_id: size for image in present for chain_id, size in layers_of(image)}
        counts: dict[str, int] = {}
        for image in present:
            for chain_id in image.chain:
                counts[chain_id] = counts.get(chain_id, 0) + 1
        self.images = [
            ImageUse(
                image,
                sum(size for chain_id, size in layers_of(image) if counts[chain_id] > 1),
                users.get(image.id, 0),
            )
            for image in present
        ]
        self.containers = list(_written(engine, found))

    @property
    def image_bytes(self) -> int:
        """Of all images, a layer that several have counted once."""
        return sum(self.layers.values())

    @property
    def unused_image_bytes(self) -> int:
        """Of the layers that go when all unused images do."""
        used = {chain_id for use in self.images if use.containers for chain_id in use.image.chain}
        return sum(size for chain_id, size in self.layers.items() if chain_id not in used)

    @property
    def container_bytes(self) -> int:
        """Of what all containers wrote."""
        return sum(size for _, size in self.containers)

    @property
    def stopped_bytes(self) -> int:
        """Of what those wrote that do not run."""
        return sum(size for found, size in self.containers if not active(found))


def active(found: Found) -> bool:
    """Whether a container keeps what it wrote from being pruned."""
    return found.state in ("running", "paused", "restarting")


def _written(engine: Engine, containers: list[Found]) -> Iterator[tuple[Found, int]]:
    sizes = Sizes(engine)
    for found in containers:
        try:
            yield found, sizes.written(found.container)
        except FileNotFoundError:
            continue  # removed since it was looked for
