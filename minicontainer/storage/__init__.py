"""Layers on disk and the container's writable one: two drivers behind one contract (contract.py).

The driver is probed once per root: the answer, with the kernel and device it holds for, is kept in
``ROOT/layers/driver``.
"""

from __future__ import annotations

import os

from minicontainer.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.storage.contract import Driver

NAMES = ("overlay", "vfs")


def driver(root: str, name: str | None = None) -> Driver:
    """The driver ``name`` on ``root``; without a name, overlay where it works, else vfs."""
    if name is None:
        name = _remembered(root)
    if name == "overlay":
        from minicontainer.storage.overlay import Overlay

        return Overlay(root)
    if name == "vfs":
        from minicontainer.storage.vfs import Vfs

        return Vfs(root)
    raise UsageError(f"unknown storage driver {name!r}: choose one of {', '.join(NAMES)}")


def _remembered(root: str) -> str:
    from minicontainer.util.files import read

    path = os.path.join(root, "layers", "driver")
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    holds_for = f"{os.uname().release} {os.stat(root).st_dev}"
    try:
        name, _, held_for = read(path).decode(errors="replace").strip().partition(" ")
        if held_for == holds_for and name in NAMES:
            return name
    except FileNotFoundError:
        pass  # the first time on this root
    from minicontainer.storage.probe import why_not_overlay

    name = "vfs" if why_not_overlay(root) else "overlay"
    _remember(path, f"{name} {holds_for}\n".encode())
    return name


def _remember(path: str, line: bytes) -> None:
    from minicontainer.storage import temporary

    under_way, fd = temporary.new_file(os.path.dirname(path))
    try:
        os.write(fd, line)
        os.rename(under_way, path)
    except OSError:
        os.unlink(under_way)
        raise
    finally:
        os.close(fd)
