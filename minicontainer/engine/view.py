"""A container's file system, to look at and to change from outside, whether it runs or not.

::

    caller                               helper
      │  fork ───────────────────────────► setns: the monitor's mount namespace   (it runs)
      │                                    unshare: one of its own
      │                                    mount the layers at rootfs             (it does not)
      │                                    attach what is bound into it: -v, --mount
      │◄── "view" + open_tree(rootfs) ──── a copy of all that, attached nowhere; or "error"
      │  works on the descriptor           exits
      ▼  closes it: the kernel unmounts

What is seen is what docker cp sees: layers and binds, and nothing that the container mounted itself, no
/proc, no tmpfs.  Nothing of the container runs, is loaded or entered, and no path of the host leads
through it: callers resolve names below ``root`` with openat2(2).  Its lock is held all the while, so that
it neither starts nor goes.
"""

from __future__ import annotations

import os
import stat

from minicontainer import errors
from minicontainer.engine import userns
from minicontainer.engine.engine import Engine, Found
from minicontainer.errors import Conflict, MinicontainerError, NotFound
from minicontainer.libcontainer.mounts import Options
from minicontainer.libcontainer.state import start_time
from minicontainer.libcontainer.sync import Channel
from minicontainer.linux import door, mount, namespaces, process
from minicontainer.linux import mountfd as fd
from minicontainer.linux.door import because
from minicontainer.linux.openat2 import open_in_root
from minicontainer.storage.mapped import Acting
from minicontainer.util import sockets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from minicontainer.engine.records import Bind
    from minicontainer.storage.mapped import Mapping, Range

NOBODY = 65534  # the kernel's overflow id: an owner that the container has not (user_namespaces(7))
INTERVAL = 0.02  # seconds between two looks at one that begins or ends
_TREE = fd.OPEN_TREE_CLONE | fd.OPEN_TREE_CLOEXEC


class View:
    """The file system of the container that ``text`` names, inside ``with``.

    ``root`` is a descriptor of its root folder.  Owners in it are the host's; `owner` and `outside`
    translate from and to the container's.  With ``binds`` false, what is bound into it is left out.
    Raises NotFound, CorruptData, Unsupported.
    """

    def __init__(self, engine: Engine, text: str, *, binds: bool = True) -> None:
        self.engine = engine
        self.text = text
        self.binds = binds
        self.root = -1

    def __enter__(self) -> View:
        container_id = self.engine.resolve(self.text)
        self.lock = self.engine.folders.container_lock(container_id)
        while not self._look(container_id):
            self.engine.wait(self.found, INTERVAL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self.root)
        self.lock.release()

    def _look(self, container_id: str) -> bool:
        """Take the lock and open the files, or neither: False while it begins or ends."""
        self.lock.acquire()
        done = False
        try:
            self.found = self._load(container_id)
            if self.found.status.state == "starting" or self.found.ending:
                return False
            self.container = self.found.container
            self.mapping: Mapping | None = userns.mapping(self.container.host)
            try:
                self.root = self._open()
            except (OSError, MinicontainerError):
                if self.found.ending:
                    return False
                raise
            done = not self.found.ending
            if not done:
                os.close(self.root)
            return done
        finally:
            if not done:
                self.lock.release()

    def _load(self, container_id: str) -> Found:
        try:
            return self.engine.load_locked(container_id)
        except NotFound:
            raise NotFound(f"No such container: {self.text}") from None

    def _open(self) -> int:
        ours, theirs = sockets.pair(sockets.SOCK_SEQPACKET)
        because("a process that goes where the container's files can be seen")
        child = process.fork()
        if child == 0:
            ours.close()
            door.i_am("viewer")
            _show(self, Channel(theirs))
        theirs.close()
        try:
            answer = Channel(ours).expect("view")
        finally:
            ours.close()
            process.wait(child)
        if answer is None:
            raise MinicontainerError("the process that looks into the container was killed")
        return answer[1][0]

    def owner(self, status: os.stat_result) -> tuple[int, int]:
        """A file's owner, in the container's ids."""
        if self.mapping is None:
            return status.st_uid, status.st_gid
        return _inside(self.mapping.uids, status.st_uid), _inside(self.mapping.gids, status.st_gid)

    def outside(self, uid: int, gid: int) -> tuple[int, int]:
        """An owner in the container's ids, in the host's.  Raises Unsupported for one that it has not."""
        if self.mapping is None:
            return uid, gid
        found = self.mapping.uid(uid), self.mapping.gid(gid)
        if -1 in found:
            raise errors.Unsupported(
                f"owner {uid}:{gid} has no id of the host: the container has not so many"
            )
        return found

    def acting(self) -> Acting:
        """Inside ``with``, files that this process makes belong to the container's root."""
        return Acting(self.mapping)


def _inside(ranges: list[Range], outside: int) -> int:
    return next(
        (first + outside - host for first, host, size in ranges if host <= outside < host + size), NOBODY
    )


def _show(view: View, channel: Channel) -> None:
    """The helper's whole life; does not return."""
    try:
        try:
            tree = _mounted(view)
            channel.send("view", fds=(tree,))
        except (OSError, MinicontainerError) as error:
            channel.send_error(error)
    finally:
        os._exit(0)


def _mounted(view: View) -> int:
    container, status = view.container, view.found.status
    folder = view.engine.folders.container(container.id)
    rootfs = f"{folder}/rootfs"
    mounted = status.state == "running"
    if mounted:
        _join(status.monitor, status.monitor_start)
    because("what is mounted here is seen by nobody else")
    namespaces.unshare(process.CLONE_NEWNS)
    mount.mount(None, "/", None, mount.MS_PRIVATE | mount.MS_REC)
    if not mounted:
        view.engine.driver(container.driver).mount(folder, container.chain, rootfs, view.mapping)
    if view.binds:
        # Shorter targets first, as when it is started.
        for bind in sorted(container.host.mounts, key=lambda bind: bind.target.count("/")):
            if bind.source and bind.type != "tmpfs":
                _attach(rootfs, bind, view)
    if container.host.read_only:
        because("--read-only is meant for copies too")
        fd.mount_setattr(fd.AT_FDCWD, rootfs, 0, fd.MOUNT_ATTR_RDONLY)
    because("a descriptor needs no path")
    return fd.open_tree(fd.AT_FDCWD, rootfs, _TREE | fd.AT_RECURSIVE)


def _join(monitor: int, started: int) -> None:
    pidfd = os.pidfd_open(monitor)
    try:
        if start_time(monitor) != started:
            raise Conflict("the container ended just now")
        because("there the container's root file system is mounted")
        namespaces.setns(pidfd, process.CLONE_NEWNS)
    finally:
        os.close(pidfd)


def _attach(rootfs: str, bind: Bind, view: View) -> None:
    """Show what is bound into the container, where it is bound: links resolve inside."""
    options = Options(bind.options)
    recursive = 0 if "bind" in bind.options else fd.AT_RECURSIVE
    because(f"{bind.source} is bound into the container")
    try:
        tree = fd.open_tree(fd.AT_FDCWD, bind.source, _TREE | recursive)
    except FileNotFoundError:
        return  # gone since; a start would say so
    if options.idmap and view.mapping is not None:
        because("its files have the container's owners")
        namespace = view.mapping.namespace()
        fd.mount_setattr(tree, "", fd.AT_EMPTY_PATH, fd.MOUNT_ATTR_IDMAP, userns_fd=namespace)
        os.close(namespace)
    if options.flags & mount.MS_RDONLY:
        because("it may be read there, not written")
        fd.mount_setattr(tree, "", fd.AT_EMPTY_PATH, fd.MOUNT_ATTR_RDONLY)
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    with view.acting():
        place = _mount_point(root, bind.target, folder=stat.S_ISDIR(os.fstat(tree).st_mode))
    fd.move_mount(tree, "", place, "", fd.MOVE_MOUNT_F_EMPTY_PATH | fd.MOVE_MOUNT_T_EMPTY_PATH)
    for used in (tree, place, root):
        os.close(used)


def _mount_point(root: int, target: str, *, folder: bool) -> int:
    """A descriptor of ``target`` inside; made, as a start does, if it is not there."""
    try:
        return open_in_root(root, target, os.O_PATH)
    except FileNotFoundError:
        parent, _, name = target.rstrip("/").rpartition("/")
    above = _mount_point(root, parent or "/", folder=True)
    try:
        if folder:
            os.mkdir(name, 0o755, dir_fd=above)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o755, dir_fd=above))
    finally:
        os.close(above)
    return open_in_root(root, target, os.O_PATH)
