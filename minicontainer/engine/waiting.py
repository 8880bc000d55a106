"""``wait``: how a container ended, from its monitor's own mouth; and ``start``: whether it began.

The status on disk would do, but with ``--rm`` it is gone by then.  So who waits is one more client
(attach.py), that asks for no output: however much the program writes, nothing is kept or sent for it.
"""

from __future__ import annotations

from minicontainer import errors
from minicontainer.engine import attach
from minicontainer.engine.engine import AlreadyRunning
from minicontainer.errors import Conflict, MinicontainerError, NotFound
from minicontainer.util.suppress import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.engine.engine import Engine
    from minicontainer.util.sockets import Socket

INTERVAL = 0.02  # seconds between two looks at one that is ending
KILLED = 137  # what a container whose monitor was killed is taken to have ended with (records.py)


def exit_code(engine: Engine, text: str) -> int:
    """The exit status, once the container does not run; at once, if it does not.  Raises NotFound.

    With a restart policy: the end of this run, or of the next (moby: container/state.go, SetRestarting).
    """
    found = engine.find(text)
    while found.running or found.restarting:  # before it is restarted, its socket takes us already
        try:
            connection = engine.connect(found.container.id)
        except Conflict:
            engine.wait(found, -1)  # it is ending: its socket is closed, its status not yet written
        else:
            code = _listen(connection)
            if code is not None:
                return code
        try:
            found = engine.load(found.container.id)
        except NotFound:
            return KILLED  # with --rm, and its monitor was killed
    return found.status.exit_code


def start(engine: Engine, container_id: str) -> None:
    """Until its program runs, started by this command or by another; at once, if it runs.

    As with Docker, whose start of a running container is no error (304).  Raises Conflict, and what
    keeps the program from starting.
    """
    while True:
        try:
            until_started(engine.start(container_id)[1])
            return
        except AlreadyRunning:
            if engine.load(container_id).status.state != "starting":
                return
        connection = _connect(engine, container_id)
        with suppress(ConnectionError):
            if connection is not None and _starts(connection):
                return


def join(engine: Engine, container_id: str) -> Socket:
    """A client's socket of a container that this command starts, or another has.  Raises Conflict."""
    while True:
        try:
            return engine.start(container_id)[1]
        except AlreadyRunning:
            connection = _connect(engine, container_id)
            if connection is not None:
                return connection


def _connect(engine: Engine, container_id: str) -> Socket | None:
    """A client's socket; None, a moment later, where it has ended since, or is about to."""
    try:
        return engine.connect(container_id)
    except Conflict:
        engine.wait(engine.load(container_id), INTERVAL)
        return None


def until_started(connection: Socket) -> None:
    """Until the program runs; closes the connection.  Raises what kept it from starting."""
    if not _starts(connection):
        raise MinicontainerError("the container's monitor was killed before the program started")


def _starts(connection: Socket) -> bool:
    """Whether the program runs; False if the monitor ended without a word."""
    decoder = attach.Decoder()
    try:
        while not decoder.ended:
            for kind, payload in decoder.receive(connection.fileno()):
                if kind == attach.STARTED:
                    return True
                if kind == attach.ERROR:
                    raise errors.from_wire(attach.read_document(bytes(payload)))
    finally:
        connection.close()
    return False


def _listen(connection: Socket) -> int | None:
    """The status in the EXIT frame; None if the monitor ended without one."""
    decoder = attach.Decoder()
    try:
        connection.sendall(attach.frame(attach.QUIET))
        while not decoder.ended:
            for kind, payload in decoder.receive(connection.fileno()):
                if kind == attach.EXIT:
                    return attach.read_exited(bytes(payload))
    except ConnectionError:
        return None
    finally:
        connection.close()
    return None
