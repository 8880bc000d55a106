"""Users and groups of an image: names and numbers, and files that no honest image has."""

from __future__ import annotations

import os

import pytest

from minicontainer.errors import NotFound
from minicontainer.libcontainer.user import home_of, lookup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWD = """root:x:0:0:root:/root:/bin/sh
# a comment
daemon:x:1:1::/usr/sbin:/bin/false
alice:x:1000:1000:Alice:/people/alice:/bin/sh
42:x:77:78:a name of digits:/people/42:/bin/sh
broken line
short:x:9
words:x:one:two::/:/bin/sh
nohome:x:5:6:::
"""
GROUP = """root:x:0:
audio:x:29:alice,bob
video:x:44:bob,alice
alice:x:1000:
staff:x:50:alice
broken
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "passwd").write_text(PASSWD)
    (tmp_path / "etc" / "group").write_text(GROUP)
    return tmp_path


@pytest.fixture
def root(image: Path) -> Iterator[int]:
    fd = os.open(image, os.O_PATH | os.O_DIRECTORY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize(
    ("text", "uid", "gid", "groups", "home"),
    [
        ("", 0, 0, [0], "/root"),
        ("root", 0, 0, [0], "/root"),
        ("0", 0, 0, [0], "/root"),
        ("alice", 1000, 1000, [1000, 29, 44, 50], "/people/alice"),
        ("1000", 1000, 1000, [1000, 29, 44, 50], "/people/alice"),
        ("alice:audio", 1000, 29, [29], "/people/alice"),
        ("alice:99", 1000, 99, [99], "/people/alice"),
        ("4321", 4321, 0, [0], "/"),
        ("4321:8765", 4321, 8765, [8765], "/"),
        (":50", 0, 50, [50], "/root"),
        ("42", 42, 0, [0], "/"),  # the name of digits is not asked for (CVE-2016-3697)
        ("nohome", 5, 6, [6], "/"),
        ("2147483647", 2147483647, 0, [0], "/"),
    ],
)
def test_docker_s_forms(root: int, text: str, uid: int, gid: int, groups: list[int], home: str) -> None:
    found = lookup(root, text)
    assert (found.uid, found.gid, found.additional_gids, found.home) == (uid, gid, groups, home)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nobody", "unable to find user nobody: no matching entries in passwd file"),
        ("short", "unable to find user short"),
        ("words", "unable to find user words"),
        ("alice:nogroup", "unable to find group nogroup: no matching entries in group file"),
        ("2147483648", "outside the range"),
        ("0:2147483648", "outside the range"),
        ("-1", "unable to find user -1"),
        ("alice:-1", "unable to find group -1"),
        ("\u0663", "unable to find user"),
    ],
)
def test_what_is_not_there(root: int, text: str, message: str) -> None:
    with pytest.raises(NotFound, match=message):
        lookup(root, text)


@pytest.mark.parametrize(
    ("uid", "folder"), [(0, "/root"), (1000, "/people/alice"), (5, "/"), (4_000_000_000, "/")]
)
def test_the_home_of_a_number(root: int, uid: int, folder: str) -> None:
    assert home_of(root, uid) == folder


def test_an_image_without_the_files_knows_numbers(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_PATH | os.O_DIRECTORY)
    assert lookup(fd, "7:8").uid == 7
    with pytest.raises(NotFound):
        lookup(fd, "root")
    os.close(fd)


def test_links_stay_in_the_image(image: Path, root: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "passwd"
    outside.write_text("evil:x:666:666::/:/bin/sh\n")
    os.unlink(image / "etc" / "passwd")
    os.symlink(outside, image / "etc" / "passwd")
    with pytest.raises(NotFound):
        lookup(root, "evil")
    os.unlink(image / "etc" / "passwd")
    (image / "real").write_text("inside:x:5:5::/:/bin/sh\n")
    os.symlink("/real", image / "etc" / "passwd")
    assert lookup(root, "inside").uid == 5


def test_a_pipe_or_folder_in_the_place_of_the_file_hangs_nobody(image: Path, root: int) -> None:
    os.unlink(image / "etc" / "passwd")
    os.mkfifo(image / "etc" / "passwd")
    assert lookup(root, "3").uid == 3
    os.unlink(image / "etc" / "passwd")
    (image / "etc" / "passwd").mkdir()
    assert lookup(root, "3").uid == 3


def test_names_that_are_not_utf8(image: Path, root: int) -> None:
    (image / "etc" / "passwd").write_bytes(b"caf\xe9:x:8:9::/people/caf\xe9:/bin/sh\n")
    assert lookup(root, os.fsdecode(b"caf\xe9")).uid == 8
