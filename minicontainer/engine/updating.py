"""``update``: other limits, or another restart policy, for a container that runs or will.

The kernel comes first: what it refuses is not written down.  What was not named stays as it is.

::

    update.json: what the files hold, and HostConfig ─► control files ─► container.json ─► no update.json

Where one of the files refuses, the others get back what they held.  A command that is killed leaves
update.json; the next update, or `system check --repair`, undoes what is not in container.json (`settle`).
"""

from __future__ import annotations

import errno
import os

from minicontainer import cgroups
from minicontainer.engine import events, limits, records, spec
from minicontainer.engine.records import HostConfig
from minicontainer.errors import Conflict, MinicontainerError, Unsupported
from minicontainer.linux.control import write_control
from minicontainer.linux.door import because
from minicontainer.oci import jsontext
from minicontainer.oci import runtime as oci
from minicontainer.oci.document import replace, to_builtins
from minicontainer.util import files
from minicontainer.util.suppress import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.cgroups.manager import Manager
    from minicontainer.engine.engine import Engine, Found

JOURNAL = "update.json"
INTERVAL = 0.02  # seconds between two looks at one that is ending
POLICY = ("restart_policy", "restart_retries")
# Limits that one setting of the kernel is made of: who changes one of them writes both.
TOGETHER = (("memory", "memory_swap"), ("cpu_period", "cpu_quota"), ("cpu_rt_period", "cpu_rt_runtime"))


def update(engine: Engine, text: str, changes: dict[str, Any]) -> None:
    """Change these fields of the container's HostConfig.

    Raises NotFound; Conflict, UsageError for limits that contradict each other or what it has;
    Unsupported; OSError as the kernel gave it.
    """
    container_id = engine.find(text).container.id
    while (ending := _attempt(engine, container_id, changes)) is not None:
        engine.wait(ending, INTERVAL)


def _attempt(engine: Engine, container_id: str, changes: dict[str, Any]) -> Found | None:
    """Update it; or, with nothing changed, the container whose program has ended just now."""
    folder = engine.folders.container(container_id)
    with engine.folders.container_lock(container_id):
        settle(folder)
        found = engine.load_locked(container_id)
        container = found.container
        manager = cgroups.manager(f"{cgroups.PARENT}/{container_id}")
        try:
            _check(container.host, changes, manager)
            host = replace(container.host, **changes)
            resources = _resources(host, changes)
            manager.check(resources)
            _carry_out(engine, found, host, resources)
        except (OSError, MinicontainerError) as error:
            if found.ending:
                return found
            if isinstance(error, OSError):
                raise
            raise type(error)(f"Cannot update container {container_id}: {error}") from None
        events.of_container(engine.folders, container, "update")
        return None


def _carry_out(engine: Engine, found: Found, host: HostConfig, resources: oci.Resources) -> None:
    folder, old = engine.folders.container(found.container.id), found.container.host
    try:
        if found.running:
            engine.runtime(found).update(resources, lambda paths: _note(folder, old, paths))
        found.container.host = host
        records.save(f"{folder}/container.json", found.container)
    except BaseException:
        with suppress(OSError, MinicontainerError):  # why it failed is what to tell
            settle(folder)
        raise
    with suppress(FileNotFoundError):
        os.unlink(f"{folder}/{JOURNAL}")


def _note(folder: str, host: HostConfig, paths: list[str]) -> None:
    """Write update.json; a reboot may forget it, as the kernel does."""
    held = {path: files.read(path).decode() for path in paths if os.path.exists(path)}
    text = jsontext.dumps({"host": to_builtins(host), "files": held})
    files.write_atomic(f"{folder}/{JOURNAL}", text.encode(), sync=False)


def settle(folder: str) -> bool:
    """Undo an update that is not in container.json, with the container's lock; whether one was begun.

    Raises OSError where the kernel refuses what it had; update.json is still there then.
    """
    path = f"{folder}/{JOURNAL}"
    try:
        journal = jsontext.loads(files.read(path))
    except FileNotFoundError:
        return False
    if to_builtins(records.load_container(folder).host) == journal["host"]:
        with suppress(FileNotFoundError):  # the group ended with the container
            _put_back(list(journal["files"].items()))
    os.unlink(path)
    return True


def _put_back(held: list[tuple[str, str]]) -> None:
    """Each file's content; one may be refused until the others have changed (cgroups/setting.py)."""
    for path, text in (*held, *reversed(held)):
        for line in text.splitlines() or [""]:
            because("an update of limits was not completed: what was before holds")
            with suppress(OSError):
                write_control(path, line)
    wrong = [path for path, text in held if files.read(path).decode() != text]
    if wrong:
        raise OSError(errno.EIO, "what it held before an update cannot be restored", wrong[0])


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
