"""features: what this runtime understands, whatever this host has (runtime-spec, features.md)."""

from __future__ import annotations

import os

from minicontainer.libcontainer import mounts
from minicontainer.linux import capabilities, namespaces
from minicontainer.oci import jsontext
from minicontainer.oci.runtime import FIRST_VERSION, LAST_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.runtime.flags import Flag
    from minicontainer.runtime.main import Context

USAGE = ""
FLAGS: list[Flag] = []
HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]


def main(context: Context) -> int:
    """0."""
    os.write(1, jsontext.dumps(found(), "    ").encode() + b"\n")
    return 0


def found() -> dict[str, Any]:
    """The document."""
    from minicontainer import __version__

    return {
        "ociVersionMin": FIRST_VERSION,
        "ociVersionMax": LAST_VERSION,
        "hooks": HOOKS,
        "mountOptions": sorted(
            {*mounts.FLAGS, *mounts.BIND, *mounts.PROPAGATION, *mounts.RECURSIVE, *mounts.IDMAP, "tmpcopyup"}
        ),
        "linux": {
            "namespaces": sorted(namespaces.FLAGS),
            "capabilities": list(capabilities.NAMES),
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": True},
            "seccomp": _seccomp(),
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": False},
            "memoryPolicy": {"enabled": True},
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": True},
        },
        "annotations": {"io.minicontainer.version": __version__},
        "potentiallyUnsafeConfigAnnotations": [],
    }


def _mount_options() -> list[str]:
    tables = (mounts.FLAGS, mounts.BIND, mounts.PROPAGATION, mounts.RECURSIVE, mounts.IDMAP, ["tmpcopyup"])
    return sorted(option for table in tables for option in table)


def _seccomp() -> dict[str, Any]:
    from minicontainer.libcontainer import seccomp
    from minicontainer.linux import libseccomp

    return {
        "enabled": True,
        "actions": sorted(seccomp.ACTIONS),
        "operators": sorted(libseccomp.OPERATORS),
        "archs": sorted(seccomp.ARCHITECTURES),
        "knownFlags": sorted(seccomp.FLAGS),
        "supportedFlags": sorted(seccomp.FLAGS),
    }
