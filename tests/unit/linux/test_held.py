"""Mounts made by descriptor, in the words of mount(8)."""

from __future__ import annotations

import pytest

from minicontainer.linux import door, held, mountfd

CALL = {"flags": 0, "attr_set": 0, "attr_clr": 0, "propagation": 0, "dirfd": -100, "path": ""}


def test_a_bind_mount_with_its_options() -> None:
    mount = held.Held("/a b", recursive=True)
    mount.options.append("ro")
    mount.later.append("mount --make-rprivate")
    held.hold(900, mount)
    assert held.attach(900, "/x") == (
        "mount --rbind '/a b' /x && mount -o remount,bind,ro /x && mount --make-rprivate /x"
    )


def test_a_new_file_system() -> None:
    mount = held.Held("proc", fstype="proc")
    mount.options += ["nosuid", "hidepid=2"]
    held.hold(901, mount)
    assert held.attach(901, "/proc") == "mount -t proc -o nosuid,hidepid=2 proc /proc"


def test_a_descriptor_that_somebody_else_opened() -> None:
    assert held.attach(902, "/x") == "mount --move /proc/self/fd/902 /x"
    assert held.named(902, "") == "/proc/self/fd/902"
    assert held.named(902, "/a") == "/a"


def test_a_number_that_is_used_again() -> None:
    held.hold(903, held.Held("/old"))
    held.hold(903, held.Held("/new"))
    assert held.attach(903, "/x") == "mount --bind /new /x"


@pytest.mark.parametrize(
    ("call", "command"),
    [
        ({"path": "/x", "attr_set": mountfd.MOUNT_ATTR_RDONLY}, "mount -o remount,bind,ro /x"),
        ({"path": "/x", "attr_clr": mountfd.MOUNT_ATTR_NODEV}, "mount -o remount,bind,dev /x"),
        (
            {
                "path": "/x",
                "attr_set": mountfd.MOUNT_ATTR_NOATIME | mountfd.MOUNT_ATTR_NOSUID,
                "attr_clr": mountfd.MOUNT_ATTR__ATIME,
            },
            "mount -o remount,bind,nosuid,noatime /x",
        ),
        ({"path": "/x", "attr_clr": mountfd.MOUNT_ATTR__ATIME}, "mount -o remount,bind,relatime /x"),
        (
            {"path": "/x", "propagation": 1 << 18, "flags": mountfd.AT_RECURSIVE},
            "mount --make-rprivate /x",
        ),
        ({"attr_set": mountfd.MOUNT_ATTR_RDONLY}, "# -o ro, once it is attached"),
        ({"propagation": 1 << 19}, "# mount --make-slave, once it is attached"),
    ],
)
def test_attributes(call: dict[str, object], command: str) -> None:
    assert door.steps["mountfd.mount_setattr"].shell(CALL | call) == command


def test_owners_are_mapped_before_it_is_attached() -> None:
    held.hold(901, held.Held("/src"))
    known = held.of(901)
    assert known is not None
    known.options += ["X-mount.idmap=/proc/7/fd/5", "ro"]
    first = "mount --bind -o X-mount.idmap=/proc/7/fd/5 /src /x"
    assert held.attach(901, "/x") == f"{first} && mount -o remount,bind,ro /x"
