"""Files through which the kernel is told something: cgroupfs, /proc, /sys (cgroups(7), proc(5))."""

from __future__ import annotations

import os

from minicontainer.linux.door import quote, step


@step(
    "write(2)",
    why="tell the kernel through one of its files",
    shell=lambda a: f"echo {quote(a['data'])} > {quote(a['path'])}",
    watch=lambda a: [("file", a["path"])],
)
def write_control(path: str, data: str) -> None:
    """Write ``data`` to an existing control file in a single write(2), as such files require."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, data.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)


@step(
    "mkdir(2)",
    why="make a control group: the kernel fills the folder with its files",
    shell=lambda a: f"mkdir {quote(a['path'])}",
    watch=lambda a: [("folder", a["path"])],
)
def make_group(path: str) -> None:
    """mkdir in a cgroup file system."""
    os.mkdir(path, 0o755)


@step(
    "rmdir(2)",
    why="remove a control group that has no processes left",
    shell=lambda a: f"rmdir {quote(a['path'])}",
    watch=lambda a: [("folder", a["path"])],
)
def remove_group(path: str) -> None:
    """rmdir in a cgroup file system; EBUSY while processes or child groups remain."""
    os.rmdir(path)
