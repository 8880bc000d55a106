"""Whose ids a container's are on the host: ``--userns``, ``--uidmap``, ``--gidmap`` (podman-run(1)).

==========================  =====================================================================
``host``                    the same (Docker's default, and ours)
``auto``, ``auto:size=N``   N (65536) ids that no other container has, of those that /etc/subuid
                            and /etc/subgid give to the user ``containers``
``private``                 those of ``--uidmap`` and ``--gidmap``, each of which serves for both
``container:NAME``          that container's user namespace, and so its mapping
==========================  =====================================================================

An allocation is kept in the container's own record, and made under the lock of all containers: two
never get the same ids, and a container that is removed gives back its own.
"""

from __future__ import annotations

from itertools import pairwise

from minicontainer.errors import NotFound, UsageError
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from minicontainer.engine.records import Container, HostConfig
    from minicontainer.storage.mapped import Mapping, Range

SUBUID, SUBGID = "/etc/subuid", "/etc/subgid"
OWNER = "containers"  # whose subordinate ids root's containers get, as podman's do
SIZE = 65536
EVERY_ID = [(0, 0, 2**32 - 1)]


def check(host: HostConfig) -> None:
    """What is given must fit together.  Raises UsageError; completes a mapping of one kind only."""
    given = bool(host.uid_mappings or host.gid_mappings)
    if given and host.userns_mode not in ("", "private"):
        raise UsageError(f"cannot use --uidmap and --gidmap with --userns {host.userns_mode}")
    if host.userns_mode == "private" and not given:
        raise UsageError("must provide at least one UID or GID mapping to configure a user namespace")
    if given:
        host.userns_mode = "private"
        host.uid_mappings = host.uid_mappings or list(host.gid_mappings)
        host.gid_mappings = host.gid_mappings or list(host.uid_mappings)
        for name, ranges in (("--uidmap", host.uid_mappings), ("--gidmap", host.gid_mappings)):
            _check_ranges(name, ranges)
    if host.userns_mode not in ("", "host"):
        _refuse_shared(host)
    elif any("idmap" in bind.options for bind in host.mounts):
        raise UsageError("-v with idmap maps to the ids of a user namespace: give --userns or --uidmap")


def _check_ranges(name: str, ranges: list[Range]) -> None:
    if not any(inside == 0 for inside, _, _ in ranges):
        raise UsageError(f"{name}: the container's id 0 must be mapped: its files are made by it")
    for side in (0, 1):
        taken = sorted((one[side], one[side] + one[2]) for one in ranges)
        for (_, end), (start, _) in pairwise(taken):
            if start < end:
                where = ("in the container", "on the host")[side]
                raise UsageError(f"{name}: id {start} {where} is mapped twice")


def _refuse_shared(host: HostConfig) -> None:
    """What would need rights over the host's namespaces (Docker's words)."""
    if host.privileged:
        raise UsageError(
            "privileged mode is incompatible with user namespaces. "
            "You must run the container in the host namespace when running privileged mode"
        )
    if host.network_mode == "host":
        raise UsageError("cannot share the host's network namespace when user namespaces are enabled")
    if host.pid_mode == "host":
        raise UsageError("cannot share the host PID namespace when user namespaces are enabled")
    for name, mode in (("ipc", host.ipc_mode), ("pid", host.pid_mode), ("uts", host.uts_mode)):
        if mode.startswith("container:") and host.userns_mode != mode:
            raise UsageError(f"--{name} {mode} needs --userns {mode}, which has the rights over it")


def allocate(container: Container, others: Iterable[Container]) -> None:
    """Give ``auto`` its ids; only with the lock ``containers``.  Raises NotFound where there are none."""
    host = container.host
    if not host.userns_mode.startswith("auto"):
        return
    size = int(host.userns_mode.partition("size=")[2] or SIZE)
    used = [other.host for other in others]
    host.uid_mappings = [_free(SUBUID, "UID", size, [one.uid_mappings for one in used])]
    host.gid_mappings = [_free(SUBGID, "GID", size, [one.gid_mappings for one in used])]


def _free(path: str, kind: str, size: int, used: list[list[Range]]) -> Range:
    """The first ``size`` ids that belong to `OWNER` and to no other container."""
    ranges = subordinate(path, OWNER)
    if not ranges:
        raise NotFound(
            f'Cannot find mappings for user "{OWNER}": no ranges found in {path}; '
            f"a line there such as {OWNER}:2147483648:1073741824 gives them"
        )
    taken = sorted((outside, outside + count) for one in used for _, outside, count in one)
    for start, count in ranges:
        place = start
        for first, end in taken:
            if first < place + size and place < end:
                place = end
        if place + size <= start + count:
            return 0, place, size
    raise NotFound(f"could not find enough available {kind}s: {size} in a row are not free in {path}")


def subordinate(path: str, user: str) -> list[tuple[int, int]]:
    """(first id, how many) of each line of ``user`` in /etc/subuid or /etc/subgid (subuid(5))."""
    try:
        with open(path) as file:
            rows = [line.strip().split(":") for line in file]
    except FileNotFoundError:
        return []
    return [
        (int(row[1]), int(row[2]))
        for row in rows
        if len(row) == 3 and row[0] == user and row[1].isdigit() and row[2].isdigit()
    ]


def mapping(host: HostConfig) -> Mapping | None:
    """The mapping of a container; None for one with the host's ids."""
    if not host.uid_mappings:
        return None
    from minicontainer.storage.mapped import Mapping

    return Mapping(host.uid_mappings, host.gid_mappings)


def own_ids(kind: str) -> list[Range]:
    """The ids (``uid`` or ``gid``) that exist in this process's user namespace, each as itself.

    Empty in the host's own, where all do.
    """
    rows = [line.split() for line in files.read(f"/proc/self/{kind}_map").decode().splitlines()]
    ranges = [(int(inside), int(inside), int(count)) for inside, _, count in rows]
    return [] if ranges == EVERY_ID else ranges
