"""``update``: other limits, or another restart policy, for a container that runs or will.

The kernel comes first: what it refuses is not written down.  What was not named stays as it is.
"""

from __future__ import annotations

from minicontainer import cgroups
from minicontainer.engine import events, limits, records, spec
from minicontainer.engine.records import HostConfig
from minicontainer.errors import Conflict, MinicontainerError, Unsupported
from minicontainer.oci import runtime as oci
from minicontainer.oci.document import replace

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
            host = replace(container.host, **changes)
            resources = _resources(host, changes)
            manager.check(resources)
            if found.running:
                engine.runtime(found).update(resources)
        except FileNotFoundError:
            raise Conflict(f"Cannot update container {container_id}: it has ended just now") from None
        except MinicontainerError as error:
            raise type(error)(f"Cannot update container {container_id}: {error}") from None
        container.host = host
        records.save(f"{engine.folders.container(container_id)}/container.json", container)
        events.of_container(engine.folders, container, "update")


def _check(host: HostConfig, changes: dict[str, Any], manager: Manager) -> None:
    asked = HostConfig(**changes)
    limits.check(asked)
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


def _resources(host: HostConfig, changes: dict[str, Any]) -> oci.Resources:
    """What to tell the kernel: the changed limits, with those that belong to them; no devices."""
    names = {name for name in changes if name not in POLICY}
    for pair in TOGETHER:
        if names & set(pair):
            names |= set(pair)
    resources = spec.resources(HostConfig(**{name: getattr(host, name) for name in names}))
    resources.devices = []
    return resources
