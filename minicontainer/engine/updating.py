"""``update``: other limits, or another restart policy, for a container that runs or will.

The kernel comes first: what it refuses is not written down.  What was not named stays as it is.
"""

from __future__ import annotations

import msgspec

from minicontainer import cgroups
from minicontainer.engine import events, records, spec
from minicontainer.engine.records import HostConfig
from minicontainer.errors import Conflict, MinicontainerError, Unsupported, UsageError
from minicontainer.oci import runtime as oci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.cgroups.manager import Manager
    from minicontainer.engine.engine import Engine

POLICY = ("restart_policy", "restart_retries")
# Limits that one setting of the kernel is made of: who changes one of them writes both.
TOGETHER = (("memory", "memory_swap"), ("cpu_period", "cpu_quota"))


def update(engine: Engine, text: str, changes: dict[str, Any]) -> None:
    """Change these fields of the container's HostConfig.

    Raises NotFound; Conflict, UsageError for limits that contradict each other or what it has;
    Unsupported; OSError as the kernel gave it.
    """
    container_id = engine.find(text).container.id
    with engine.folders.container_lock(container_id):
        found = engine.load_locked(container_id)
        container = found.container
        manager = cgroups.manager(f"{cgroups.PARENT}/{container_id}")
        try:
            _check(container.host, changes, manager)
            host = msgspec.structs.replace(container.host, **changes)
            limits = _limits(host, changes)
            manager.check(limits)
            if found.running:
                engine.runtime(found).update(limits)
        except MinicontainerError as error:
            raise type(error)(f"Cannot update container {container_id}: {error}") from None
        container.host = host
        records.save(f"{engine.folders.container(container_id)}/container.json", container)
        events.of_container(engine.folders, container, "update")


def check_cpu(period: int, quota: int, nano: int) -> None:
    """Raise UsageError for what the kernel's scheduler does not take, or for two answers to one question."""
    for name, value in (("Period", period), ("Quota", quota)):
        if nano and value:
            raise UsageError(f"Conflicting options: Nano CPUs and CPU {name} cannot both be set")
    if period and not 1000 <= period <= 1_000_000:
        raise UsageError(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if 0 < quota < 1000:
        raise UsageError("CPU cfs quota can not be less than 1ms (i.e. 1000)")


def check_memory(limit: int, swap: int, reservation: int) -> None:
    """Raise UsageError for limits of memory that contradict each other; 0 is none, swap -1 no limit."""
    if swap > 0 and not limit:
        raise UsageError("You should always set the Memory limit when using Memoryswap limit, see usage")
    if 0 < swap < limit:
        raise UsageError("Minimum memoryswap limit should be larger than memory limit, see usage")
    if 0 < limit < reservation:
        raise UsageError("Minimum memory limit can not be less than memory reservation limit, see usage")


def _check(host: HostConfig, changes: dict[str, Any], manager: Manager) -> None:
    asked = HostConfig(**changes)
    check_cpu(asked.cpu_period, asked.cpu_quota, asked.nano_cpus)
    check_memory(asked.memory, asked.memory_swap, asked.memory_reservation)
    for period_or_quota, name in ((asked.cpu_period, "Period"), (asked.cpu_quota, "Quota")):
        if period_or_quota and host.nano_cpus:
            raise Conflict(
                f"Conflicting options: CPU {name} cannot be updated as NanoCPUs has already been set"
            )
    for had, name in ((host.cpu_period, "Period"), (host.cpu_quota, "Quota")):
        if asked.nano_cpus and had:
            raise Conflict(
                f"Conflicting options: NanoCPUs cannot be updated as CPU {name} has already been set"
            )
    if asked.memory > host.memory_swap and not asked.memory_swap and _counts_swap(manager):
        raise Conflict(
            "Memory limit should be smaller than already set memoryswap limit, "
            "update the memoryswap at the same time"
        )
    if asked.restart_policy not in ("", "no") and host.auto_remove:
        raise Conflict("Restart policy cannot be updated because AutoRemove is enabled for the container")


def _counts_swap(manager: Manager) -> bool:
    try:
        manager.check(oci.Resources(memory=oci.Memory(limit=1 << 30, swap=1 << 31)))
    except Unsupported:
        return False
    return True


def _limits(host: HostConfig, changes: dict[str, Any]) -> oci.Resources:
    """What to tell the kernel: the changed limits, with those that belong to them; no devices."""
    names = {name for name in changes if name not in POLICY}
    for pair in TOGETHER:
        if names & set(pair):
            names |= set(pair)
    limits = spec.resources(HostConfig(**{name: getattr(host, name) for name in names}))
    limits.devices = []
    return limits
