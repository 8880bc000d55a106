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


@pytest.fixture(params=["openat2", "walk"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the system call, and as where a filter hides it."""
    if request.param == "walk":

        def missing(*arguments: object) -> int:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

        monkeypatch.setattr(openat2, "openat2", missing)
    return str(request.param)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "path", ["/etc/passwd", "etc/passwd", "absolute", "etc/climbing", "top/absolute", "../../etc/passwd"]
)
def test_every_way_stays_inside(root: int, path: str) -> None:
    fd = openat2.open_in_root(root, path, os.O_RDONLY)
    with os.fdopen(fd) as file:
        assert file.read() == "inside"


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("flags", [os.O_PATH, os.O_RDONLY, os.O_RDONLY | os.O_DIRECTORY])
def test_the_descriptor_is_close_on_exec(root: int, flags: int) -> None:
    fd = openat2.open_in_root(root, "/", flags)
    assert not os.get_inheritable(fd)
    os.close(fd)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("path", "code"),
    [("missing", errno.ENOENT), ("loop", errno.ELOOP), ("etc/passwd/more", errno.ENOTDIR)],
)
def test_refusals_name_the_path(root: int, path: str, code: int) -> None:
    with pytest.raises(OSError, match=path) as caught:
        openat2.open_in_root(root, path, os.O_RDONLY)
    assert caught.value.errno == code


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", ["fd/{}/child.py", "root/etc/passwd", "cwd", "exe"])
def test_magic_links_are_refused(name: str) -> None:
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    folder = os.open(os.path.dirname(__file__), os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="symbolic links"):
            openat2.open_in_root(root, f"/proc/{os.getpid()}/" + name.format(folder), os.O_RDONLY)
    finally:
        os.close(root)
        os.close(folder)


def test_beneath_refuses_what_in_root_would_bend(root: int) -> None:
    with pytest.raises(OSError, match="cross-device") as caught:
        openat2.openat2(root, b"absolute", os.O_RDONLY | os.O_CLOEXEC, openat2.RESOLVE_BENEATH)
    assert caught.value.errno == errno.EXDEV


@pytest.mark.usefixtures("way")
def test_a_link_itself_can_be_held(root: int) -> None:
    fd = openat2.open_in_root(root, "etc/climbing", os.O_PATH | os.O_NOFOLLOW)
    assert os.readlink("", dir_fd=fd).startswith("..")
    os.close(fd)


@pytest.mark.usefixtures("way")
def test_reaching_refuses_every_link_on_the_way(root: int, tmp_path: Path) -> None:
    fd = openat2.reach(f"{tmp_path}/root/etc/passwd")
    assert os.fstat(fd).st_ino == os.stat(f"{tmp_path}/root/etc/passwd").st_ino
    os.close(fd)
    for path in ("absolute", "top/etc/passwd", "etc/climbing", "loop"):
        with pytest.raises(OSError, match="symbolic links"):
            openat2.reach(f"{tmp_path}/root/{path}")


@pytest.mark.usefixtures("way")
def test_reaching_with_links_followed(tmp_path: Path) -> None:
    os.symlink(tmp_path, tmp_path / "here")
    fd = openat2.reach(f"{tmp_path}/here", follow=True)
    assert os.fstat(fd).st_ino == tmp_path.stat().st_ino
    os.close(fd)
    with pytest.raises(FileNotFoundError):
        openat2.reach(f"{tmp_path}/missing", follow=True)
