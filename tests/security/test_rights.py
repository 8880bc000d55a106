"""What a process in the container may do: users, groups, capabilities.

==============================  ================================================================
CVE-2016-3697                   runc: USER 1000, where the image's user "1000" is root
CVE-2022-36109, CVE-2022-2989,  Docker, podman, buildah, containerd: a group that is left with the
CVE-2022-2990, CVE-2023-25173   change of gid, and with it what its members were refused
CVE-2022-24769, CVE-2022-27649, Docker, podman, buildah, CRI-O, runc exec: inheritable
CVE-2022-27651, CVE-2022-27652, capabilities, which a file's own turn into permitted ones
CVE-2022-29162
"shocker" (Docker before 1.0)   open_by_handle_at(2): a file of the host by its inode's number
==============================  ================================================================
"""

from __future__ import annotations

import ctypes
import os
import struct

import pytest

from minicontainer.engine import identity
from minicontainer.engine.records import HostConfig
from minicontainer.libcontainer.user import lookup
from minicontainer.linux import capabilities
from tests.bundles import CAPABILITIES
from tests.security.attacks import LAST, at, attempt, noted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers


def as_user(bundle: Bundle, text: str) -> None:
    """The bundle's user as the engine finds it."""
    root = os.open(bundle.rootfs, os.O_PATH | os.O_DIRECTORY)
    try:
        account = lookup(root, text)
    finally:
        os.close(root)
    user = {"uid": account.uid, "gid": account.gid, "additionalGids": account.additional_gids}
    bundle.change(
        {"process.user": user, "process.capabilities.effective": [], "process.capabilities.permitted": []}
    )


def tool(bundle: Bundle, name: str) -> str:
    """A copy of busybox that does one thing."""
    path = f"{bundle.rootfs}/opt/{name}"
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{bundle.rootfs}/bin/busybox", "rb") as busybox, open(path, "wb") as copy:
        copy.write(busybox.read())
    os.chmod(path, 0o755)
    return f"/opt/{name}"


def secret(bundle: Bundle, gid: int, mode: int) -> None:
    path = f"{bundle.rootfs}/secret"
    with open(path, "w") as file:
        file.write("secret")
    os.chown(path, 0, gid)
    os.chmod(path, mode)


# -- CVE-2016-3697


def name_of_digits(bundle: Bundle) -> None:
    with open(f"{bundle.rootfs}/etc/passwd", "a") as file:
        file.write("1000:x:0:0::/root:/bin/sh\n")
    secret(bundle, 0, 0o600)


def test_cve_2016_3697_a_number_is_a_uid(containers: Containers, bundle: Bundle) -> None:
    name_of_digits(bundle)
    as_user(bundle, "1000")
    assert containers.run(bundle, "id -u; cat /secret").out == "1000\n"


def test_cve_2016_3697_by_name_first(containers: Containers, bundle: Bundle) -> None:
    name_of_digits(bundle)
    with open(f"{bundle.rootfs}/etc/passwd") as file:
        rows = [line.split(":") for line in file]
    uid = next(int(row[2]) for row in rows if row[0] == "1000")
    bundle.change({"process.user": {"uid": uid, "gid": 0}})
    assert containers.run(bundle, "id -u; cat /secret").out == "0\nsecret"


# -- CVE-2022-36109 and its kin


def leave_the_group(containers: Containers, bundle: Bundle) -> str:
    """Members of group 1000 may not read /secret, others may; a setgid program changed the gid.

    (busybox gives such a change back: so the process begins with it.)
    """
    secret(bundle, 1000, 0o604)
    bundle.config["process"]["user"]["gid"] = 2000
    return containers.run(bundle, "cat /secret").out


@pytest.mark.parametrize("user", ["1000:1000", "1000:people", "member"])
def test_cve_2022_36109_the_first_group_is_one_of_the_others(
    containers: Containers, bundle: Bundle, user: str
) -> None:
    with open(f"{bundle.rootfs}/etc/group", "a") as groups, open(f"{bundle.rootfs}/etc/passwd", "a") as users:
        groups.write("people:x:1000:\n")
        users.write("member:x:1001:1000::/:/bin/sh\n")
    as_user(bundle, user)
    assert leave_the_group(containers, bundle) == ""


def test_cve_2022_36109_without_it(containers: Containers, bundle: Bundle) -> None:
    as_user(bundle, "1000:1000")
    bundle.config["process"]["user"]["additionalGids"] = []
    assert leave_the_group(containers, bundle) == "secret"


def test_the_caller_s_groups_are_left(containers: Containers, bundle: Bundle) -> None:
    before = os.getgroups()
    os.setgroups([0, 4242])
    try:
        as_user(bundle, "1000:1000")
        assert containers.run(bundle, "id -G").out == "1000\n"
    finally:
        os.setgroups(before)


# -- CVE-2022-24769 and its kin

INHERITABLE_DAC_OVERRIDE = struct.pack(
    "<5I", 0x02000001, 0, 1 << capabilities.NUMBERS["CAP_DAC_OVERRIDE"], 0, 0
)


def inherit(containers: Containers, bundle: Bundle) -> str:
    """A program whose file asks for what its caller can pass on reads what only root may."""
    secret(bundle, 0, 0o600)
    reader = tool(bundle, "cat")
    os.setxattr(bundle.rootfs + reader, "security.capability", INHERITABLE_DAC_OVERRIDE)
    bundle.change({"process.user": {"uid": 1000, "gid": 1000}})
    return containers.run(bundle, f"{reader} /secret").out


def given(bundle: Bundle, inheritable: list[str]) -> None:
    sets = dict.fromkeys(("bounding", "effective", "permitted"), CAPABILITIES)
    bundle.change({"process.capabilities": {**sets, "inheritable": inheritable}})


def test_cve_2022_24769_nothing_is_inheritable(containers: Containers, bundle: Bundle) -> None:
    for host in (HostConfig(), HostConfig(privileged=True), HostConfig(cap_add=["ALL"])):
        for uid in (0, 1000):
            assert identity.exec_capabilities(host, uid, privileged=False).inheritable == []
    given(bundle, [])
    assert inherit(containers, bundle) == ""


def test_cve_2022_24769_with_docker_s_sets_of_then(containers: Containers, bundle: Bundle) -> None:
    given(bundle, CAPABILITIES)
    assert inherit(containers, bundle) == "secret"


# -- shocker

_libc = ctypes.CDLL(None, use_errno=True)
HANDLE_SIZE = 128


def handle_of(path: Path) -> bytes:
    """name_to_handle_at(2)'s struct file_handle."""
    handle = ctypes.create_string_buffer(struct.pack("Ii", HANDLE_SIZE, 0), 8 + HANDLE_SIZE)
    mount = ctypes.c_int()
    if _libc.name_to_handle_at(-100, os.fsencode(path), handle, ctypes.byref(mount), 0):
        pytest.skip(f"files of {path} have no handles: {os.strerror(ctypes.get_errno())}")
    return handle.raw


def shock(containers: Containers, bundle: Bundle, outside: Path) -> str:
    """Open a file of the host by its handle, with a file of the container on the same file system."""
    handle = handle_of(outside / "secret")

    def open_it() -> str:
        near = os.open("/etc/passwd", os.O_RDONLY)
        fd = _libc.open_by_handle_at(near, ctypes.create_string_buffer(handle, len(handle)), os.O_RDWR)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "open_by_handle_at")
        with os.fdopen(fd, "r+") as file:
            text = file.read()
            file.write(" owned")
        return text

    with at(LAST, lambda: attempt(open_it)):
        containers.run(bundle, "true")
    return noted(bundle.rootfs)


def test_shocker_opens_nothing_by_handle(containers: Containers, bundle: Bundle, outside: Path) -> None:
    assert "CAP_DAC_READ_SEARCH" not in identity.CAPABILITIES
    assert shock(containers, bundle, outside) == "EPERM"
    assert (outside / "secret").read_text() == "host"


def test_shocker_with_cap_dac_read_search(containers: Containers, bundle: Bundle, outside: Path) -> None:
    every = [*CAPABILITIES, "CAP_DAC_READ_SEARCH"]
    bundle.change({"process.capabilities": dict.fromkeys(("bounding", "effective", "permitted"), every)})
    assert shock(containers, bundle, outside) == "host"
    assert (outside / "secret").read_text() == "host owned"
