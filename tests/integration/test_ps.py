"""``ps``: which containers are listed, and how."""

from __future__ import annotations

import json
import re

import pytest

from tests.integration.refusals import refused
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
        "1000",
    )
    bound = ("-v", "/etc:/inside:ro")
    words = ("busybox", "sh", "-c", "exit 3")
    assert mc("run", "--name", "ended", "--network", "none", *bound, *words).code == 3
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
        rf'{three["runs"][:12]}   busybox   "sleep 1000"   (Less than a second|\d+ seconds?) ago\s+'
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


# Filters, and the names that they leave.
FILTERS = [
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
    (["label=tier", "label=bare"], ["runs"]),
    (["label=tier", "label=nosuch"], []),
    (["network=host"], []),
    (["network=none"], ["never", "ended", "runs"]),
    (["exited=3", "exited=4"], ["ended"]),
    (["exited=0"], []),
    (["name=^runs$"], ["runs"]),
    (["name=/run"], ["runs"]),
    (["name=("], []),
    (["name=^ru", "name=^ne"], ["never", "runs"]),
    (["before=ended"], ["runs"]),
    (["since=ended"], ["never"]),
    (["since=runs"], ["never", "ended"]),
    (["ancestor=nosuch"], []),
    (["volume=/etc"], ["ended"]),
    (["volume=/inside"], ["ended"]),
    (["publish=80"], []),
    (["health=none"], ["never", "ended", "runs"]),
]
# The same of other options.
OPTIONS = [
    (["-n", "2"], ["never", "ended"]),
    (["--last", "1", "-f", "status=exited"], ["ended"]),
    (["-n", "9"], ["never", "ended", "runs"]),
    (["-n", "-1"], ["runs"]),
    (["-l"], ["never"]),
    (["-l", "-n", "2"], ["never"]),
    (["-f", "status=created"], ["never"]),
    (["-f", "exited=3"], []),
]


def test_filters(mc: Runner, three: dict[str, str]) -> None:
    def left(filters: list[str]) -> list[str]:
        given = [word for one in filters for word in ("--filter", one)]
        return mc.ok("ps", "-a", "--format", "{{.Names}}", *given).split()

    assert [(filters, left(filters)) for filters, _ in FILTERS] == FILTERS


def test_how_many_and_which(mc: Runner, three: dict[str, str]) -> None:
    def left(options: list[str]) -> list[str]:
        return mc.ok("ps", "--format", "{{.Names}}", *options).split()

    assert [(options, left(options)) for options, _ in OPTIONS] == OPTIONS


def test_sizes(mc: Runner, three: dict[str, str]) -> None:
    mc.ok("exec", "runs", "sh", "-c", "head -c 5000 /dev/zero > /file; ln /file /link; mkdir /folder")
    own = int(mc.ok("images", "--format", "{{.Size}}", "busybox")[0])
    lines = mc.ok("ps", "-as", "--format", "{{.Names}} {{.Size}}").splitlines()
    assert [line.split(" (virtual ")[0] for line in lines] == ["never 0B", "ended 0B", "runs 5kB"]
    assert all(f"(virtual {own}" in line for line in lines), lines
    assert mc.ok("ps", "-s").splitlines()[0].endswith("NAMES     SIZE")
    assert "SIZE" not in mc.ok("ps")
    assert json.loads(mc.ok("ps", "--format", "json"))["Size"] == "0B"


def test_ancestor_of_what_was_built_on_it(mc: Runner, three: dict[str, str]) -> None:
    mc.ok("commit", "runs", "built")
    mc.ok("create", "--name", "child", "--network", "none", "built", "true")
    listed = ("ps", "-a", "--format", "{{.Names}}", "-f")
    assert mc.ok(*listed, "ancestor=built") == "child"
    assert mc.ok(*listed, "ancestor=busybox").split() == ["child", "never", "ended", "runs"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-f", "nosuch=1"], 1, "Invalid filter 'nosuch'"),
        (["-f", "nosuch"], 125, "bad format of filter"),
        (["-f", "status=nosuch"], 1, "Invalid filter 'status=nosuch'"),
        (["-f", "health=nosuch"], 1, "Unrecognised filter value for health: nosuch"),
        (["-f", "exited=x"], 1, "exited=x"),
        (["-f", "before=nosuch"], 1, "No such container: nosuch"),
        (["-n", "x"], 125, 'invalid argument "x" for "-n, --last" flag'),
        (["x"], 1, "accepts no arguments"),
    ],
)
def test_refusals(mc: Runner, arguments: list[str], code: int, said: str) -> None:
    refused(mc, "ps", *arguments, code=code, said=said)


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
