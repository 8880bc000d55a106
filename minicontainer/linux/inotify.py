"""inotify(7): be woken when something in a folder changes, instead of looking again and again."""

from __future__ import annotations

import ctypes
import os
import select

from minicontainer.linux.libc import check, function

IN_MODIFY = 0x002
IN_MOVED_TO = 0x080
IN_CREATE = 0x100
IN_DELETE_SELF = 0x400

_init = function("inotify_init1", ctypes.c_int)
_add = function("inotify_add_watch", ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32)


class Watch:
    """What changes in ``folder``: files that are written to, made, or renamed into it.

    Raises OSError: FileNotFoundError, EMFILE (fs.inotify.max_user_instances), ENOSPC (max_user_watches).
    """

    def __init__(self, folder: str, mask: int = IN_MODIFY | IN_MOVED_TO | IN_CREATE | IN_DELETE_SELF) -> None:
        self.fd = check(_init(os.O_NONBLOCK | os.O_CLOEXEC))
        try:
            check(_add(self.fd, os.fsencode(folder), mask), folder)
        except BaseException:
            os.close(self.fd)
            raise

    def wait(self, seconds: float | None) -> None:
        """Until something has changed since the last call; at most so long (None: for ever)."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if poll.poll(None if seconds is None else seconds * 1000):
            os.read(self.fd, 1 << 16)

    def close(self) -> None:
        """Give it back."""
        os.close(self.fd)
