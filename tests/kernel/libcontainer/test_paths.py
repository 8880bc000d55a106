"""/dev and what is hidden or protected: device nodes, links, masked and read-only paths."""

from __future__ import annotations

import os
import stat

import pytest

from minicontainer.cgroups.host import hierarchies
from minicontainer.errors import InvalidConfig
from minicontainer.libcontainer.devices import DEFAULT_DEVICES, DEVICE_LINKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers


def root_of(containers: Containers, bundle: Bundle) -> str:
    """The running container's root, from outside."""
    return f"/proc/{containers.sleeping(bundle).record.pid}/root"


def test_dev_holds_the_default_devices_and_links_and_nothing_else(
    containers: Containers, bundle: Bundle
) -> None:
    root = root_of(containers, bundle)
    for path, major, minor in DEFAULT_DEVICES:
        found = os.stat(root + path)
        assert stat.S_ISCHR(found.st_mode), path
        assert stat.S_IMODE(found.st_mode) == 0o666, path
        assert found.st_rdev == os.makedev(major, minor), path
        assert (found.st_uid, found.st_gid) == (0, 0)
    for path, target in DEVICE_LINKS:
        assert os.readlink(root + path) == target
    assert os.readlink(f"{root}/dev/ptmx") == "pts/ptmx"
    expected = {path for path, _, _ in DEFAULT_DEVICES} | {path for path, _ in DEVICE_LINKS}
    expected |= {"/dev/ptmx", "/dev/pts", "/dev/shm", "/dev/mqueue"}
    assert {f"/dev/{name}" for name in os.listdir(f"{root}/dev")} == expected


def test_the_default_devices_work(containers: Containers, bundle: Bundle) -> None:
    found = containers.run(
        bundle,
        "echo x > /dev/null && head -c 3 /dev/zero | od -An -tx1; head -c 4 /dev/urandom | wc -c;"
        "echo x > /dev/full; echo to-stdout >> /dev/stdout; echo to-stderr >> /dev/stderr; ls /dev/fd/",
    )
    assert found.out.split()[:5] == ["00", "00", "00", "4", "to-stdout"]
    assert "No space left on device" in found.err
    assert "to-stderr" in found.err


def test_a_device_of_the_configuration(containers: Containers, bundle: Bundle) -> None:
    made = {
        "type": "c",
        "path": "/dev/deep/zero2",
        "major": 1,
        "minor": 5,
        "fileMode": 0o640,
        "uid": 7,
        "gid": 8,
    }
    pipe = {"type": "p", "path": "/dev/pipe", "fileMode": 0o600}
    block = {"type": "b", "path": "/dev/disk", "major": 7, "minor": 200}
    bundle.change({"linux.devices": [made, pipe, block]})
    root = root_of(containers, bundle)
    found = os.stat(f"{root}/dev/deep/zero2")
    assert (found.st_rdev, stat.S_IMODE(found.st_mode)) == (os.makedev(1, 5), 0o640)
    assert (found.st_uid, found.st_gid) == (7, 8)
    assert stat.S_ISFIFO(os.stat(f"{root}/dev/pipe").st_mode)
    assert stat.S_ISBLK(os.stat(f"{root}/dev/disk").st_mode)


def test_a_device_of_the_configuration_takes_the_place_of_a_default(
    containers: Containers, bundle: Bundle
) -> None:
    bundle.change(
        {"linux.devices": [{"type": "c", "path": "/dev/null", "major": 1, "minor": 3, "fileMode": 0o600}]}
    )
    assert stat.S_IMODE(os.stat(f"{root_of(containers, bundle)}/dev/null").st_mode) == 0o600


def test_an_unknown_device_type_is_refused(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"linux.devices": [{"type": "x", "path": "/dev/x"}]})
    with pytest.raises(InvalidConfig, match="unknown device type 'x'") as caught:
        containers.create(bundle)
    assert "/dev/x" in caught.value.context  # type: ignore[attr-defined]


def test_a_device_cannot_be_made_outside(containers: Containers, bundle: Bundle, tmp_path: Path) -> None:
    os.symlink("../" * 30 + str(tmp_path).lstrip("/"), f"{bundle.rootfs}/out")
    bundle.change({"linux.devices": [{"type": "c", "path": "/out/node", "major": 1, "minor": 3}]})
    containers.run(bundle, "true")
    assert not os.path.lexists(tmp_path / "node")


def test_other_devices_can_be_made_and_not_opened(containers: Containers, bundle: Bundle) -> None:
    found = hierarchies()
    if found.bound and "devices" not in found.bound:  # on v2 it is no controller, but a program
        pytest.skip(f"the devices controller is {found.where('devices')}")
    ran = containers.run(
        bundle, "mknod /dev/kmsg c 1 11 && echo made; cat /dev/kmsg; head -c1 /dev/zero | wc -c"
    )
    assert ran.out == "made\n1\n"
    assert "can't open '/dev/kmsg': Operation not permitted" in ran.err


def test_without_a_dev_mount_the_image_s_own_is_left_alone(containers: Containers, bundle: Bundle) -> None:
    kept = [mount for mount in bundle.config["mounts"] if not mount["destination"].startswith("/dev")]
    bundle.change({"mounts": kept})
    before = sorted(os.listdir(f"{bundle.rootfs}/dev"))
    containers.run(bundle, "true")
    assert sorted(os.listdir(f"{bundle.rootfs}/dev")) == before


# -- masked and read-only paths


def test_masked_files_are_empty_and_folders_have_nothing(containers: Containers, bundle: Bundle) -> None:
    for name in ("one", "two", "three"):
        with open(f"{bundle.rootfs}/etc/{name}", "w") as file:
            file.write("secret")
    os.makedirs(f"{bundle.rootfs}/srv/secret/deep")
    bundle.change({"linux.maskedPaths": ["/etc/one", "/etc/two", "/srv/secret", "/proc/kcore", "/etc/three"]})
    found = containers.run(
        bundle,
        "cat /etc/one /etc/two /etc/three; ls -A /srv/secret; head -c1 /proc/kcore | wc -c;"
        "touch /srv/secret/x",
    )
    assert found.out == "0\n"
    assert "Read-only file system" in found.err


def test_a_masked_file_takes_writes_without_keeping_them(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"linux.maskedPaths": ["/etc/passwd"]})
    with open(f"{bundle.rootfs}/etc/passwd") as file:
        before = file.read()
    assert containers.run(bundle, "echo x > /etc/passwd && wc -c < /etc/passwd").out == "0\n"
    with open(f"{bundle.rootfs}/etc/passwd") as file:
        assert file.read() == before


def test_the_image_s_dev_null_masks_nothing(containers: Containers, bundle: Bundle) -> None:
    """CVE-2025-31133: what hides must be the host's, not what an image calls /dev/null."""
    kept = [mount for mount in bundle.config["mounts"] if not mount["destination"].startswith("/dev")]
    with open(f"{bundle.rootfs}/secret", "w") as file:
        file.write("secret")
    os.symlink("/secret", f"{bundle.rootfs}/dev/null")
    bundle.change({"mounts": kept, "linux.maskedPaths": ["/etc/hosts", "/etc/passwd"]})
    open(f"{bundle.rootfs}/etc/hosts", "w").close()
    found = containers.run(bundle, "cat /etc/hosts /etc/passwd; stat -c %F /etc/hosts")
    assert found.out == "character special file\n"


def test_read_only_paths(containers: Containers, bundle: Bundle) -> None:
    os.makedirs(f"{bundle.rootfs}/data/below")
    bundle.mount("/data/below", "tmpfs", "tmpfs")
    bundle.change({"linux.readonlyPaths": ["/data", "/etc/passwd", "/proc/sys"]})
    found = containers.run(
        bundle,
        "touch /data/x; touch /data/below/x; echo x >> /etc/passwd; echo 1 > /proc/sys/vm/drop_caches;"
        "cat /proc/sys/kernel/ostype; touch /etc/allowed && echo allowed",
    )
    assert found.out == "Linux\nallowed\n"
    assert found.err.count("Read-only file system") == 4


def test_paths_that_do_not_exist_are_left_out(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"linux.maskedPaths": ["/no/such"], "linux.readonlyPaths": ["/no/such"]})
    assert containers.run(bundle, "echo fine").out == "fine\n"


def test_masks_and_protections_cannot_be_taken_off(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"linux.maskedPaths": ["/etc/passwd"], "linux.readonlyPaths": ["/proc/sys"]})
    found = containers.run(bundle, "umount /etc/passwd; mount -o remount,rw /proc/sys; wc -c < /etc/passwd")
    assert found.out == "0\n"
    assert found.err
