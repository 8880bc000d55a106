"""What containers take on the disk: Docker's SizeRw and SizeRootFs."""

from __future__ import annotations

from minicontainer.errors import MinicontainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.engine import Engine
    from minicontainer.engine.records import Container


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
