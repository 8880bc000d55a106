"""The overlay driver: layers stay where they are and overlayfs stacks them (overlayfs.rst).

::

    containers/ID/upper    the writable layer
    containers/ID/work     overlay's own, on the same file system
    containers/ID/lower    an empty folder, only for an image without layers
    containers/ID/mapped/  where the folders above and the layers are shown with the owners of a
                           user namespace, while overlay is mounted (mapped.py)

    mount  lowerdir=TOP:...:BOTTOM  upperdir=upper  workdir=work

In a layer, as in ``upper``, a deleted name is a character device 0/0 and a folder that hides those
below has the attribute ``trusted.overlay.opaque`` = "y".  (Linux 6.7 also reads whiteouts that are
attributes of empty files; it never writes them, and neither do we.)  An archive's own
``trusted.overlay.*`` attributes are stored escaped, else a layer could point into other folders.

How the layers are named to the kernel, in the order of preference:

- mount(2), whose options must fit into one page: about 40 layers;
- fsconfig(2) ``lowerdir+`` (Linux 6.5): as many as overlay takes, 500;
- mount(2) with ``/proc/self/fd/N``, for older kernels: about 200.

Options are given even where they are the default, because a kernel may be built with others and
commit reads ``upper`` as it is: no redirected folders, no files without their data.

In an ordinary user's namespace the marks are ``user.overlay.*`` (option ``userxattr``, Linux 5.11).
"""

from __future__ import annotations

import errno
import os
import stat

from minicontainer.errors import Unsupported
from minicontainer.storage.contract import Layer, LayerFolder, copy_root
from minicontainer.storage.tree import marks, remove_tree, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from minicontainer.storage.changes import Change
    from minicontainer.storage.mapped import Mapping

MAX_LAYERS = 500  # OVL_MAX_STACK, fs/overlayfs/super.c
OPTIONS = ("index=off", "metacopy=off", "redirect_dir=off")
USER_OPTIONS = ("index=off", "metacopy=off", "redirect_dir=nofollow", "userxattr")
_WHY = "stack the image's layers, read-only, under the container's own writable one"


class OverlayLayer(Layer):
    """Deletions become overlay's marks; members of this layer are left alone by them.

    A whiteout is only made where it hides something: in a folder that no lower layer has, or that
    is opaque, overlay does not look for whiteouts, and would list it as a device.
    """

    __slots__ = ("_opaque", "_whiteouts")

    @property
    def xattr_escape(self) -> tuple[str, str]:
        """Marks in an archive are not this layer's."""
        return marks(), marks() + "overlay."

    def fill(self) -> None:
        """Only the root's attributes."""
        self._whiteouts: set[bytes] = set()
        self._opaque: set[bytes] = set()
        super().fill()

    def placed(self, dirfd: int, name: bytes, path: bytes, *, folder: bool) -> None:
        """A folder that took the place of a whiteout must still hide the one below."""
        if path in self._whiteouts:
            self._whiteouts.discard(path)
            if folder:
                self._hide(f"/proc/self/fd/{dirfd}/".encode() + name, path)

    def whiteout(self, dirfd: int, name: bytes, path: bytes) -> None:
        """Put a character device 0/0 there, unless this layer has its own file of that name."""
        if not self._shows_through(path):
            return
        try:
            os.mknod(name, stat.S_IFCHR, 0, dir_fd=dirfd)
            self._whiteouts.add(path)
        except FileExistsError:
            status = os.stat(name, dir_fd=dirfd, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                self._hide(f"/proc/self/fd/{dirfd}/".encode() + name, path)

    def opaque(self, dirfd: int, path: bytes) -> None:
        """Mark the folder."""
        if self.below:
            self._hide(f"/proc/self/fd/{dirfd}".encode(), path)

    def _hide(self, folder: bytes, path: bytes) -> None:
        """Make ``folder`` opaque, and remove the whiteouts in it, which then hide nothing."""
        os.setxattr(folder, marks() + "opaque", b"y")
        self._opaque.add(path)
        inside = path + b"/" if path else b""
        for whiteout in [w for w in self._whiteouts if w.startswith(inside)]:
            self._whiteouts.discard(whiteout)
            try:
                os.unlink(folder + b"/" + whiteout[len(inside) :])
            except (FileNotFoundError, NotADirectoryError):
                continue  # a later member took its place, or its folder's

    def _shows_through(self, path: bytes) -> bool:
        """Whether the layers below have ``path``, and no opaque folder of this one hides it."""
        from minicontainer.storage.changes import look_up

        stack = [os.fsencode(folder) for folder in self.below]
        parts = path.split(b"/")
        if b"" in self._opaque:
            return False
        for n, part in enumerate(parts, 1):
            found, stack = look_up(stack, part, overlay=True)
            if found is None or b"/".join(parts[:n]) in self._opaque:
                return False
        return True


class Overlay(LayerFolder):
    """See the file's docstring."""

    name = "overlay"
    layer = OverlayLayer

    def prepare(self, folder: str, chain: list[str]) -> None:
        """Make ``upper``, whose attributes become those of the container's root, and ``work``."""
        upper = os.path.join(folder, "upper")
        os.mkdir(upper, 0o755)
        os.mkdir(os.path.join(folder, "work"), 0o700)
        if chain:
            copy_root(self.layer_path(chain[-1]), upper)
        else:
            os.mkdir(os.path.join(folder, "lower"), 0o755)

    def mount(self, folder: str, chain: list[str], target: str, mapping: Mapping | None = None) -> None:
        """Mount the stack at ``target``.  Unsupported if it is too high for this kernel."""
        if mapping is None:
            self._mount(folder, self._lowers(folder, chain), target)
        else:
            self._mount_mapped(folder, chain, target, mapping)

    def _mount_mapped(self, folder: str, chain: list[str], target: str, mapping: Mapping) -> None:
        from minicontainer.linux.door import because
        from minicontainer.linux.mount import MNT_DETACH, umount2
        from minicontainer.storage.mapped import Acting, attach

        places = {"own": folder, **({"layers": self.layers_path} if chain else {})}
        lowers = [f"{folder}/mapped/layers/{os.path.basename(self.layer_path(c))}" for c in reversed(chain)]
        for name in places:
            os.makedirs(f"{folder}/mapped/{name}", 0o700, exist_ok=True)
        attached: list[str] = []
        namespace = mapping.namespace()
        try:
            for name, source in places.items():
                attach(source, f"{folder}/mapped/{name}", namespace)
                attached.append(f"{folder}/mapped/{name}")
            with Acting(mapping):
                own = f"{folder}/mapped/own"
                self._mount(own, lowers or [f"{own}/lower"], target)
        finally:
            os.close(namespace)
            for place in attached:
                because("overlay has taken hold of what it stacks")
                umount2(place, MNT_DETACH)

    def _mount(self, folder: str, lowers: list[str], target: str) -> None:
        if len(lowers) > MAX_LAYERS:
            raise Unsupported(f"the image has {len(lowers)} layers; overlay takes {MAX_LAYERS}")
        page = os.sysconf("SC_PAGE_SIZE")
        data = _data(folder, [_escape(path) for path in lowers])
        if len(data) < page:
            _mount_by_options(target, data)
        elif not _mount_by_fsconfig(folder, lowers, target):
            _mount_by_descriptor(folder, lowers, target, page)

    def changes(self, folder: str, chain: list[str]) -> Iterator[Change]:
        """Read from ``upper``, also while it is mounted."""
        from minicontainer.storage.changes import find_changes

        lowers = [os.fsencode(path) for path in self._lowers(folder, chain)]
        return find_changes(os.fsencode(os.path.join(folder, "upper")), lowers, overlay=True)

    def places(self, folder: str, chain: list[str]) -> dict[str, str] | None:
        """Without Docker's MergedDir: overlay is mounted where only the container sees it."""
        return {
            "LowerDir": ":".join(self._lowers(folder, chain)),
            "UpperDir": os.path.join(folder, "upper"),
            "WorkDir": os.path.join(folder, "work"),
        }

    def usage(self, folder: str) -> tuple[int, int]:
        """Bytes and inodes of ``upper``."""
        return usage(os.path.join(folder, "upper"))

    def remove(self, folder: str) -> None:
        """Remove ``upper``, ``work`` and ``lower``; nothing may be mounted from them."""
        for name in ("upper", "work", "lower", "mapped"):
            remove_tree(os.path.join(folder, name))

    def _lowers(self, folder: str, chain: list[str]) -> list[str]:
        """The folders below ``upper``, topmost first, as overlay wants them."""
        return [self.layer_path(c) for c in reversed(chain)] or [os.path.join(folder, "lower")]


def _options() -> tuple[str, ...]:
    return USER_OPTIONS if marks().startswith("user.") else OPTIONS


def _escape(path: str) -> str:
    for special in "\\:,":
        path = path.replace(special, "\\" + special)
    return path


def _data(folder: str, lowers: list[str]) -> bytes:
    upper, work = (_escape(os.path.join(folder, name)) for name in ("upper", "work"))
    options = (f"lowerdir={':'.join(lowers)}", f"upperdir={upper}", f"workdir={work}", *_options())
    return os.fsencode(",".join(options))


def _mount_by_options(target: str, data: bytes) -> None:
    from minicontainer.linux import mount
    from minicontainer.linux.door import because

    because(_WHY)
    mount.mount("overlay", target, "overlay", 0, data)


def _mount_by_fsconfig(folder: str, lowers: list[str], target: str) -> bool:
    """Mount by the file-descriptor calls; False where the kernel lacks them or ``lowerdir+``."""
    from minicontainer.linux import mountfd
    from minicontainer.linux.door import because

    try:
        context = mountfd.fsopen("overlay")
    except OSError as error:
        if error.errno == errno.ENOSYS:
            return False
        raise
    try:
        try:
            configure(context, folder, lowers)
        except OSError as error:
            # Linux 6.5 and 6.6 refuse lowerdir+; older ones take options for one text, as mount(2)
            # does, and refuse whatever makes that longer than a page, or the whole.
            if error.errno == errno.EINVAL:
                return False
            raise
        mount = mountfd.fsmount(context)
    finally:
        os.close(context)
    try:
        because(_WHY)
        mountfd.move_mount(mount, "", mountfd.AT_FDCWD, target, mountfd.MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(mount)
    return True


def configure(context: int, folder: str, lowers: list[str]) -> None:
    """Give a context of fsopen(2) its layers and have the kernel make the file system."""
    from minicontainer.linux.mountfd import (
        FSCONFIG_CMD_CREATE,
        FSCONFIG_SET_FLAG,
        FSCONFIG_SET_STRING,
        fsconfig,
    )

    for path in lowers:
        fsconfig(context, FSCONFIG_SET_STRING, "lowerdir+", path)
    fsconfig(context, FSCONFIG_SET_STRING, "upperdir", os.path.join(folder, "upper"))
    fsconfig(context, FSCONFIG_SET_STRING, "workdir", os.path.join(folder, "work"))
    for option in _options():
        key, equals, value = option.partition("=")
        command = FSCONFIG_SET_STRING if equals else FSCONFIG_SET_FLAG
        fsconfig(context, command, key, value if equals else None)
    fsconfig(context, FSCONFIG_CMD_CREATE)


def _mount_by_descriptor(folder: str, lowers: list[str], target: str, page: int) -> None:
    opened: list[int] = []
    try:
        opened.extend(os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for path in lowers)
        data = _data(folder, [f"/proc/self/fd/{fd}" for fd in opened])
        if len(data) >= page:
            raise Unsupported(
                f"the image has {len(lowers)} layers, too many for one mount call; Linux 6.5 can name more"
            )
        _mount_by_options(target, data)
    finally:
        for fd in opened:
            os.close(fd)
