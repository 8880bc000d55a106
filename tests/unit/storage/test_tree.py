"""Trees and temporaries, without root."""

from __future__ import annotations

import os

from minicontainer.storage import temporary
from minicontainer.storage.changes import find_changes
from minicontainer.storage.tree import copy_tree, remove_tree, usage, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def test_walk_is_sorted_and_follows_no_link(tmp_path: Path) -> None:
    for name in ("b/inner", "a"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "b.txt").touch()
    (tmp_path / "loop").symlink_to(".")
    names = [path for path, _ in walk(os.fsencode(tmp_path))]
    assert names == [b"a", b"b", b"b/inner", b"b.txt", b"loop"]


def test_removing_keeps_what_links_point_to(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept/file").touch()
    (tmp_path / "tree/deep").mkdir(parents=True)
    (tmp_path / "tree/deep/link").symlink_to(tmp_path / "kept")
    remove_tree(str(tmp_path / "tree"))
    remove_tree(str(tmp_path / "tree"))
    remove_tree(str(tmp_path / "no/such/folder"))
    assert os.listdir(tmp_path) == ["kept"]
    assert os.listdir(tmp_path / "kept") == ["file"]


def test_a_copy_differs_in_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    (source / "sub").mkdir(parents=True, mode=0o700)
    target.mkdir()
    (source / "file").write_bytes(b"x" * 100_000)
    os.link(source / "file", source / "sub/hard")
    (source / "sub/link").symlink_to("nowhere")
    with open(source / "sparse", "wb") as file:
        file.truncate(10_000_000)
    os.utime(source / "file", ns=(1, 123_456_789))
    copy_tree(os.fsencode(source), os.fsencode(target))
    assert list(find_changes(os.fsencode(target), [os.fsencode(source)], overlay=False)) == []
    assert os.path.samefile(target / "file", target / "sub/hard")
    assert (target / "sparse").stat().st_blocks * 512 < 1_000_000
    assert usage(str(target)) == (10_000_000 + 100_000 + len("nowhere"), 4)
    (target / "sub/more").touch()
    (target / "file").write_bytes(b"y" * 100_000)
    os.unlink(target / "sparse")
    assert [repr(c) for c in find_changes(os.fsencode(target), [os.fsencode(source)], overlay=False)] == [
        "C /file", "D /sparse", "C /sub", "C /sub/hard", "A /sub/more"
    ]  # fmt: skip


def test_temporaries_are_swept_when_nobody_holds_them(tmp_path: Path) -> None:
    folder, held = temporary.new_folder(str(tmp_path))
    file, other = temporary.new_file(str(tmp_path))
    (tmp_path / "named").touch()
    assert temporary.sweep(str(tmp_path)) == []
    os.close(held)
    os.close(other)
    assert sorted(temporary.sweep(str(tmp_path))) == sorted([folder, file])
    assert os.listdir(tmp_path) == ["named"]
    assert temporary.sweep(str(tmp_path / "missing")) == []
