"""Bind mounts whose owners are mapped, seen from inside, with and without a user namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

import pytest

from minicontainer.errors import InvalidConfig
from minicontainer.linux import mount as m
from tests.bundles import Bundle
from tests.kernel.linux.child import in_child, mounted, own_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.kernel.libcontainer.containers import Containers

pytestmark = pytest.mark.needs("id-mapped mounts")
CONTAINERS_IDS = [{"containerID": 0, "hostID": 100_000, "size": 65_536}]
SHIFT = [{"containerID": 0, "hostID": 5000, "size": 1000}]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Files of users 0 and 7."""
    folder = tmp_path / "files"
    folder.mkdir()
    for name, owner in (("zero", 0), ("seven", 7)):
        (folder / name).write_text(name)
        os.chown(folder / name, owner, owner)
    return folder


@pytest.fixture
def mapped(busybox_root: Path) -> Iterator[Bundle]:
    """A bundle with a user namespace, where the mapped users can reach it; its files are user 0's."""
    folder = tempfile.mkdtemp(prefix="minicontainer-test-")
    os.chmod(folder, 0o755)
    bundle = Bundle(f"{folder}/bundle", str(busybox_root))
    os.makedirs(f"{bundle.rootfs}/mnt", exist_ok=True)
    bundle.namespace("user")
    bundle.change(
        {"linux.uidMappings": CONTAINERS_IDS, "linux.gidMappings": CONTAINERS_IDS, "linux.resources": {}}
    )
    subprocess.run(["chown", "-R", "100000:100000", bundle.rootfs], check=True)
    yield bundle
    shutil.rmtree(folder)


def bind(source: Path | str, *options: str, **more: Any) -> dict[str, Any]:
    found = {"destination": "/mnt", "type": "bind", "source": str(source), "options": ["bind", *options]}
    return {"mounts+": [found | more]}


OWNERS = "stat -c '%n %u %g' /mnt/*"


def test_mappings_of_the_mount(containers: Containers, bundle: Bundle, files: Path) -> None:
    bundle.change(bind(files, uidMappings=SHIFT, gidMappings=SHIFT))
    assert containers.run(bundle, OWNERS).out == "/mnt/seven 5007 5007\n/mnt/zero 5000 5000\n"


def test_what_is_written_belongs_to_the_other_side(
    containers: Containers, bundle: Bundle, files: Path
) -> None:
    bundle.change(bind(files, "idmap", uidMappings=SHIFT, gidMappings=SHIFT))
    bundle.change({"process.user": {"uid": 5003, "gid": 5004}})
    os.chmod(files, 0o777)
    assert containers.run(bundle, "touch /mnt/new").code == 0
    made = os.stat(files / "new")
    assert (made.st_uid, made.st_gid) == (3, 4)


@pytest.mark.needs("user namespace")
def test_mappings_of_the_container(containers: Containers, mapped: Bundle, files: Path) -> None:
    mapped.change(bind(files, "idmap"))
    shown = containers.run(mapped, f"{OWNERS}; cat /mnt/zero; echo more >> /mnt/zero; tail -1 /mnt/zero")
    assert shown.out == "/mnt/seven 7 7\n/mnt/zero 0 0\nzerozeromore\n", shown
    assert os.stat(files / "zero").st_uid == 0


@pytest.mark.needs("user namespace")
def test_without_a_mapping_the_files_are_nobody_s(
    containers: Containers, mapped: Bundle, files: Path
) -> None:
    mapped.change(bind(files))
    assert containers.run(mapped, OWNERS).out == "/mnt/seven 65534 65534\n/mnt/zero 65534 65534\n"


@pytest.mark.parametrize(("option", "below"), [("idmap", "0"), ("ridmap", "5000")])
def test_mounts_below(
    containers: Containers, bundle: Bundle, tmp_path: Path, option: str, below: str
) -> None:
    def work() -> str:
        own_mounts()
        folder = tmp_path / "tree"
        (folder / "below").mkdir(parents=True)
        m.mount("none", str(folder / "below"), "tmpfs")
        bundle.change(bind(folder, option, uidMappings=SHIFT, gidMappings=SHIFT))
        bundle.config["mounts"][-1]["options"][0] = "rbind"
        return containers.run(bundle, "stat -c %u /mnt /mnt/below").out

    assert in_child(work) == f"5000\n{below}\n"


def test_two_mounts_with_mappings_of_their_own(containers: Containers, bundle: Bundle, files: Path) -> None:
    other = [{"containerID": 0, "hostID": 9000, "size": 1}]
    bundle.change(bind(files, uidMappings=SHIFT, gidMappings=SHIFT))
    bundle.change(bind(files, uidMappings=other, gidMappings=other, destination="/other"))
    found = containers.run(bundle, "stat -c %u /mnt/zero /other/zero /other/seven")
    assert found.out == "5000\n9000\n65534\n"


@pytest.mark.parametrize(
    ("mount", "text"),
    [
        ({"type": "tmpfs", "options": ["idmap"]}, "only bind mounts can be mapped"),
        ({"options": ["bind", "idmap"]}, "there are no mappings"),
        ({"uidMappings": SHIFT}, "uidMappings and gidMappings come together"),
    ],
)
def test_mappings_that_cannot_be(
    containers: Containers, bundle: Bundle, files: Path, mount: dict[str, Any], text: str
) -> None:
    bundle.change(bind(files, **mount))
    with pytest.raises(InvalidConfig, match=text):
        containers.create(bundle)


def test_a_mapping_that_the_kernel_refuses(containers: Containers, bundle: Bundle, files: Path) -> None:
    twice = [*SHIFT, *SHIFT]
    bundle.change(bind(files, uidMappings=twice, gidMappings=twice))
    with pytest.raises(OSError, match="Invalid argument") as caught:
        containers.create(bundle)
    assert caught.value.context == "mounts[6].uidMappings (/mnt)"  # type: ignore[attr-defined]


def test_a_file_system_that_cannot_be_mapped(containers: Containers, bundle: Bundle) -> None:
    bundle.change(bind("/proc/sys", uidMappings=SHIFT, gidMappings=SHIFT))
    with pytest.raises(OSError, match="Invalid argument") as caught:
        containers.create(bundle)
    assert caught.value.context == "mounts[6].uidMappings (/mnt)"  # type: ignore[attr-defined]


@pytest.mark.needs("user namespace")
def test_mappings_of_a_user_namespace_that_is_joined(
    containers: Containers, mapped: Bundle, files: Path
) -> None:
    first = containers.sleeping(mapped)
    mapped.namespace("user", f"/proc/{first.record.pid}/ns/user")
    mapped.change({"linux.uidMappings": [], "linux.gidMappings": []})
    mapped.change(bind(files, "idmap"))
    found = containers.run(mapped, f"{OWNERS}; cat /proc/self/uid_map; mount | grep -c ' /proc '")
    assert found.out.split() == [
        "/mnt/seven", "7", "7", "/mnt/zero", "0", "0", "0", "100000", "65536", "1",
    ], found  # fmt: skip


# -- flags that a user namespace may not take away (mount_namespaces(7), Restrictions)


@pytest.mark.needs("user namespace")
@pytest.mark.parametrize("more", [["ro"], ["remount", "ro"], ["noexec"]])
def test_locked_flags_are_kept(containers: Containers, mapped: Bundle, more: list[str]) -> None:
    def work() -> list[str]:
        folder = locked(mapped)
        if more[0] == "remount":
            mapped.mount("/mnt", "bind", folder, "bind")
        mapped.mount("/mnt", "bind", folder, "bind", *more)
        container = containers.sleeping(mapped)
        found = mounted("/mnt", container.record.pid)
        containers.delete_all()
        assert found is not None
        return found.options

    assert {"nosuid", "nodev", more[-1]} <= set(in_child(work))


@pytest.mark.needs("user namespace")
def test_a_locked_flag_cannot_be_taken_away(containers: Containers, mapped: Bundle) -> None:
    def work() -> str:
        mapped.mount("/mnt", "bind", locked(mapped), "bind", "suid")
        try:
            containers.create(mapped)
        except OSError as error:
            return f"{error.context}: {error.strerror}"  # type: ignore[attr-defined]
        return "taken away"

    assert in_child(work) == "mounts[6] (/mnt): Operation not permitted"


@pytest.mark.needs("user namespace")
def test_a_read_only_root_with_locked_flags(containers: Containers, mapped: Bundle) -> None:
    def work() -> list[str]:
        own_mounts()
        m.mount(mapped.path, mapped.path, None, m.MS_BIND)
        m.mount(None, mapped.path, None, m.MS_REMOUNT | m.MS_BIND | m.MS_NOSUID | m.MS_NODEV)
        mapped.change({"root.readonly": True})
        container = containers.sleeping(mapped)
        found = mounted("/", container.record.pid)
        containers.delete_all()
        assert found is not None
        return found.options

    assert {"ro", "nosuid", "nodev"} <= set(in_child(work))


def locked(bundle: Bundle) -> str:
    """A folder on a file system without set-user-ID programs and devices, for this mount namespace."""
    own_mounts()
    folder = f"{bundle.path}/locked"
    os.mkdir(folder)
    m.mount("none", folder, "tmpfs", m.MS_NOSUID | m.MS_NODEV, "mode=755")
    os.makedirs(f"{folder}/below")
    return f"{folder}/below"
