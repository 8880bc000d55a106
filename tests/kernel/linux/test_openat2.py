"""Opening paths that an image wrote: nothing leads out of the root."""

from __future__ import annotations

import errno
import os

import pytest

from minicontainer.linux import openat2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Iterator[int]:
    inside = tmp_path / "root"
    (inside / "etc").mkdir(parents=True)
    (inside / "etc" / "passwd").write_text("inside")
    (tmp_path / "passwd").write_text("outside")
    os.symlink("/etc/passwd", inside / "absolute")
    os.symlink("../../../../../../etc/passwd", inside / "etc" / "climbing")
    os.symlink("/", inside / "top")
    os.symlink("loop", inside / "loop")
    fd = os.open(inside, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "etc/passwd", "absolute", "etc/climbing", "top/absolute", "../../etc/passwd"]
)
def test_every_way_stays_inside(root: int, path: str) -> None:
    fd = openat2.open_in_root(root, path, os.O_RDONLY)
    with os.fdopen(fd) as file:
        assert file.read() == "inside"


def test_the_descriptor_is_close_on_exec(root: int) -> None:
    fd = openat2.open_in_root(root, "/", os.O_PATH)
    assert not os.get_inheritable(fd)
    os.close(fd)


@pytest.mark.parametrize(("path", "code"), [("missing", errno.ENOENT), ("loop", errno.ELOOP)])
def test_refusals_name_the_path(root: int, path: str, code: int) -> None:
    with pytest.raises(OSError, match=path) as caught:
        openat2.open_in_root(root, path, os.O_RDONLY)
    assert caught.value.errno == code


def test_magic_links_are_refused() -> None:
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    folder = os.open(os.path.dirname(__file__), os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="symbolic links"):
            openat2.open_in_root(root, f"/proc/self/fd/{folder}/child.py", os.O_RDONLY)
    finally:
        os.close(root)
        os.close(folder)


def test_beneath_refuses_what_in_root_would_bend(root: int) -> None:
    with pytest.raises(OSError, match="cross-device") as caught:
        openat2.openat2(root, b"absolute", os.O_RDONLY | os.O_CLOEXEC, openat2.RESOLVE_BENEATH)
    assert caught.value.errno == errno.EXDEV
