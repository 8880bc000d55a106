"""The order in which records of several processes are told."""

from __future__ import annotations

from minicontainer.explain.record import Begun, Done, Lost, StepRecord
from minicontainer.explain.story import Story


def step(name: str, errno: str | None = None) -> StepRecord:
    return StepRecord(process="p", pid=1, step=name, man="", args={}, shell="", why="", errno=errno)


def told(records: list[StepRecord | Lost]) -> list[tuple[int, int, str]]:
    return [(r.seq, r.pid, r.step) for r in records if isinstance(r, StepRecord)]


def test_steps_are_numbered_as_they_arrive() -> None:
    story = Story()
    assert told(story.take(10, Done(step("mount")))) == [(1, 10, "mount")]
    assert told(story.take(10, Done(step("mount")))) == [(2, 10, "mount")]


def test_a_new_process_waits_for_the_call_that_made_it() -> None:
    story = Story()
    assert story.take(10, Begun(step("clone3"))) == []
    assert story.take(11, Done(step("sethostname"))) == []
    ended = story.take(10, Done(step("clone3")))
    assert told(ended) == [(1, 10, "clone3"), (2, 11, "sethostname")]


def test_a_fork_within_a_fork_keeps_the_order() -> None:
    story = Story()
    story.take(10, Begun(step("fork")))
    story.take(11, Begun(step("clone3")))
    story.take(12, Done(step("mount")))
    story.take(11, Done(step("clone3")))
    ended = story.take(10, Done(step("fork")))
    assert [name for _, _, name in told(ended)] == ["fork", "clone3", "mount"]


def test_others_that_are_known_do_not_wait_for_a_fork() -> None:
    story = Story()
    story.take(9, Done(step("mount")))
    story.take(10, Begun(step("clone3")))
    assert told(story.take(9, Done(step("umount2")))) == [(2, 9, "umount2")]


def test_an_execve_that_fails_is_told_once() -> None:
    story = Story()
    assert story.take(10, Begun(step("execve"))) == []
    assert story.undecided
    failed = story.take(10, Done(step("execve", "ENOENT")))
    assert told(failed) == [(1, 10, "execve")]
    assert story.end() == []


def test_an_execve_that_does_not_return_is_told_before_what_came_after() -> None:
    story = Story()
    story.take(9, Done(step("fork")))
    story.take(10, Begun(step("execve")))
    assert story.take(9, Done(step("wait"))) == []
    assert told(story.settle()) == [(2, 10, "execve"), (3, 9, "wait")]
    assert not story.undecided


def test_an_execve_of_which_nobody_knows_yet_is_not_told() -> None:
    story = Story()
    story.take(10, Begun(step("execve")))
    story.take(9, Done(step("wait")))
    assert story.settle(lambda pid: pid != 10) == []
    assert story.undecided
    ended = story.take(10, Done(step("execve", "ENOENT")))
    assert [(r.step, r.errno) for r in ended if isinstance(r, StepRecord)] == [
        ("execve", "ENOENT"), ("wait", None),
    ]  # fmt: skip
    assert not story.undecided


def test_the_end_tells_what_was_held_back() -> None:
    story = Story()
    story.take(10, Begun(step("clone3")))
    story.take(11, Done(step("mount")))
    story.take(11, Begun(step("execve")))
    assert [name for _, _, name in told(story.end())] == ["mount", "execve"]


def test_a_lost_process_is_told_of_without_a_number() -> None:
    story = Story()
    lost = Lost("broken")
    assert story.take(10, lost) == [lost]
    assert told(story.take(10, Done(step("mount")))) == [(1, 10, "mount")]
