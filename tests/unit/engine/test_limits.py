"""Limits that contradict each other."""

from __future__ import annotations

import pytest

from minicontainer.engine import limits
from minicontainer.engine.records import HostConfig
from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MIB = 1 << 20


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"memory": 64 * MIB},
        {"memory": 64 * MIB, "memory_swap": 64 * MIB, "memory_reservation": 64 * MIB},
        {"memory_swap": -1},
        {"memory_reservation": 64 * MIB},
        {"nano_cpus": 10**9},
        {"cpu_period": 1000, "cpu_quota": 1000},
        {"cpu_period": 1_000_000, "cpu_quota": -1},
        {"blkio_weight": 10},
        {"blkio_weight": 1000},
    ],
)
def test_what_can_be(asked: dict[str, Any]) -> None:
    limits.check(HostConfig(**asked))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"memory_swap": 64 * MIB}, "always set the Memory limit"),
        ({"memory": 64 * MIB, "memory_swap": 64 * MIB - 1}, "larger than memory limit"),
        ({"memory": 64 * MIB, "memory_reservation": 64 * MIB + 1}, "less than memory reservation"),
        ({"nano_cpus": 10**9, "cpu_period": 100_000}, "Nano CPUs and CPU Period"),
        ({"nano_cpus": 10**9, "cpu_quota": 100_000}, "Nano CPUs and CPU Quota"),
        ({"cpu_period": 999}, "CPU cfs period"),
        ({"cpu_period": 1_000_001}, "CPU cfs period"),
        ({"cpu_quota": 999}, "CPU cfs quota"),
        ({"blkio_weight": 9}, "blkio weight"),
        ({"blkio_weight": 1001}, "blkio weight"),
    ],
)
def test_what_cannot(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        limits.check(HostConfig(**asked))
