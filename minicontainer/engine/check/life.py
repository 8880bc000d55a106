"""Containers as their records tell them: records, names, processes, and what is half-made.

A status that cannot be read is made anew: the record in RUN/runtime and the kernel know whether the
container runs, and who its monitor is (the parent of its init); of one that does not run only the exit
code is lost, and its files are not.
"""

from __future__ import annotations

import os
import time

from minicontainer.engine import records
from minicontainer.engine.check.finding import Finding
from minicontainer.errors import CorruptData, MinicontainerError, NotFound
from minicontainer.libcontainer import state as states
from minicontainer.util import files
from minicontainer.util.suppress import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minicontainer.engine.engine import Engine, Found

TOLERANCE = 60.0  # seconds that a clock may be corrected by


class Lives:
    """All containers, each read once: those that can be read, and what is wrong with the others."""

    __slots__ = ("damaged", "found")

    def __init__(self, engine: Engine) -> None:
        self.found: dict[str, Found] = {}
        self.damaged: dict[str, CorruptData] = {}
        for container_id in engine.ids():
            try:
                self.found[container_id] = engine.read(container_id)
            except NotFound:
                continue  # removed just now
            except CorruptData as error:
                self.damaged[container_id] = error

    def known(self, container_id: str) -> bool:
        """Whether it is a container of ours."""
        return container_id in self.found or container_id in self.damaged

    def holds(self, container_id: str) -> bool:
        """Whether it may have groups, links and the like; of a damaged one nobody knows."""
        found = self.found.get(container_id)
        if found is None:
            return container_id in self.damaged
        return found.status.state in records.CLAIMS

    def running(self) -> set[str]:
        """The ids of those for which `holds` is true."""
        return {one for one in (*self.found, *self.damaged) if self.holds(one)}


def look(engine: Engine, lives: Lives) -> Iterator[Finding]:
    """See the table in the package."""
    for container_id, error in lives.damaged.items():
        yield _damaged(engine, container_id, error)
    for found in lives.found.values():
        yield from _process(engine, found)
        yield from _dates(engine, found)
        yield from _health(found)
    yield from _names(engine, lives)
    yield from _half_made(engine)
    yield from _leftovers(engine, lives)


def title(found: Found) -> str:
    """A container in a line of text."""
    return f"{found.container.name} ({found.container.id[:12]})"


def _damaged(engine: Engine, container_id: str, error: CorruptData) -> Finding:
    folder = engine.folders.container(container_id)
    try:
        records.load_container(folder)
    except (CorruptData, FileNotFoundError):
        path = f"{folder}/container.json"
        meaning = (
            f"{describe(path)}: what was asked for is lost, its files are below that folder; "
            f"`minicontainer rm -f {container_id[:12]}` removes it"
        )
        return Finding("record", path, meaning)
    path = f"{folder}/status.json"
    return Finding(
        "record", path, f"{describe(path)}: what became of the container must be found out anew",
        lambda: _new_status(engine, container_id),
    )  # fmt: skip


def _health(found: Found) -> Iterator[Finding]:
    path = f"{found.folder}/{records.HEALTH}"
    try:
        records.load_health(found.folder)
    except FileNotFoundError:
        return
    except CorruptData:
        meaning = f"{describe(path)}: what the health check of {title(found)} said is lost"
        yield Finding("record", path, meaning, lambda: _forget_health(found))


def _forget_health(found: Found) -> str:
    with suppress(FileNotFoundError):
        try:
            records.load_health(found.folder)
        except CorruptData:
            os.unlink(f"{found.folder}/{records.HEALTH}")
    return f"the health of {title(found)} is found out anew, once it is probed"


def describe(path: str) -> str:
    """What is wrong with a record that cannot be read, in plain words."""
    try:
        data = files.read(path)
    except FileNotFoundError:
        return "it is missing"
    if not data.strip(b"\0"):
        return "it is empty, as a disk that was full or lost power leaves it"
    if data.startswith(b"{") and not data.rstrip().endswith(b"}"):
        return "it was cut short"
    return "it is noise" if not data.startswith(b"{") else "it holds something else than it should"


def _new_status(engine: Engine, container_id: str) -> str:
    folder = engine.folders.container(container_id)
    with engine.folders.container_lock(container_id):
        try:
            records.load_status(folder)
        except (CorruptData, FileNotFoundError):
            status = _status_of_running(engine, container_id) or records.Status(
                state="exited", exit_code=137, error="its status was lost", finished=time.time()
            )
            if status.state == "exited":
                engine.give_back(records.load_container(folder))
            records.save(f"{folder}/status.json", status)
            return f"container {container_id[:12]} has a status again: {status.state}"
    return f"container {container_id[:12]} has a status"


def _status_of_running(engine: Engine, container_id: str) -> records.Status | None:
    """The status of a container whose init lives, and so its monitor; None if it does not."""
    try:
        record = states.load(engine.folders.runtime, container_id)
        if not states.alive(record):
            return None
        parent = int(_stat(record.pid)[1])
        began = os.stat(f"{engine.folders.runtime}/{container_id}/state.json").st_mtime
    except (NotFound, CorruptData, FileNotFoundError, ProcessLookupError):
        return None
    return records.Status(
        state="running", pid=record.pid, started=began, monitor=parent,
        monitor_start=states.start_time(parent) or 0,
    )  # fmt: skip


def _stat(pid: int) -> list[bytes]:
    """/proc/PID/stat from the third field, the state, on: the parent is the next."""
    data = files.read(f"/proc/{pid}/stat")
    return data[data.rindex(b")") + 2 :].split()


def _process(engine: Engine, found: Found) -> Iterator[Finding]:
    status, container_id = found.status, found.container.id
    if status.state not in records.CLAIMS:
        return
    if not records.monitored(status):
        fate = _fate("its monitor", status.monitor, status.monitor_start)
        yield Finding(
            "status", f"container {title(found)}",
            f"it is recorded as {status.state}, but {fate}; so its program has ended, too",
            lambda: _recover(engine, container_id),
        )  # fmt: skip
    elif status.state == "running":
        yield from _program(engine, found)


def _program(engine: Engine, found: Found) -> Iterator[Finding]:
    """The program of a monitor that lives."""
    try:
        record = states.load(engine.folders.runtime, found.container.id)
    except (NotFound, CorruptData):
        path = f"{engine.folders.runtime}/{found.container.id}/state.json"
        yield Finding(
            "runtime state", path,
            f"{describe(path)}, and container {title(found)} runs: it cannot be entered or signalled; "
            f"`minicontainer rm -f {found.container.id[:12]}` ends it",
        )  # fmt: skip
        return
    if not states.alive(record):
        fate = _fate("its program", record.pid, record.start_time)
        yield Finding("status", f"container {title(found)}", f"it is recorded as running, but {fate}")


def _fate(whose: str, pid: int, start: int) -> str:
    """What became of a process that is not there any more."""
    now = states.start_time(pid) if pid else None
    if now is None or now == start:
        return f"{whose} (process {pid}) is gone"
    try:
        name = files.read(f"/proc/{pid}/comm").decode(errors="replace").strip()
    except (FileNotFoundError, ProcessLookupError):
        name = "another"
    return f"{whose} is gone: process {pid} is another one now ({name})"


def _recover(engine: Engine, container_id: str) -> str:
    short = container_id[:12]
    try:
        found = engine.recover(container_id)
    except NotFound:
        return f"container {short} had ended and was removed, as --rm asks"
    return f"container {short} is recorded as {found.state}, and what it held was given back"


def _dates(engine: Engine, found: Found) -> Iterator[Finding]:
    """A clock that was set back: ages and restart delays are counted from these."""
    ahead = max(found.container.created, found.status.started, found.status.finished) - time.time()
    if ahead > TOLERANCE:
        yield Finding(
            "clock", f"container {title(found)}",
            f"its record is {ahead / 3600:.1f} hours ahead of the clock, which was set back or is wrong",
            lambda: _today(engine, found.container.id),
        )  # fmt: skip


def _today(engine: Engine, container_id: str) -> str:
    """Times to come become now; those in the status of a running container are its monitor's."""
    now = time.time()
    folder = engine.folders.container(container_id)
    with engine.folders.container_lock(container_id):
        found = engine.load_locked(container_id)
        found.container.created = min(found.container.created, now)
        records.save(f"{folder}/container.json", found.container)
        if not found.running:
            found.status.started = min(found.status.started, now)
            found.status.finished = min(found.status.finished, now)
            records.save(f"{folder}/status.json", found.status)
    return f"the times of container {container_id[:12]} that are still to come were set to now"


def _names(engine: Engine, lives: Lives) -> Iterator[Finding]:
    folders = engine.folders
    owners: dict[str, list[str]] = {}
    for name in sorted(os.listdir(folders.names)):
        link = f"{folders.names}/{name}"
        try:
            owner = os.path.basename(os.readlink(link))
        except FileNotFoundError:
            continue  # given back just now
        except OSError:
            yield Finding("name", link, "it is no link: nothing of minicontainer's is there")
            continue
        if not os.path.isdir(folders.container(owner)):
            yield Finding("name", link, f"its container {owner[:12]} does not exist", engine.sweep)
        owners.setdefault(owner, []).append(name)
    for container_id, found in lives.found.items():
        if container_id not in owners:
            yield Finding(
                "name", f"container {title(found)}", "no name leads to it",
                lambda one=container_id: _name_again(engine, one),  # type: ignore[misc]
            )  # fmt: skip


def _name_again(engine: Engine, container_id: str) -> str:
    with engine.folders.container_lock(container_id):
        engine.name_again(container_id)
    return f"container {container_id[:12]} has a name again"


def _half_made(engine: Engine) -> Iterator[Finding]:
    """Temporary files and folders whose maker is gone: locked are those of one that lives."""
    folders = engine.folders
    places: list[tuple[str, Callable[[], str]]] = [
        (folders.containers, engine.sweep),
        (f"{folders.root}/images", lambda: _swept(engine.images.sweep())),
        (f"{folders.root}/images/blobs/sha256", lambda: _swept(engine.images.sweep())),
        (f"{folders.root}/networks", lambda: _swept(engine.bridge().sweep())),
    ]
    layers = f"{folders.root}/layers"
    for driver in ["", *_listed(layers)]:
        if not driver.startswith("."):
            places.append((f"{layers}/{driver}".rstrip("/"), lambda: _swept(engine.images.sweep())))
    for parent in (folders.containers, folders.runtime):
        for name in _listed(parent):
            if not name.startswith("."):
                places.append((f"{parent}/{name}", lambda p=f"{parent}/{name}": _swept(_sweep_files(p))))  # type: ignore[misc]
    for folder, mend in places:
        for name in _listed(folder):
            if name.startswith(files.PREFIX) and _abandoned(f"{folder}/{name}"):
                yield Finding("half-made", f"{folder}/{name}", "whoever was writing it is gone", mend)


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _abandoned(path: str) -> bool:
    """Whether nobody holds the lock of it, nor is the writer that its name tells."""
    import fcntl

    head, _, pid = os.path.basename(path).removeprefix(files.PREFIX).rpartition("-")
    if not head.isdigit():  # .tmp-NAME-PID, not locked (util/files.py); the others are .tmp-PID-COUNT
        return not pid.isdigit() or states.start_time(int(pid)) is None
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False  # finished meanwhile
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _sweep_files(folder: str) -> list[str]:
    paths = [f"{folder}/{name}" for name in _listed(folder) if name.startswith(files.PREFIX)]
    gone = [path for path in paths if _abandoned(path)]
    for path in gone:
        os.unlink(path)
    return gone


def _swept(paths: list[str]) -> str:
    return f"removed {', '.join(paths)}" if paths else "half-made files were gone already"


def _leftovers(engine: Engine, lives: Lives) -> Iterator[Finding]:
    """What RUN keeps for containers: for those there are."""
    folders = engine.folders
    for kind, folder in (("attach socket", folders.monitors), ("lock", folders.locks)):
        for name in _listed(folder):
            gone = not lives.known(name) and not os.path.isdir(folders.container(name))
            if gone and name != records.ALL and len(name) == 64:
                yield Finding(kind, f"{folder}/{name}", "its container does not exist", engine.sweep)
    for name in _listed(folders.runtime):
        if not lives.holds(name) and len(name) == 64:
            yield _runtime_state(engine, lives, name)


def _runtime_state(engine: Engine, lives: Lives, container_id: str) -> Finding:
    path = f"{engine.folders.runtime}/{container_id}"
    try:
        alive = states.alive(states.load(engine.folders.runtime, container_id))
    except MinicontainerError:
        alive = False
    if alive and not lives.known(container_id):
        meaning = "its process runs, and its container's folder was removed by somebody: `kill` ends it"
        return Finding("runtime state", path, meaning)
    return Finding(
        "runtime state", path, "its container does not run", lambda: give_back(engine, container_id)
    )


def give_back(engine: Engine, container_id: str) -> str:
    """What a container that does not run still holds; said in a line."""
    with engine.folders.container_lock(container_id):
        try:
            found = engine.load_locked(container_id)
            if found.status.state not in records.CLAIMS:
                engine.give_back(found.container)
        except NotFound:
            engine.give_back_of(container_id)
    return f"what container {container_id[:12]} still held was given back"
