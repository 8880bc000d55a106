"""The contract of a storage driver: the same cases for overlay and vfs."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys

import pytest

from minicontainer.errors import NotFound
from minicontainer.storage import driver as storage_driver
from minicontainer.storage.mapped import Acting, Mapping
from minicontainer.storage.probe import why_not_overlay
from minicontainer.storage.tree import remove_tree
from tests.kernel.storage.conftest import Bench, archive, entry, folder, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

BASE = archive(
    folder("./"),
    folder("etc/"),
    entry("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
    entry("etc/group", b"root:x:0:\n"),
    folder("opt/"),
    folder("opt/tool/"),
    entry("opt/tool/a", b"a"),
    entry("opt/tool/b", b"b"),
    folder("var/", mode=0o700, uid=7, gid=8),
    entry("var/hard", b"one inode"),
    entry("var/link", type=b"1", linkname="var/hard"),
)
# cap_net_raw=ep, as struct vfs_cap_data (linux/capability.h), version 2
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)


def write(path: str | bytes, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def read(path: str | bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def test_nothing_changed(bench: Bench) -> None:
    image = bench.image(BASE)
    holder, root = bench.container(image)
    assert read(f"{root}/etc/passwd").startswith(b"root")
    assert bench.changes(holder, image) == []


def test_copy_up_leaves_the_layer_alone(bench: Bench) -> None:
    image = bench.image(BASE)
    holder, root = bench.container(image)
    _, other = bench.container(image)
    with open(f"{root}/etc/passwd", "ab") as file:
        file.write(b"more\n")
    os.chmod(f"{root}/opt/tool/a", 0o600)
    assert read(f"{root}/etc/passwd").endswith(b"more\n")
    assert not read(f"{other}/etc/passwd").endswith(b"more\n")
    assert stat.S_IMODE(os.stat(f"{other}/opt/tool/a").st_mode) == 0o644
    assert bench.diff(holder, image) == [
        "C /etc", "C /etc/passwd", "C /opt", "C /opt/tool", "C /opt/tool/a"
    ]  # fmt: skip


def test_deleting_and_adding(bench: Bench) -> None:
    image = bench.image(BASE)
    holder, root = bench.container(image)
    os.unlink(f"{root}/etc/group")
    remove_tree(f"{root}/opt/tool")
    write(f"{root}/new", b"")
    os.makedirs(f"{root}/x/y")
    write(f"{root}/gone", b"")
    os.unlink(f"{root}/gone")
    assert bench.diff(holder, image) == [
        "C /etc", "D /etc/group", "A /new", "C /opt", "D /opt/tool", "A /x", "A /x/y"
    ]  # fmt: skip


def test_a_folder_deleted_and_made_again_hides_the_old_content(bench: Bench) -> None:
    image = bench.image(BASE)
    holder, root = bench.container(image)
    remove_tree(f"{root}/opt/tool")
    os.mkdir(f"{root}/opt/tool")
    write(f"{root}/opt/tool/b", b"another")
    write(f"{root}/opt/tool/c", b"c")
    assert bench.diff(holder, image) == [
        "C /opt", "C /opt/tool", "D /opt/tool/a", "C /opt/tool/b", "A /opt/tool/c"
    ]  # fmt: skip
    _, again = bench.container(bench.commit(holder, image))
    assert sorted(os.listdir(f"{again}/opt/tool")) == ["b", "c"]


def test_files_and_folders_replace_each_other(bench: Bench) -> None:
    image = bench.image(BASE)
    holder, root = bench.container(image)
    remove_tree(f"{root}/opt/tool")
    write(f"{root}/opt/tool", b"a file now")
    os.unlink(f"{root}/etc/group")
    os.mkdir(f"{root}/etc/group")
    write(f"{root}/etc/group/inside", b"")
    assert bench.diff(holder, image) == [
        "C /etc", "C /etc/group", "A /etc/group/inside", "C /opt", "C /opt/tool"
    ]  # fmt: skip
    _, again = bench.container(bench.commit(holder, image))
    assert snapshot(again) == snapshot(root)


def test_whiteouts_and_opaque_folders_of_an_archive(bench: Bench) -> None:
    image = bench.image(
        BASE,
        archive(
            entry("etc/.wh.group"),
            folder("opt/tool/"),
            entry("opt/tool/new", b"n"),
            entry("opt/tool/.wh..wh..opq"),
            entry("var/.wh.hard"),
            entry("var/.wh..wh.plnk"),
            entry("nowhere/.wh.nothing"),
        ),
    )
    _, root = bench.container(image)
    assert os.listdir(f"{root}/etc") == ["passwd"]
    assert os.listdir(f"{root}/opt/tool") == ["new"]
    assert os.listdir(f"{root}/var") == ["link"]
    assert os.listdir(f"{root}/nowhere") == []


@pytest.mark.parametrize("mark_first", [True, False])
def test_a_whiteout_concerns_the_layers_below_only(bench: Bench, mark_first: bool) -> None:
    made = [folder("opt/tool/"), entry("opt/tool/new", b"n")]
    mark = [entry("opt/.wh.tool")]
    image = bench.image(BASE, archive(*(mark + made if mark_first else made + mark)))
    _, root = bench.container(image)
    assert os.listdir(f"{root}/opt/tool") == ["new"]


def test_a_whiteout_under_a_folder_that_no_member_announces(bench: Bench) -> None:
    image = bench.image(BASE, archive(entry("opt/.wh.tool"), entry("opt/tool/deep/new", b"n")))
    _, root = bench.container(image)
    assert os.listdir(f"{root}/opt/tool") == ["deep"]


def test_commit_keeps_everything(bench: Bench) -> None:
    image = bench.image(BASE)
    holder, root = bench.container(image)
    fill(root)
    before = snapshot(root)
    committed = bench.commit(holder, image)
    _, again = bench.container(committed)
    assert snapshot(again) == before
    assert os.stat(f"{again}/new/sparse").st_blocks * 512 < 1 << 20
    assert os.stat(committed_blob(bench, committed)).st_blocks * 512 < 4 << 20


def committed_blob(bench: Bench, image: object) -> str:
    return bench.store.layout.blob_path(image.manifest.layers[-1].digest)  # type: ignore[attr-defined]


def fill(root: str) -> None:
    """One of everything."""
    top = os.fsencode(root) + b"/new"
    os.mkdir(top)
    write(top + b"/plain", b"content")
    write(top + b"/empty", b"")
    write(top + b"/big", os.urandom(300_001))
    write(top + b"/\xff\xfe not utf-8 \n", b"bytes")
    write(top + b"/" + b"n" * 255, b"long")
    os.symlink(b"\xff" * 200, top + b"/long-link")
    os.symlink(b"/etc/passwd", top + b"/link")
    os.link(top + b"/big", top + b"/hard")
    os.link(top + b"/link", top + b"/hard-link-to-link")
    with open(top + b"/sparse", "wb") as file:
        file.truncate(64 << 20)
        file.seek(30_000_000)
        file.write(b"in the middle")
    write(top + b"/suid", b"#!")
    os.chown(top + b"/suid", 1000, 1001)
    os.chmod(top + b"/suid", 0o6755)
    write(top + b"/capable", b"#!")
    os.setxattr(top + b"/capable", "security.capability", CAPABILITY)
    try:
        os.setxattr(top + b"/plain", "user.note", b"\x00\xffbinary\n")
    except OSError:  # tmpfs before Linux 6.6 has the other kinds only
        os.setxattr(top + b"/plain", "trusted.note", b"\x00\xffbinary\n")
    os.mkfifo(top + b"/fifo", 0o640)
    os.mkdir(top + b"/sticky")
    os.chmod(top + b"/sticky", 0o1777)
    os.chown(top + b"/sticky", 3_000_000_000, 3_000_000_001)
    os.utime(top + b"/plain", (0, 0))
    os.utime(top + b"/sticky", (5_000_000_000, 5_000_000_000))
    os.unlink(os.fsencode(root) + b"/opt/tool/a")
    os.utime(os.fsencode(root) + b"/opt/tool", (1_000_000_000, 1_000_000_000))


@pytest.mark.needs("capability:mknod")
def test_device_nodes(bench: Bench) -> None:
    image = bench.image(BASE, archive(entry("null", type=b"3", devmajor=1, devminor=3, mode=0o666)))
    holder, root = bench.container(image)
    assert os.stat(f"{root}/null").st_rdev == os.makedev(1, 3)
    os.mknod(f"{root}/loop", stat.S_IFBLK | 0o660, os.makedev(7, 300))
    _, again = bench.container(bench.commit(holder, image))
    assert os.stat(f"{again}/loop").st_rdev == os.makedev(7, 300)
    assert stat.S_ISBLK(os.stat(f"{again}/loop").st_mode)


def test_hard_links_of_an_image_are_one_inode(bench: Bench) -> None:
    _, root = bench.container(bench.image(BASE))
    assert os.path.samefile(f"{root}/var/hard", f"{root}/var/link")


def test_many_layers(bench: Bench) -> None:
    layers = [archive(entry(f"file{n}", b"%d" % n), entry("latest", b"%d" % n)) for n in range(140)]
    image = bench.image(*layers)
    holder, root = bench.container(image)
    assert len(os.listdir(root)) == 141
    assert read(f"{root}/latest") == b"139"
    os.unlink(f"{root}/file0")
    assert bench.diff(holder, image) == ["D /file0"]


def test_no_layers(bench: Bench) -> None:
    holder, root = bench.container(None)
    assert os.listdir(root) == []
    write(f"{root}/only", b"x")
    image = bench.commit(holder, None, "scratch:1")
    _, again = bench.container(image)
    assert os.listdir(again) == ["only"]


def test_the_root_folder_has_the_image_s_attributes(bench: Bench) -> None:
    image = bench.image(archive(folder("./", mode=0o750, uid=5, gid=6)), archive(entry("x")))
    _, root = bench.container(image)
    status = os.stat(root)
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o750, 5, 6)


def test_an_archive_cannot_speak_to_overlay(bench: Bench) -> None:
    secret = {"SCHILY.xattr.trusted.overlay.opaque": "y", "SCHILY.xattr.trusted.overlay.redirect": "/etc"}
    image = bench.image(BASE, archive(folder("opt/tool/", pax_headers=secret)))
    _, root = bench.container(image)
    assert sorted(os.listdir(f"{root}/opt/tool")) == ["a", "b"]


def test_a_container_may_keep_marks_of_its_own_overlay(bench: Bench) -> None:
    image = bench.image(BASE)
    holder, root = bench.container(image)
    try:
        os.setxattr(f"{root}/opt/tool", "trusted.overlay.opaque", b"y")
    except OSError as error:
        pytest.skip(f"overlay in a container needs Linux 6.7: {error.strerror}")
    _, again = bench.container(bench.commit(holder, image))
    assert os.getxattr(f"{again}/opt/tool", "trusted.overlay.opaque") == b"y"
    assert sorted(os.listdir(f"{again}/opt/tool")) == ["a", "b"]


def test_strange_characters_in_the_root_s_path(bench: Bench, tmp_path: Path) -> None:
    root = tmp_path / "a:b,c\\d e"
    root.mkdir()
    strange = Bench(str(root), bench.driver.name)
    _, merged = strange.container(strange.image(BASE, archive(entry("second", b"2"))))
    assert read(f"{merged}/second") == b"2"


def test_usage_and_remove(bench: Bench) -> None:
    image = bench.image(BASE)
    holder, root = bench.container(image)
    size, inodes = bench.driver.usage(holder)
    write(f"{root}/more", b"x" * 1000)
    os.link(f"{root}/more", f"{root}/same")
    assert bench.driver.usage(holder) == (size + 1000, inodes + 1)
    subprocess.run(["umount", root], check=True)
    bench.driver.remove(holder)
    assert os.listdir(holder) == ["rootfs"]


def test_the_mount_ends_with_its_namespace(bench: Bench) -> None:
    image = bench.image(BASE)
    chain = bench.store.ensure_unpacked(image)
    holder = os.path.join(bench.root, "containers", "own")
    os.makedirs(f"{holder}/rootfs")
    bench.driver.prepare(holder, chain)
    script = (
        "import sys; from minicontainer.linux import mount, namespaces; from minicontainer import storage\n"
        "namespaces.unshare(namespaces.CLONE_NEWNS)\n"
        "mount.mount('none', '/', None, mount.MS_REC | mount.MS_PRIVATE)\n"
        "root, name, holder, *chain = sys.argv[1:]\n"
        "storage.driver(root, name).mount(holder, chain, holder + '/rootfs')\n"
        "print(len(open(holder + '/rootfs/etc/passwd').read()))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, bench.root, bench.driver.name, holder, *chain],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stdout == "22\n"
    assert os.listdir(f"{holder}/rootfs") == []
    with open("/proc/self/mountinfo") as table:
        assert holder not in table.read()


def test_a_socket_is_shown_and_not_committed(bench: Bench) -> None:
    import socket

    image = bench.image(BASE)
    holder, root = bench.container(image)
    os.chdir(root)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("sock")
    os.chdir("/")
    assert bench.diff(holder, image) == ["A /sock"]
    committed = bench.commit(holder, image)
    assert committed.chain == image.chain
    assert committed.document.history is not None
    assert committed.document.history[-1].empty_layer


def test_a_commit_of_the_same_changes_is_the_same_layer(bench: Bench) -> None:
    image = bench.image(BASE)
    holder, root = bench.container(image)
    fill(root)
    assert bench.commit(holder, image).diff_ids == bench.commit(holder, image).diff_ids


def test_removing_layers(bench: Bench) -> None:
    chain = bench.store.ensure_unpacked(bench.image(BASE))
    assert bench.driver.layers() == chain
    bench.driver.remove_layer(chain[0])
    bench.driver.remove_layer(chain[0])
    assert bench.driver.layers() == []
    assert bench.leftovers() == []


def test_a_tree_deeper_than_path_max_is_removed(tmp_path: Path) -> None:
    top = str(tmp_path / "deep")
    os.mkdir(top)
    at = os.open(top, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("down", dir_fd=at)
        deeper = os.open("down", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = deeper
    os.close(at)
    remove_tree(top)
    assert not os.path.exists(top)


def test_the_driver_is_probed_once(tmp_path: Path) -> None:
    chosen = storage_driver(str(tmp_path)).name
    note = tmp_path / "layers" / "driver"
    assert note.read_text().split()[0] == chosen
    note.write_text(note.read_text().replace(chosen, "vfs"))
    assert storage_driver(str(tmp_path)).name == "vfs"
    note.write_text("overlay another-kernel 0\n")
    assert storage_driver(str(tmp_path)).name == chosen


def test_overlay_on_overlay_gives_vfs(tmp_path: Path) -> None:
    if reason := why_not_overlay(str(tmp_path)):
        pytest.skip(f"overlay does not work here: {reason}")
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    options = ",".join(f"{name}dir={tmp_path}/{name}" for name in ("lower", "upper", "work"))
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, f"{tmp_path}/merged"], check=True)
    assert storage_driver(f"{tmp_path}/merged").name == "vfs"


def test_a_missing_image_says_how_to_get_one(bench: Bench) -> None:
    with pytest.raises(NotFound, match=r"no such image: nothing .*minicontainer import"):
        bench.store.resolve("nothing")


@pytest.mark.needs("user namespace", "id-mapped mounts")
def test_mapped_owners_are_shown_and_not_stored(bench: Bench) -> None:
    """A view with the owners of a user namespace (mapped.py); what is on disk keeps the image's ids."""
    image = bench.image(BASE)
    chain = bench.store.ensure_unpacked(image)
    place = os.path.join(bench.root, "containers", "mapped")
    mapping = Mapping([(0, 100_000, 1000)], [(0, 200_000, 1000)])
    target = os.path.join(place, "rootfs")
    os.makedirs(target)
    bench.driver.prepare(place, chain)
    bench.driver.mount(place, chain, target, mapping)
    owners = {name: os.lstat(f"{target}/{name}") for name in ("etc", "var")}
    assert [(s.st_uid, s.st_gid) for s in owners.values()] == [(100_000, 200_000), (100_007, 200_008)]
    with Acting(mapping):
        os.mkdir(f"{target}/made")
    assert os.geteuid() == 0
    with pytest.raises(OSError, match="Value too large"):
        os.mkdir(f"{target}/unmapped")
    made = [change for change in bench.driver.changes(place, chain) if change.path == b"/made"]
    assert [(c.kind, c.status.st_uid, c.status.st_gid) for c in made if c.status] == [("A", 0, 0)]
