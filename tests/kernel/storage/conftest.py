"""Storage tests run in a mount namespace of their own, once for each driver."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import tarfile
import time

import pytest

from minicontainer import storage
from minicontainer.image.store import ImageStore
from minicontainer.linux import mount, namespaces
from minicontainer.linux.process import CLONE_NEWNS
from minicontainer.storage.probe import why_not_overlay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from minicontainer.image.model import Image
    from minicontainer.storage.changes import Change


@pytest.fixture(autouse=True)
def _own_mounts() -> Iterator[None]:
    """What a test mounts is gone with its namespace, whatever happens."""
    here = os.getcwd()
    home = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    namespaces.unshare(CLONE_NEWNS)
    mount.mount("none", "/", None, mount.MS_REC | mount.MS_PRIVATE)
    try:
        yield
    finally:
        _return(home)
        os.close(home)
        os.chdir(here)


def _return(home: int) -> None:
    """setns(2) wants a process of one thread; one that was joined may still be on its way out."""
    deadline = time.monotonic() + 60
    while True:
        try:
            namespaces.setns(home, CLONE_NEWNS)
            return
        except OSError as error:
            if error.errno != errno.EINVAL or time.monotonic() > deadline:
                raise
            time.sleep(0.001)


class Bench:
    """A state root with a driver, an image store, and containers mounted in turn."""

    def __init__(self, root: str, name: str) -> None:
        self.root = root
        self.driver = storage.driver(root, name)
        self.store = ImageStore(root, self.driver)
        self.count = 0

    def container(self, image: Image | None) -> tuple[str, str]:
        """The folder and the mounted root of a new container."""
        chain = self.store.ensure_unpacked(image) if image is not None else []
        self.count += 1
        folder = os.path.join(self.root, "containers", str(self.count))
        target = os.path.join(folder, "rootfs")
        os.makedirs(target)
        self.driver.prepare(folder, chain)
        self.driver.mount(folder, chain, target)
        return folder, target

    def changes(self, folder: str, image: Image | None) -> list[Change]:
        return list(self.driver.changes(folder, image.chain if image is not None else []))

    def diff(self, folder: str, image: Image | None) -> list[str]:
        return [repr(change) for change in self.changes(folder, image)]

    def commit(self, folder: str, image: Image | None, reference: str | None = None) -> Image:
        return self.store.commit(image, self.changes(folder, image), reference=reference)

    def image(self, *layers: bytes) -> Image:
        """An image with these archives as its layers, made without the project's own writer."""
        from minicontainer.image.blobs import BlobWriter
        from minicontainer.oci import image as oci

        descriptors = []
        with self.store.layout.lock():
            for data in layers:
                with BlobWriter(self.store.layout.blobs) as blob:
                    blob.write(data)
                    blob.finish()
                    blob.install()
                descriptors.append(oci.Descriptor(oci.MEDIA_LAYER, oci.digest(data), len(data)))
        document = oci.ImageConfig(
            oci.machine(), "linux", oci.RootFS("layers", [d.digest for d in descriptors])
        )
        return self.store._publish(document, descriptors, None, None)

    def leftovers(self) -> list[str]:
        """Everything temporary below the root."""
        return [
            os.path.join(path, name)
            for path, folders, files in os.walk(self.root)
            for name in folders + files
            if name.startswith(".tmp-")
        ]


@pytest.fixture(params=["overlay", "vfs"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """A fresh root for each driver."""
    root = str(tmp_path / "root")
    os.mkdir(root)
    if request.param == "overlay" and (reason := why_not_overlay(root)):
        pytest.skip(f"overlay does not work here: {reason}")
    return Bench(root, request.param)


def entry(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A member for `archive`: a file, or what ``type`` says."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mtime = 1_600_000_000
    info.mode = 0o755 if fields.get("type") == tarfile.DIRTYPE else 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def folder(name: str, **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, **fields)


def archive(*entries: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar made by Python's tarfile: another author than the reader under test."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def snapshot(root: str) -> dict[bytes, tuple[Any, ...]]:
    """All that is to be kept of a tree, by path; hard links by the first path of their inode."""
    from minicontainer.storage.tree import walk, xattrs

    top = os.fsencode(root)
    first: dict[int, bytes] = {}
    found = {}
    for path, status in walk(top):
        full = os.path.join(top, path)
        kind = stat.S_IFMT(status.st_mode)
        content: Any = status.st_rdev
        if kind == stat.S_IFREG:
            with open(full, "rb") as file:
                content = status.st_size, hashlib.file_digest(file, "sha256").hexdigest()
        elif kind == stat.S_IFLNK:
            content = os.readlink(full)
        same = first.setdefault(status.st_ino, path) if kind != stat.S_IFDIR else path
        found[path] = (
            oct(status.st_mode), status.st_uid, status.st_gid, int(status.st_mtime), content, same,
            xattrs(full, overlay=False),
        )  # fmt: skip
    return found
