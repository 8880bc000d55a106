"""The end of a probe that takes too long: what it started ends too, whatever group or session that made."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from minicontainer.engine import probing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# A job with a process group of its own, a child of a child, and a session below this one.
FAMILY = "set -m; sleep 1001 & set +m; (sleep 1002; true) & setsid sleep 1003 & echo begun; sleep 1004; true"


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """A session with a family in it, all of whom run."""
    leader = subprocess.Popen(["sh", "-c", FAMILY], start_new_session=True, stdout=subprocess.PIPE)
    assert leader.stdout is not None
    assert leader.stdout.read(6) == b"begun\n"
    while _sleeping(leader.pid) < {"1001", "1002", "1003", "1004"}:
        assert leader.poll() is None
    pids = probing.members(leader.pid)
    yield leader
    for pid in pids:
        if _words(pid)[:1] in (["sleep"], ["sh"]):
            os.kill(pid, signal.SIGKILL)
    leader.stdout.close()
    leader.wait()


def _words(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read().rstrip("\0").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _sleeping(leader: int) -> set[str]:
    """How long the sleepers of the family sleep."""
    found = [_words(pid) for pid in probing.members(leader)]
    return {words[1] for words in found if words[:1] == ["sleep"]}


def test_all_of_them_end_and_nobody_else(family: subprocess.Popen[bytes]) -> None:
    other = subprocess.Popen(["sleep", "1005"])
    try:
        before = set(probing.members(family.pid))
        assert len(before) >= 6
        probing.end_session(family.pid)
        assert family.wait(10) == -9
        still = {pid for pid, (state, _, _) in probing.processes().items() if state not in "ZX"}
        assert not before & still
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_of_a_leader_that_has_ended_the_session_is_still_known(family: subprocess.Popen[bytes]) -> None:
    family.kill()
    while family.pid in probing.members(family.pid):  # not waited for, its number is nobody else's
        continue
    assert {"1001", "1002", "1004"} <= _sleeping(family.pid)
    probing.end_session(family.pid)
    assert probing.members(family.pid) == []
