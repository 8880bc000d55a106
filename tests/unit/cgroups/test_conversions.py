"""Numbers of the OCI document, which are v1's, as v2's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.cgroups.v2 import cpu, io, memory
from minicontainer.oci.runtime import CPU, Memory


@pytest.mark.parametrize(
    ("shares", "weight"),
    [(0, 1), (2, 1), (3, 2), (1024, 100), (2048, 174), (262144, 10000), (1 << 30, 10000)],
)
def test_shares(shares: int, weight: int) -> None:
    assert cpu.weight(shares) == weight


@given(st.integers(2, 262143))
def test_more_shares_never_weigh_less(shares: int) -> None:
    assert 1 <= cpu.weight(shares) <= cpu.weight(shares + 1) <= 10000


@pytest.mark.parametrize(("block_io", "weight"), [(1, 1), (10, 1), (500, 4950), (1000, 10000)])
def test_block_io_weight(block_io: int, weight: int) -> None:
    assert io.weight(block_io) == weight


@pytest.mark.parametrize(
    ("limit", "swap", "alone"),
    [
        (100, 100, "0"),
        (100, 250, "150"),
        (100, -1, "max"),
        (100, None, None),
        (100, 0, None),
        (-1, None, "max"),
    ],
)
def test_swap(limit: int, swap: int | None, alone: str | None) -> None:
    assert memory.swap_alone(Memory(limit=limit, swap=swap)) == alone


@pytest.mark.parametrize(
    ("given_cpu", "written"),
    [
        (CPU(quota=50000), "50000"),
        (CPU(quota=50000, period=20000), "50000 20000"),
        (CPU(quota=-1, period=20000), "max 20000"),
        (CPU(period=20000), "max 20000"),
    ],
)
def test_cpu_max(given_cpu: CPU, written: str) -> None:
    assert [setting.value for setting in cpu.settings(given_cpu)] == [written]


def test_an_idle_group_has_no_weight() -> None:
    assert [setting.file for setting in cpu.settings(CPU(shares=100, idle=1))] == ["cpu.idle"]
