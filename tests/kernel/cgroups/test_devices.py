"""Device rules, as the kernel enforces them: v1's controller, v2's program."""

from __future__ import annotations

import errno
import os
import stat

import pytest

from minicontainer.cgroups.host import hierarchies
from minicontainer.oci.runtime import DeviceRule, Resources
from tests.kernel.cgroups import groups

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from minicontainer.cgroups.manager import Manager

    Factory = Callable[..., Manager]

NOTHING = DeviceRule(allow=False, access="rwm")
NULL = DeviceRule(allow=True, type="c", major=1, minor=3, access="rwm")
ZERO_READ = DeviceRule(allow=True, type="c", major=1, minor=5, access="r")


def opened(group: Manager, path: str, flags: int) -> int:
    """0, or the errno of opening ``path`` inside the group."""
    return groups.result(group, lambda: os.open(path, flags))


def made(group: Manager, path: Path, major: int, minor: int) -> int:
    return groups.result(group, lambda: os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(major, minor)))


@pytest.fixture(autouse=True)
def enforced(group_with: Factory) -> None:
    found = hierarchies()
    if "freezer" in found.bound and "devices" not in found.bound:
        pytest.skip(f"the devices controller is {found.where('devices')}")


def test_only_what_is_allowed_can_be_opened(group_with: Factory) -> None:
    group = group_with(Resources(devices=[NOTHING, NULL]))
    assert opened(group, "/dev/null", os.O_RDWR) == 0
    assert opened(group, "/dev/zero", os.O_RDONLY) == errno.EPERM


def test_letters_are_decided_one_by_one(group_with: Factory, tmp_path: Path) -> None:
    group = group_with(Resources(devices=[NOTHING, NULL, ZERO_READ]))
    assert opened(group, "/dev/zero", os.O_RDONLY) == 0
    assert opened(group, "/dev/zero", os.O_WRONLY) == errno.EPERM
    assert opened(group, "/dev/zero", os.O_RDWR) == errno.EPERM
    assert made(group, tmp_path / "null", 1, 3) == 0
    assert made(group, tmp_path / "zero", 1, 5) == errno.EPERM


def test_the_last_rule_that_matches_counts(group_with: Factory) -> None:
    everything = DeviceRule(allow=True, access="rwm")
    but_zero = DeviceRule(allow=False, type="c", major=1, minor=5, access="w")
    group = group_with(Resources(devices=[NOTHING, everything, but_zero]))
    assert opened(group, "/dev/zero", os.O_RDONLY) == 0
    assert opened(group, "/dev/zero", os.O_WRONLY) == errno.EPERM
    assert opened(group, "/dev/null", os.O_RDWR) == 0


def test_without_rules_everything_can_be_opened(group_with: Factory) -> None:
    assert opened(group_with(), "/dev/zero", os.O_RDWR) == 0


def test_newer_rules_take_the_place_of_older_ones(group_with: Factory) -> None:
    group = group_with(Resources(devices=[NOTHING, NULL]))
    group.apply(Resources(devices=[NOTHING, ZERO_READ]))
    assert opened(group, "/dev/zero", os.O_RDONLY) == 0
    assert opened(group, "/dev/null", os.O_RDONLY) == errno.EPERM
    group.apply(Resources(devices=[DeviceRule(allow=True, access="rwm")]))
    assert opened(group, "/dev/null", os.O_RDONLY) == 0
