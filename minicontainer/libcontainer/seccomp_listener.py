"""SCMP_ACT_NOTIFY: an agent answers system calls for the container (config-linux.md, Seccomp).

::

    init (or exec's process)                 parent                            agent
      │ install: the listener is fd n          │                                 │
      │── write {"type": "confined", fd: n} ──►│  pidfd_getfd                    │
      │                                        │── container process state ─────►│  listenerPath
      │                                        │   + the listener (SCM_RIGHTS)   │
      │◄─────────────────────── {"type": "go"}─│                                 │
      │ any call from here on may wait ◄───────┼──────────────── answers ───────►│

From the moment the program is in, each call of init's may be one that waits for the agent, who does
not have the listener yet.  So init makes only one, write(2), for which NOTIFY is refused; runc does
the same.
"""

from __future__ import annotations

import _socket as socket
import os
import struct

from minicontainer.errors import field
from minicontainer.libcontainer.sync import Channel
from minicontainer.linux import pidfd
from minicontainer.oci import document, jsontext
from minicontainer.util import sockets
from minicontainer.util.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import State

TIMEOUT_S = 10


def hand_over(channel: Channel, listener: int) -> None:
    """In the confined process: have the parent take the listener, and wait until it did."""
    os.write(channel.connection.fileno(), b'{"type": "confined", "fd": %d}' % listener)
    if channel.expect("go") is None:
        os._exit(1)  # the parent is gone: nobody will answer this process's calls
    os.close(listener)


def take(process: int, number: int) -> int:
    """In the parent: a copy of descriptor ``number`` of the process that the pidfd ``process`` is of."""
    with field("linux.seccomp.listenerPath"):
        return pidfd.pidfd_getfd(process, number)


def send_to_agent(path: str, listener: int, pid: int, metadata: str, state: State) -> None:
    """One connection, one message: the container process state with the listener.

    ``pid`` is the confined process's.  Raises OSError when nobody takes it.
    """
    message = {
        "ociVersion": state.oci_version,
        "fds": ["seccompFd"],
        "pid": pid,
        **({"metadata": metadata} if metadata else {}),
        "state": document.to_builtins(state),
    }
    with field("linux.seccomp.listenerPath"), Socket(socket.AF_UNIX, sockets.SOCK_STREAM) as agent:
        agent.settimeout(TIMEOUT_S)
        try:
            agent.connect(path)
        except OSError as error:
            raise OSError(error.errno, f"seccomp agent: {error.strerror or error}", path) from None
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", listener))]
        agent.sendmsg([jsontext.dumps(message).encode()], rights, socket.MSG_NOSIGNAL)
