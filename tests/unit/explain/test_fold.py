"""Which neighbours in a story are told as one."""

from __future__ import annotations

import pytest

from minicontainer.explain.fold import Runs, together
from minicontainer.explain.record import StepRecord


def step(seq: int, name: str = "drop", pid: int = 7, errno: str | None = None, **args: str) -> StepRecord:
    return StepRecord(
        seq=seq, process="init", pid=pid, step=name, man="", args=args, shell="", why="", errno=errno,
        duration_us=1,
    )  # fmt: skip


def groups(*steps: StepRecord) -> list[list[int]]:
    runs = Runs()
    found = [group for one in steps for group in runs.take(one)] + runs.flush()
    assert not runs.waiting
    return [[one.seq for one in group] for group in found]


def test_three_that_differ_in_one_argument() -> None:
    assert groups(*(step(n, number=str(n)) for n in (1, 2, 3))) == [[1, 2, 3]]


def test_two_are_told_as_they_are() -> None:
    assert groups(step(1, number="a"), step(2, number="b"), step(3, "other", x="y")) == [[1], [2], [3]]


def test_every_step_comes_once_and_in_order() -> None:
    steps = [step(n, "drop" if n % 4 else "other", number=str(n)) for n in range(40)]
    assert [seq for group in groups(*steps) for seq in group] == list(range(40))


@pytest.mark.parametrize(
    "stranger",
    [
        step(4, number="4", pid=8),
        step(4, number="4", errno="EPERM"),
        step(4, "other", number="4"),
        step(4, number="4", more="x"),
        step(4, number="1"),  # the same as the first: nothing differs
    ],
)
def test_what_does_not_belong(stranger: StepRecord) -> None:
    assert groups(*(step(n, number=str(n)) for n in (1, 2, 3)), stranger) == [[1, 2, 3], [4]]


def test_another_argument_begins_another_run() -> None:
    first = [step(n, path="/a", data=str(n)) for n in (1, 2, 3)]
    second = [step(n, path=f"/{n}", data="3") for n in (4, 5, 6)]
    assert groups(*first, *second) == [[1, 2, 3], [4, 5, 6]]


def test_siblings_are_not_told_with_their_parents() -> None:
    paths = ["/a/x/1", "/b/x/1", "/c/x/1", "/a/x", "/b/x", "/c/x"]
    assert groups(*(step(n, path=path) for n, path in enumerate(paths))) == [[0, 1, 2], [3, 4, 5]]


def test_a_result_is_told_at_once() -> None:
    runs = Runs()
    made = step(1)
    made.result = "12"
    assert runs.take(made) == [[made]]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["/sys/fs/cgroup/pids/x", "/sys/fs/cgroup/cpu/x"], "/sys/fs/cgroup/{pids, cpu}/x"),
        (["PR_CAPBSET_DROP, CAP_BPF", "PR_CAPBSET_DROP, CAP_KILL"], "PR_CAPBSET_DROP, {CAP_BPF, CAP_KILL}"),
        (["a", "b"], "{a, b}"),
        (["/a", "/a/b"], "/{a, a/b}"),
        (["x/x", "x/x/x"], "x/{x, x/x}"),
    ],
)
def test_what_texts_share_is_said_once(texts: list[str], said: str) -> None:
    assert together(texts) == said
