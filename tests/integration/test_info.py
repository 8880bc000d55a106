"""``version``, ``info``, ``doctor`` and the help: what minicontainer says of itself and of its host."""

from __future__ import annotations

import json
import os

import pytest

import minicontainer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

VERBS = (
    "run", "exec", "ps", "commit", "logs", "stop", "kill", "rm", "inspect", "images", "rmi", "import", "info",
    "doctor", "version",
)  # fmt: skip


def test_version(mc: Runner) -> None:
    assert mc.ok("--version") == f"minicontainer version {minicontainer.__version__}"
    assert (
        mc.ok("version", "-f", "{{.Version}} {{.Kernel}}")
        == f"{minicontainer.__version__} {os.uname().release}"
    )
    assert "OCI runtime spec" in mc.ok("version")


def test_info_counts(mc: Runner) -> None:
    mc.ok("run", "-d", "--network", "none", "busybox", "sleep", "60")
    mc.ok("run", "--network", "none", "busybox", "true")
    paused = mc.ok("run", "-d", "--network", "none", "busybox", "sleep", "60")
    mc.ok("pause", paused)
    found = json.loads(mc.ok("info", "-f", "json"))
    counts = [found[f"Containers{state}"] for state in ("", "Running", "Paused", "Stopped")]
    assert counts == [3, 1, 1, 1]
    assert (found["Images"], found["DockerRootDir"], found["NCPU"]) == (1, mc.root, os.cpu_count())
    assert found["CgroupVersion"] in ("1", "2", "hybrid")
    assert f"KernelVersion: {os.uname().release}" in mc.ok("info").splitlines()


def test_doctor_finds_this_host_fit(mc: Runner) -> None:
    """These tests run here, so nothing that a run needs may be called missing."""
    result = mc("doctor")
    assert (result.code, result.err) == (0, "")
    for area in ("namespaces", "control groups", "storage", "network"):
        assert area in result.out


def test_help_names_every_verb(mc: Runner) -> None:
    shown = mc.ok("--help")
    assert all(f"\n  {verb} " in shown for verb in VERBS)
    assert mc.ok() == shown


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(mc: Runner, verb: str) -> None:
    assert mc.ok(verb, "--help").startswith(f"Usage: minicontainer {verb}")
