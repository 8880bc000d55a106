"""A creator that is killed at any step, or its init: `delete --force` leaves nothing of the container.

With a mount namespace of its own and without one: then its root is made a mount of the creator's namespace
(libcontainer/borrowing.py).  A sample by default, every step with ``MINICONTAINER_FAULTS=all``.
"""

from __future__ import annotations

import os

import pytest

from tests.bundles import Bundle
from tests.conformance.runtimes import Runtime
from tests.faults.host import ALL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

CASES = 8


def left(runtime: Runtime, bundle: Bundle, group: str) -> list[str]:
    """What there is of the container: in the runtime's folder, in control groups, mounted, running."""
    found = [f"{runtime.root}/{name}" for name in os.listdir(runtime.root) if not name.startswith(".")]
    found += [path for path, _, _ in os.walk("/sys/fs/cgroup") if path.endswith(group)]
    with open("/proc/self/mountinfo") as table:
        found += [line for line in table if bundle.path in line]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/root") == bundle.rootfs:
                found.append(f"process {pid}")
        except OSError:
            continue  # it has ended, or is the kernel's
    return found


@pytest.mark.parametrize("own_mounts", [True, False])
def test_a_killed_creator(own_mounts: bool, busybox_root: Path, tmp_path: Path) -> None:
    group = f"/faults-create-{os.getpid()}"
    bundle = Bundle(str(tmp_path / "bundle"), str(busybox_root))
    bundle.change({"linux.cgroupsPath": group})
    if not own_mounts:
        bundle.without_namespace("mount")
    bundle.program("/bin/sleep", "1000")
    bundle.write()
    runtime = Runtime("minicontainer", str(tmp_path / "state"))
    listed = tmp_path / "steps"

    def create(fault: str) -> int:
        words = ["create", "--bundle", bundle.path, "struck"]
        return runtime.ran(*words, env={"MINICONTAINER_FAULT": fault}).code

    assert create(f"list:{listed}") == 0
    assert left(runtime, bundle, group)
    runtime.order("delete", "--force", "struck")
    assert left(runtime, bundle, group) == []
    steps = [line.split()[0] for line in listed.read_text().splitlines()]
    assert {step.partition(":")[0] for step in steps} >= {"caller", "init"}
    for step in steps if ALL else steps[:: max(1, len(steps) // CASES)]:
        assert (step, create(f"{step}:kill")) != (step, 0)
        runtime.order("delete", "--force", "struck")
        assert (step, left(runtime, bundle, group)) == (step, [])
