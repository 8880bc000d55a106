"""Asking for system calls without making them, and trying things in a child."""

from __future__ import annotations

import errno
import os

import pytest

from minicontainer.linux import probe
from tests.kernel.linux.child import children


@pytest.mark.parametrize("name", probe.CALLS)
def test_a_call_of_this_kernel_s_age_is_there(name: str) -> None:
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    since = tuple(int(part) for part in probe.CALLS[name][2].split("."))
    with open("/proc/self/status") as file:
        unfiltered = "Seccomp:\t0\n" in file.read()
    if release >= since and unfiltered:
        assert probe.missing(name) is None
    elif release < since:
        assert probe.missing(name) is not None


def test_a_call_that_no_kernel_has_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(probe.CALLS, "nothing", (9999, (0,), "99.9"))
    assert probe.missing("nothing") == "needs Linux 99.9, or a seccomp filter on us hides it"


def test_asking_leaves_no_descriptor_and_no_process() -> None:
    before = os.listdir("/proc/self/fd"), children()
    for name in probe.CALLS:
        probe.missing(name)
    assert (os.listdir("/proc/self/fd"), children()) == before


def test_a_trial_reports_its_errno_and_changes_nothing_here() -> None:
    def fails() -> None:
        os.stat("/no/such")

    folder = os.getcwd()
    assert probe.refusal(lambda: os.chdir("/")) is None
    assert os.getcwd() == folder
    error = probe.refusal(fails)
    assert error is not None
    assert error.errno == errno.ENOENT


@pytest.mark.parametrize("attempt", [lambda: 1 // 0, lambda: os._exit(3)])
def test_a_trial_that_breaks_is_a_refusal(attempt: object) -> None:
    error = probe.refusal(attempt)  # type: ignore[arg-type]
    assert error is not None
    assert error.errno == errno.EPROTO
