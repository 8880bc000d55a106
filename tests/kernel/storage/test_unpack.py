"""Archives that lie: nothing outside the layer is touched, nothing half-made stays."""

from __future__ import annotations

import gzip
import io
import os
import stat
import subprocess
import tarfile

import pytest

from minicontainer.errors import CorruptData, MinicontainerError, Unsupported
from tests.kernel.storage.conftest import Bench, archive, entry, folder, snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that no archive may touch."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "file").write_text("untouched")
    return place


def hostile(place: str) -> dict[str, list[tuple[tarfile.TarInfo, bytes]]]:
    up = "../" * 12
    return {
        "absolute name": [entry(f"{place}/new", b"x")],
        "dots": [entry(f"{up}{place}/new", b"x")],
        "dots inside": [folder("a/"), entry(f"a/../../{up}{place}/new", b"x")],
        "absolute link": [link("l", place), entry("l/new", b"x"), entry("l/file", b"x")],
        "relative link": [link("l", up + place), entry("l/new", b"x"), entry("l/file", b"x")],
        "link to a link": [link("a", "/"), link("b", f"a/{up}{place}"), entry("b/file", b"x")],
        "link as the last part": [link("file", f"{place}/file"), entry("file", b"x")],
        "folder over a link": [link("l", place), folder("l/", mode=0o777), entry("l/new", b"x")],
        "hard link through a link": [link("l", place), hard("h", "l/file"), entry("h", b"x")],
        "hard link with dots": [hard("h", f"{up}{place}/file"), entry("h", b"x")],
        "absolute hard link": [hard("h", f"{place}/file"), entry("h", b"x")],
        "magic link": [link("l", "/proc/self/cwd"), entry("l/new", b"x")],
        "whiteout through a link": [link("l", place), entry("l/.wh.file")],
        "opaque through a link": [link("l", place), entry("l/.wh..wh..opq")],
        "whiteout of dots": [folder("a/"), entry("a/.wh...")],
        "link loop": [link("a", "b"), link("b", "a"), entry("a/x", b"x")],
    }


@pytest.mark.parametrize("case", list(hostile("")))
def test_nothing_outside_is_touched(bench: Bench, outside: Path, case: str) -> None:
    before = snapshot(str(outside))
    data = archive(*hostile(str(outside))[case])
    base = archive(folder("a/"), entry("a/b", b"b"))
    for image in (bench.image(data), bench.image(base, data)):
        refusal = ""
        try:
            bench.store.ensure_unpacked(image)
        except CorruptData as error:
            refusal = str(error)
        assert not refusal or ("member '" in refusal and "\n" not in refusal)
        assert snapshot(str(outside)) == before
    assert bench.leftovers() == []


def test_links_resolve_as_they_will_for_the_container(bench: Bench) -> None:
    _, root = bench.container(
        bench.image(
            archive(folder("usr/"), folder("usr/bin/"), link("bin", "/usr/bin"), entry("bin/sh", b"#"))
        )
    )
    assert sorted(os.listdir(f"{root}/usr/bin")) == ["sh"]
    assert os.readlink(f"{root}/bin") == "/usr/bin"


def test_later_members_replace_earlier_ones(bench: Bench) -> None:
    _, root = bench.container(
        bench.image(
            archive(
                entry("a", b"first"),
                entry("a", b"second"),
                folder("d/", mode=0o700),
                entry("d/kept", b"k"),
                folder("d/", mode=0o711),
                folder("e/"),
                entry("e/lost", b"l"),
                entry("e", b"file now"),
                entry("self", b"s"),
                hard("self", "self"),
            )
        )
    )
    assert sorted(os.listdir(root)) == ["a", "d", "e", "self"]
    with open(f"{root}/a", "rb") as file:
        assert file.read() == b"second"
    assert os.listdir(f"{root}/d") == ["kept"]
    assert stat.S_IMODE(os.stat(f"{root}/d").st_mode) == 0o711
    assert os.path.getsize(f"{root}/self") == 1


def truncated(size: int) -> bytes:
    return archive(entry("first", b"1"), entry("second", b"2" * 5000))[:size]


def damaged() -> bytes:
    data = bytearray(archive(entry("first", b"1"), entry("second", b"2")))
    data[1024 + 20] ^= 1
    return bytes(data)


BAD = {
    "cut in a member": (truncated(3000), "member 'second'"),
    "cut in a header": (truncated(1100), "after 'first'"),
    "checksum": (damaged(), "checksum after 'first'"),
    "kind": (archive(entry("odd", type=b"Z")), "member 'odd'"),
    "device 0/0": (archive(entry("white", type=b"3")), "member 'white'"),
    "hard link to nothing": (archive(hard("h", "none")), "member 'h' .*'none'"),
    "hard link to a folder": (archive(folder("d/"), hard("h", "d")), "member 'h'"),
    "name too long": (archive(entry("n" * 300, b"x")), "member 'n+'"),
    "file as a folder": (archive(entry("f", b""), entry("f/g", b"")), "member 'f/g'"),
    "the root as a file": (archive(entry("./", b"")), "member"),
    "empty": (b"", "empty"),
    "no archive": (b"just some text\n" * 100, "not a tar archive"),
    "cut gzip": (gzip.compress(truncated(20000))[:-20], "gzip"),
    "bad gzip": (gzip.compress(truncated(20000))[:-8] + b"12345678", "gzip"),
    "line break in a name": (archive(entry("x\ny", type=b"Z")), "member 'x"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_archive_is_refused_with_one_line(bench: Bench, case: str) -> None:
    data, message = BAD[case]
    with pytest.raises(CorruptData, match=message) as refused:
        bench.store.import_tar(io.BytesIO(data), "bad")
    assert "\n" not in str(refused.value)
    assert bench.store.images() == []
    assert bench.driver.layers() == []
    assert bench.leftovers() == []
    assert os.listdir(bench.store.layout.blobs) == []


def test_other_compressions_are_named(bench: Bench) -> None:
    with pytest.raises(Unsupported, match="bzip2"):
        bench.store.import_tar(io.BytesIO(b"BZh91AY"), "x")


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_formats_of_other_authors(bench: Bench, form: int) -> None:
    long = "d" * 90 + "/" + "f" * 90
    data = archive(
        folder("d" * 90 + "/"),
        entry(long, b"long name", mode=0o4711, uid=12, gid=34),
        entry("bytes\udcff", b""),
        form=form,
    )
    _, root = bench.container(bench.store.import_tar(io.BytesIO(data), None))
    status = os.stat(f"{root}/{long}")
    assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o4711, 12, 34)
    assert int(status.st_mtime) == 1_600_000_000
    assert b"bytes\xff" in os.listdir(os.fsencode(root))


@pytest.mark.needs("command:tar")
@pytest.mark.parametrize("dialect", [["--format=gnu"], ["--format=pax", "--sparse-version=0.0"],
                                     ["--format=pax", "--sparse-version=0.1"],
                                     ["--format=pax", "--sparse-version=1.0"]])  # fmt: skip
def test_sparse_files_of_gnu_tar(bench: Bench, tmp_path: Path, dialect: list[str]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with open(source / "sparse", "wb") as file:
        for n in range(40):
            file.seek(n * 1_000_000)
            file.write(b"data %d" % n)
        file.truncate(50_000_000)
    packed = subprocess.run(
        ["tar", "-C", str(source), "-cS", *dialect, "."], capture_output=True, check=True
    ).stdout
    assert len(packed) < 2_000_000
    _, root = bench.container(bench.store.import_tar(io.BytesIO(packed), None))
    assert snapshot(root)[b"sparse"] == snapshot(str(source))[b"sparse"]
    assert os.stat(f"{root}/sparse").st_blocks * 512 < 2_000_000


class Pipe(io.RawIOBase):
    """Gives a few bytes at a time, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self.data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self.data.read(min(size, 7))


def test_compressions_give_the_same_layer(bench: Bench) -> None:
    zstandard = pytest.importorskip("zstandard")
    plain = archive(entry("a", b"x" * 100_000), entry("z", bytes(1_000_000)))
    frames = zstandard.compress(plain[:5000]) + zstandard.compress(plain[5000:])
    members = gzip.compress(plain[:5000]) + gzip.compress(plain[5000:])
    images = [
        bench.store.import_tar(Pipe(data), None)
        for data in (plain, gzip.compress(plain), members, zstandard.compress(plain), frames)
    ]
    assert len({tuple(image.diff_ids) for image in images}) == 1
    for image in images:
        bench.driver.remove_layer(image.chain[0])
        bench.store.ensure_unpacked(image)


def test_a_full_disk_leaves_nothing(tmp_path: Path, bench: Bench) -> None:
    small = str(tmp_path / "small")
    os.mkdir(small)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", small], check=True)
    full = Bench(small, "vfs")
    good = full.store.import_tar(io.BytesIO(archive(entry("a", b"a"))), "good")
    random = os.urandom(4 << 20)
    for attempt in (archive(entry("big", random)), gzip.compress(archive(entry("big", random)))):
        with pytest.raises(MinicontainerError, match="no space left on device"):
            full.store.import_tar(io.BytesIO(attempt), "big")
    holder, root = full.container(good)
    with open(f"{root}/big", "wb") as file:
        file.write(random)
    with pytest.raises(MinicontainerError, match="no space left on device") as refused:
        full.commit(holder, good, "big")
    assert "\n" not in str(refused.value)
    assert full.leftovers() == []
    assert [image.references for image in full.store.images()] == [["good:latest"]]
    assert len(os.listdir(full.store.layout.blobs)) == 3
