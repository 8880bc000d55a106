"""What a container's device rules become: the configuration's, then what every container has."""

from __future__ import annotations

from minicontainer.libcontainer.creation import _with_default_devices
from minicontainer.libcontainer.rootfs import DEFAULT_DEVICES
from minicontainer.oci.runtime import Device, DeviceRule, Linux, Resources

NOTHING = DeviceRule(allow=False, access="rwm")


def allowed(linux: Linux) -> set[tuple[str | None, int | None, int | None, str | None]]:
    rules = _with_default_devices(linux).devices
    return {(rule.type, rule.major, rule.minor, rule.access) for rule in rules if rule.allow}


def test_without_rules_there_are_none() -> None:
    assert _with_default_devices(Linux()).devices == []


def test_the_default_devices_come_last_so_that_they_count() -> None:
    linux = Linux(resources=Resources(devices=[NOTHING]))
    rules = _with_default_devices(linux).devices
    assert rules[0] == NOTHING
    assert all(rule.allow for rule in rules[1:])
    assert {("c", major, minor, "rwm") for _, major, minor in DEFAULT_DEVICES} <= allowed(linux)
    assert {("c", None, None, "m"), ("b", None, None, "m")} <= allowed(linux)


def test_devices_of_the_configuration_may_be_used() -> None:
    made = [
        Device("c", "/dev/fuse", 10, 229), Device("b", "/dev/loop7", 7, 7), Device("u", "/dev/u", 10, 1),
        Device("p", "/dev/pipe"), Device("x", "/dev/x", 1, 1),
    ]  # fmt: skip
    found = allowed(Linux(resources=Resources(devices=[NOTHING]), devices=made))
    assert {("c", 10, 229, "rwm"), ("b", 7, 7, "rwm"), ("c", 10, 1, "rwm")} <= found
    assert not [rule for rule in found if rule[0] not in ("c", "b")]
