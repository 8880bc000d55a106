"""A bundle to change, and containers that leave nothing behind.

    bundle       a busybox bundle in the test's folder
    containers   makes, starts and runs containers of it (containers.py)

After each test its containers are deleted, and what this process and this host then have more than
before fails it: descriptors, children, mounts, control groups, state folders.
"""

from __future__ import annotations

import pytest

from tests.bundles import Bundle
from tests.kernel.libcontainer.containers import Containers, Holdings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def bundle(tmp_path: Path, busybox_root: Path) -> Bundle:
    """A bundle of busybox that runs ``true``."""
    return Bundle(str(tmp_path / "bundle"), str(busybox_root))


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    """The containers of one test."""
    made = Containers(str(tmp_path / "state"))
    before = Holdings(made.prefix, made.root)
    yield made
    made.delete_all()
    left = Holdings(made.prefix, made.root).beyond(before)
    assert left == [], "left behind"
