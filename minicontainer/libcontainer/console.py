"""A container's terminal: one of its own devpts, and /dev/console, which shows it (config.md, Process).

Imported only where a process has a terminal, before the process that needs it is made.
"""

from __future__ import annotations

import os

from minicontainer.linux import file, mountfd, openat2, terminal
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Process


def open_terminal(config: Process) -> int:
    """A terminal of the container's devpts as standard streams and controlling terminal; its master."""
    because("a terminal of the container's own")
    master, _ = terminal.open_ptmx("/dev/ptmx")
    fd = terminal.peer(master)
    if config.console_size is not None:
        terminal.set_size(master, config.console_size.height, config.console_size.width)
    terminal.set_controlling(fd)
    for stream in (0, 1, 2):
        os.dup2(fd, stream)
    if fd > 2:
        os.close(fd)
    return master


def bind_console() -> None:
    """By descriptors: a name in /dev/pts may lead to a file that is to be hidden (CVE-2025-52565)."""
    file.create("/dev/console", 0o600)
    because("programs that write to the console write to this terminal")
    copy = mountfd.OPEN_TREE_CLONE | mountfd.OPEN_TREE_CLOEXEC | mountfd.AT_EMPTY_PATH
    held = mountfd.open_tree(0, "", copy)
    place = openat2.reach("/dev/console")
    mountfd.move_mount(held, "", place, "", mountfd.MOVE_MOUNT_F_EMPTY_PATH | mountfd.MOVE_MOUNT_T_EMPTY_PATH)
    os.close(held)
    os.close(place)
