"""A seccomp agent (config-linux.md, listenerPath), run as a program by tests of SCMP_ACT_NOTIFY.

    agent.py SOCKET OUTPUT      takes listeners until it is killed; writes what came with each as a
                                line of JSON to OUTPUT; answers every call that it is told of whose
                                first argument is 100 to 199 with 4000 + that, and lets others be made

seccomp_unotify(2) has the structures.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import select
import socket
import struct
import sys

RECEIVE = 0xC0502100  # SECCOMP_IOCTL_NOTIF_RECV
SEND = 0xC0182101  # SECCOMP_IOCTL_NOTIF_SEND
CONTINUE = 1  # SECCOMP_USER_NOTIF_FLAG_CONTINUE
NOTIFICATION = struct.Struct("=QIIiIQ6Q")
RESPONSE = struct.Struct("=QqiI")


def main(path: str, output: str) -> None:
    poller = select.poll()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{path}.new")
        listening.listen(1)
        os.rename(f"{path}.new", path)
        poller.register(listening, select.POLLIN)
        while True:
            for fd, event in poller.poll():
                if fd == listening.fileno():
                    poller.register(take(listening, output), select.POLLIN)
                elif event & select.POLLIN:
                    answer(fd)
                else:  # the last process with that filter has ended
                    poller.unregister(fd)
                    os.close(fd)


def take(listening: socket.socket, output: str) -> int:
    """The next listener."""
    connection, _ = listening.accept()
    with connection:
        data, ancillary, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(16))
        assert connection.recv(1) == b"", "one message a connection"
    with open(output, "a") as file:
        file.write(json.dumps({"message": json.loads(data), "descriptors": len(ancillary)}) + "\n")
    return array.array("i", ancillary[0][2])[0]


def answer(listener: int) -> None:
    """One call."""
    request = bytearray(NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, RECEIVE, request)
    except FileNotFoundError:  # who asked has been killed since
        return
    found = NOTIFICATION.unpack(request)
    first = found[6]
    known = first in range(100, 200)
    response = RESPONSE.pack(found[0], 4000 + first if known else 0, 0, 0 if known else CONTINUE)
    with contextlib.suppress(FileNotFoundError):
        fcntl.ioctl(listener, SEND, bytearray(response))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
