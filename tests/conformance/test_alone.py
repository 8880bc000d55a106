"""What stays of a runtime while its container lives; and a host whose root cannot be moved."""

from __future__ import annotations

import os

import pytest

from tests.conformance.conftest import new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.bundles import Bundle
    from tests.conformance.runtimes import Runtime


def told_of(name: str) -> set[int]:
    """The processes whose command line has this word."""
    found = set()
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if name.encode() in words:
            found.add(int(entry))
    return found


def children(parent: int) -> set[int]:
    """The processes below one, as the kernel lists them (proc(5), children)."""
    with open(f"/proc/{parent}/task/{parent}/children") as file:
        return {int(word) for word in file.read().split()}


@pytest.mark.parametrize("started", [False, True])
def test_nothing_stays_but_init(runtime: Runtime, bundle: Bundle, started: bool) -> None:
    name = new_id()
    bundle.program("/bin/sleep", "1000")
    runtime.create(bundle, name)
    try:
        if started:
            runtime.order("start", name)
        init = runtime.pid(name)
        assert told_of(name) <= {init}
        assert children(init) == set()
        assert (
            len(os.listdir(f"/proc/{init}/task")) == 1 or runtime.name == "runc"
        )  # Go's threads, until start
    finally:
        runtime.order("delete", name, "--force")


def test_a_host_s_root_that_cannot_be_moved_is_covered(runtime: Runtime, bundle: Bundle) -> None:
    bundle.script("cd /; ls -d ../*; cut -d' ' -f5 /proc/self/mountinfo | sort -u")
    bundle.write()
    plain = runtime.ran("run", "--bundle", bundle.path, new_id())
    covered = runtime.ran("run", "--no-pivot", "--bundle", bundle.path, new_id())
    assert (covered.code, covered.err) == (0, "")
    assert covered.out == plain.out
