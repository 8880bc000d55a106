"""A container from image files that checkpoint wrote (here, or runc's).

::

    config.json ─► check ─► claim the id ─► cgroup, limits ─► the places of mounts ─► criu restore:
        in a mount namespace of its own, the root file system on the state folder (1)
        in the container's control groups, which become the root of those in the images
        "setup-namespaces" ─► hooks         "orphan-pts-master" ─► the console
        "post-restore" ─► state.json        the processes still wait: what fails here undoes all

(1) criu wants a root that is a mount, on one that nothing else is mounted over.  Nobody sees this one
but criu, and it goes with criu.

What is restored is a child of this process: `Container.wait` works as after create.
"""

from __future__ import annotations

import os

from minicontainer.errors import CorruptData, InvalidConfig, MinicontainerError, NotFound, field
from minicontainer.libcontainer import checkpoint, criu, mounting, mounts, sync
from minicontainer.libcontainer import state as states
from minicontainer.libcontainer.creation import Creation, end
from minicontainer.libcontainer.rootfs import Rootfs
from minicontainer.linux import door, namespaces, pidfd, process
from minicontainer.linux import mount as m
from minicontainer.linux.door import because
from minicontainer.oci import jsontext
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.cgroups.manager import Manager
    from minicontainer.oci.runtime import Mount

OUTSIDE = ("pipe:", "file[")  # streams that are given anew


class Restoration(Creation):
    """One restore: a `Creation` whose processes criu makes."""

    def __init__(self, container_id: str, bundle: str, root: str, options: checkpoint.Options) -> None:
        """Raises InvalidConfig, NotFound for a folder without images."""
        super().__init__(container_id, bundle, root)
        self.options = options
        checkpoint.refuse(self.spec)
        if self.spec.root is None:
            raise InvalidConfig("config.json: root is missing")
        self.rootfs = os.path.realpath(os.path.join(self.bundle, self.spec.root.path))
        self.streams = _streams(options.images)
        self.record: states.Record | None = None
        self.fd = -1

    def _make(self, manager: Manager) -> tuple[states.Record, int, Manager]:
        self._claim_id()
        self._make_group(manager)
        self.manager = manager
        self.undo.append(lambda: self._end(manager))
        places = self._places()
        if self.options.work:
            checkpoint.make_folder(self.options.work, self.spec)
        with checkpoint.Folders(self.options) as folders:
            options = {**folders.options, **self.options.common("restore", self.spec.annotations)}
            options |= {"root": self.folder, "rst_sibling": True, "evasive_devices": True}
            options["ext_mnt"] = [*self._mounts(places, manager)]
            request = criu.Request(criu.RESTORE, options, self.options.log("restore"))
            request.inherited = [*folders.options.values()]
            self._share(request)
            request.enter = lambda: self._show_root(folders)
            request.started = lambda pid: self._enroll(request, manager, pid)
            request.notified = self._notified
            request.run(self.options.program)
        if self.record is None:
            raise MinicontainerError("criu restored the container and did not say so")
        return self.record, self.fd, manager

    def _places(self) -> list[str]:
        """Where each mount of config.json is; the places are made where the root file system lacks them.

        As init makes them, in a process that ends with its mounts.
        """
        ours, theirs = sync.pair()
        because("a process whose mounts nobody else sees")
        child = process.fork()
        if child == 0:
            ours.close()
            _make_places(Places(self.spec, self.bundle, self.linux, []), theirs)
        theirs.close()
        try:
            received = ours.message("places")
        finally:
            ours.close()
            process.wait(child)
        if received is None:
            raise MinicontainerError("the process that was to make the places of mounts was killed")
        found: list[str] = received[0]["places"]
        return found

    def _mounts(self, places: list[str], manager: Manager) -> list[tuple[str, str]]:
        """(cookie, the host's path) of what checkpoint calls external."""
        found = [(checkpoint.NULL, checkpoint.NULL)]
        for mount, place in zip(self.spec.mounts, places, strict=True):
            if mount.type == "cgroup" and checkpoint.from_outside("self", mount):
                found += self._groups(place, manager)
            elif mount.type != "cgroup" and checkpoint.from_outside("self", mount) and mount.source:
                found += self._bound(mount, place)
        devices = [*checkpoint.DEFAULT_PLACES, *(node.path for node in self.linux.devices)]
        return [*found, *((path, path) for path in devices if path != checkpoint.NULL)]

    def _bound(self, mount: Mount, place: str) -> list[tuple[str, str]]:
        source = os.path.realpath(os.path.join(self.bundle, mount.source or ""))
        found = [(place, source)]
        if mounts.Options(mount.options).flags & m.MS_REC:
            table = files.read("/proc/self/mountinfo").decode(errors="surrogateescape")
            below = [at for at, _ in checkpoint.mount_points(table) if at.startswith(f"{source}/")]
            found += [(place + at[len(source) :], at) for at in below]
        return found

    def _groups(self, place: str, manager: Manager) -> list[tuple[str, str]]:
        if any(namespace.type == "cgroup" for namespace in self.linux.namespaces):
            return []
        folders = dict.fromkeys(manager.hierarchies.bound.values())
        return [(f"{place}/{os.path.basename(at)}", at + manager.path) for at in folders]

    def _share(self, request: criu.Request) -> None:
        """Namespaces by path, and pipes: what is not in the images, but here."""
        joined, inherited = [], []
        for kind, fd in self._open_namespaces():
            if kind in checkpoint.EXTERNAL:
                inherited.append((f"extRoot{checkpoint.EXTERNAL[kind][1]}NS", fd))
                request.inherited.append(fd)
            else:
                path = next(n.path for n in self.linux.namespaces if n.type == kind)
                joined.append((namespaces.FILES[kind], path))
        inherited += [(entry, fd) for fd, entry in enumerate(self.streams) if entry.startswith(OUTSIDE)]
        request.options |= {"join_ns": joined, "inherit_fd": inherited}

    def _show_root(self, folders: checkpoint.Folders) -> None:
        """In what becomes criu."""
        # A shell's job gets the terminal that criu has.
        if not self.options.passed.get("shell_job"):
            criu.be_silent([fd for fd, entry in enumerate(self.streams) if not entry.startswith(OUTSIDE)])
        namespaces.unshare(namespaces.FLAGS["mount"])
        because("what is mounted for criu is seen nowhere else")
        m.mount(None, "/", None, m.MS_SLAVE | m.MS_REC)
        with field("root.path"):
            because("criu wants a root that is a mount, and hidden by no other")
            m.mount(self.rootfs, self.folder, None, m.MS_BIND | m.MS_REC)
        folders.reopen()

    def _enroll(self, request: criu.Request, manager: Manager, pid: int) -> None:
        """criu's own groups are the new roots of those in its images."""
        with field("linux.cgroupsPath"):
            manager.add(pid)
        lines = files.read(f"/proc/{pid}/cgroup").decode().splitlines()
        request.options["cg_root"] = [(part[1], part[2]) for part in (line.split(":", 2) for line in lines)]

    def _notified(self, event: str, pid: int, fd: int) -> None:
        if event == "setup-namespaces":
            self._furnish(pid)
        elif event == "orphan-pts-master" and fd >= 0:
            if self.asked.on_console is None:
                os.close(fd)
                raise InvalidConfig("config.json: process.terminal is set and nobody takes the terminal")
            self.asked.on_console(fd)
        elif event == "post-restore":
            self.record = self._record(pid, self.manager, None)
            self.fd = pidfd.pidfd_open(pid)
        else:
            checkpoint.tell_ready(self.options, event)

    def _furnish(self, pid: int) -> None:
        """The new network namespace is empty."""
        if self.linux.net_devices:
            self._move_interfaces(pid)
        if self.spec.hooks is not None:
            self._run_hooks(self._described(pid))

    def _end(self, manager: Manager) -> None:
        """Nothing of a restore that failed goes on; what criu itself undoes is gone already."""
        manager.kill()
        if self.record is not None and self.fd >= 0:
            end(self.record.pid, self.fd)

    def _described(self, pid: int) -> states.Record:
        return states.Record(
            id=self.id, pid=pid, start_time=0, bundle=self.bundle, cgroup=self.cgroup_path, created=0,
            annotations=self.spec.annotations,
        )  # fmt: skip


class Places(Rootfs):
    """Only where mounts are to be."""

    def fill(self) -> None:
        """Make every place, in the order of config.json: one may be inside the mount before."""
        self.found = []
        for index, mount in enumerate(self.spec.mounts):
            with field(f"mounts[{index}] ({mount.destination})"):
                self.found.append(mounting.inside(mount.destination))
                if mount.type != "cgroup":
                    self.mount(index, mount)


def _make_places(places: Places, parent: sync.Channel) -> None:
    """Never returns."""
    try:
        door.i_am("places")
        namespaces.unshare(namespaces.FLAGS["mount"])
        places.enter()
        places.fill()
        parent.send("places", places=places.found)
    except BaseException as error:
        parent.send_error(error)
    os._exit(0)


def _streams(images: str) -> list[str]:
    """The standard streams at the checkpoint.  Raises NotFound, CorruptData."""
    path = f"{images}/{checkpoint.DESCRIPTORS}"
    try:
        found = jsontext.loads(files.read(path))
    except FileNotFoundError:
        raise NotFound(f"{images} holds no checkpoint of a container: {path} is missing") from None
    except ValueError as error:
        raise CorruptData(f"{path}: {error}") from None
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        raise CorruptData(f"{path} is not a list of texts")
    return found
