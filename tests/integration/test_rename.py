"""``rename``: another name, taken exactly once, whatever is killed."""

from __future__ import annotations

import os
import signal

import pytest

from tests.integration.refusals import refused
from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner


def made(mc: Runner, name: str) -> str:
    """The id of a container that does not run."""
    return mc.ok("create", "--name", name, "--network", "none", "busybox", "true")


def names(mc: Runner) -> dict[str, str]:
    """What is known of names on the disk: name -> id."""
    folder = f"{mc.root}/containers/.names"
    return {name: os.path.basename(os.readlink(f"{folder}/{name}")) for name in os.listdir(folder)}


def test_it_has_the_new_name_and_no_other(mc: Runner) -> None:
    container = made(mc, "before")
    assert mc.ok("rename", "before", "after") == ""
    assert mc.state("after", "{{.Id}} {{.Name}}") == f"{container} /after"
    assert mc("inspect", "--type", "container", "before").code == 1
    assert names(mc) == {"after": container}
    made(mc, "before")  # the old one is free
    mc.ok("rename", container[:12], "third")
    assert mc.state(container, "{{.Name}}") == "/third"


@pytest.mark.parametrize("options", [[], ["--rm"]])
def test_while_it_runs(mc: Runner, options: list[str]) -> None:
    """Its monitor knew it by the old name, and takes the new one away at its end."""
    mc.ok("run", "-d", "--name", "before", "--network", "none", *options, "busybox", "sleep", "60")
    mc.ok("rename", "before", "after")
    assert mc.ok("ps", "--format", "{{.Names}}") == "after"
    mc.ok("kill", "after")
    until(lambda: bool(names(mc)) != bool(options), "--rm removed its name, too")
    assert mc.ok("ps", "-a", "--format", "{{.Names}}") == ("" if options else "after")


def test_the_old_name_is_another_s_by_then(mc: Runner) -> None:
    mc.ok("run", "-d", "--rm", "--name", "before", "--network", "none", "busybox", "sleep", "60")
    mc.ok("rename", "before", "after")
    other = made(mc, "before")
    mc.ok("kill", "after")
    until(lambda: names(mc) == {"before": other}, "only its own name is gone")


@pytest.mark.parametrize(
    "step", ["rename", pytest.param("container.json", marks=pytest.mark.needs("command:strace"))]
)
def test_killed_half_way(mc: Runner, step: str) -> None:
    """After the link is renamed and before the record is: as a kill there leaves it."""
    container = made(mc, "before")
    folder = f"{mc.root}/containers"
    if step == "rename":
        os.rename(f"{folder}/.names/before", f"{folder}/.names/after")
    else:
        client = mc.start("rename", "before", "after", wrapper=("strace", "-f", "-o", "/dev/null", "-e",
                          "inject=fsync:signal=SIGKILL"))  # fmt: skip
        client.communicate(timeout=60)
        assert client.returncode == -signal.SIGKILL
        os.unlink(next(f"{folder}/{container}/{name}" for name in os.listdir(f"{folder}/{container}")
                       if name.startswith(".tmp-")))  # fmt: skip
    assert mc.ok("ps", "-a", "--format", "{{.Names}}") == "after"
    assert mc.state("after", "{{.Id}}") == container
    assert mc("inspect", "--type", "container", "before").code == 1
    mc.ok("rename", "after", "before")
    assert names(mc) == {"before": container}
    mc.ok("rm", "before")
    assert names(mc) == {}


def test_refusals(mc: Runner) -> None:
    made(mc, "one")
    other = made(mc, "two")
    in_use = f'The container name "/two" is already in use by container "{other}"'
    refused(mc, "rename", "one", "two", code=1, said=in_use)
    refused(mc, "rename", "one", "one", code=1, said="same name as its current name")
    refused(mc, "rename", "one", "a b", code=1, said="Invalid container name (a b)")
    refused(mc, "rename", "one", "", code=1, said="Neither old nor new names may be empty")
    refused(mc, "rename", "", "one", code=1, said="Neither old nor new names may be empty")
    refused(mc, "rename", "nosuch", "three", code=1, said="No such container: nosuch")
    refused(mc, "rename", "one", code=1, said="requires 2 arguments")
