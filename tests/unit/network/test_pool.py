"""Ranges and addresses, compared with the standard library's ipaddress."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.errors import Conflict, Unsupported, UsageError
from minicontainer.network import pool

ranges = st.builds(pool.Range, st.integers(0, 2**32 - 1), st.integers(8, 30))


def reference(one: pool.Range) -> ipaddress.IPv4Network:
    return ipaddress.IPv4Network(str(one))


@given(ranges, ranges)
def test_overlaps_as_ipaddress_says(one: pool.Range, other: pool.Range) -> None:
    assert one.overlaps(other) == reference(one).overlaps(reference(other))


@given(ranges)
def test_the_hosts_are_the_gateway_and_the_containers(one: pool.Range) -> None:
    hosts = reference(one)
    assert one.gateway == str(hosts[1])
    assert pool.address(one.containers[0]) == str(hosts[2])
    assert pool.address(one.containers[-1]) == str(hosts[-2])
    assert len(one.containers) == hosts.num_addresses - 3


@given(ranges)
def test_a_range_reads_what_it_writes(one: pool.Range) -> None:
    again = pool.Range.parse(str(one))
    assert (again.base, again.length) == (one.base, one.length)


@pytest.mark.parametrize(
    "text", ["", "bridge", "1.2.3", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/x", "1.2.3.256/8"]
)
def test_a_bad_range_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="is no IPv4 range") as caught:
        pool.Range.parse(text)
    assert repr(text) in str(caught.value)


def test_the_candidates_are_private_and_apart() -> None:
    networks = [ipaddress.IPv4Network(candidate) for candidate in pool.CANDIDATES]
    assert all(network.is_private for network in networks)
    assert not any(a.overlaps(b) for a in networks for b in networks if a is not b)


def test_the_first_free_range_is_taken() -> None:
    routes = [pool.Range.parse("172.29.7.0/24"), pool.Range.parse("172.16.0.0/13")]
    assert (
        str(pool.choose_range(["172.29.0.0/16", "172.16.0.0/16", "10.29.0.0/16"], routes)) == "10.29.0.0/16"
    )


def test_without_a_free_range_the_error_says_which_were_tried() -> None:
    with pytest.raises(Unsupported, match=r"routes into 172\.29\.0\.0/16, 10\.0\.0\.0/8"):
        pool.choose_range(
            ["172.29.0.0/16", "10.0.0.0/8"], [pool.Range.parse("128.0.0.0/1"), pool.Range(0, 1)]
        )


def test_addresses_are_given_from_below_until_none_is_left() -> None:
    small = pool.Range.parse("10.0.0.8/29")
    taken: list[str] = []
    for last in range(10, 15):
        taken.append(pool.lowest_free(small, taken))
        assert taken[-1] == f"10.0.0.{last}"
    with pytest.raises(Conflict, match=r"all 5 of 10\.0\.0\.8/29 are taken"):
        pool.lowest_free(small, taken)
    taken.remove("10.0.0.11")
    assert pool.lowest_free(small, taken) == "10.0.0.11"


def test_a_hardware_address_follows_from_the_address() -> None:
    assert pool.mac_of("172.29.0.2") == "02:42:ac:1d:00:02"


@pytest.mark.parametrize(
    ("wanted", "free"),
    [
        ("172.29.0.2", True),
        ("172.29.255.254", True),
        ("172.29.0.3", False),  # taken
        ("172.29.0.1", False),  # the bridge's
        ("172.29.255.255", False),
        ("172.30.0.2", False),  # of another range
        ("", False),
    ],
)
def test_an_address_that_is_asked_for(wanted: str, free: bool) -> None:
    assert pool.is_free(pool.Range.parse("172.29.0.0/16"), wanted, ["172.29.0.3"]) is free
