"""The image store: names, removal, damage, several processes, other people's tools."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys

import pytest

from minicontainer.errors import Conflict, CorruptData, NotFound
from tests.kernel.storage.conftest import Bench, archive, entry, folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from minicontainer.image.model import Image


def small(bench: Bench, content: bytes, reference: str | None, **more: list[str]) -> Image:
    return bench.store.import_tar(io.BytesIO(archive(entry("file", content))), reference, **more)  # type: ignore[arg-type]


def blobs(bench: Bench) -> set[str]:
    return set(os.listdir(bench.store.layout.blobs))


def test_names_ids_and_prefixes(bench: Bench) -> None:
    one = small(bench, b"1", "one")
    two = small(bench, b"2", "example.org:5000/team/two:v1")
    find = bench.store.resolve
    assert find("one").id == find("one:latest").id == one.id
    assert find("example.org:5000/team/two:v1").id == two.id
    assert find(two.id).id == find(two.id[7:]).id == find(two.id[7:19]).id == two.id
    assert find(f"one@{one.manifest_digest}").id == one.id
    for unknown in ("one:v2", "two", f"two@{one.manifest_digest}", "sha256:" + "0" * 64, "0" * 64):
        with pytest.raises(NotFound, match="no such image"):
            find(unknown)
    assert [image.id for image in bench.store.images()] == [two.id, one.id]


def test_a_prefix_that_fits_several(bench: Bench) -> None:
    for n in range(17):
        small(bench, b"%d" % n, None)
    first = [image.id[7] for image in bench.store.images()]
    twice = next(digit for digit in first if first.count(digit) > 1)
    with pytest.raises(Conflict, match="several images"):
        bench.store.resolve(twice)


def test_a_name_moves_to_the_newer_image(bench: Bench) -> None:
    old = small(bench, b"1", "name")
    new = small(bench, b"2", "name")
    assert bench.store.resolve("name").id == new.id
    assert bench.store.resolve(old.id).references == []


def test_import_changes_config_and_tells_progress(bench: Bench) -> None:
    seen: list[int] = []
    data = archive(entry("file", b"x" * 3_000_000))
    image = bench.store.import_tar(
        io.BytesIO(data),
        "x",
        changes=['CMD ["/bin/sh"]', "ENV A=1"],
        message="from a test",
        progress=seen.append,
    )
    assert (image.config.cmd, image.config.env) == (["/bin/sh"], ["A=1"])
    assert seen[-1] == len(data)
    assert seen == sorted(seen)
    assert image.size == 3_000_000
    assert [(line.comment, line.size) for line in bench.store.history(image)] == [("from a test", 3_000_000)]


def test_commit_config_and_history(bench: Bench) -> None:
    base = small(bench, b"1", "base", changes=["ENV A=1", 'CMD ["sh"]'])
    holder, root = bench.container(base)
    with open(f"{root}/new", "wb") as file:
        file.write(b"12345")
    image = bench.store.commit(
        base, bench.driver.changes(holder, base.chain), reference="mine:v1", author="me", message="why",
        instructions=["ENV B=$A", "WORKDIR /srv", "WORKDIR app"], created_by="sh -c x",
    )  # fmt: skip
    assert image.config.env == ["A=1", "B=1"]
    assert image.config.working_dir == "/srv/app"
    assert image.config.cmd == ["sh"]
    newest = bench.store.history(image)[0]
    assert (newest.id, newest.created_by, newest.comment, newest.size) == (image.id, "sh -c x", "why", 5)
    assert image.chain[0] == base.chain[0]
    assert image.document.author == "me"


def test_rmi_untags_then_removes(bench: Bench) -> None:
    image = small(bench, b"1", "a:1")
    bench.store.tag("a:1", "a:2")
    assert bench.store.remove("a:1") == ["Untagged: a:1"]
    assert bench.store.remove("a:2") == [
        "Untagged: a:2",
        f"Deleted: {image.id}",
        f"Deleted: {image.chain[0]}",
    ]
    assert blobs(bench) == set()
    assert bench.driver.layers() == []
    with pytest.raises(NotFound):
        bench.store.remove("a:2")


def test_rmi_keeps_what_others_need(bench: Bench) -> None:
    base = small(bench, b"1", "base")
    holder, root = bench.container(base)
    os.unlink(f"{root}/file")
    child = bench.commit(holder, base, "child")
    bench.store.ensure_unpacked(child)
    assert bench.store.remove("base") == ["Untagged: base:latest", f"Deleted: {base.id}"]
    for chain_id in child.chain:
        bench.driver.remove_layer(chain_id)
    bench.store.ensure_unpacked(bench.store.resolve("child"))


def test_rmi_of_an_image_in_use(bench: Bench) -> None:
    image = small(bench, b"1", "used")
    container = "c" * 64
    with pytest.raises(
        Conflict, match=r'repository reference "used" \(must force\) - container cccccccccccc'
    ):
        bench.store.remove("used", in_use=lambda _: [container])
    with pytest.raises(Conflict, match="must be forced"):
        bench.store.remove(image.id, in_use=lambda _: [container])
    assert bench.store.remove("used", force=True, in_use=lambda _: [container]) == ["Untagged: used:latest"]
    assert bench.store.resolve(image.id).references == []
    assert bench.driver.has_layer(image.chain[0])


def test_rmi_by_id_with_names_of_several_repositories(bench: Bench) -> None:
    image = small(bench, b"1", "a")
    bench.store.tag("a", "b")
    with pytest.raises(Conflict, match="multiple repositories"):
        bench.store.remove(image.id[7:19])
    assert bench.store.remove(image.id, force=True)[:3] == [
        "Untagged: a:latest", "Untagged: b:latest", f"Deleted: {image.id}"
    ]  # fmt: skip


def test_image_removed_while_it_is_unpacked_leaves_no_layer(bench: Bench) -> None:
    """Its blob was open before it was removed: so here it is brought back."""
    image = bench.image(archive(entry("a", b"a")))
    blob = bench.store.layout.blob_path(image.manifest.layers[0].digest)
    os.link(blob, f"{bench.root}/open")
    bench.store.remove(image.id)
    os.link(f"{bench.root}/open", blob)
    with pytest.raises(NotFound, match="was removed meanwhile"):
        bench.store.ensure_unpacked(image)
    assert not bench.driver.has_layer(image.chain[0])
    assert not os.path.exists(blob)


def test_damage_is_noticed(bench: Bench) -> None:
    image = small(bench, b"content", "x")
    bench.driver.remove_layer(image.chain[0])
    path = bench.store.layout.blob_path(image.manifest.layers[0].digest)
    with open(path, "r+b") as file:
        file.seek(512)
        file.write(b"CONTENT")
    with pytest.raises(CorruptData, match="is damaged"):
        bench.store.ensure_unpacked(image)
    assert bench.driver.layers() == []
    os.unlink(path)
    with pytest.raises(CorruptData, match="is missing"):
        bench.store.ensure_unpacked(image)
    assert bench.leftovers() == []


@pytest.mark.parametrize("which", ["manifest", "config"])
@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff\xfe", None])
def test_damaged_documents(bench: Bench, which: str, damage: bytes | None) -> None:
    image = small(bench, b"content", "x")
    path = bench.store.layout.blob_path(image.manifest_digest if which == "manifest" else image.id)
    if damage is None:
        os.unlink(path)
    else:
        with open(path, "wb") as file:
            file.write(damage)
    with pytest.raises(CorruptData, match=r"sha256:[0-9a-f]{64} is (damaged|missing)") as refused:
        bench.store.resolve("x")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("index", [b"", b"[]", b'{"schemaVersion": 2, "manifests": [{}]}', b"\x00\xff"])
def test_a_damaged_index(bench: Bench, index: bytes) -> None:
    small(bench, b"content", "x")
    path = os.path.join(bench.store.layout.path, "index.json")
    with open(path, "wb") as file:
        file.write(index)
    with pytest.raises(CorruptData, match=r"index\.json"):
        bench.store.images()


@pytest.mark.needs("command:skopeo")
def test_skopeo_reads_the_store(bench: Bench) -> None:
    base = small(bench, b"1", "busybox", changes=["ENV A=1"])
    holder, root = bench.container(base)
    os.mkdir(f"{root}/more")
    image = bench.commit(holder, base, "mine:v2")
    for name, expected in (("busybox:latest", base), ("mine:v2", image)):
        shown = subprocess.run(
            ["skopeo", "inspect", f"oci:{bench.store.layout.path}:{name}"],
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(shown.stdout)
        assert found["Layers"] == [layer.digest for layer in expected.manifest.layers]
        assert found["Digest"] == expected.manifest_digest
        assert found["Env"] == ["A=1"]


@pytest.mark.needs("command:skopeo")
def test_what_skopeo_writes_is_an_image(bench: Bench, tmp_path: Path) -> None:
    small(bench, b"1", "one")
    other = f"docker-archive:{tmp_path}/saved.tar:two:v2"
    subprocess.run(["skopeo", "copy", "-q", f"oci:{bench.store.layout.path}:one:latest", other], check=True)
    back = f"oci:{bench.store.layout.path}:two:v2"
    subprocess.run(["skopeo", "copy", "-q", other, back], check=True)
    _, root = bench.container(bench.store.resolve("two:v2"))
    assert os.listdir(root) == ["file"]


@pytest.mark.needs("command:umoci")
def test_umoci_unpacks_the_store(bench: Bench, tmp_path: Path) -> None:
    base = bench.store.import_tar(
        io.BytesIO(archive(folder("d/"), entry("d/a", b"a"), entry("d/b", b"b"))), "base"
    )
    holder, root = bench.container(base)
    os.unlink(f"{root}/d/a")
    with open(f"{root}/" + "long" * 50, "wb") as file:
        file.truncate(1_000_000)
    bench.commit(holder, base, "child")
    target = str(tmp_path / "bundle")
    subprocess.run(
        ["umoci", "unpack", "--image", f"{bench.store.layout.path}:child:latest", target],
        capture_output=True, check=True,
    )  # fmt: skip
    assert sorted(os.listdir(f"{target}/rootfs")) == ["d", "long" * 50]
    assert os.listdir(f"{target}/rootfs/d") == ["b"]


WORKER = """
import io, sys
from minicontainer import storage
from minicontainer.errors import NotFound, Conflict
from minicontainer.image.store import ImageStore
from tests.kernel.storage.conftest import archive, entry
root, name, me = sys.argv[1:]
store = ImageStore(root, storage.driver(root, name))
for n in range(12):
    data = archive(entry("shared", b"the same in all"), entry("own", f"{n % 3}".encode()))
    image = store.import_tar(io.BytesIO(data), f"race:{n % 4}")
    try:
        store.ensure_unpacked(store.resolve(f"race:{(n + 1) % 4}"))
        store.remove(f"race:{(n + 2) % 4}")
    except (NotFound, Conflict):
        pass
    store.sweep()
"""


def test_processes_at_once(bench: Bench) -> None:
    runs = [
        subprocess.Popen([sys.executable, "-c", WORKER, bench.root, bench.driver.name, str(n)])
        for n in range(3)
    ]
    assert [run.wait() for run in runs] == [0, 0, 0]
    images = bench.store.images()
    assert images
    for image in images:
        bench.store.ensure_unpacked(image)
    assert bench.leftovers() == []


UNPACKER = """
import sys
from minicontainer import storage
from minicontainer.image.store import ImageStore
store = ImageStore(sys.argv[1], storage.driver(*sys.argv[1:3]))
store.ensure_unpacked(store.resolve("x"))
"""


def test_one_layer_unpacked_by_several(bench: Bench) -> None:
    image = bench.store.import_tar(io.BytesIO(archive(*(entry(f"f{n}", b"x") for n in range(500)))), "x")
    bench.driver.remove_layer(image.chain[0])
    command = [sys.executable, "-c", UNPACKER, bench.root, bench.driver.name]
    runs = [subprocess.Popen(command) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert len(os.listdir(bench.driver.layer_path(image.chain[0]))) == 500  # type: ignore[attr-defined]
    assert bench.leftovers() == []


STUCK = """
import sys
from minicontainer import storage
from minicontainer.image.store import ImageStore
store = ImageStore(sys.argv[1], storage.driver(*sys.argv[1:3]))
store.import_tar(sys.stdin.buffer, "killed", progress=lambda done: print(done, flush=True))
"""


def test_a_killed_import_is_swept_and_a_living_one_is_not(bench: Bench) -> None:
    data = archive(entry("a", b"x" * 100), entry("b", b"y" * 4_000_000))
    with subprocess.Popen(
        [sys.executable, "-c", STUCK, bench.root, bench.driver.name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        run.stdin.write(data[: 2 << 20])
        run.stdin.flush()
        run.stdout.readline()
        while len(bench.leftovers()) < 2:
            pass
        assert bench.store.sweep() == []
        run.send_signal(signal.SIGKILL)
        run.wait()
    assert len(bench.store.sweep()) == 2
    assert bench.leftovers() == []
    assert bench.store.images() == []
