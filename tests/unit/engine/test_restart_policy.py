"""When a container is restarted, and after how long: Docker's rules (moby: restartmanager)."""

from __future__ import annotations

import signal

import pytest

from minicontainer.engine import restart_policy
from minicontainer.engine.records import Config, Container, Folders, HostConfig, Status
from minicontainer.engine.restart_policy import CANCELED, STOPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any


def container(*, stop_signal: str = "", rm: bool = False) -> Container:
    config, host = Config(stop_signal=stop_signal), HostConfig(auto_remove=rm)
    return Container(
        id="a" * 64, name="n", created=0.0, image_id="", chain=[], driver="", config=config, host=host
    )


def test_the_delay_doubles_up_to_a_minute() -> None:
    delays, last = [], 0.0
    for _ in range(12):
        last = restart_policy.delay_after(last, 0.5)
        delays.append(round(last, 3))
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0]


@pytest.mark.parametrize(("lasted", "delay"), [(9.99, 51.2), (10.0, 0.1), (86400.0, 0.1), (-3600.0, 51.2)])
def test_a_long_run_begins_anew(lasted: float, delay: float) -> None:
    assert restart_policy.delay_after(25.6, lasted) == delay


def test_count() -> None:
    status = Status(started=100.0, finished=101.0, restarts=2, delay=0.2)
    restart_policy.count(status)
    assert (status.restarts, status.delay) == (3, 0.4)


# policy, retries, exit code, restarts until now, marks
WANTED: list[tuple[str, int, int, int, set[str], bool]] = [
    ("no", 0, 1, 0, set(), False),
    ("always", 0, 0, 1000, set(), True),
    ("always", 0, 1, 0, {STOPPED}, True),
    ("always", 0, 1, 0, {STOPPED, CANCELED}, False),
    ("always", 0, 1, 0, {CANCELED}, False),
    ("unless-stopped", 0, 0, 0, set(), True),
    ("unless-stopped", 0, 0, 0, {STOPPED}, False),
    ("unless-stopped", 0, 0, 0, {CANCELED}, False),
    ("on-failure", 0, 0, 0, set(), False),
    ("on-failure", 0, 1, 1000, set(), True),
    ("on-failure", 0, 1, 0, {STOPPED}, True),
    ("on-failure", 0, 1, 0, {CANCELED}, False),
    ("on-failure", 2, 1, 1, set(), True),
    ("on-failure", 2, 1, 2, set(), False),
    ("on-failure", 2, 0, 0, set(), False),
]


@pytest.mark.parametrize(("policy", "retries", "code", "restarts", "marks", "expected"), WANTED)
def test_wanted(policy: str, retries: int, code: int, restarts: int, marks: set[str], expected: bool) -> None:
    host = HostConfig(restart_policy=policy, restart_retries=retries)
    status = Status(exit_code=code, restarts=restarts)
    assert restart_policy.wanted(host, status, marks) is expected


RESUMED: list[tuple[str, dict[str, Any], bool]] = [
    ("no", {}, False),
    ("always", {}, True),
    ("always", {"stopped": True}, True),
    ("always", {"ran": False}, False),
    ("unless-stopped", {}, True),
    ("unless-stopped", {"stopped": True}, False),
    ("on-failure", {"exit_code": 137}, True),
    ("on-failure", {"exit_code": 137, "stopped": True}, True),
    ("on-failure", {"exit_code": 0}, False),
]


@pytest.mark.parametrize(("policy", "fields", "expected"), RESUMED)
def test_resumed(policy: str, fields: dict[str, Any], expected: bool) -> None:
    status = Status(**{"state": "exited", "ran": True, **fields})
    assert restart_policy.resumed(HostConfig(restart_policy=policy), status) is expected


@pytest.mark.parametrize(
    ("stop_signal", "number", "expected"),
    [
        ("", signal.SIGTERM, True),
        ("", signal.SIGHUP, True),  # Docker: without a stop signal of its own, any signal may be one
        ("SIGINT", signal.SIGINT, True),
        ("SIGINT", signal.SIGKILL, True),
        ("SIGINT", signal.SIGTERM, False),
        ("NOSUCH", signal.SIGTERM, True),
    ],
)
def test_cancels(stop_signal: str, number: int, expected: bool) -> None:
    assert restart_policy.cancels(container(stop_signal=stop_signal), number) is expected


def test_marks(tmp_path: Path) -> None:
    folders, one = Folders(str(tmp_path / "root"), str(tmp_path / "run")), container(stop_signal="INT")
    folders.make()
    restart_policy.mark(folders, one, STOPPED)  # it was never started, or is gone: nothing comes of it
    assert list((tmp_path / "run" / "monitors").iterdir()) == []
    (tmp_path / "run" / "monitors" / one.id).mkdir()
    assert restart_policy.marks(folders, one.id) == set()
    restart_policy.mark_signal(folders, one, signal.SIGHUP)
    assert restart_policy.marks(folders, one.id) == {STOPPED}
    restart_policy.mark_signal(folders, one, signal.SIGINT)
    restart_policy.mark_signal(folders, one, signal.SIGHUP)
    assert restart_policy.marks(folders, one.id) == {STOPPED, CANCELED}
    restart_policy.unmark(folders, one.id)
    restart_policy.unmark(folders, one.id)
    assert restart_policy.marks(folders, one.id) == set()
    restart_policy.mark_signal(folders, container(rm=True), signal.SIGKILL)
    assert restart_policy.marks(folders, one.id) == set()
