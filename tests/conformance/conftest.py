"""Each test of this folder runs once with runc, once with crun, once with minicontainer.

    run          runs the bundle and gives what it wrote
    runtime      the runtime, for the tests that need its single operations
    bundle       a busybox bundle to change
    sleeper      the bundle, of a program that writes /ran and sleeps
    running      the id of a container of it that runs

A reference that passes a case proves the case; one that cannot run here at all is left out, with
its own reason.
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
import shutil
import tempfile

import pytest

from minicontainer.cgroups.host import hierarchies
from tests import needs
from tests.bundles import Bundle
from tests.conformance.runtimes import Refused, Runtime, program_runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.outcome import Outcome

SLEEPS = ("sleep", "1000")
NAMES = ("runc", "crun", "minicontainer")
_number = itertools.count()


def new_id() -> str:
    """An id that no other test has."""
    return f"conf{os.getpid()}-{next(_number)}"


@pytest.fixture(scope="session", autouse=True)
def groups_of_references() -> Iterator[None]:
    """Those control groups that runc and crun leave of some containers."""
    yield
    found = hierarchies()
    for mount in {*found.bound.values(), *found.named.values(), *filter(None, [found.unified])}:
        for name in os.listdir(mount):
            if name.startswith(f"conf{os.getpid()}-"):
                _remove(f"{mount}/{name}")


def _remove(group: str) -> None:
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            os.rmdir(folder)
    except OSError as error:
        # A process in it has not ended yet, or what ends there removes it, too.
        if error.errno not in (errno.EBUSY, errno.ENOENT):
            raise


@functools.cache
def why_not(name: str, root: str) -> str:
    """Why this runtime cannot run anything here; empty when it can."""
    if name != "minicontainer" and (reason := needs.lacks(f"command:{name}")):
        return reason
    with tempfile.TemporaryDirectory() as folder:
        bundle = Bundle(f"{folder}/bundle", root)
        bundle.change({"linux.cgroupsPath": f"/{new_id()}"})
        bundle.program("/bin/echo", "hello")
        found = Runtime(name, f"{folder}/state").run(bundle, new_id())
    return "" if found.out == "hello\n" else f"{name} cannot run a container here: {found.err.strip()}"


@pytest.fixture(params=NAMES)
def runtime(request: pytest.FixtureRequest, busybox_root: Path, tmp_path: Path) -> Iterator[Runtime]:
    """One of the three."""
    if reason := why_not(request.param, str(busybox_root)):
        pytest.skip(reason)
    made = Runtime(request.param, str(tmp_path / "state"))
    yield made
    if os.path.isdir(made.root):
        for name in os.listdir(made.root):
            try:
                made.order("delete", name, "--force")
            except Refused:
                shutil.rmtree(os.path.join(made.root, name), ignore_errors=True)


@pytest.fixture
def bundle(tmp_path: Path, busybox_root: Path) -> Bundle:
    """A bundle of busybox, in a control group of its own."""
    made = Bundle(str(tmp_path / "bundle"), str(busybox_root))
    made.change({"linux.cgroupsPath": f"/{new_id()}"})
    return made


@pytest.fixture
def run(runtime: Runtime, bundle: Bundle) -> Callable[..., Outcome]:
    """Run the bundle's program, or a shell's script."""

    def run_script(script: str | None = None) -> Outcome:
        if script is not None:
            bundle.script(script)
        return runtime.run(bundle, new_id())

    return run_script


@pytest.fixture
def sleeper(bundle: Bundle) -> Bundle:
    """A bundle whose program says on disk that it runs, and sleeps."""
    bundle.script(f"echo > /ran; exec {' '.join(SLEEPS)}")
    return bundle


@pytest.fixture
def running(runtime: Runtime, sleeper: Bundle) -> str:
    """A container whose program sleeps: its id."""
    name = new_id()
    runtime.create(sleeper, name)
    runtime.order("start", name)
    program_runs(runtime.pid(name), *SLEEPS)
    return name
