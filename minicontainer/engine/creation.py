"""``create``: a container's folder, its writable layer and its name, or nothing at all.

::

    checks ─► layers unpacked ─► .tmp-* with the driver's layer ─► name taken ─► records ─► renamed to <id>

Until the last step a kill leaves only what `Engine.sweep` finds; after it the container is whole.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress

from minicontainer import cgroups
from minicontainer.engine import defaults, events, identity, isolation, names, records, security, spec, userns
from minicontainer.engine.records import Status
from minicontainer.errors import CorruptData, NotFound, Unsupported
from minicontainer.storage import temporary
from minicontainer.storage.tree import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minicontainer.engine.engine import Engine
    from minicontainer.engine.records import Container
    from minicontainer.image.model import Image


def create(engine: Engine, image: Image, container: Container) -> Container:
    """Make ``container`` of ``image``; see `Engine.create`."""
    _check(engine, image, container)
    container.created = time.time()
    container.image_id = image.id
    container.chain = engine.images.ensure_unpacked(image)
    container.driver = engine.driver().name
    container.config.hostname = container.config.hostname or _host_name(container)
    if container.name:
        engine.mend_owner(container.name)
        engine.names.refuse_taken(container.name)
    engine.sweep_if_needed()
    _make_sources(container)
    _make_folder(engine, container)
    events.of_container(engine.folders, container, "create")
    try:
        # Recorded, the container keeps its image; a removal that has not seen the record ends first.
        engine.images.require(image)
        engine.images.ensure_unpacked(image)
    except BaseException:
        engine.remove(container.id, force=True)  # somebody may have started it by now
        raise
    return container


def _check(engine: Engine, image: Image, container: Container) -> None:
    """Complete what was asked for, and refuse what cannot be."""
    if os.geteuid() != 0:
        raise Unsupported(
            "containers need root, or user namespaces for ordinary users: try sudo "
            "(`minicontainer doctor` says what else)"
        )
    if userns.own_ids("uid"):
        from minicontainer.engine import rootless

        rootless.check(container.host)
    defaults.merge(container.config, image.config)
    identity.capability_list(container.host)
    container.id = container.id or names.random_id()
    isolation.check(container)
    userns.check(container.host)
    isolation.resolve(engine, container.host)
    security.check(container.host.security_opt, container.id)
    spec.check_limits(container.host, cgroups.manager(f"{cgroups.PARENT}/{container.id}"))


def _host_name(container: Container) -> str:
    host_s = container.host.network_mode == "host" or container.host.uts_mode == "host"
    return os.uname().nodename if host_s else container.id[:12]


def _make_sources(container: Container) -> None:
    """As Docker does for -v."""
    for bind in container.host.mounts:
        if bind.type == "bind" and not os.path.lexists(bind.source):
            os.makedirs(bind.source, exist_ok=True)


def _make_folder(engine: Engine, container: Container) -> None:
    folders = engine.folders
    folder, fd = temporary.new_folder(folders.containers)
    try:
        engine.driver().prepare(folder, container.chain)
        os.makedirs(f"{folder}/rootfs", 0o755, exist_ok=True)
        with folders.lock():
            userns.allocate(container, _recorded(engine))
            engine.names.take(container)
            # With --rm nothing is meant to outlive a crash.
            records.save(f"{folder}/container.json", container, sync=not container.host.auto_remove)
            records.save(f"{folder}/status.json", Status(), sync=False)
            os.chmod(folder, 0o711)
            os.rename(folder, folders.container(container.id))
    except BaseException:
        remove_tree(folder)
        with suppress(OSError):  # the first error is the one to tell; a name without owner is free
            engine.forget_name(container)
        raise
    finally:
        os.close(fd)


def _recorded(engine: Engine) -> Iterator[Container]:
    """All containers that can be read."""
    for container_id in engine.ids():
        with suppress(NotFound, CorruptData):
            yield engine.read(container_id).container
