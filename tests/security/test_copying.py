"""CVE-2018-15664 and its kin: a folder becomes a link while cp reads or writes it."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

import pytest

from minicontainer.errors import MinicontainerError
from minicontainer.image import unpack
from minicontainer.image.place import Content, Place, members
from minicontainer.linux import openat2
from minicontainer.storage import nodes
from tests.security.attacks import exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

HOLD = os.O_PATH | os.O_DIRECTORY


@pytest.fixture
def inner(tmp_path: Path) -> Path:
    """A container's root with /data/file."""
    (tmp_path / "root/data").mkdir(parents=True)
    (tmp_path / "root/data/secret").write_text("container")
    return tmp_path / "root"


def read(inner: Path, outside: Path) -> list[bytes]:
    """The content that is read where /data is exchanged once it was seen."""
    top = os.open(inner, HOLD)
    found = []
    try:
        for node in nodes.walk(top, b"."):
            if node.path == b"./data":
                exchange(f"{inner}/data", str(outside))
            if stat.S_ISREG(node.status.st_mode):
                fd = node.open()
                found.append(os.read(fd, 100))
                os.close(fd)
    finally:
        os.close(top)
    return found


def test_an_exchanged_folder_is_not_read(inner: Path, outside: Path) -> None:
    assert b"host" not in read(inner, outside)


def test_without_the_protection_it_is(inner: Path, outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def by_name(top: int, path: bytes, flags: int, resolve: int) -> int:
        return os.open(path, flags, dir_fd=top)

    monkeypatch.setattr(openat2, "openat2", by_name)
    assert b"host" in read(inner, outside)


def write(inner: Path, outside: Path, tmp_path: Path) -> None:
    """Copy a file to /data, which is a link to the host's folder by then."""
    source = tmp_path / "source"
    source.write_text("planted")
    exchange(f"{inner}/data", str(outside))
    root, fd = os.open(inner, HOLD), os.open(source, os.O_PATH)
    content = Content()
    place = Place(root, keeps_owner=True)
    try:
        # What the link says is not there, inside: refused, or made inside.
        with suppress(OSError, MinicontainerError):
            for member in members(nodes.walk(fd, b"data/planted"), content):
                place.place(member, content)
    finally:
        place.close()
        os.close(root)
        os.close(fd)


def test_an_exchanged_folder_is_not_written_to(inner: Path, outside: Path, tmp_path: Path) -> None:
    write(inner, outside, tmp_path)
    assert os.listdir(outside) == ["secret"]


def test_without_the_protection_it_is_written_to(
    inner: Path, outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def by_name(top: int, path: bytes, flags: int, resolve: int) -> int:
        return os.open(path, flags, dir_fd=top)

    monkeypatch.setattr(unpack, "openat2", by_name)
    write(inner, outside, tmp_path)
    assert "planted" in os.listdir(outside)
