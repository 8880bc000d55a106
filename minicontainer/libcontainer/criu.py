"""criu (https://criu.org), the program that reads a process tree out of the kernel and makes it again.

It is driven as other runtimes drive it: ``criu swrk FD`` serves one request over a SOCK_SEQPACKET
socket, one message a packet, each a protocol buffer (criu's images/rpc.proto)::

    parent                                             criu swrk
      │  fork, (own mount namespace), execve ─────────────►│
      │── request: type, options ─────────────────────────►│
      │◄────────── NOTIFY: post-restore, pid (+ a master) ─│  any number of them;
      │── request: NOTIFY, whether it may go on ──────────►│  it waits for each answer
      │◄──────────────────── response: success, cr_errno ──│  and ends
      │
      └─ what was restored is our child, not criu's (rst_sibling)

A message is fields, each a varint ``number << 3 | wire type`` and a value: a varint (type 0: numbers,
truths) or a length and bytes (type 2: text, messages).  Only those two occur.

The descriptors in a request are those of the process that made the sockets: criu opens its
/proc/PID/fd/N.  That is criu's own process before execve: a folder opened in another mount namespace
could not be mounted on.
"""

from __future__ import annotations

import _socket
import os
import struct

from minicontainer.errors import CorruptData, MinicontainerError, Unsupported
from minicontainer.libcontainer import sync
from minicontainer.linux import door, process, signals
from minicontainer.linux.door import because
from minicontainer.util import files, sockets
from minicontainer.util.sockets import Socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    Fields = dict[int, list[int | bytes]]
    Notified = Callable[[str, int, int], None]

# criu_req_type
DUMP, RESTORE, PRE_DUMP, NOTIFY, FEATURE_CHECK = 1, 2, 4, 6, 9
VERBS = {DUMP: "dump", RESTORE: "restore", PRE_DUMP: "pre-dump", FEATURE_CHECK: "feature check"}
# criu_opts; every message inside it that is used here has a first and a second field, as a tuple has.
OPTIONS = {
    "images_dir_fd": 1, "pid": 2, "leave_running": 3, "ext_unix_sk": 4, "tcp_established": 5,
    "evasive_devices": 6, "shell_job": 7, "file_locks": 8, "log_level": 9, "log_file": 10, "ps": 11,
    "notify_scripts": 12, "root": 13, "parent_img": 14, "track_mem": 15, "auto_dedup": 16,
    "work_dir_fd": 17, "link_remap": 18, "ext_mnt": 23, "manage_cgroups": 24, "cg_root": 25,
    "rst_sibling": 26, "inherit_fd": 27, "manage_cgroups_mode": 34, "external": 37, "empty_ns": 38,
    "join_ns": 39, "cgroup_dump_controller": 43, "freeze_cgroup": 44, "tcp_skip_in_flight": 46,
    "lazy_pages": 48, "orphan_pts_master": 50, "config_file": 51, "lsm_profile": 53, "lsm_mount_context": 63,
}  # fmt: skip
FEATURES = {"mem_track": 1, "lazy_pages": 2}
CGROUP_MODES = {"ignore": 0, "soft": 3, "full": 4, "strict": 5, "": 6}
MESSAGE_SIZE = 1 << 16
QUOTED = 3  # lines of its log in an error
SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find(program: str) -> str:
    """The path of criu, by PATH and the folders of system programs.  Raises Unsupported."""
    if "/" in program:
        candidates = [os.path.abspath(program)]
    else:
        folders = [*os.environ.get("PATH", os.defpath).split(":"), *SBIN]
        candidates = [os.path.join(folder, program) for folder in folders if folder.startswith("/")]
    for path in candidates:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    where = "" if "/" in program else " (--criu PATH says where it is)"
    raise Unsupported(f"checkpoint and restore need criu, and {program!r} is not installed{where}")


class Request:
    """One request.  ``log`` is the file that criu is told to write, for what to say if it fails.

    ``enter`` runs in the process that becomes criu, and silences it where nobody says otherwise;
    ``started`` is told its pid before it is asked; ``notified`` is told each (event, pid or 0,
    descriptor or -1) and answers by returning or raising.
    ``inherited`` stay open in criu, at their numbers: all that the options name.
    """

    def __init__(self, kind: int, options: dict[str, Any], log: str = "") -> None:
        self.kind = kind
        self.options = options
        self.log = log
        self.inherited: list[int] = []
        self.enter: Callable[[], None] = be_silent
        self.started: Callable[[int], None] = lambda pid: None
        self.notified: Notified = lambda event, pid, fd: None
        self.failure: BaseException | None = None

    def run(self, program: str) -> None:
        """Have it done.  Raises what an answer raised, MinicontainerError with criu's last words, OSError."""
        child, connection = self._start(program)
        try:
            self.started(child)
            self._converse(connection)
        except ConnectionError:
            raise MinicontainerError(self._refusal({})) from None
        finally:
            connection.close()
            because("criu has answered, or sees that nobody asks any more")
            process.wait(child)

    def missing(self, program: str) -> list[str]:
        """Which of the asked ``FEATURES`` this kernel and this criu lack; of a FEATURE_CHECK."""
        child, connection = self._start(program)
        try:
            connection.send(number(1, self.kind) + text(5, encode(FEATURES, self.options)))
            answer = decode(connection.recv(MESSAGE_SIZE))
        except ConnectionError:
            raise MinicontainerError(self._refusal({})) from None
        finally:
            connection.close()
            process.wait(child)
        found = decode(_bytes(answer.get(8)))
        return [name for name in self.options if not found.get(FEATURES[name], [0])[-1]]

    def _start(self, program: str) -> tuple[int, Socket]:
        """Its pid and the connection; `enter` and its execve have succeeded."""
        ours, theirs = sync.pair()
        because("criu, which is a program of its own")
        child = process.fork()
        if child == 0:
            ours.close()
            self._become(program, theirs)
        theirs.close()
        try:
            received = ours.expect("connected")
            ours.expect()  # the end: execve has closed it
        except BaseException:
            process.wait(child)
            raise
        finally:
            ours.close()
        if received is None:
            process.wait(child)
            raise MinicontainerError("criu was killed before it began")
        return child, Socket(_socket.AF_UNIX, sockets.SOCK_SEQPACKET, 0, received[1][0])

    def _become(self, program: str, parent: sync.Channel) -> None:
        try:
            door.i_am("criu")
            signals.reset()
            self.enter()
            # Made here, so that the process whose descriptors criu opens is criu itself.
            asking, asked = sockets.pair(sockets.SOCK_SEQPACKET)
            parent.send("connected", fds=(asking.fileno(),))
            for fd in (asked.fileno(), *self.inherited):
                os.set_inheritable(fd, True)
            process.execve(program, ["criu", "swrk", str(asked.fileno())], dict(os.environ))
        except BaseException as error:
            # As in init: every error is caught, to be raised again in the parent.
            parent.send_error(error)
        os._exit(127)

    def _converse(self, connection: Socket) -> None:
        connection.send(number(1, self.kind) + text(2, encode(OPTIONS, self.options)))
        while True:
            data, ancillary, _, _ = connection.recvmsg(
                MESSAGE_SIZE, _socket.CMSG_SPACE(4), _socket.MSG_CMSG_CLOEXEC
            )
            fds = [struct.unpack("i", payload[:4])[0] for _, _, payload in ancillary]
            answer = decode(data)
            kind, success = answer.get(1, [0])[-1], answer.get(2, [0])[-1]
            if data and success and kind == NOTIFY:
                connection.send(number(1, NOTIFY) + number(3, int(self._notify(answer, fds))))
                continue
            if self.failure is not None:
                raise self.failure
            if not data or not success or kind != self.kind:
                raise MinicontainerError(self._refusal(answer))
            return

    def _notify(self, answer: Fields, fds: list[int]) -> bool:
        """Whether it may go on."""
        notify = decode(_bytes(answer.get(5)))
        event = _bytes(notify.get(1)).decode()
        pid = notify.get(2, [0])[-1]
        try:
            self.notified(event, pid if isinstance(pid, int) else 0, fds[0] if fds else -1)
        except BaseException as error:
            # criu undoes what it did, and answers; then it is raised.
            self.failure = error
            return False
        return True

    def _refusal(self, answer: Fields) -> str:
        said = last_errors(self.log) or [_bytes(answer.get(9)).decode(errors="replace") or "no reason given"]
        code = answer.get(7, [0])[-1]
        reason = f" ({os.strerror(code)})" if isinstance(code, int) and code > 0 else ""
        where = f"; its log is {self.log}" if os.path.exists(self.log) else ""
        return f"criu {VERBS[self.kind]} failed{reason}: {'; '.join(said)}{where}"


def be_silent(streams: Sequence[int] = (0, 1, 2)) -> None:
    """What criu says before it has a log is not for whoever reads our standard streams."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for stream in streams:
        os.dup2(null, stream)


def last_errors(log: str) -> list[str]:
    """The last lines of criu's log that tell of errors, without times and places in its source."""
    try:
        lines = files.read(log).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    # "(00.022166) Error (criu/mount.c:1088): mnt: ..."
    found = [line.partition(" Error (")[2].partition("): ")[2] for line in lines if " Error (" in line]
    return [line.strip() for line in found if line][-QUOTED:]


# -- protocol buffers


def number(field: int, value: int) -> bytes:
    """A number or truth; negative ones as 64 bits."""
    return _varint(field << 3) + _varint(value & (1 << 64) - 1)


def text(field: int, value: str | bytes) -> bytes:
    """A text, or an encoded message."""
    data = os.fsencode(value)
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def encode(names: dict[str, int], values: dict[str, Any]) -> bytes:
    """A message: each value is a number, a truth, a text, a tuple (the fields 1, 2, ... of a message of
    its own), or a list of those."""
    return b"".join(
        _field(names[name], value)
        for name, held in values.items()
        for value in (held if isinstance(held, list) else [held])
    )


def _field(field: int, value: Any) -> bytes:
    if isinstance(value, tuple):
        return text(field, b"".join(_field(place, part) for place, part in enumerate(value, 1)))
    return number(field, int(value)) if isinstance(value, int) else text(field, value)


def decode(data: bytes) -> Fields:
    """The values of a message by their field's number.  Raises CorruptData."""
    found: Fields = {}
    for field, value in _fields(data):
        found.setdefault(field, []).append(value)
    return found


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        value, at = _read_varint(data, at)
        if key & 7 == 0:
            yield key >> 3, value
        elif key & 7 == 2 and at + value <= len(data):
            yield key >> 3, data[at : at + value]
            at += value
        else:
            raise CorruptData("criu's answer cannot be read")


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        value |= (data[at] & 0x7F) << shift
        at += 1
        shift += 7
        if data[at - 1] < 0x80:
            return value, at
    raise CorruptData("criu's answer cannot be read")


def _bytes(values: list[int | bytes] | None) -> bytes:
    value = values[-1] if values else b""
    return value if isinstance(value, bytes) else b""
