"""Init in a user namespace that exists (linux.namespaces of type user, with a path).

::

    parent ──fork──► helper ── setns(user, then pid) ── clone3(CLONE_PARENT | its new namespaces) ──► init
      │                │                                                                        │
      │◄── "forked" ───┘ exits                     a child of the parent, as any other init ────┘

Namespaces belong to the user namespace of whoever makes them: made by the parent, they would be the
host's, and init, once it had joined, could not even mount.  A process that has joined a user
namespace cannot come back, hence the helper.
"""

from __future__ import annotations

import os

from minicontainer.errors import MinicontainerError
from minicontainer.libcontainer import sync
from minicontainer.linux import door, namespaces, pidfd, process
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.libcontainer.init import Init

JOINED_FIRST = ("user", "pid")


def clone(init: Init, ours: sync.Channel, flags: int, group: int | None) -> tuple[int, int]:
    """(pid, pidfd) of ``init``, born in the namespaces of ``flags`` that the joined one then owns.

    Raises OSError as setns(2) and clone3(2) do.
    """
    told, tell = sync.pair()
    because("a helper joins the user namespace; this process could not leave it again")
    helper = process.fork()
    if helper == 0:
        told.close()
        _help(init, ours, tell, flags, group)
    tell.close()
    try:
        received = told.message("forked")
    finally:
        told.close()
        process.wait(helper)
    if received is None:
        raise MinicontainerError("the helper that was to make init was killed")
    pid = int(received[0]["pid"])
    return pid, pidfd.pidfd_open(pid)


def _help(init: Init, ours: sync.Channel, tell: sync.Channel, flags: int, group: int | None) -> None:
    """The helper's whole life; does not return."""
    door.i_am("helper")
    try:
        for kind, fd in init.joins:
            if kind in JOINED_FIRST:
                namespaces.setns(fd, namespaces.FLAGS[kind])
        init.joins = [join for join in init.joins if join[0] not in JOINED_FIRST]
        pid = process.clone_sibling(flags, group)
        if pid == 0:
            door.i_am("init")
            ours.close()
            tell.close()
            init.run()
        tell.send("forked", pid=pid)
    except BaseException as error:
        tell.send_error(error)
    os._exit(0)
