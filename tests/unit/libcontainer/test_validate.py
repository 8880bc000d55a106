"""Lists of processors, versions, names of interfaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.errors import InvalidConfig, MinicontainerError
from minicontainer.libcontainer import scheduling, validate
from minicontainer.oci.runtime import Linux, Mount, Namespace, NetDevice, Process, Root, Spec


@pytest.mark.parametrize(
    ("text", "found"),
    [("0", {0}), ("0-3,7", {0, 1, 2, 3, 7}), (" 1 , 3-3 ", {1, 3}), ("", set()), ("2,", {2}),
     ("4095", {4095})],
)  # fmt: skip
def test_lists_of_numbers(text: str, found: set[int]) -> None:
    assert scheduling.numbers(text, "x") == found


@given(st.sets(st.integers(0, 8191), max_size=20))
def test_every_set_can_be_written_as_a_list(numbers: set[int]) -> None:
    assert scheduling.numbers(",".join(map(str, numbers)), "x") == numbers


@given(st.text("0123456789-, x", max_size=12))
def test_any_text_is_a_list_or_is_named(text: str) -> None:
    try:
        found = scheduling.numbers(text, "process.field")
    except InvalidConfig as error:
        assert str(error) == f"config.json: process.field: {text!r} is not a list of numbers such as 0-3,7"  # noqa: PT017
    else:
        assert all(0 <= number < scheduling.MOST_CPUS for number in found)


@given(st.text(max_size=20))
def test_any_version_is_understood_or_named(version: str) -> None:
    try:
        validate.check_version(version)
    except MinicontainerError as error:
        assert str(error).startswith("config.json: ociVersion: ")  # noqa: PT017
    else:
        assert version.startswith("1.")


def spec(linux: Linux) -> Spec:
    return Spec(
        process=Process(cwd="/"), root=Root(path="rootfs"), mounts=[Mount(destination="/x")], linux=linux
    )


@pytest.mark.parametrize("name", ["eth0", "a", "fifteen-letters", "veth.1@x"])
def test_names_of_interfaces(name: str) -> None:
    validate.check(spec(Linux(namespaces=[Namespace(type="network")], net_devices={name: NetDevice()})))


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a:b", "a b", "a%d", "a\n", "sixteen-letters-", "ü" * 8]
)
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidConfig, match=r"linux\.netDevices: .* cannot be an interface's name"):
        validate.check(spec(Linux(namespaces=[Namespace(type="network")], net_devices={name: NetDevice()})))
