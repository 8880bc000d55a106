"""What every tier shares: skipping by what the host lacks, and the busybox root file system.

    tests/<tier>/...        the tier's needs (tests/needs.py) skip all of it, with the reason
    @pytest.mark.needs()    more needs of one test

The head of every run says which tiers run here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

import pytest

from tests import needs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.dirname(HERE)

if not os.access(PROJECT, os.W_OK) or os.stat(PROJECT).st_uid != os.geteuid():
    # Hypothesis remembers failures beside the tests; as root, or on a read-only project, elsewhere.
    _remembered = f"{tempfile.gettempdir()}/minicontainer-hypothesis-{os.geteuid()}"
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", _remembered)


def pytest_report_header() -> list[str]:
    """Say which tiers this host can run."""
    return needs.report()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what this host cannot run; the first thing that it lacks is the reason."""
    for item in items:
        tier = os.path.relpath(item.path, HERE).split(os.sep)[0]
        reason = needs.tier_lacks(tier)
        for mark in item.iter_markers("needs"):
            reason = reason or next((why for need in mark.args if (why := needs.lacks(need))), "")
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def busybox_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tar that rootfs/busybox/build makes here."""
    path = tmp_path_factory.mktemp("busybox") / "rootfs.tar"
    recipe = os.path.join(PROJECT, "rootfs", "busybox", "build")
    made = subprocess.run([sys.executable, recipe, str(path)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(made.stderr.strip())
    return path


@pytest.fixture(scope="session")
def busybox_root(busybox_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, unpacked.  Shared by the whole run: a test that writes to a root makes its own copy."""
    root = tmp_path_factory.mktemp("busybox-root")
    subprocess.run(["tar", "-xpf", str(busybox_tar), "-C", str(root)], check=True)
    return root
