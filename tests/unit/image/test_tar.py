"""The tar reader and writer, each against Python's tarfile, and the reader against noise."""

from __future__ import annotations

import io
import os
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.errors import MinicontainerError
from minicontainer.image.blobs import BlobWriter
from minicontainer.image.source import FileSource, StreamSource
from minicontainer.image.tarread import TarReader
from minicontainer.image.tarwrite import write_layer
from minicontainer.oci.image import digest
from minicontainer.storage.changes import find_changes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from minicontainer.image.tarread import Member


def members(data: bytes) -> list[Member]:
    return list(TarReader(StreamSource(iter([data]))))


def packed(form: int, **fields: object) -> bytes:
    info = tarfile.TarInfo("x")
    for key, value in fields.items():
        setattr(info, key, value)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as tar:
        tar.addfile(info, io.BytesIO(bytes(info.size)))
    return out.getvalue()


NAMES = st.binary(min_size=1, max_size=300).filter(
    lambda name: not set(name) & set(b"\0\n") and name[-1:] != b"/"
)


@given(
    NAMES, st.integers(0, 0o7777), st.integers(0, 2**32 - 2), st.integers(0, 2**34), st.integers(0, 3000),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)  # fmt: skip
def test_reads_what_tarfile_writes(
    name: bytes, mode: int, uid: int, mtime: int, size: int, form: int
) -> None:
    data = packed(form, name=os.fsdecode(name), mode=mode, uid=uid, gid=uid, mtime=mtime, size=size)
    (found,) = members(data)
    assert (found.name, found.mode, found.uid, found.gid) == (name, mode, uid, uid)
    assert (found.mtime, found.size) == (mtime * 10**9, size)


def test_times_are_exact() -> None:
    data = packed(tarfile.PAX_FORMAT, pax_headers={"mtime": "1234567890.123456789"})
    assert members(data)[0].mtime == 1_234_567_890_123_456_789
    data = packed(tarfile.PAX_FORMAT, pax_headers={"mtime": "-1.5"})
    assert members(data)[0].mtime == -1_500_000_000


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=8), st.integers(0, 6000))
def test_damage_is_refused_or_read(changes: list[tuple[int, int]], cut: int) -> None:
    headers = {
        "path": "long/" * 60,
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.realsize": "9",
    }
    data = bytearray(
        packed(tarfile.PAX_FORMAT, size=600, pax_headers=headers)
        + packed(tarfile.GNU_FORMAT, name="n" * 200, size=9)
    )
    for position, value in changes:
        data[position % len(data)] = value
    refusal = ""
    try:
        members(bytes(data[:cut]))
    except MinicontainerError as error:
        refusal = str(error)
    assert "\n" not in refusal


def layer(tmp_path: Path, upper: Path) -> bytes:
    folder = str(tmp_path / "blobs")
    with BlobWriter(folder) as blob:
        write_layer(find_changes(os.fsencode(upper), [], overlay=False), blob)
        found = blob.finish()
        blob.install()
    with open(os.path.join(folder, found[7:]), "rb") as file:
        data = file.read()
    assert digest(data) == found
    assert os.listdir(folder) == [found[7:]]
    return data


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 65_536, 65_537, 5_000_000])
def test_tarfile_reads_what_is_written(tmp_path: Path, size: int) -> None:
    upper = tmp_path / "upper"
    (upper / "folder").mkdir(parents=True)
    content = os.urandom(size)
    (upper / "folder" / ("n" * 200)).write_bytes(content)
    (upper / "link").symlink_to("t" * 150)
    os.link(upper / "folder" / ("n" * 200), upper / "second")
    os.utime(upper / "folder", (1e9, 1e9))
    with tarfile.open(fileobj=io.BytesIO(layer(tmp_path, upper))) as tar:
        names = ["folder", "folder/" + "n" * 200, "link", "second"]
        assert tar.getnames() == names
        assert tar.getmember("folder").mtime == 10**9
        assert tar.getmember("link").linkname == "t" * 150
        assert tar.getmember("second").islnk()
        extracted = tar.extractfile(names[1])
        assert extracted is not None
        assert extracted.read() == content


def test_holes_are_zeros_for_others_and_holes_on_disk(tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    upper.mkdir()
    with open(upper / "sparse", "wb") as file:
        file.truncate(20_000_000)
        file.seek(9_000_000)
        file.write(b"middle")
    data = layer(tmp_path, upper)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        extracted = tar.extractfile("sparse")
        assert extracted is not None
        assert extracted.read() == (upper / "sparse").read_bytes()
    (blob,) = (tmp_path / "blobs").iterdir()
    assert blob.stat().st_blocks * 512 < 1_000_000
    with open(blob, "rb") as packed_file, open(tmp_path / "out", "wb") as out:
        reader = TarReader(FileSource(packed_file.fileno()))
        for member in reader:
            reader.copy(member, out.fileno())
    assert (tmp_path / "out").read_bytes() == (upper / "sparse").read_bytes()
    assert (tmp_path / "out").stat().st_blocks * 512 < 1_000_000


def test_a_blob_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    with BlobWriter(str(tmp_path)) as blob:
        blob.write(b"x" * 100_000)
        assert len(os.listdir(tmp_path)) == 1
    assert os.listdir(tmp_path) == []


def test_a_file_that_shrinks_is_filled_up(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 1000)
    with BlobWriter(str(tmp_path / "blobs")) as blob, open(source, "rb") as file:
        blob.copy(file.fileno(), 0, 5000)
        assert blob.finish() == digest(b"x" * 1000 + bytes(4000))
