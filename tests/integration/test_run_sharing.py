"""-v with a propagation: which mounts, made later on either side, appear on the other."""

from __future__ import annotations

import subprocess

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.runner import Runner

SLEEP = ("--network", "none", "--privileged")


@pytest.fixture
def source(mc: Runner, tmp_path: Path) -> Iterator[str]:
    """A folder of the tests' host, whose mounts are shared."""
    for name in ("up", "down"):
        (tmp_path / name).mkdir()
    yield str(tmp_path)
    while any(f" {tmp_path}/" in line for line in mc.host.ask("look")["mounts"]):
        for name in ("up", "down"):
            mc.host.popen(["umount", f"{tmp_path}/{name}"], stderr=subprocess.DEVNULL).wait()


def on_host(mc: Runner, path: str) -> bool:
    mounts: list[str] = mc.host.ask("look")["mounts"]
    return any(f" {path} " in line for line in mounts)


@pytest.mark.parametrize(
    ("option", "arrives", "returns"),
    [("rshared", True, True), ("shared", True, True), ("rslave", True, False), ("slave", True, False),
     ("rprivate", False, False), ("private", False, False), ("ro", False, False)],
)  # fmt: skip
def test_mounts_made_later(mc: Runner, source: str, option: str, arrives: bool, returns: bool) -> None:
    mc.ok("run", "-d", "--name", "box", *SLEEP, "-v", f"{source}:/mnt:{option}", "busybox", "sleep", "1000")
    if option != "ro":
        mc.ok("exec", "--privileged", "box", "mount", "-t", "tmpfs", "none", "/mnt/up")
    assert on_host(mc, f"{source}/up") == returns
    mounted = mc.host.popen(["mount", "-t", "tmpfs", "none", f"{source}/down"])
    assert mounted.wait() == 0
    seen = mc("exec", "box", "grep", "-c", " /mnt/down ", "/proc/self/mountinfo").out.strip()
    assert seen == ("1" if arrives else "0")
    mc.ok("rm", "-f", "box")
    # What was shared is the host's, and stays.
    assert on_host(mc, f"{source}/up") == returns


def test_the_container_s_own_files_are_never_shared(mc: Runner, source: str) -> None:
    before = mc.host.ask("look")["mounts"]
    mc.ok("run", "-d", "--name", "box", *SLEEP, "-v", f"{source}:/mnt:rshared", "busybox", "sleep", "1000")
    mc.ok("exec", "--privileged", "box", "mount", "-t", "tmpfs", "none", "/tmp")
    assert mc.host.ask("look")["mounts"] == before


def test_what_is_not_shared_cannot_be(mc: Runner, source: str) -> None:
    """In a mount namespace whose mounts are private, as on a host without systemd."""
    wrapper = ("unshare", "--mount", "--propagation", "private")
    words = ["run", "--rm", *SLEEP, "-v", f"{source}:/mnt:rshared", "busybox", "true"]
    started = mc.start(*words, wrapper=wrapper)
    out, err = started.communicate(timeout=60)
    assert (started.returncode, out) == (125, b"")
    assert b"is mounted on" in err
    assert b"it is not a shared mount" in err
    assert mc.ok("ps", "-aq") == ""
