"""``create``: a container that does not run yet, and all that `run` knows of it."""

from __future__ import annotations

import pytest

from tests.integration.refusals import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner


def test_it_is_there_and_does_not_run(mc: Runner) -> None:
    container = mc.ok("create", "--name", "made", "--network", "none", "busybox", "sh", "-c", "exit 3")
    assert len(container) == 64
    assert mc.state("made", "{{.Id}} {{.State.Status}} {{.State.Pid}}") == f"{container} created 0"
    assert mc.ok("ps", "-q") == ""
    assert mc.ok("ps", "-a", "--format", "{{.Names}} {{.Status}}") == "made Created"
    assert mc.host.look(set())["processes"] == []


def test_what_it_was_made_with_holds_at_its_start(mc: Runner) -> None:
    mc.ok("create", "--name", "made", "--network", "none", "-e", "A=b c", "-w", "/tmp", "-h", "its-name",
          "-u", "7:8", "busybox", "sh", "-c", 'echo "$A" $(pwd) $(hostname) $(id -u):$(id -g)')  # fmt: skip
    assert mc.ok("start", "-a", "made") == "b c /tmp its-name 7:8"


def test_rm_is_kept_for_its_end(mc: Runner) -> None:
    mc.ok("create", "--rm", "--name", "made", "--network", "none", "busybox", "sh", "-c", "exit 4")
    assert mc("start", "-a", "made").code == 4
    assert mc.ok("ps", "-aq") == ""


def test_it_has_the_options_of_run_and_no_others(mc: Runner) -> None:
    def options(verb: str) -> set[str]:
        lines = mc.ok(verb, "--help").splitlines()
        return {word.rstrip(",") for line in lines for word in line.split()[:2] if word.startswith("-")}

    only_run = options("run") - options("create")
    assert only_run == {"-d", "--detach", "--detach-keys", "--explain", "--sig-proxy"}
    assert options("create") <= options("run")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nosuch"], 1, "no such image"),
        (["--name", "a b", "busybox"], 125, "Invalid container name"),
        (["-m", "1m", "busybox"], 1, "Minimum memory limit allowed is 6MB"),
        (["--cpus", "4096", "busybox"], 1, "Range of CPUs"),
        (["--cpus", "1", "--cpu-quota", "5000", "busybox"], 1, "Nano CPUs and CPU Quota cannot both be set"),
        (["--cpu-period", "10", "busybox"], 1, "CPU cfs period can not be less than 1ms"),
        (["--cpu-quota", "10", "busybox"], 1, "CPU cfs quota can not be less than 1ms"),
        (["--memory-swap", "32m", "busybox"], 1, "always set the Memory limit"),
        (["--detach", "busybox"], 125, "unknown flag: --detach"),
        ([], 1, "requires at least 1 argument"),
    ],
)
def test_refusals(mc: Runner, arguments: list[str], code: int, said: str) -> None:
    refused(mc, "create", *arguments, code=code, said=said)
