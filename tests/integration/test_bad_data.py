"""Damaged archives, images and records; no root; a full disk: each refused as refusals.py says."""

from __future__ import annotations

import io
import json
import os
import tarfile

import pytest

from tests.integration.refusals import refused, tree
from tests.integration.runner import Runner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAIN = ("run", "--network", "none")


def archive(**attributes: object) -> bytes:
    """A tar with one good file and one member with these attributes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        good = tarfile.TarInfo("good")
        good.size = 4
        tar.addfile(good, io.BytesIO(b"good"))
        bad = tarfile.TarInfo("bad")
        for name, value in attributes.items():
            setattr(bad, name, value)
        tar.addfile(bad)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the archive is empty"),
        (b"nonsense" * 1000, "not a tar archive"),
        (archive()[:514], ""),
        (archive(type=tarfile.LNKTYPE, linkname="no/such"), "no/such"),
        (b"\x1f\x8b" + b"not gzip" * 100, ""),
        (b"\x28\xb5\x2f\xfd" + b"not zstd" * 100, ""),
    ],
    ids=["empty", "nonsense", "cut short", "link to nowhere", "not gzip", "not zstd"],
)
def test_archives(mc: Runner, data: bytes, said: str) -> None:
    refused(mc, "import", "-", "bad", code=1, said=said, input=data)


@pytest.mark.parametrize("name", ["../outside", "/outside", "a/../../outside"])
def test_archive_that_would_write_outside(mc: Runner, tmp_path: Path, name: str) -> None:
    before = tree(mc.root)
    result = mc("import", "-", "outside", input=archive(name=name))
    assert not os.path.exists("/outside")
    if result.code:
        assert (result.code, result.err.count("\n")) == (1, 1)
        assert tree(mc.root) == before


class Spoiled:
    """A state folder of its own, with one image, that a test damages."""

    def __init__(self, mc: Runner, folder: Path, tar: Path) -> None:
        self.mc = Runner(
            mc.host, str(folder / "root"), str(folder / "run"), mc.environment["PYTHONPYCACHEPREFIX"]
        )
        self.mc.ok("import", str(tar), "busybox")
        self.index = f"{self.mc.root}/images/index.json"
        with open(self.index) as file:
            self.manifest = json.load(file)["manifests"][0]["digest"]
        with open(self.blob(self.manifest)) as file:
            document = json.load(file)
        self.config, self.layer = document["config"]["digest"], document["layers"][0]["digest"]

    def blob(self, digest: str) -> str:
        """A blob's path."""
        return f"{self.mc.root}/images/blobs/{digest.replace(':', '/')}"

    def write(self, path: str, data: bytes) -> None:
        """Damage a file."""
        os.chmod(path, 0o600)
        with open(path, "wb") as file:
            file.write(data)


@pytest.fixture
def spoiled(mc: Runner, tmp_path: Path, busybox_tar: Path) -> Spoiled:
    """See Spoiled."""
    return Spoiled(mc, tmp_path, busybox_tar)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda s: s.write(s.blob(s.manifest), b"{}"), ""),
        (lambda s: s.write(s.blob(s.manifest), b"\xff not json"), ""),
        (lambda s: s.write(s.blob(s.config), b"{"), ""),
        (lambda s: s.write(s.blob(s.config), b'{"rootfs": 5}'), ""),
        (lambda s: os.unlink(s.blob(s.manifest)), ""),
        (lambda s: os.unlink(s.blob(s.config)), ""),
        (lambda s: s.write(s.index, b"not json"), "index.json"),
        (lambda s: s.write(s.index, b"[]"), "index.json"),
    ],
    ids=["manifest", "manifest is no JSON", "config cut", "config of another shape", "no manifest",
         "no config", "index is no JSON", "index of another shape"],
)  # fmt: skip
def test_damaged_documents(spoiled: Spoiled, damage: Callable[[Spoiled], None], said: str) -> None:
    damage(spoiled)
    refused(spoiled.mc, *PLAIN, "busybox", "true", code=125, said=said)
    result = spoiled.mc("images")
    assert "Traceback" not in result.err
    assert result.err.count("\n") <= 1


def test_damaged_layer(spoiled: Spoiled) -> None:
    """The layer's blob is read again only when its unpacked form is gone."""
    import shutil

    shutil.rmtree(f"{spoiled.mc.root}/layers")
    path = spoiled.blob(spoiled.layer)
    with open(path, "rb") as file:
        data = bytearray(file.read())
    data[len(data) // 2] ^= 0xFF
    spoiled.write(path, bytes(data))
    result = spoiled.mc(*PLAIN, "busybox", "true")
    assert (result.code, result.err.count("\n")) == (125, 1), result
    assert not [name for name in os.listdir(f"{spoiled.mc.root}/containers") if name != ".names"]


def test_damaged_container(mc: Runner) -> None:
    mc.ok("run", "--name", "hurt", "--network", "none", "busybox", "true")
    folder = f"{mc.root}/containers/{mc.state('hurt', '{{.Id}}')}"
    os.rename(f"{folder}/status.json", f"{folder}/status.kept")
    with open(f"{folder}/status.json", "w") as file:
        file.write("{not json")
    result = mc("inspect", "hurt")
    assert (result.code, result.err.count("\n")) == (1, 1), result
    assert "status.json" in result.err
    os.replace(f"{folder}/status.kept", f"{folder}/status.json")


# -- the host's fault


def test_no_root(mc: Runner, tmp_path: Path) -> None:
    """An ordinary user is told so in one line."""
    os.chmod(tmp_path, 0o755)
    as_nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    running = mc.start(*PLAIN, "busybox", "true", wrapper=as_nobody)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out, err.count(b"\n")) == (125, b"", 1), err
    assert b"minicontainer: " in err


@pytest.mark.parametrize("verb", ["commit", "import"])
def test_full_disk(mc: Runner, tmp_path: Path, busybox_tar: Path, verb: str) -> None:
    """On a file system of its own that is too small: refused in one line, and nothing stays."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mc.host.sh(f"mount -t tmpfs -o size=12m none {folder}")
    small = Runner(mc.host, str(folder / "root"), str(folder / "run"), mc.environment["PYTHONPYCACHEPREFIX"])
    try:
        small.ok("import", str(busybox_tar), "busybox")
        paths = "cd " + str(folder) + "; find . | sort"
        if verb == "commit":
            # /dev/urandom: what cannot be compressed, should it be.
            small.ok(
                "run",
                "--name",
                "big",
                "--network",
                "none",
                "busybox",
                "dd",
                "if=/dev/urandom",
                "of=/big",
                "bs=1M",
                "count=5",
            )
            before = mc.host.sh(paths)
            result = small("commit", "big", "too-big")
        else:
            before = mc.host.sh(paths)
            big = io.BytesIO()
            with tarfile.open(fileobj=big, mode="w") as tar:
                member = tarfile.TarInfo("big")
                member.size = 20 << 20
                tar.addfile(member, io.BytesIO(os.urandom(1 << 20) * 20))
            result = small("import", "-", "too-big", input=big.getvalue())
        assert (result.code, result.out, result.err.count("\n")) == (1, "", 1), result
        assert "no space left on device" in result.err.lower()
        assert mc.host.sh(paths) == before
        assert small.ok("images", "--format", "{{.Repository}}") == "busybox"
    finally:
        mc.host.sh(f"umount -l {folder}")
