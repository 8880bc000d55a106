"""Removing images: Docker's rules for `rmi`, then what nothing leads to any more.

=====================================  ============================================================
``rmi NAME:TAG``, another tag exists   that tag goes
``rmi NAME:TAG``, its last             the image goes; refused while a container uses it
``rmi ID``                             the image goes with all its tags; refused if they are of
                                       several repositories, or while a container uses it
``--force``                            nothing is refused, but an image that containers use stays,
                                       untagged, so that they can be started again
=====================================  ============================================================
"""

from __future__ import annotations

from minicontainer.errors import Conflict, CorruptData
from minicontainer.image import layout as files
from minicontainer.image import reference as references
from minicontainer.oci.image import Manifest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.image.model import Image
    from minicontainer.image.store import ImageStore
    from minicontainer.oci.image import Descriptor


def remove(
    store: ImageStore,
    text: str,
    *,
    force: bool,
    containers: Callable[[str], list[str]],
    every_name: bool = False,
) -> list[str]:
    """See `ImageStore.remove`."""
    with store.layout.lock():
        try:
            image = store.resolve(text)
        except CorruptData:
            return _drop_damaged(store, text)
        by_name = _names(image, text)
        users = containers(image.id)
        last = not by_name or set(by_name) >= set(image.references)
        if not force:
            _refuse(image, text, by_name, users if last else [], every_name=every_name)
        entries = files.untag(store.layout.read_index(), by_name or image.references)
        lines = [f"Untagged: {name}" for name in by_name or image.references]
        if users or not last:
            store.layout.write_index(entries)
            return lines
        entries = [entry for entry in entries if entry.digest != image.manifest_digest]
        store.layout.write_index(entries)
        _, chains = store.layout.collect(entries)
        return [*lines, f"Deleted: {image.id}", *_remove_layers(store, image, chains)]


def _drop_damaged(store: ImageStore, text: str) -> list[str]:
    """Untag what cannot be read; only by its name, as its id is not known."""
    name = references.parse(text).tagged()
    entries = files.untag(store.layout.read_index(), [name])
    store.layout.write_index([entry for entry in entries if files.name_of(entry) or _readable(store, entry)])
    return [f"Untagged: {name}"]


def _readable(store: ImageStore, entry: Descriptor) -> bool:
    try:
        store.layout.document(entry.digest, Manifest)
    except CorruptData:
        return False
    return True


def _names(image: Image, text: str) -> list[str]:
    """The reference that ``text`` is, in a list; none if it is an id or a digest."""
    if references.is_digest(text) or (len(text) == 64 and references.is_hex(text)):
        return []
    parsed = references.parse(text)
    if parsed.digest is not None:
        return [name for name in image.references if name.rpartition(":")[0] == parsed.name]
    return [parsed.tagged()] if parsed.tagged() in image.references else []


def _refuse(image: Image, text: str, by_name: list[str], users: list[str], *, every_name: bool) -> None:
    short = image.id.removeprefix("sha256:")[:12]
    repositories = {name.rpartition(":")[0] for name in image.references}
    if not by_name and len(repositories) > 1 and not every_name:
        raise Conflict(
            f"conflict: unable to delete {short} (must be forced) - "
            "image is referenced in multiple repositories"
        )
    if users and by_name:
        raise Conflict(
            f'conflict: unable to remove repository reference "{text}" (must force) - '
            f"container {users[0][:12]} is using its referenced image {short}"
        )
    if users:
        raise Conflict(
            f"conflict: unable to delete {short} (must be forced) - "
            f"image is being used by container {users[0][:12]}"
        )


def _remove_layers(store: ImageStore, image: Image, wanted: set[str]) -> list[str]:
    lines = []
    for chain_id in reversed(image.chain):
        if chain_id not in wanted:
            store.driver.remove_layer(chain_id)
            lines.append(f"Deleted: {chain_id}")
    return lines
