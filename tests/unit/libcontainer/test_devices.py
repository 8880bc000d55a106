"""What a container's device rules become: the configuration's, then what every container has."""

from __future__ import annotations

from minicontainer.libcontainer.devices import DEFAULT_DEVICES, allowing_defaults
from minicontainer.oci.runtime import Device, DeviceRule, Linux, Resources

NOTHING = DeviceRule(allow=False, access="rwm")


def allowed(linux: Linux) -> set[tuple[str | None, int | None, int | None, str | None]]:
    rules = allowing_defaults(linux).devices
    return {(rule.type, rule.major, rule.minor, rule.access) for rule in rules if rule.allow}


def test_without_rules_there_are_none() -> None:
    assert allowing_defaults(Linux()).devices == []


def test_the_default_devices_come_last_so_that_they_count() -> None:
    linux = Linux(resources=Resources(devices=[NOTHING]))
    rules = allowing_defaults(linux).devices
    assert rules[0] == NOTHING
    assert all(rule.allow for rule in rules[1:])
    assert {("c", major, minor, "rwm") for _, major, minor in DEFAULT_DEVICES} <= allowed(linux)
    assert {("c", None, None, "m"), ("b", None, None, "m")} <= allowed(linux)


def test_what_may_be_done_with_a_device_of_the_configuration_its_rule_says() -> None:
    made = [Device(type="c", path="/dev/fuse", major=10, minor=229)]
    rule = DeviceRule(allow=True, type="c", major=10, minor=229, access="r")
    found = allowed(Linux(resources=Resources(devices=[NOTHING, rule]), devices=made))
    assert [entry for entry in found if entry[1:3] == (10, 229)] == [("c", 10, 229, "r")]
    assert not [entry for entry in found if entry[0] not in ("c", "b")]
