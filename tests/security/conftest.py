"""A bundle, containers of it, and a folder of the host that no container was given.

dumpable             what a test switches off must have been on
bundle, containers   as in tests/kernel/libcontainer
outside              a folder with one file, `secret`, whose content is "host"
"""

from __future__ import annotations

import pytest

from minicontainer.linux import prctl
from tests.kernel.libcontainer.conftest import bundle, containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def dumpable() -> None:
    """A test before, in this process, may have changed its user and back, which takes it away for good."""
    prctl.set_dumpable(True)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """What an attack aims at, in place of the host."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text("host")
    return folder


__all__ = ["bundle", "containers", "dumpable", "outside"]
