"""``logs``: what a program wrote."""

from __future__ import annotations

import re

from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z"


def written(mc: Runner, script: str) -> str:
    """The name of an ended container that ran ``script``."""
    mc("run", "--name", "wrote", "--network", "none", "busybox", "sh", "-c", script)
    return "wrote"


def test_both_streams_each_to_its_own(mc: Runner) -> None:
    result = mc("logs", written(mc, "echo out; echo err >&2; printf unfinished"))
    assert (result.code, result.out, result.err) == (0, "out\nunfinished", "err\n")


def test_tail(mc: Runner) -> None:
    name = written(mc, "seq 100")
    assert mc.ok("logs", "--tail", "2", name) == "99\n100"
    assert mc.ok("logs", "-n", "0", name) == ""
    assert len(mc.ok("logs", "-n", "1000", name).splitlines()) == 100
    assert mc.ok("logs", "--tail", "all", name) == mc.ok("logs", name)


def test_timestamps(mc: Runner) -> None:
    name = written(mc, "echo one; echo two")
    lines = mc.ok("logs", "-t", name).splitlines()
    assert [re.fullmatch(rf"{STAMP} (\w+)", line)[1] for line in lines] == ["one", "two"]  # type: ignore[index]
    assert lines == sorted(lines)


def test_long_lines_and_bytes_that_are_no_text(mc: Runner) -> None:
    name = written(mc, "head -c 100000 /dev/zero | tr '\\0' x; echo; printf '\\377\\376 end\\n'")
    shown = mc("logs", name).raw
    assert shown.startswith(b"x" * 100000 + b"\n")
    assert shown.endswith(b" end\n")


def test_follow_until_the_end(mc: Runner) -> None:
    container = mc.ok(
        "run", "-d", "--network", "none", "busybox", "sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.1; done"
    )
    assert mc.ok("logs", "-f", container) == "1\n2\n3"


def test_follow_shows_lines_as_they_come(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sh", "-c", "echo first; sleep 60")
    following = mc.start("logs", "-f", container)
    assert following.stdout is not None
    assert following.stdout.readline() == b"first\n"
    mc.ok("kill", container)
    out, err = following.communicate(timeout=10)
    assert (out, err, following.returncode) == (b"", b"", 0)


def test_container_that_never_started_has_none(mc: Runner) -> None:
    mc("run", "--name", "never", "--network", "none", "busybox", "nosuch")
    assert mc.ok("logs", "never") == ""


def test_log_of_a_loud_program_is_whole(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--network", "none", "busybox", "seq", "100000")
    until(lambda: mc.state(container) == "exited 0", "it ends")
    assert mc.ok("logs", container).split() == [str(n) for n in range(1, 100001)]
