"""How overlay is given more layers than one page of options can name."""

from __future__ import annotations

import os

import pytest

from minicontainer.errors import Unsupported
from minicontainer.storage import overlay
from minicontainer.storage.probe import why_not_overlay
from tests.kernel.storage.conftest import Bench, archive, entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def stack(tmp_path: Path) -> tuple[str, list[str], str]:
    """A container's folder, 60 lower folders, a target."""
    if reason := why_not_overlay(str(tmp_path)):
        pytest.skip(f"overlay does not work here: {reason}")
    names = [f"layer-{n}" for n in range(60)]
    for name in [*names, "upper", "work", "target"]:
        (tmp_path / name).mkdir()
    for name in names:
        (tmp_path / name / name).touch()
    return str(tmp_path), [str(tmp_path / name) for name in names], str(tmp_path / "target")


def test_by_descriptor(stack: tuple[str, list[str], str]) -> None:
    folder, lowers, target = stack
    before = os.listdir("/proc/self/fd")
    overlay._mount_by_descriptor(folder, lowers, target, os.sysconf("SC_PAGE_SIZE"))
    assert len(os.listdir(target)) == 60
    assert len(os.listdir("/proc/self/fd")) == len(before)


def test_by_fsconfig(stack: tuple[str, list[str], str]) -> None:
    folder, lowers, target = stack
    if not overlay._mount_by_fsconfig(folder, lowers, target):
        pytest.skip("this kernel has no lowerdir+ (Linux 6.5)")
    assert len(os.listdir(target)) == 60


def test_too_many_for_the_old_way(stack: tuple[str, list[str], str]) -> None:
    folder, lowers, target = stack
    with pytest.raises(Unsupported, match="60 layers"):
        overlay._mount_by_descriptor(folder, lowers, target, 100)


def test_options_are_what_commit_relies_on(tmp_path: Path) -> None:
    if reason := why_not_overlay(str(tmp_path)):
        pytest.skip(f"overlay does not work here: {reason}")
    bench = Bench(str(tmp_path), "overlay")
    image = bench.image(archive(entry("dir/file", b"x" * 5000)))
    folder, root = bench.container(image)
    os.chmod(f"{root}/dir/file", 0o600)
    assert os.stat(f"{folder}/upper/dir/file").st_blocks > 0  # metacopy would leave the data below
    with pytest.raises(OSError, match="Invalid cross-device link"):
        os.rename(f"{root}/dir", f"{root}/moved")  # redirect_dir would allow it
