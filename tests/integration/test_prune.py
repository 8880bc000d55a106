"""``image prune`` and ``system prune``: what nobody uses goes, and everything else is as it was."""

from __future__ import annotations

import json
import os

import pytest

from tests.integration.refusals import refused, tree
from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

ALONE = ("--network", "none")
WARNING = """\
WARNING! This will remove:
  - all stopped containers
  - all {images}
{filters}
Are you sure you want to continue? [y/N] """
EVERY = "images without at least one container associated to them"


def image(mc: Runner, name: str, *changes: str) -> str:
    """An image of busybox and a file of ten bytes; its id."""
    mc.ok("run", "--name", "maker", *ALONE, "busybox", "sh", "-c", f"printf %10s {len(changes)} > /{name}")
    made = mc.ok("commit", *(word for change in changes for word in ("-c", change)), "maker", name)
    mc.ok("rm", "maker")
    return made


def images(mc: Runner) -> set[str]:
    """References, and ids of images without one."""
    rows = mc.ok("images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}").splitlines()
    return {row.split()[row.startswith("<none>")] for row in rows}


@pytest.fixture
def kept(mc: Runner) -> str:
    """busybox belongs to the tests: a container keeps it, by running."""
    return mc.ok("run", "-d", "--name", "keeper", *ALONE, "busybox", "sh", "-c", "echo line; exec sleep 60")


def test_dangling_images_go(mc: Runner) -> None:
    first = image(mc, "twice")
    image(mc, "twice", "LABEL second=1")
    out = mc.ok("image", "prune", "-f")
    assert out.startswith(f"Deleted Images:\ndeleted: {first}\n")
    assert images(mc) == {"busybox:latest", "twice:latest"}
    assert mc.ok("run", "--rm", *ALONE, "twice", "cat", "/twice").strip() == "1"
    assert mc.ok("image", "prune", "-f") == "Total reclaimed space: 0B"


def test_all_unused_images_go_with_all_their_names(mc: Runner, kept: str) -> None:
    made = image(mc, "unused")
    mc.ok("tag", "unused", "other/name:v1")
    mc.ok("tag", "busybox", "aside:1")
    out = mc.ok("image", "prune", "--all", "--force").splitlines()
    assert out[:4] == [
        "Deleted Images:",
        "untagged: other/name:v1",
        "untagged: unused:latest",
        f"deleted: {made}",
    ]
    assert out[-1] == "Total reclaimed space: 10B"
    assert images(mc) == {"busybox:latest", "aside:1"}  # the names of a used image stay, all of them
    mc.ok("rmi", "aside:1")


@pytest.mark.parametrize("life", ["created", "running", "paused", "exited"])
def test_what_a_container_was_made_of_stays(mc: Runner, kept: str, life: str) -> None:
    image(mc, "used")
    mc.ok("create", "--name", "user", *ALONE, "used", *(["true"] if life == "exited" else ["sleep", "60"]))
    if life != "created":
        mc.ok("start", "user")
    if life == "paused":
        mc.ok("pause", "user")
    if life == "exited":
        mc.ok("wait", "user")
    # Its name is taken from it by another image: it has none, and is used.
    image(mc, "used", "LABEL taken=1")
    mc.ok("image", "prune", "-f")
    mc.ok("image", "prune", "-af")
    assert mc.state("user", "{{.State.Status}}") == life
    if life in ("created", "exited"):
        mc.ok("start", "user")


def test_a_restarting_container_and_its_image_stay(mc: Runner, kept: str) -> None:
    image(mc, "again")
    mc.ok("run", "-d", "--name", "restarts", "--restart", "always", *ALONE, "again", "false")
    until(lambda: mc.state("restarts", "{{.State.Status}}") == "restarting", "it waits to be started again")
    out = mc.ok("system", "prune", "-af")
    assert mc.state("restarts", "{{.Id}}") not in out
    assert "again:latest" in images(mc)


def test_everything_else_is_untouched(mc: Runner, kept: str) -> None:
    until(lambda: mc.ok("logs", "keeper") == "line", "the line is in the log")
    before = tree(mc.root)
    pid = mc.pid("keeper")
    mc.ok("run", "--name", "ended", *ALONE, "busybox", "sh", "-c", "head -c 2000 /dev/zero > /file")
    image(mc, "unused")
    out = mc.ok("system", "prune", "-af")
    assert out.endswith("Total reclaimed space: 2.01kB")
    assert tree(mc.root) == before
    assert mc.pid("keeper") == pid
    assert mc.ok("exec", "keeper", "echo", "there") == "there"


def test_containers_go_first_and_then_what_they_kept(mc: Runner, kept: str) -> None:
    made = image(mc, "kept")
    mc.ok("run", "--name", "ended", *ALONE, "kept", "true")
    ended = mc.state("ended", "{{.Id}}")
    out = mc.ok("system", "prune", "-a", "-f")
    assert out.startswith(
        f"Deleted Containers:\n{ended}\n\nDeleted Images:\nuntagged: kept:latest\ndeleted: {made}\n"
    )


@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("n\n", False), ("", False)])
def test_it_asks(mc: Runner, answer: str, gone: bool) -> None:
    mc.ok("create", "--name", "never", *ALONE, "busybox", "true")
    out = mc.ok("system", "prune", input=answer.encode())
    assert out.startswith(WARNING.format(images="dangling images", filters="").rstrip(" "))
    assert (mc.ok("ps", "-aq") == "") is gone


@pytest.mark.parametrize(
    ("arguments", "images", "filters"),
    [
        (["-a"], EVERY, []),
        (["--volumes"], "dangling images", []),
        (["--filter", "until=1h", "--filter", "label=x"], "dangling images", ["label=x", "until=1h"]),
    ],
)
def test_the_warning_says_what_would_go(
    mc: Runner, arguments: list[str], images: str, filters: list[str]
) -> None:
    told = "".join(f"  - {one}\n" for one in filters)
    told = f"\n  Items to be pruned will be filtered with:\n{told}" if told else ""
    assert mc.ok("system", "prune", *arguments) == WARNING.format(images=images, filters=told)


@pytest.mark.parametrize(
    ("arguments", "warning"),
    [([], "all dangling images"), (["-a"], f"all {EVERY}"), (["--filter", "dangling=false"], f"all {EVERY}")],
)
def test_image_prune_asks_too(mc: Runner, arguments: list[str], warning: str) -> None:
    out = mc.ok("image", "prune", *arguments, input=b"n\n")
    assert out == f"WARNING! This will remove {warning}.\nAre you sure you want to continue? [y/N] "


@pytest.mark.parametrize(
    ("filters", "left"),
    [
        (["label=tier"], set()),
        (["label=tier=web"], {"other"}),
        (["label!=tier=web"], {"labelled"}),
        (["until=1h"], {"labelled", "other"}),
        (["until=0s"], set()),
    ],
)
def test_filters(mc: Runner, kept: str, filters: list[str], left: set[str]) -> None:
    image(mc, "labelled", "LABEL tier=web")
    image(mc, "other", "LABEL tier=db")
    mc.ok("image", "prune", "-af", *(word for one in filters for word in ("--filter", one)))
    assert images(mc) - {"busybox:latest"} == {f"{name}:latest" for name in left}


def test_filters_hold_for_containers_and_images(mc: Runner, kept: str) -> None:
    image(mc, "labelled", "LABEL tier=web")
    mc.ok("create", "--name", "mine", "-l", "tier=web", *ALONE, "busybox", "true")
    out = mc.ok("system", "prune", "-af", "--filter", "label=tier=web")
    assert "untagged: labelled:latest" in out
    assert mc.ok("ps", "-a", "--format", "{{.Names}}") == "keeper"


def test_the_journal_is_told(mc: Runner) -> None:
    first = image(mc, "twice")
    image(mc, "twice", "LABEL second=1")
    mc.ok("image", "prune", "-f")
    lines = mc.ok("events", "--since", "1m", "--until", "0s", "--format", "json").splitlines()
    told = [json.loads(line) for line in lines[-2:]]
    assert [(one["Type"], one["Action"], one["Actor"]["ID"]) for one in told] == [
        ("image", "delete", first),
        ("image", "prune", ""),
    ]
    assert told[1]["Actor"]["Attributes"]["reclaimed"] == "10"


def test_images_of_several_prunes_at_once(mc: Runner, kept: str) -> None:
    for name in ("one", "two", "three"):
        image(mc, name)
    running = [mc.start("image", "prune", "-af") for _ in range(4)]
    for one in running:
        _, err = one.communicate(timeout=60)
        assert (one.returncode, err) == (0, b"")
    assert images(mc) == {"busybox:latest"}
    assert len(os.listdir(f"{mc.root}/layers/{mc.ok('info', '--format', '{{.Driver}}')}")) >= 1


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["system", "prune", "-f", "--filter", "foo=x"], 1, "Invalid filter 'foo'"),
        (["system", "prune", "-f", "--filter", "until=soon"], 1, "invalid duration"),
        (["system", "prune", "-f", "--volumes", "--filter", "until=1h"], 1,
         'The "until" filter is not supported with "--volumes"'),
        (["system", "prune", "extra"], 1, "accepts no arguments"),
        (["image", "prune", "-f", "--filter", "foo=x"], 1, "Invalid filter 'foo'"),
        (["image", "prune", "-f", "--filter", "dangling=perhaps"], 1, "invalid filter 'dangling=[perhaps]'"),
    ],
)  # fmt: skip
def test_refusals(mc: Runner, arguments: list[str], code: int, said: str) -> None:
    refused(mc, *arguments, code=code, said=said)
