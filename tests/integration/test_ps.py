"""``ps``: which containers are listed, and how."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner


@pytest.fixture
def three(mc: Runner) -> dict[str, str]:
    """The ids of a running, an exited (3) and a never started container."""
    mc.ok(
        "run",
        "-d",
        "--name",
        "runs",
        "-l",
        "tier=web",
        "-l",
        "bare",
        "--network",
        "none",
        "busybox",
        "sleep",
        "60",
    )
    assert mc("run", "--name", "ended", "--network", "none", "busybox", "sh", "-c", "exit 3").code == 3
    assert mc("run", "--name", "never", "--network", "none", "busybox", "nosuch").code == 127
    return {name: mc.state(name, "{{.Id}}") for name in ("runs", "ended", "never")}


def test_columns(mc: Runner, three: dict[str, str]) -> None:
    heading, line = mc.ok("ps").splitlines()
    assert re.split(r"\s{2,}", heading) == [
        "CONTAINER ID",
        "IMAGE",
        "COMMAND",
        "CREATED",
        "STATUS",
        "PORTS",
        "NAMES",
    ]
    assert re.fullmatch(
        rf'{three["runs"][:12]}   busybox   "sleep 60"   (Less than a second|\d+ seconds?) ago\s+'
        r"Up (Less than a second|\d+ seconds?)\s+runs",
        line,
    ), line


def test_all_newest_first(mc: Runner, three: dict[str, str]) -> None:
    assert mc.ok("ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines() == [
        "never created", "ended exited", "runs running",
    ]  # fmt: skip
    assert mc.ok("ps", "-a", "--filter", "name=ended", "--format", "{{.Status}}").startswith("Exited (3) ")
    assert mc.ok("ps", "-a", "--filter", "name=never", "--format", "{{.Status}}") == "Created"


def test_quiet_and_whole(mc: Runner, three: dict[str, str]) -> None:
    assert mc.ok("ps", "-q") == three["runs"][:12]
    assert mc.ok("ps", "-aq", "--no-trunc").splitlines() == [three["never"], three["ended"], three["runs"]]
    assert "sh -c 'exit 3'" in mc.ok("ps", "-a", "--no-trunc")


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (["status=running"], ["runs"]),
        (["status=exited"], ["ended"]),
        (["status=created"], ["never"]),
        (["status=created", "status=exited"], ["never", "ended"]),
        (["exited=3"], ["ended"]),
        (["name=n"], ["never", "ended", "runs"]),
        (["label=tier"], ["runs"]),
        (["label=tier=web", "status=running"], ["runs"]),
        (["label=tier=db"], []),
        (["ancestor=busybox"], ["never", "ended", "runs"]),
        (["network=host"], []),
    ],
)
def test_filters(mc: Runner, three: dict[str, str], filters: list[str], names: list[str]) -> None:
    given = [word for one in filters for word in ("--filter", one)]
    assert mc.ok("ps", "-a", "--format", "{{.Names}}", *given).split() == names


def test_filter_by_id(mc: Runner, three: dict[str, str]) -> None:
    assert mc.ok("ps", "-aq", "--no-trunc", "-f", f"id={three['ended'][:20]}") == three["ended"]


def test_formats(mc: Runner, three: dict[str, str]) -> None:
    shown = mc.ok("ps", "--format", '{{.ID}} {{.Image}} {{.Labels}} {{.Label "tier"}} {{.Networks}}')
    assert shown == f"{three['runs'][:12]} busybox tier=web,bare= web none"
    heading, line = mc.ok("ps", "--format", "table {{.Names}}\t{{.Image}}").splitlines()
    assert (heading.split(), line.split()) == (["NAMES", "IMAGE"], ["runs", "busybox"])
    assert json.loads(mc.ok("ps", "--format", "json"))["Names"] == "runs"


def test_field_that_does_not_exist(mc: Runner, three: dict[str, str]) -> None:
    result = mc("ps", "--format", "{{.Nosuch}}")
    assert (result.code, result.err.count("\n")) == (1, 1)
    assert "Nosuch" in result.err


def test_it_sees_an_end_at_once(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sleep", "60")
    mc.ok("kill", container)
    assert mc.ok("ps", "-q") == ""
    assert mc.ok("ps", "-a", "--format", "{{.Status}}").startswith("Exited (137)")


def test_container_of_an_image_that_lost_its_name(mc: Runner) -> None:
    mc.ok("run", "--name", "base", "--network", "none", "busybox", "true")
    mc.ok("commit", "base", "named")
    container = mc.ok("run", "-d", "--network", "none", "named", "sleep", "60")
    mc.ok("rmi", "-f", "named")
    until(lambda: mc.ok("ps", "-q") == container[:12], "it is still listed")
    assert mc.state(container) == "running 0"
