"""``rm``: removing containers; and how a container is named."""

from __future__ import annotations

import os

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner


def ended(mc: Runner, name: str) -> str:
    """The id of an ended container."""
    mc.ok("run", "--name", name, "--network", "none", "busybox", "true")
    return mc.state(name, "{{.Id}}")


def test_rm_removes_its_folder_name_and_lock(mc: Runner) -> None:
    container = ended(mc, "gone")
    assert mc.ok("rm", "gone") == "gone"
    assert mc("inspect", container).code == 1
    for path in (f"{mc.root}/containers/{container}", f"{mc.root}/containers/.names/gone",
                 f"{mc.run_root}/locks/{container}", f"{mc.run_root}/monitors/{container}"):  # fmt: skip
        assert not os.path.lexists(path)


def test_running_one_only_by_force(mc: Runner) -> None:
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sleep", "60")
    refused = mc("rm", container)
    assert refused.code == 1
    assert refused.err.startswith(f"minicontainer: You cannot remove a running container {container}")
    assert mc.state(container) == "running 0"
    assert mc.ok("rm", "-f", container) == container
    assert mc("inspect", container).code == 1


def test_several_and_missing_ones(mc: Runner) -> None:
    ended(mc, "first")
    ended(mc, "second")
    result = mc("rm", "first", "nosuch", "second")
    assert (result.code, result.out) == (1, "first\nsecond\n")
    assert result.err == "minicontainer: No such container: nosuch\n"


def test_force_forgives_a_missing_one(mc: Runner) -> None:
    result = mc("rm", "-f", "nosuch")
    assert (result.code, result.out) == (0, "")
    assert result.err == "minicontainer: No such container: nosuch\n"


@pytest.mark.parametrize("length", [64, 12, 4])
def test_prefix_of_an_id(mc: Runner, length: int) -> None:
    container = ended(mc, "one")
    assert mc.state(container[:length], "{{.Name}}") == "/one"


def test_ambiguous_prefix(mc: Runner) -> None:
    """Seventeen ids: two begin with the same digit."""
    ids = [mc.ok("run", "-d", "--network", "none", "busybox", "true") for _ in range(17)]
    first = [container[0] for container in ids]
    digit = next(one for one in first if first.count(one) > 1)
    refused = mc("rm", "-f", digit)
    assert refused.code == 1 or "multiple" in refused.err, refused
    assert f"multiple containers found with provided prefix: {digit}" in refused.err
    assert len(mc.ok("ps", "-aq").split()) == 17


def test_name_wins_over_a_prefix(mc: Runner) -> None:
    container = ended(mc, "first")
    other = container[:6]
    named = ended(mc, other)
    assert mc.state(other, "{{.Id}}") == named
    assert mc.state(container[:7], "{{.Id}}") == container


def test_read_only_and_locked_files_go_too(mc: Runner) -> None:
    script = "mkdir -p /a/b; touch /a/b/c; chmod 0 /a/b/c; chmod 0 /a/b; chmod 0 /a"
    mc.ok("run", "--name", "locked", "--network", "none", "busybox", "sh", "-c", script)
    assert mc.ok("rm", "locked") == "locked"
