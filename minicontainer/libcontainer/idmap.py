"""Id-mapped bind mounts: the owners of a tree shown as other ids, without a chown (mount_setattr(2)).

::

    the parent, in the host's user namespace                       init
      open_tree(source, OPEN_TREE_CLONE)  = a detached copy
      clone3(CLONE_NEWUSER) ─► uid_map, gid_map ─► /proc/PID/ns/user
      mount_setattr(copy, MOUNT_ATTR_IDMAP, that namespace)
      clone3(...) ─────────── inherits the copy ──────────────────► attaches it like any other bind

The kernel asks for rights over the file system below, which an init in a user namespace of its own has
not: so the parent does it before there is an init.  Mappings are those of the mount (``uidMappings``,
``gidMappings``), or of the container's user namespace: a file of user 0 is then root's inside.
"""

from __future__ import annotations

import os

from minicontainer.errors import InvalidConfig, field
from minicontainer.linux import mountfd
from minicontainer.linux.door import because
from minicontainer.util import idmaps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.libcontainer.mounts import Options
    from minicontainer.oci.runtime import IDMapping, Linux, Mount
    from minicontainer.util.idmaps import Range


def check(index: int, mount: Mount, options: Options) -> None:
    """Raise InvalidConfig for a mount that cannot be mapped."""
    if not options.bind and mount.type != "bind":
        raise InvalidConfig(f"config.json: mounts[{index}]: only bind mounts can be mapped to other ids")


def apply(tree: int, index: int, mount: Mount, options: Options, linux: Linux) -> None:
    """Map the owners of the detached ``tree``.  Raises InvalidConfig; OSError EINVAL where the file
    system below cannot be mapped, EPERM without rights over it."""
    place = f"mounts[{index}]"
    recursive = mountfd.AT_RECURSIVE if options.idmap == "ridmap" else 0
    with field(f"{place}.{options.idmap or 'uidMappings'} ({mount.destination})"):
        namespace = _namespace(mount, linux, place)
        try:
            because(f"who owns the files at {mount.destination}, as seen through this mount")
            mountfd.mount_setattr(
                tree, "", mountfd.AT_EMPTY_PATH | recursive, mountfd.MOUNT_ATTR_IDMAP, userns_fd=namespace
            )
        finally:
            os.close(namespace)


def _namespace(mount: Mount, linux: Linux, place: str) -> int:
    """A descriptor of a user namespace with the mount's mappings, or with the container's."""
    uids, gids = mount.uid_mappings, mount.gid_mappings
    if not uids and not gids:
        user = next((n for n in linux.namespaces if n.type == "user"), None)
        if user is not None and user.path:
            return os.open(user.path, os.O_RDONLY | os.O_CLOEXEC)
        uids, gids = linux.uid_mappings, linux.gid_mappings
        if user is None:
            raise InvalidConfig(f"config.json: {place}: there are no mappings, nor a user namespace with any")
    if not uids or not gids:
        raise InvalidConfig(f"config.json: {place}: uidMappings and gidMappings come together")
    return idmaps.namespace(ranges(uids), ranges(gids))


def ranges(mappings: list[IDMapping]) -> list[Range]:
    """As user_namespaces(7) has them."""
    return [(mapping.container_id, mapping.host_id, mapping.size) for mapping in mappings]
