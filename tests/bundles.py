"""OCI bundles for tests: a copy of the busybox root, and a config.json that each test changes.

    bundle = Bundle(folder, busybox_root)
    bundle.change({"hostname": "box", "process.noNewPrivileges": True})
    bundle.script("hostname")
    bundle.write()

The configuration is a plain dictionary in the specification's own words, so that tests can also say
what our types could not.
"""

from __future__ import annotations

import errno
import json
import os
import shutil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")
CAPABILITIES = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_MKNOD", "CAP_NET_BIND_SERVICE",
    "CAP_SETGID", "CAP_SETUID", "CAP_SYS_CHROOT",
]  # fmt: skip
MOUNTS: list[tuple[str, str, list[str]]] = [
    ("/proc", "proc", []),
    ("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]),
    ("/dev/shm", "tmpfs", ["nosuid", "noexec", "nodev", "mode=1777", "size=1m"]),
    ("/dev/mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
    ("/sys", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
]
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def config(*words: str) -> dict[str, Any]:
    """A config.json for a program, much like that of ``runc spec``, without a terminal."""
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": list(words),
            "env": [PATH],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES),
        },
        "root": {"path": "rootfs"},
        "hostname": "box",
        "mounts": [
            {"destination": where, "type": kind, "source": kind, "options": options}
            for where, kind, options in MOUNTS
        ],
        "linux": {
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "namespaces": [{"type": name} for name in NAMESPACES],
        },
    }


class Bundle:
    """A bundle in a folder: ``path``, its ``rootfs``, and ``config``, which `write` makes config.json."""

    __slots__ = ("config", "path", "rootfs")

    def __init__(self, path: str, root: str) -> None:
        self.path = path
        self.rootfs = f"{path}/rootfs"
        os.makedirs(path, exist_ok=True)
        copy_root(root, self.rootfs)
        os.chmod(self.rootfs, 0o755)
        self.config = config("/bin/true")

    def program(self, *words: str) -> None:
        """What runs."""
        self.config["process"]["args"] = list(words)

    def script(self, text: str) -> None:
        """What runs, as a shell's script."""
        self.program("/bin/sh", "-c", text)

    def change(self, changes: dict[str, Any]) -> None:
        """Set values by their place: ``{"process.user.uid": 7}``; None takes one out.

        A place that ends in "+" is a list that is added to.
        """
        for place, value in changes.items():
            *parents, name = place.removesuffix("+").split(".")
            at = self.config
            for parent in parents:
                at = at.setdefault(parent, {})
            if place.endswith("+"):
                at[name] = [*at.get(name, []), *value]
            elif value is None:
                at.pop(name, None)
            else:
                at[name] = value

    def mount(self, destination: str, kind: str, source: str, *options: str) -> None:
        """One mount more."""
        found = {"destination": destination, "type": kind, "source": source, "options": list(options)}
        self.config["mounts"].append(found)

    def namespace(self, kind: str, path: str | None = None) -> None:
        """A namespace of ``kind``: a new one, or the one at ``path``."""
        self.without_namespace(kind)
        self.config["linux"]["namespaces"].append({"type": kind} | ({"path": path} if path else {}))

    def without_namespace(self, kind: str) -> None:
        """The host's namespace of ``kind``."""
        kept = [found for found in self.config["linux"]["namespaces"] if found["type"] != kind]
        self.config["linux"]["namespaces"] = kept

    def write(self) -> None:
        """config.json."""
        with open(f"{self.path}/config.json", "w") as file:
            json.dump(self.config, file)


def copy_root(root: str, target: str) -> None:
    """A copy whose symbolic links are ``root``'s own, by one more name (link(2)).

    busybox has hundreds, and to make them takes longer than all else that most tests do.  Nothing can
    be written to one; what a test puts in its place is another file.
    """
    shutil.copytree(root, target, symlinks=True, ignore=_links)
    for folder, folders, names in os.walk(root):
        for name in _links(folder, [*folders, *names]):
            _copy_link(f"{folder}/{name}", f"{target}{folder.removeprefix(root)}/{name}")


def _links(folder: str, names: list[str]) -> set[str]:
    return {name for name in names if os.path.islink(f"{folder}/{name}")}


def _copy_link(link: str, place: str) -> None:
    try:
        os.link(link, place, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK):
            raise
        os.symlink(os.readlink(link), place)
