"""Terminals: a new pair, who controls it, its size, raw mode (pty(7), ioctl_tty(2), termios(3)).

::

    a person's terminal          the monitor               inside the container
    ┌──────────────────┐        ┌──────────┐              ┌────────────────────────┐
    │ raw: no echo, no │ bytes  │  master  │ kernel's line│ slave: /dev/pts/N, the │
    │ signals by ^C    │ ◄────► │          │ ◄──────────► │ program's 0, 1 and 2   │
    └──────────────────┘        └──────────┘  discipline  └────────────────────────┘

The person's terminal is raw so that every byte, ^C included, reaches the inner one; that one's line
discipline then does the echoing and makes the signals, for the container's processes.
"""

from __future__ import annotations

import fcntl
import os
import struct
import termios

from minicontainer.linux.door import quote, step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# <asm-generic/ioctls.h>; x86, arm and riscv share these numbers, and termios does not name them.
TIOCGPTN = 0x80045430
TIOCSPTLCK = 0x40045431
TIOCGPTPEER = 0x5441

_SIZE = struct.Struct("HHHH")  # struct winsize: rows, columns, and pixels that nobody fills in

# Positions in the list of tcgetattr(3).
_IFLAG, _OFLAG, _CFLAG, _LFLAG, _CC = 0, 1, 2, 3, 6


@step(
    "open(2)",
    why="make a new pair of terminals; the opener holds the master side",
    shell=lambda a: f"exec 3<>{quote(a['path'])}",
)
def _open_master(path: str) -> int:
    return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


@step(
    "ioctl_tty(2)",
    why="a new slave is locked until its owner lets it be opened",
    shell=lambda a: f"# unlockpt({a['master_fd']})",
)
def unlock(master_fd: int) -> None:
    """unlockpt(3): allow the slave side to be opened."""
    fcntl.ioctl(master_fd, TIOCSPTLCK, struct.pack("i", 0))


def open_ptmx(path: str = "/dev/ptmx") -> tuple[int, str]:
    """A new unlocked pair: the master's descriptor and the slave's path beside ``path``.

    ``/x/dev/ptmx`` gives ``/x/dev/pts/N``, and ``/x/dev/pts/ptmx`` the same: the multiplexer of a
    devpts mount (mounted newinstance, as each container's is) makes pairs in that mount only.
    Raises ENOSPC when the mount's ``max`` is reached.
    """
    master = _open_master(path)
    try:
        unlock(master)
        number = struct.unpack("I", fcntl.ioctl(master, TIOCGPTN, bytes(4)))[0]
    except BaseException:
        os.close(master)
        raise
    folder = os.path.dirname(path)
    devpts = folder if os.path.basename(folder) == "pts" else os.path.join(folder, "pts")
    return master, f"{devpts}/{number}"


@step(
    "ioctl_tty(2)",
    why="open the slave through its master, whatever is mounted where its path leads",
    shell=lambda a: f"# ioctl({a['master_fd']}, TIOCGPTPEER, O_RDWR | O_NOCTTY)",
)
def peer(master_fd: int) -> int:
    """The slave side, opened by its master (Linux 4.13); close-on-exec, not yet controlling."""
    return fcntl.ioctl(master_fd, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)


@step(
    "ioctl_tty(2)",
    why="the session's terminal: ^C there signals its foreground processes, closing it hangs up",
    shell=lambda a: f"setsid -c <&{a['fd']}",
)
def set_controlling(fd: int) -> None:
    """Make the terminal the controlling one.  EPERM unless the caller leads a session without one."""
    fcntl.ioctl(fd, termios.TIOCSCTTY, 0)


@step(
    "tcsetpgrp(3)",
    why="the process group that reads from the terminal and that ^C signals",
    shell=lambda a: "fg",
)
def set_foreground(fd: int, pgid: int) -> None:
    """Give the terminal to a process group.  A background group that asks gets SIGTTOU."""
    os.tcsetpgrp(fd, pgid)


@step(
    "ioctl_tty(2)",
    why="tell programs how large the window is; a change sends them SIGWINCH",
    shell=lambda a: f"stty rows {a['rows']} cols {a['columns']} <&{a['fd']}",
)
def set_size(fd: int, rows: int, columns: int) -> None:
    """Set the window size of a terminal; either side of a pair will do."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, _SIZE.pack(rows, columns, 0, 0))


def get_size(fd: int) -> tuple[int, int]:
    """(rows, columns) of a terminal's window; ENOTTY for anything else."""
    rows, columns, _, _ = _SIZE.unpack(fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(_SIZE.size)))
    return rows, columns


@step(
    "tcsetattr(3)",
    why="hand every byte through unchanged: the container's own terminal does the line editing",
    shell=lambda a: f"stty raw -echo <&{a['fd']}",
)
def raw(fd: int) -> list[Any]:
    """Switch a terminal to raw mode (cfmakeraw(3)); gives back the settings to `restore`.

    OSError ENOTTY for anything but a terminal.
    """
    saved = _attributes(fd)
    changed = [*saved[:_CC], list(saved[_CC])]
    changed[_IFLAG] &= ~(
        termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP
        | termios.INLCR | termios.IGNCR | termios.ICRNL | termios.IXON
    )  # fmt: skip
    changed[_OFLAG] &= ~termios.OPOST
    changed[_LFLAG] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    changed[_CFLAG] = changed[_CFLAG] & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    changed[_CC][termios.VMIN], changed[_CC][termios.VTIME] = 1, 0
    _set_attributes(fd, changed)
    return saved


@step(
    "tcsetattr(3)",
    why="give the terminal back as it was found",
    shell=lambda a: f"stty sane <&{a['fd']}",
    show={"saved": lambda saved: "the saved settings"},
)
def restore(fd: int, saved: list[Any]) -> None:
    """Set a terminal to what `raw` saved; at once, since a stopped terminal would never drain."""
    _set_attributes(fd, saved)


def _attributes(fd: int) -> list[Any]:
    try:
        return termios.tcgetattr(fd)
    except termios.error as error:  # not an OSError, though it carries the same two values
        raise OSError(*error.args) from None


def _set_attributes(fd: int, attributes: list[Any]) -> None:
    try:
        termios.tcsetattr(fd, termios.TCSANOW, attributes)
    except termios.error as error:
        raise OSError(*error.args) from None
