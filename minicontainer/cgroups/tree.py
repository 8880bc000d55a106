"""Folders of a cgroup file system: reading their files, making and removing groups."""

from __future__ import annotations

import errno
import os
import time

from minicontainer.cgroups import PARENT
from minicontainer.linux.control import make_group, remove_group
from minicontainer.linux.door import because
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

# rmdir says EBUSY until the last process has ended and its counters are at rest.  A process that was
# killed needs a processor for that, and a busy machine lets it wait.
PATIENCE = 10.0


class unless_gone:  # noqa: N801 (it reads as `suppress` does)
    """Leave ``with`` quietly where it fails because another command has just removed the group."""

    __slots__ = ("folder",)

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        return isinstance(error, OSError) and not os.path.isdir(self.folder)


def text(path: str) -> str:
    """The content of a control file without its last newline."""
    return files.read(path).decode().rstrip("\n")


def number(path: str) -> int | None:
    """A file with one number; None for ``max``."""
    value = text(path)
    return None if value == "max" else int(value)


def number_or(path: str, default: int | None) -> int | None:
    """`number`, or ``default`` where the kernel has no such file."""
    try:
        return number(path)
    except FileNotFoundError:
        return default


def table(path: str) -> dict[str, int]:
    """A file of ``key value`` lines; empty where the kernel has no such file."""
    try:
        lines = text(path).splitlines()
    except FileNotFoundError:
        return {}
    return {key: int(value) for key, _, value in (line.partition(" ") for line in lines)}


def groups(folder: str) -> list[str]:
    """``folder`` and every group below it, parents before children; empty if it is gone."""
    try:
        with os.scandir(folder) as entries:
            below = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    return [folder] + [group for child in below for group in groups(child)]


def any_group(mount: str) -> str | None:
    """Some group directly below the root, by which to see what files this kernel's groups have."""
    with os.scandir(mount) as entries:
        return next((entry.path for entry in entries if entry.is_dir(follow_symlinks=False)), None)


def processes(folder: str) -> list[int]:
    """The processes in ``folder`` and below, sorted."""
    found: set[int] = set()
    for group in groups(folder):
        found.update(own_processes(group))
    return sorted(found)


def own_processes(folder: str) -> list[int]:
    """The processes of this very group; 0 stands for one outside our PID namespace."""
    try:
        return [int(line) for line in text(f"{folder}/cgroup.procs").splitlines()]
    except OSError as error:
        # ENODEV: removed while we read.  EOPNOTSUPP: a threaded group; its domain lists them.
        if error.errno in (errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP):
            return []
        raise


def make(mount: str, path: str) -> None:
    """mkdir -p, with every missing group a step; one that exists is fine."""
    folder = mount + path
    while True:
        try:
            make_group(folder)
        except FileExistsError:
            return
        except FileNotFoundError:
            if not os.path.isdir(mount):
                raise
            # Once more after that: another command may just have removed the empty parent.
            make(mount, os.path.dirname(path))
        else:
            return


def remove(folder: str) -> None:
    """Remove a group and those below it.  Raises OSError(EBUSY) while processes remain."""
    until = time.monotonic() + PATIENCE
    pause = 0.001
    for group in reversed(groups(folder)):
        while True:
            try:
                remove_group(group)
            except FileNotFoundError:
                pass  # somebody was faster
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > until:
                    raise
                time.sleep(pause)
                pause = min(2 * pause, 0.05)
                continue
            break


def remove_parents(mount: str, path: str) -> None:
    """The groups between PARENT and ``path``, and PARENT, where ``path`` was the last in them."""
    while path.startswith(PARENT + "/"):
        path = os.path.dirname(path)
        remove_if_empty(mount + path)


def remove_if_empty(folder: str) -> None:
    """rmdir the shared parent, unless another container still needs it."""
    try:
        if os.stat(folder).st_nlink > 2:
            return  # itself, its name, and one for each group in it
    except FileNotFoundError:
        return
    because("the last container's group is gone")
    try:
        remove_group(folder)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.EBUSY, errno.ENOTEMPTY):
            raise
