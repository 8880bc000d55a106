"""bridge.json: read back as written, distrusted after a reboot, refused with its path when it lies."""

from __future__ import annotations

import json

import pytest

from minicontainer.errors import CorruptData
from minicontainer.network import record
from minicontainer.oci.document import to_builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def sample(home: str) -> record.Record:
    endpoint = record.Endpoint("eth0", "mc0123456789ab", "172.29.0.2", 16, "172.29.0.1", "02:42:ac:1d:00:02")
    return record.Record(
        home, "minicontainer0", 7, "172.29.0.0/16", "0", {"0123456789ab": endpoint}, ready=True
    )


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = str(tmp_path / "bridge.json")
    record.save(path, sample(record.home()))
    assert record.load(path) == sample(record.home())


def test_another_boot_has_no_record(tmp_path: Path) -> None:
    path = str(tmp_path / "bridge.json")
    record.save(path, sample("0b0e net:[4026531840]"))
    assert record.load(path) is None


@pytest.mark.parametrize("left", [None, b"", bytes(300)])
def test_no_file_or_one_that_lost_its_content_is_no_record(tmp_path: Path, left: bytes | None) -> None:
    path = tmp_path / "bridge.json"
    if left is not None:
        path.write_bytes(left)
    assert record.load(str(path)) is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [({"group": "7"}, "group: expected an integer, found"), ({"endpoints": []}, "endpoints")],
)
def test_a_damaged_record_is_named_with_its_field(
    tmp_path: Path, change: dict[str, object], complaint: str
) -> None:
    path = tmp_path / "bridge.json"
    whole = to_builtins(sample(record.home()))
    path.write_bytes(json.dumps(whole | change).encode())
    with pytest.raises(CorruptData, match=complaint) as caught:
        record.load(str(path))
    assert str(path) in str(caught.value)
