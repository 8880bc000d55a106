"""tmpfs mounts that begin with what the image has there, mounts that are changed, mounts on mounts."""

from __future__ import annotations

import os

import pytest

from minicontainer.errors import InvalidConfig
from tests.kernel.linux.child import mounted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers


@pytest.fixture
def filled(bundle: Bundle) -> Bundle:
    """A bundle with all kinds of files in /data."""
    data = f"{bundle.rootfs}/data"
    os.makedirs(f"{data}/sub/deeper")
    with open(f"{data}/sub/deeper/file", "w") as file:
        file.write("deep")
    with open(f"{data}/large", "wb") as large:
        large.write(b"x" * 3_000_001)
    os.symlink("/etc/passwd", f"{data}/link")
    os.symlink("../../../../../../etc", f"{data}/up")
    os.mkfifo(f"{data}/pipe", 0o620)
    os.mknod(f"{data}/null", 0o020640, os.makedev(1, 3))
    os.setxattr(
        f"{data}/large", "security.capability", bytes.fromhex("0100000220000000000000000000000000000000")
    )
    os.chown(f"{data}/sub", 7, 8)
    os.chmod(f"{data}/sub", 0o2751)
    os.utime(f"{data}/sub/deeper/file", (1_000_000, 2_000_000))
    os.chown(data, 3, 4)
    os.chmod(data, 0o1773)
    return bundle


def copied(*options: str) -> dict[str, Any]:
    found = {"destination": "/data", "type": "tmpfs", "source": "x", "options": ["tmpcopyup", *options]}
    return {"mounts+": [found]}


LISTING = "cd /data && find . | sort | xargs stat -c '%n %F %a %u %g %s %t:%T' | grep -v '^[.] '"


def test_all_kinds_of_files_are_copied(containers: Containers, filled: Bundle) -> None:
    script = f"{LISTING}; readlink link up; cat sub/deeper/file; md5sum < large; stat -c %Y sub/deeper/file"
    # Folders have sizes of their own on each file system.
    script = script.replace("%s", "$(true)")
    before = containers.run(filled, script).out
    assert "./sub/deeper/file" in before
    filled.change(copied())
    assert containers.run(filled, script).out == before


def test_the_folder_itself_keeps_mode_and_owner_unless_others_are_given(
    containers: Containers, filled: Bundle
) -> None:
    filled.change(copied())
    assert containers.run(filled, "stat -c '%a %u %g' /data").out == "1773 3 4\n"
    filled.config["mounts"][-1]["options"] += ["mode=700", "uid=9"]
    assert containers.run(filled, "stat -c '%a %u %g' /data").out == "700 9 4\n"


def test_file_capabilities_are_copied(containers: Containers, filled: Bundle) -> None:
    filled.change(copied())
    pid = containers.sleeping(filled).record.pid
    copy = f"/proc/{pid}/root/data/large"
    assert os.getxattr(copy, "security.capability") == os.getxattr(
        f"{filled.rootfs}/data/large", "security.capability"
    )


def test_what_changes_is_not_the_image(containers: Containers, filled: Bundle) -> None:
    filled.change(copied())
    assert (
        containers.run(filled, "rm -r /data/sub && echo new > /data/large && cat /data/large").out == "new\n"
    )
    assert os.path.getsize(f"{filled.rootfs}/data/large") == 3_000_001
    assert os.path.exists(f"{filled.rootfs}/data/sub/deeper/file")


def test_a_copy_that_may_only_be_read(containers: Containers, filled: Bundle) -> None:
    filled.change(copied("ro"))
    found = containers.run(filled, "cat /data/sub/deeper/file; touch /data/x 2>/dev/null || echo refused")
    assert found.out == "deeprefused\n"


def test_a_copy_that_does_not_fit(containers: Containers, filled: Bundle) -> None:
    filled.change(copied("size=64k"))
    with pytest.raises(OSError, match="No space left") as caught:
        containers.create(filled)
    assert caught.value.context == "mounts[6] (/data)"  # type: ignore[attr-defined]


def test_a_folder_that_is_missing_is_copied_as_empty(containers: Containers, bundle: Bundle) -> None:
    bundle.change(copied())
    assert containers.run(bundle, "ls -A /data; grep -c ' /data ' /proc/self/mountinfo").out == "1\n"


def test_links_in_the_image_lead_nowhere_while_it_is_copied(
    containers: Containers, bundle: Bundle, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    os.mkdir(f"{bundle.rootfs}/data")
    os.symlink(str(outside), f"{bundle.rootfs}/data/out")
    bundle.change(copied())
    found = containers.run(bundle, "find /data; cat /data/out/secret 2>/dev/null || echo nothing")
    assert found.out == "/data\n/data/out\nnothing\n"


def test_only_a_tmpfs_can_be_filled(containers: Containers, bundle: Bundle) -> None:
    bundle.mount("/mnt", "mqueue", "mqueue", "tmpcopyup")
    with pytest.raises(InvalidConfig, match="tmpcopyup is for a tmpfs, not for mqueue"):
        containers.create(bundle)


# -- a mount that is changed


def test_a_bind_mount_is_changed_and_keeps_the_rest(
    containers: Containers, bundle: Bundle, tmp_path: Path
) -> None:
    bundle.mount("/mnt", "bind", str(tmp_path), "bind", "nosuid", "noexec")
    bundle.mount("/mnt", "none", "none", "remount", "bind", "ro", "exec")
    found = mounted("/mnt", containers.sleeping(bundle).record.pid)
    assert found is not None
    assert {"ro", "nosuid"} <= set(found.options)
    assert "noexec" not in found.options


def test_a_file_system_is_changed(containers: Containers, bundle: Bundle) -> None:
    bundle.mount("/mnt", "tmpfs", "tmpfs", "size=1m")
    bundle.mount("/mnt", "tmpfs", "tmpfs", "remount", "size=2m", "noexec")
    found = mounted("/mnt", containers.sleeping(bundle).record.pid)
    assert found is not None
    assert "size=2048k" in found.super_options
    assert "noexec" in found.options


def test_nothing_there_to_change(containers: Containers, bundle: Bundle) -> None:
    bundle.mount("/etc", "none", "none", "remount", "ro")
    with pytest.raises(OSError, match="Invalid argument") as caught:
        containers.create(bundle)
    assert caught.value.context == "mounts[6] (/etc)"  # type: ignore[attr-defined]


# -- where from, where to


def test_a_source_relative_to_the_bundle(containers: Containers, bundle: Bundle) -> None:
    os.makedirs(f"{bundle.path}/deep")
    os.rename(bundle.rootfs, f"{bundle.path}/deep/root")
    with open(f"{bundle.path}/beside", "w") as file:
        file.write("beside the configuration")
    bundle.change({"root.path": "deep/root"})
    bundle.mount("/there", "bind", "beside", "bind")
    assert containers.run(bundle, "cat /there").out == "beside the configuration"


def test_the_same_place_twice(containers: Containers, bundle: Bundle) -> None:
    for mode in ("700", "711"):
        bundle.mount("/mnt", "tmpfs", "tmpfs", f"mode={mode}")
    found = containers.run(bundle, "grep -c ' /mnt ' /proc/self/mountinfo; stat -c %a /mnt")
    assert found.out == "2\n711\n"


def test_a_relative_destination(containers: Containers, bundle: Bundle) -> None:
    bundle.mount("mnt/./deep", "tmpfs", "tmpfs")
    assert containers.run(bundle, "grep -c ' /mnt/deep ' /proc/self/mountinfo").out == "1\n"
