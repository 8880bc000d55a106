"""Archives and trees that the runtime reads and writes on the host, while somebody lies in them.

==============================  ================================================================
CVE-2014-6407, CVE-2014-9357,   Docker, buildah, umoci, containerd: an image's archive writes
CVE-2020-10696, CVE-2021-29136, outside of its layer (that ours does not, for each archive:
CVE-2021-32760                  tests/kernel/storage/test_unpack.py)
CVE-2018-15664, CVE-2019-18466, docker cp, podman cp, podman export: a folder of a running
CVE-2023-0778                   container becomes a link to the host's while it is read
CVE-2024-9676                   podman: the image's /etc/passwd is a link, or never ends
CVE-2021-41091, CVE-2024-25621  Docker, containerd: programs of containers run from the host by anybody
==============================  ================================================================
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import tempfile

import pytest

from minicontainer.engine.records import Folders
from minicontainer.libcontainer.user import lookup
from minicontainer.linux import mount
from minicontainer.storage import changes
from minicontainer.storage.changes import find_changes
from tests.kernel.storage.conftest import Bench, archive, entry
from tests.kernel.storage.test_unpack import hostile
from tests.security.attacks import exchange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# What is only an error for a plain extractor, or harmless to it.
HARMLESS = {"link as the last part", "link loop", "whiteout of dots", "magic link"}


def extract(data: bytes, folder: Path) -> None:
    """Each name joined to the folder, deletions carried out: how the first unpackers did it."""
    import io

    with tarfile.open(fileobj=io.BytesIO(data)) as members:
        for member in members:
            place = os.path.join(str(folder), member.name)
            parent, name = os.path.split(place.rstrip("/"))
            if name == ".wh..wh..opq":
                for old in os.listdir(parent):
                    os.unlink(f"{parent}/{old}")
            elif name.startswith(".wh."):
                os.unlink(f"{parent}/{name[4:]}")
            elif member.issym():
                os.symlink(member.linkname, place)
            elif member.islnk():
                os.link(os.path.join(str(folder), member.linkname), place)
            elif member.isdir():
                os.makedirs(place, exist_ok=True)
                os.chmod(place, member.mode)
            else:
                with open(place, "wb") as file:
                    file.write(members.extractfile(member).read())  # type: ignore[union-attr]


@pytest.mark.parametrize("case", sorted(set(hostile("")) - HARMLESS))
def test_cve_2014_9357_by_joining_names(tmp_path: Path, case: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("untouched")
    folder = tmp_path / "layer"
    folder.mkdir()
    before = (outside.stat().st_mode, sorted(os.listdir(outside)), (outside / "file").read_text())
    with tempfile.TemporaryDirectory() as elsewhere:
        os.chdir(elsewhere)
        extract(archive(*hostile(str(outside))[case]), folder)
        os.chdir("/")
    left = (outside / "file").read_text() if (outside / "file").exists() else ""
    assert (outside.stat().st_mode, sorted(os.listdir(outside)), left) != before


# -- CVE-2018-15664, CVE-2023-0778


@pytest.fixture
def upper(tmp_path: Path) -> Path:
    """The writable layer of a container."""
    folder = tmp_path / "upper"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "secret").write_text("inside")
    return folder


def read_all(upper: Path, outside: Path, when: str) -> list[str]:
    """What a commit reads, where the container exchanges /data for a link after the step ``when``."""
    found = []
    for change in find_changes(os.fsencode(upper), [], overlay=True):
        if when == change.path.decode():
            exchange(f"{upper}/data", str(outside))
        if change.path == b"/data/secret":
            try:
                fd = change.open()
            except OSError as error:
                if error.errno in changes.GONE:
                    continue
                raise
            with os.fdopen(fd) as file:
                found.append(file.read())
    return found


@pytest.mark.parametrize("when", ["/data", "/data/secret"])
def test_cve_2018_15664_an_exchanged_folder_is_gone(upper: Path, outside: Path, when: str) -> None:
    assert read_all(upper, outside, when) == []


@pytest.mark.parametrize("when", ["/data", "/data/secret"])
def test_cve_2018_15664_by_name(
    upper: Path, outside: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "open_beneath", lambda root, path, flags: os.open(root + path, flags))
    assert read_all(upper, outside, when) == ["host"]


def test_nothing_exchanged_is_all_read(upper: Path, outside: Path) -> None:
    assert read_all(upper, outside, "") == ["inside"]


# -- CVE-2024-9676


def test_cve_2024_9676_accounts_are_read_inside(tmp_path: Path, outside: Path) -> None:
    (outside / "passwd").write_text("someone:x:77:77::/:/bin/sh\n")
    (tmp_path / "root" / "etc").mkdir(parents=True)
    os.symlink(outside / "passwd", tmp_path / "root" / "etc" / "passwd")
    root = os.open(tmp_path / "root", os.O_PATH | os.O_DIRECTORY)
    try:
        with pytest.raises(Exception, match="unable to find user someone"):
            lookup(root, "someone")
    finally:
        os.close(root)
    with open(tmp_path / "root" / "etc" / "passwd") as by_name:
        assert "someone:x:77" in by_name.read()


# -- CVE-2021-41091


@pytest.fixture
def state() -> Iterator[str]:
    """Roots that everybody can get to, as /var/lib is."""
    folder = tempfile.mkdtemp(dir="/tmp")
    os.chmod(folder, 0o755)
    yield folder
    with open("/proc/self/mountinfo") as table:
        mounted = [line.split()[4] for line in table if folder in line.split()[4]]
    for place in reversed(mounted):
        mount.umount2(place, mount.MNT_DETACH)
    shutil.rmtree(folder)


def setuid_program(state: str, place: str) -> tuple[str, str]:
    """A program of an image that becomes root, in a layer or a container; and the root of it all."""
    root = f"{state}/root"
    Folders(root, f"{state}/run").make()
    bench = Bench(root, "vfs")
    with open(shutil.which("id") or "/usr/bin/id", "rb") as program:
        image = bench.image(archive(entry("id", program.read(), mode=0o4755)))
    if place == "container":
        folder, target = bench.container(image)
        os.chmod(folder, 0o711)
        return f"{target}/id", root
    bench.store.ensure_unpacked(image)
    return next(f"{folder}/id" for folder, _, names in os.walk(root) if "id" in names), root


def run_as_nobody(program: str) -> str:
    try:
        ran = subprocess.run(
            [program, "-u"], user=65534, group=65534, extra_groups=[], capture_output=True, check=True
        )
    except PermissionError:
        return "refused"
    return ran.stdout.decode().strip()


@pytest.mark.parametrize("place", ["layer", "container"])
def test_cve_2021_41091_nobody_gets_to_what_is_in_an_image(state: str, place: str) -> None:
    program, _ = setuid_program(state, place)
    assert run_as_nobody(program) == "refused"


@pytest.mark.parametrize("place", ["layer", "container"])
def test_cve_2021_41091_with_open_folders(state: str, place: str) -> None:
    program, root = setuid_program(state, place)
    for folder, _, _ in os.walk(root):
        os.chmod(folder, 0o711)
    assert run_as_nobody(program) == "0"
