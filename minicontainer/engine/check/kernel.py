"""Control groups and mounts that no running container explains, and limits that nobody recorded."""

from __future__ import annotations

import os

from minicontainer import cgroups
from minicontainer.cgroups import tree
from minicontainer.cgroups.host import hierarchies
from minicontainer.engine import updating
from minicontainer.engine.check.finding import Finding
from minicontainer.engine.check.life import give_back, title
from minicontainer.linux import mount
from minicontainer.linux.door import because
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minicontainer.engine.check.life import Lives
    from minicontainer.engine.engine import Engine

ID = 64  # digits


def look(engine: Engine, lives: Lives) -> Iterator[Finding]:
    """See the table in the package."""
    yield from _groups(engine, lives)
    yield from _mounts(engine, lives)
    yield from _updates(engine, lives)


def _updates(engine: Engine, lives: Lives) -> Iterator[Finding]:
    for container_id, found in lives.found.items():
        if os.path.exists(f"{engine.folders.container(container_id)}/{updating.JOURNAL}"):
            yield Finding(
                "limits", f"container {title(found)}",
                "an update was killed half-way: its limits may not be those that are recorded",
                lambda one=container_id: _settle(engine, one),  # type: ignore[misc]
            )  # fmt: skip


def _settle(engine: Engine, container_id: str) -> str:
    with engine.folders.container_lock(container_id):
        updating.settle(engine.folders.container(container_id))
    return f"container {container_id[:12]} has the limits that are recorded"


def _groups(engine: Engine, lives: Lives) -> Iterator[Finding]:
    for folder in _parents():
        for name in _listed(folder):
            if len(name) == ID and not lives.holds(name):
                finding = _group(engine, lives, folder, name)
                if finding is not None:
                    yield finding


def _parents() -> list[str]:
    """The group that has ours in it, in every hierarchy."""
    found = hierarchies()
    places = {*found.bound.values(), *found.named.values(), *([found.unified] if found.unified else [])}
    return sorted(place + cgroups.PARENT for place in places)


def _listed(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []


def _group(engine: Engine, lives: Lives, folder: str, container_id: str) -> Finding | None:
    path = f"{folder}/{container_id}"
    pids = tree.processes(path)
    if lives.known(container_id):
        said = f"container {container_id[:12]} does not run, and {_held(pids)}"
        return Finding("control group", path, said, lambda: give_back(engine, container_id))
    if not pids:
        said = "no container of that id exists, and nothing is in it"
        return Finding("control group", path, said, lambda: _remove_empty(path))
    if any(_is_ours(engine, pid) for pid in pids):
        said = f"its container's folder was removed by somebody, and {_held(pids)}: `kill` ends them"
        return Finding("control group", path, said)
    return None  # another root's


def _held(pids: list[int]) -> str:
    return f"processes {', '.join(map(str, pids))} are in it" if pids else "nothing is in it"


def _is_ours(engine: Engine, pid: int) -> bool:
    """Whether the process sees a root file system that was put together in our folder."""
    try:
        table = os.fsdecode(files.read(f"/proc/{pid}/mountinfo"))
    except OSError:
        return False
    return f"={engine.folders.containers}/" in table or f" {engine.folders.containers}/" in table


def _remove_empty(path: str) -> str:
    because("no container of that id exists, and nothing is in it")
    tree.remove(path)
    tree.remove_if_empty(os.path.dirname(path))
    return f"removed the control group {path}"


def _mounts(engine: Engine, lives: Lives) -> Iterator[Finding]:
    """The monitors mount in namespaces of their own, so here is none below a container or a layer."""
    folders = engine.folders
    for point in reversed(mount_points()):
        owner = _below(point, folders.containers) or _below(point, folders.runtime)
        if owner and owner.startswith(".names"):
            continue
        if owner or _below(_below(point, f"{folders.root}/layers"), ""):
            running = bool(owner) and lives.holds(owner.partition("/")[0])
            yield Finding(
                "mount", point,
                "it is mounted here, where only monitors' own namespaces should see it"
                + ("; its container runs, so it stays until that ends" if running else ""),
                None if running else lambda p=point: _unmount(p),  # type: ignore[misc]
            )  # fmt: skip


def mount_points() -> list[str]:
    """Every mount of this namespace, parents first (proc_pid_mountinfo(5))."""
    lines = os.fsdecode(files.read("/proc/self/mountinfo")).splitlines()
    return [line.split(" ")[4].replace("\\040", " ").replace("\\011", "\t") for line in lines]


def _below(path: str, folder: str) -> str:
    """The rest of ``path`` below ``folder``, "" if it is not there."""
    rest = path.removeprefix(f"{folder}/") if folder else path.partition("/")[2]
    return "" if rest == path and folder else rest


def _unmount(point: str) -> str:
    because("a mount that was left behind keeps what is below it from being removed")
    mount.umount2(point, mount.MNT_DETACH)
    return f"unmounted {point}"
