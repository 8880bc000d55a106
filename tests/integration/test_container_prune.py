"""``container prune``, and the verbs behind ``container``."""

from __future__ import annotations

import pytest

from tests.integration.refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner


@pytest.fixture
def four(mc: Runner) -> dict[str, str]:
    """Ids: one runs, one is paused, one has written 5 bytes and ended, one was never started."""
    common = ("--network", "none", "busybox")
    mc.ok("run", "-d", "--name", "runs", *common, "sleep", "60")
    mc.ok("run", "-d", "--name", "still", *common, "sleep", "60")
    mc.ok("pause", "still")
    mc.ok("run", "--name", "ended", "-l", "tier=web", *common, "sh", "-c", "echo five > /file")
    mc.ok("create", "--name", "never", "-l", "tier=db", *common, "true")
    return {name: mc.state(name, "{{.Id}}") for name in ("runs", "still", "ended", "never")}


def left(mc: Runner) -> set[str]:
    """The names of all containers."""
    return set(mc.ok("ps", "-a", "--format", "{{.Names}}").split())


def test_what_does_not_run_is_removed(mc: Runner, four: dict[str, str]) -> None:
    out = mc.ok("container", "prune", "-f")
    assert out == f"Deleted Containers:\n{four['never']}\n{four['ended']}\n\nTotal reclaimed space: 5B"
    assert left(mc) == {"runs", "still"}
    assert mc.ok("container", "prune", "--force") == "Total reclaimed space: 0B"


@pytest.mark.parametrize(("answer", "gone"), [("y\n", 2), ("Y\n", 2), ("n\n", 0), ("", 0), ("yes\n", 0)])
def test_it_asks(mc: Runner, four: dict[str, str], answer: str, gone: int) -> None:
    out = mc.ok("container", "prune", input=answer.encode())
    assert out.startswith(
        "WARNING! This will remove all stopped containers.\nAre you sure you want to continue? [y/N] "
    )
    assert len(left(mc)) == 4 - gone


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        (["label=tier"], set()),
        (["label=tier=web"], {"never"}),
        (["label!=tier=web"], {"ended"}),
        (["label!=tier"], {"ended", "never"}),
        (["label=tier=web", "label=tier=db"], {"ended", "never"}),
        (["until=1h"], {"ended", "never"}),
        (["until=0s"], set()),
    ],
)
def test_filters(mc: Runner, four: dict[str, str], filters: list[str], kept: set[str]) -> None:
    mc.ok("container", "prune", "-f", *(word for one in filters for word in ("--filter", one)))
    assert left(mc) == {"runs", "still", *kept}


def test_verbs_behind_the_longer_name(mc: Runner) -> None:
    assert (
        mc("container", "run", "--network", "none", "--name", "ran", "busybox", "sh", "-c", "exit 3").code
        == 3
    )
    assert mc.ok("container", "ls", "-a", "--format", "{{.Names}}") == "ran"
    assert mc.ok("container", "inspect", "-f", "{{.Name}}", "ran") == "/ran"
    assert mc.ok("container", "rm", "ran") == "ran"
    assert "Remove all stopped containers" in mc.ok("container")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["prune", "-f", "--filter", "name=x"], 1, "Invalid filter 'name'"),
        (["prune", "-f", "--filter", "until=soon"], 1, "invalid duration"),
        (["prune", "x"], 1, "accepts no arguments"),
        (["inspect", "busybox"], 1, "No such container: busybox"),
        (["run", "nosuch"], 125, "no such image"),
        (["nosuch"], 1, "unknown command: minicontainer container nosuch"),
    ],
)
def test_refusals(mc: Runner, arguments: list[str], code: int, said: str) -> None:
    refused(mc, "container", *arguments, code=code, said=said)
