"""The index: naming and unnaming, and what is written into the folder."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.errors import CorruptData
from minicontainer.image.layout import ImageLayout, name_of, tag, untag
from minicontainer.oci import image as oci

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

MANIFESTS = [oci.Descriptor(oci.MEDIA_MANIFEST, f"sha256:{n:064}", 1) for n in range(3)]
NAMES = ["a:1", "a:2", "b:1", None]


@given(st.lists(st.tuples(st.sampled_from(MANIFESTS), st.sampled_from(NAMES)), max_size=12))
def test_a_name_has_one_manifest_and_no_manifest_is_lost(
    steps: list[tuple[oci.Descriptor, str | None]],
) -> None:
    entries: list[oci.Descriptor] = []
    newest = {}
    for manifest, name in steps:
        entries = tag(entries, manifest, name)
        if name is not None:
            newest[name] = manifest.digest
    pairs = [(entry.digest, name_of(entry)) for entry in entries]
    assert {name: digest for digest, name in pairs if name} == newest
    assert {digest for digest, _ in pairs} == {manifest.digest for manifest, _ in steps}
    assert len(pairs) == len(set(pairs))
    for digest in {digest for digest, _ in pairs}:
        names = [name for found, name in pairs if found == digest]
        assert None not in names or names == [None]


def test_untagging_all_leaves_one_entry() -> None:
    entries = tag(tag([], MANIFESTS[0], "a:1"), MANIFESTS[0], "a:2")
    assert [name_of(entry) for entry in untag(entries, ["a:1", "a:2"])] == [None]


def test_what_is_on_disk(tmp_path: Path) -> None:
    layout = ImageLayout(str(tmp_path / "images"))
    assert layout.read_index() == []
    with layout.lock():
        entry = layout.store(oci.Manifest(2, MANIFESTS[0], []), oci.MEDIA_MANIFEST)
        layout.write_index(tag([], entry, "a:1"))
    assert json.loads((tmp_path / "images/oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads((tmp_path / "images/index.json").read_text())
    assert index["schemaVersion"] == 2
    assert index["manifests"][0]["annotations"] == {"org.opencontainers.image.ref.name": "a:1"}
    assert layout.document(entry.digest, oci.Manifest).config == MANIFESTS[0]


@pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../etc/passwd", "md5:00", "sha256:" + "A" * 64])
def test_a_digest_is_no_path(tmp_path: Path, digest: str) -> None:
    with pytest.raises(CorruptData, match="is not a sha256 digest"):
        ImageLayout(str(tmp_path)).blob_path(digest)


def test_chain_ids_of_the_specification() -> None:
    first, second = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    assert oci.chain_ids([]) == []
    assert oci.chain_ids([first, second]) == [first, oci.digest(f"{first} {second}".encode())]


def test_null_is_empty_in_a_config_of_go() -> None:
    data = b'{"architecture":"x","os":"linux","rootfs":{"type":"layers","diff_ids":null},"history":null,' \
           b'"config":{"Env":null,"Cmd":null,"ExposedPorts":null,"Labels":null,"Unknown":1}}'  # fmt: skip
    found = oci.load(data, oci.ImageConfig, "test")
    assert found.config is not None
    assert found.config.env is None
