"""What happened to containers and images, in order: a journal that every command and monitor appends to.

::

    RUN/events/
        lock             held (flock) while one event is written
        0000000041       segments, at most `KEPT`, each closed when it has `SEGMENT` bytes;
        0000000042       the highest number is written to

    one event, one line, one write(2):
        {"time":1769860800123456789,"type":"container","action":"start","id":"3f2…","attributes":{…}}

Times are nanoseconds since the epoch, taken while the lock is held: the lines are in the order of
their times unless the clock is set back.  A reader keeps its segment open.  At its end it looks for
a higher one; only when there is one, and the old one has been read once more, does it go on there,
so that it misses nothing, and a line without its newline it leaves for later.  A writer that was
killed inside write(2), or whose disk was full, may leave such a line for good: the next writer ends
it, and what does not read as JSON is passed over.

The types, actions and attributes are Docker's (docker events, "Object types"): a container's
``image``, ``name`` and labels, with ``signal`` for kill, ``exitCode`` for die, ``execID`` for exec_*,
``oldName`` for rename.  As with Docker's daemon, a reboot forgets; an event that the disk does not
take is lost, since no command should fail for it.
"""

from __future__ import annotations

import os
import time

from minicontainer.oci import jsontext
from minicontainer.util import files
from minicontainer.util.suppress import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from minicontainer.engine.records import Container, Folders

SEGMENT = 1 << 20  # bytes: some 2500 events
KEPT = 4
READ_AT_ONCE = 1 << 16


class Event:
    """One line of the journal; ``time`` in nanoseconds since the epoch."""

    __slots__ = ("action", "attributes", "id", "time", "type")

    def __init__(self, time: int, type: str, action: str, id: str, attributes: dict[str, str]) -> None:
        self.time = time
        self.type = type
        self.action = action
        self.id = id
        self.attributes = attributes


def emit(folders: Folders, kind: str, action: str, actor: str, attributes: dict[str, str]) -> None:
    """Append one event; ``kind`` is container or image, ``actor`` its id.  Never fails."""
    with suppress(OSError):
        folder = prepare(folders)
        with files.Lock(f"{folder}/lock"):
            _append(folder, kind, action, actor, attributes)


def prepare(folders: Folders) -> str:
    """The journal's folder, made if it is missing."""
    folder = f"{folders.run}/events"
    os.makedirs(folder, 0o700, exist_ok=True)
    return folder


def of_container(folders: Folders, container: Container, action: str, **extra: str) -> None:
    """Append an event of a container, with the attributes that all of them have."""
    own = {"image": container.config.image, "name": container.name}
    emit(folders, "container", action, container.id, {**container.config.labels, **own, **extra})


class OfExec:
    """Tells the journal of one more process in a container, under an id of its own."""

    def __init__(self, folders: Folders, container: Container, args: list[str]) -> None:
        self.folders = folders
        self.container = container
        self.command = " ".join(args)
        self.id = os.urandom(32).hex()

    def __call__(self, action: str, **extra: str) -> None:
        """Of exec_create and exec_start the command is a part, as in Docker."""
        whole = action if extra else f"{action}: {self.command}"
        of_container(self.folders, self.container, whole, execID=self.id, **extra)


def of_resizing(folders: Folders, container: Container, rows: int, columns: int) -> None:
    """Append that a container's terminal has another size."""
    of_container(folders, container, "resize", height=str(rows), width=str(columns))


def of_image(folders: Folders, action: str, image_id: str, name: str = "", **extra: str) -> None:
    """Append an event of an image; Docker's ``name`` is the reference, or the id where there is none."""
    emit(folders, "image", action, image_id, {"name": name or image_id, **extra})


def of_network(folders: Folders, action: str, mode: str, container_id: str) -> None:
    """Append that a container was connected to its network, or disconnected: ``mode`` is the name."""
    kind = "null" if mode == "none" else mode
    emit(folders, "network", action, mode, {"container": container_id, "name": mode, "type": kind})


def of_pruning(folders: Folders, kind: str, reclaimed: int) -> None:
    """Append that what nobody used was removed, and how many bytes that gave."""
    emit(folders, kind, "prune", "", {"reclaimed": str(reclaimed)})


def _append(folder: str, kind: str, action: str, actor: str, attributes: dict[str, str]) -> None:
    numbers = segments(folder)
    number = numbers[-1] if numbers else 1
    fd = _open_to_append(folder, number)
    size = os.fstat(fd).st_size
    if size >= SEGMENT:
        os.close(fd)
        number += 1
        fd = _open_to_append(folder, number)
        size = 0
        for old in numbers[: max(0, len(numbers) + 1 - KEPT)]:
            os.unlink(f"{folder}/{old:010d}")
    try:
        cut_short = size and os.pread(fd, 1, size - 1) != b"\n"
        line = jsontext.dumps(
            {"time": time.time_ns(), "type": kind, "action": action, "id": actor, "attributes": attributes}
        )
        files.write_all(fd, (b"\n" if cut_short else b"") + line.encode() + b"\n")
    finally:
        os.close(fd)


def _open_to_append(folder: str, number: int) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    return os.open(f"{folder}/{number:010d}", flags, 0o600)


def segments(folder: str) -> list[int]:
    """The numbers of the segments, ascending."""
    try:
        return sorted(int(name) for name in os.listdir(folder) if name.isdigit())
    except FileNotFoundError:
        return []


class Reader:
    """Reads the journal from its oldest event on, or from now on."""

    def __init__(self, folders: Folders, *, from_now: bool = False) -> None:
        self.folder = f"{folders.run}/events"
        self.number = 0
        self.fd = -1
        self.rest = b""
        if from_now:
            self._open_last()

    def _open_last(self) -> None:
        numbers = segments(self.folder)
        if numbers and self._open(numbers[-1]):
            size = os.fstat(self.fd).st_size
            # What stands before is over; a line that is being written now is not.
            while size and os.pread(self.fd, 1, size - 1) != b"\n":
                size -= 1
            os.lseek(self.fd, size, os.SEEK_SET)

    def _open(self, number: int) -> bool:
        try:
            fd = os.open(f"{self.folder}/{number:010d}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False  # removed since the folder was listed: its time is over
        self.close()
        self.fd, self.number, self.rest = fd, number, b""
        return True

    def close(self) -> None:
        """Close the segment that is open."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def read(self) -> Iterator[Event]:
        """All that is there now and was not read yet."""
        while True:
            # Looked for first: whoever made a higher segment writes to this one no more.
            higher = [number for number in segments(self.folder) if number > self.number]
            yield from self._segment()
            if not any(self._open(number) for number in higher):
                return

    def _segment(self) -> Iterator[Event]:
        while self.fd >= 0 and (data := os.read(self.fd, READ_AT_ONCE)):
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                event = _parse(line)
                if event is not None:
                    yield event

    def follow(self, until: int | None, wait: Callable[[float | None], None]) -> Iterator[Event]:
        """The same, and what comes, until the moment ``until`` (nanoseconds; None: for ever).

        ``wait`` returns when the journal may have grown, or after that many seconds.
        """
        while True:
            left = None if until is None else max(0.0, (until - time.time_ns()) / 1e9)
            yield from self.read()
            if left == 0:
                return
            wait(left)


def _parse(line: bytes) -> Event | None:
    try:
        value = jsontext.loads(line)
        return Event(value["time"], value["type"], value["action"], value["id"], value["attributes"])
    except (ValueError, KeyError, TypeError):
        return None
