"""What containers and images are called, for a shell that completes a name: read from the records.

No engine, no lock, no mending: between two presses of a key a name too many or too few does no harm,
and what cannot be read is left out.
"""

from __future__ import annotations

import os

from minicontainer.engine import records
from minicontainer.errors import CorruptData

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.records import Container, Status


def containers(root: str, run: str) -> list[tuple[Container, Status]]:
    """Every container below ``root``, by name; a status says ``running`` only where a monitor lives."""
    folders = records.Folders(root, run)
    try:
        ids = [one for one in os.listdir(folders.containers) if not one.startswith(".")]
    except (FileNotFoundError, PermissionError):
        return []
    found = []
    for one in ids:
        try:
            container = records.load_container(folders.container(one))
            status = records.load_status(folders.container(one))
        except (OSError, CorruptData):
            continue
        if status.state in records.CLAIMS and not records.monitored(status):
            status = records.without_monitor(status)
        found.append((container, status))
    return sorted(found, key=lambda pair: pair[0].name)


def images(root: str) -> list[str]:
    """The references ``NAME:TAG`` of all images below ``root``, sorted."""
    from minicontainer.image.layout import ImageLayout, name_of

    try:
        entries = ImageLayout(f"{root}/images").read_index()
    except (OSError, CorruptData):
        return []
    return sorted({name for entry in entries if (name := name_of(entry))})


def paths(status: Status, text: str) -> list[str]:
    """Paths in a running container that begin with ``text``; folders end with a slash.

    They are looked up below its root folder, whatever links it made (openat2(2)).
    """
    from minicontainer.linux.openat2 import open_in_root

    folder, slash, start = text.rpartition("/")
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    fds = []
    try:
        fds.append(os.open(f"/proc/{status.pid}/root", flags))
        fds.append(open_in_root(fds[0], folder or "/", os.O_RDONLY | os.O_DIRECTORY))
        with os.scandir(fds[1]) as entries:
            return sorted(
                f"{folder}{slash}{entry.name}{'/' * entry.is_dir(follow_symlinks=False)}"
                for entry in entries
                if entry.name.startswith(start)
            )
    except OSError:
        return []
    finally:
        for fd in fds:
            os.close(fd)
