"""A restore that fails at any of its steps leaves nothing: no id, no control group, no mount, no process.

The steps are those of a good restore (linux/faults.py, list); each then fails with EIO.  A sample of
them by default, every one with ``MINICONTAINER_FAULTS=all``.
"""

from __future__ import annotations

import os

import pytest

from tests.bundles import Bundle
from tests.conformance.runtimes import Runtime
from tests.conformance.test_checkpoint import COUNT, CRIU, Case, criu_lacks
from tests.faults.host import ALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CASES = 12


@pytest.fixture
def case(busybox_root: Path, tmp_path: Path) -> Iterator[Case]:
    """A container that has been checkpointed, and counted until then."""
    if reason := criu_lacks():
        pytest.skip(reason)
    bundle = Bundle(str(tmp_path / "bundle"), str(busybox_root))
    bundle.change({"linux.cgroupsPath": f"/restored{os.getpid()}"})
    bundle.mount("/host", "bind", str(tmp_path), "bind")
    bundle.script(COUNT)
    runtime = Runtime("minicontainer", str(tmp_path / "state"))
    runtime.program += ["--criu", CRIU]
    made = Case(runtime, bundle, str(tmp_path / "images"))
    made.start()
    made.count()
    made.checkpoint()
    yield made
    runtime.ran("delete", "--force", made.name)


def restore(case: Case, fault: str) -> tuple[int, str]:
    """(exit code, what it said)."""
    words = ["restore", "--detach", "--image-path", case.images, "--bundle", case.bundle.path, case.name]
    found = case.runtime.ran(*words, env={"MINICONTAINER_FAULT": fault})
    return found.code, found.err


def left(case: Case) -> list[str]:
    """What there is of the container."""
    found = [path for path in (f"{case.runtime.root}/{case.name}", case.group()) if os.path.exists(path)]
    with open("/proc/self/mountinfo") as table:
        found += [line for line in table if case.bundle.path in line or case.runtime.root in line]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            root = os.readlink(f"/proc/{pid}/root")
        except OSError:
            continue  # it has ended, or is the kernel's
        if root == case.bundle.rootfs:
            found.append(f"process {pid}")
    return found


def test_every_step(case: Case, tmp_path: Path) -> None:
    listed = tmp_path / "steps"
    assert restore(case, f"list:{listed}") == (0, "")
    assert left(case)
    case.runtime.order("delete", case.name, "--force")
    assert left(case) == []
    steps = [line.split()[0] for line in listed.read_text().splitlines()]
    assert {step.partition(":")[0] for step in steps} == {"caller", "places", "criu"}
    for step in steps if ALL else steps[:: max(1, len(steps) // CASES)]:
        code, said = restore(case, f"{step}:EIO")
        assert (step, code, said.count("\n")) == (step, 1, 1)
        assert "EIO" in said
        assert (step, left(case)) == (step, [])
    assert restore(case, "") == (0, "")
    assert case.counts()
