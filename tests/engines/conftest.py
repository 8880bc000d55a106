"""The engines of this tier, each started once, with containers made from the busybox recipe.

docker, podman, ctr     the clients, one per test: what a test made is removed after it
runtime                 minicontainer and the references: a case that these pass is a true case
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile

import pytest

from tests.engines import engine
from tests.engines.containerd import Containerd
from tests.engines.docker import Docker
from tests.engines.podman import Podman

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TypeVar

    Served = TypeVar("Served", Docker, Containerd)


@pytest.fixture(scope="session")
def archive(busybox_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """``docker save``'s archive of an image busybox:latest, which all three engines load."""
    layer = busybox_tar.read_bytes()
    path = tmp_path_factory.mktemp("image") / "busybox.tar"
    config = json.dumps(
        {
            "architecture": "amd64" if os.uname().machine == "x86_64" else os.uname().machine,
            "os": "linux",
            "config": {"Cmd": ["sh"], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
            "history": [{"created_by": "rootfs/busybox/build"}],
        }
    ).encode()
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = json.dumps([{"Config": name, "RepoTags": ["busybox:latest"], "Layers": ["layer.tar"]}])
    with tarfile.open(path, "w") as tar:
        for member, data in ((name, config), ("layer.tar", layer), ("manifest.json", manifest.encode())):
            info = tarfile.TarInfo(member)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return str(path)


@pytest.fixture
def runtime(request: pytest.FixtureRequest) -> str:
    """The name of the runtime: by default ours, or those that a case is parametrized with."""
    name = str(getattr(request, "param", "minicontainer"))
    if not engine.runtime_path(name):
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture(scope="session")
def dockerd(archive: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """A dockerd whose default runtime is minicontainer-runtime."""
    made = Docker(str(tmp_path_factory.mktemp("docker")))
    yield from _served(made, archive)


@pytest.fixture(scope="session")
def containerd(archive: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    """A containerd."""
    made = Containerd(str(tmp_path_factory.mktemp("containerd")))
    yield from _served(made, archive)


def _served(made: Served, archive: str) -> Iterator[Served]:
    refused = made.start()
    if refused:
        made.stop()
        pytest.skip(refused)
    try:
        made.load(archive)
        yield made
    finally:
        left = made.stop()
    assert not left, f"processes that the daemon left: {left}"


@pytest.fixture
def docker(dockerd: Docker, runtime: str) -> Iterator[Docker]:
    """The client, whose ``run`` and ``create`` take this test's runtime."""
    dockerd.runtime = runtime
    yield dockerd
    dockerd.clear()


@pytest.fixture
def ctr(containerd: Containerd, runtime: str) -> Iterator[Containerd]:
    """The client."""
    containerd.runtime = runtime
    yield containerd
    containerd.clear()


@pytest.fixture(scope="session")
def podmans(archive: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """podman with storage of its own."""
    made = Podman(str(tmp_path_factory.mktemp("podman")))
    made.load(archive)
    yield made
    made.stop()


@pytest.fixture
def podman(podmans: Podman, runtime: str) -> Iterator[Podman]:
    """The client."""
    podmans.use(runtime)
    if runtime != "minicontainer" and (refusal := podmans.refusal(runtime)):
        pytest.skip(f"{runtime} does not run here at all: {refusal}")
    yield podmans
    podmans.clear()
