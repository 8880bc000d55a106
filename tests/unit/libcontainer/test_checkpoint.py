"""What a checkpoint is told about a container, as far as files say it."""

from __future__ import annotations

import os

import pytest

from minicontainer.errors import CorruptData, NotFound, Unsupported, UsageError
from minicontainer.libcontainer import checkpoint
from minicontainer.libcontainer.restore import Restoration
from minicontainer.oci.runtime import IDMapping, Linux, Mount, Namespace, Spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

MOUNTINFO = r"""104 100 254:0 /root/fs / rw - ext4 /dev/vda rw
106 104 0:45 / /proc rw - proc proc rw
118 106 0:6 /null /proc/keys rw,nosuid shared:2 master:1 - devtmpfs devtmpfs rw
120 104 254:0 /a\040b /with\040space ro - ext4 /dev/vda rw
"""


OWN = Namespace(type="mount")


def options(tmp_path: Path, cgroups: str = "") -> checkpoint.Options:
    return checkpoint.Options("/bin/true", str(tmp_path), "", cgroups, {})


def test_the_mounts_of_a_container() -> None:
    found = checkpoint.mount_points(MOUNTINFO)
    assert found == [("/proc", "proc"), ("/proc/keys", "devtmpfs"), ("/with space", "ext4")]


@pytest.mark.parametrize(
    ("mount", "outside"),
    [
        (Mount(destination="/a", type="bind", source="/b"), True),
        (Mount(destination="/a", source="/b", options=["rbind", "ro"]), True),
        (Mount(destination="/a", type="none", source="/b", options=["bind"]), True),
        (Mount(destination="/a", type="tmpfs", source="tmpfs", options=["ro"]), False),
        (Mount(destination="/proc", type="proc", source="proc"), False),
    ],
)
def test_what_comes_from_outside(mount: Mount, outside: bool) -> None:
    assert checkpoint.from_outside("self", mount) is outside


def test_namespaces_by_path() -> None:
    spaces = [Namespace(type="network", path="/proc/self/ns/net"), Namespace(type="pid"),
              Namespace(type="ipc", path="/proc/self/ns/ipc")]  # fmt: skip
    inode = os.stat("/proc/self/ns/net").st_ino
    found = checkpoint.external_namespaces(Spec(linux=Linux(namespaces=spaces)))
    assert found == [f"net[{inode}]:extRootNetNS"]
    assert checkpoint.external_namespaces(Spec()) == []


def test_streams(tmp_path: Path) -> None:
    """Of a child: its input is a pipe, its output a file, its errors nothing."""
    ready, tell = os.pipe()
    reader, writer = os.pipe()
    with open(tmp_path / "out", "wb") as out:
        child = os.fork()
        if child == 0:
            os.dup2(reader, 0)
            os.dup2(out.fileno(), 1)
            os.close(2)
            os.write(tell, b"x")
            os.read(0, 1)
            os._exit(0)
        os.read(ready, 1)
        found = checkpoint.descriptors(child)
        pipe = os.fstat(reader).st_ino
    os.write(writer, b"x")
    os.waitpid(child, 0)
    for fd in (ready, tell, reader, writer):
        os.close(fd)
    # The file is on a mount of this namespace, which is the child's too.
    assert found == [f"pipe:[{pipe}]", str(tmp_path / "out"), ""]


def test_options(tmp_path: Path) -> None:
    asked = options(tmp_path, "strict")
    common = asked.common("dump", {})
    assert (common["manage_cgroups_mode"], common["log_file"]) == (5, "dump.log")
    assert common["config_file"] == "/etc/criu/runc.conf"
    assert asked.common("dump", {"org.criu.config": "/x"})["config_file"] == "/x"
    assert "config_file" not in asked.common("dump", {"org.criu.config": ""})
    assert asked.log("restore") == f"{tmp_path}/restore.log"
    asked.work = "/work"
    assert asked.log("restore") == "/work/restore.log"
    with pytest.raises(UsageError):
        options(tmp_path, "hard")
    with pytest.raises(Unsupported):
        checkpoint.Options("/no/criu", str(tmp_path), "", "", {})


@pytest.mark.parametrize(("root", "mode"), [(None, 0o700), (os.getgid() or 100000, 0o710)])
def test_who_may_search_the_images(tmp_path: Path, root: int | None, mode: int) -> None:
    mappings = [] if root is None else [IDMapping(container_id=0, host_id=root, size=1)]
    path = str(tmp_path / "images")
    try:
        checkpoint.make_folder(path, Spec(linux=Linux(gid_mappings=mappings)))
    except PermissionError:
        pytest.skip("only root may give a folder to a group that it is not in")
    status = os.stat(path)
    assert status.st_mode & 0o777 == mode
    assert status.st_gid == (os.getgid() if root is None else root)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (Spec(), "mount namespace"),
        (Spec(linux=Linux(namespaces=[Namespace(type="mount", path="/x")])), "mount namespace"),
        (Spec(linux=Linux(namespaces=[OWN, Namespace(type="time", path="/x")])), "time namespace"),
        (
            Spec(
                linux=Linux(namespaces=[OWN]),
                mounts=[Mount(destination="/a"), Mount(destination="/b", options=["bind", "idmap"])],
            ),
            r"mounts\[1\]",
        ),
    ],
)
def test_what_criu_would_not_restore(spec: Spec, said: str) -> None:
    with pytest.raises(Unsupported, match=said):
        checkpoint.refuse(spec)


@pytest.mark.parametrize("text", [None, "{", "{}", '["a", 1]'])
def test_a_folder_without_a_checkpoint(tmp_path: Path, text: str | None) -> None:
    (tmp_path / "config.json").write_text(
        '{"ociVersion": "1.0.2", "root": {"path": "rootfs"}, "process": {"cwd": "/", "args": ["a"]},'
        '"linux": {"namespaces": [{"type": "mount"}]}}'
    )
    if text is not None:
        (tmp_path / "descriptors.json").write_text(text)
    with pytest.raises(NotFound if text is None else CorruptData):
        Restoration("id", str(tmp_path), str(tmp_path / "state"), options(tmp_path))
    assert not (tmp_path / "state").exists()
