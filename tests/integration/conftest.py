"""Integration tests drive the command line, as root, on a host of their own (host.py).

mc       runs commands (runner.py); its roots hold one image, busybox
host     around every test: what is left when its containers and images are removed fails it
"""

from __future__ import annotations

import os

import pytest

from tests import needs
from tests.integration.host import Host, Ids
from tests.integration.runner import Runner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def own_host() -> Iterator[Host]:
    """The host that all integration tests share."""
    made = Host()
    yield made
    made.close()


@pytest.fixture(scope="session")
def installed(own_host: Host, busybox_tar: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """The command with its own roots, where busybox was imported."""
    folder = tmp_path_factory.mktemp("state")
    made = Runner(own_host, str(folder / "root"), str(folder / "run"), str(folder / "bytecode"))
    made.ok("import", "--change", 'CMD ["sh"]', str(busybox_tar), "busybox")
    # What the first container leaves for good (folders, the network's record) belongs to "before".
    made.ok("run", "--rm", *(["--network", "none"] if needs.lacks("nat") else []), "busybox", "true")
    return made


@pytest.fixture(scope="session")
def busybox_id(installed: Runner) -> str:
    """The image's id."""
    return installed.ok("images", "-q", "--no-trunc", "busybox")


@pytest.fixture(scope="session")
def container_ids(installed: Runner) -> Iterator[Ids]:
    """The ids of all containers of this run."""
    watch = Ids(f"{installed.run_root}/locks")
    yield watch
    watch.close()


@pytest.fixture
def mc(installed: Runner) -> Runner:
    """The command line."""
    return installed


@pytest.fixture(autouse=True)
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """Compare the host before and after."""
    mc: Runner = request.getfixturevalue("installed")
    ids: Ids = request.getfixturevalue("container_ids")
    before = mc.host.look(ids(), mc.root, mc.run_root)
    images = _index(mc)
    busybox = request.getfixturevalue("busybox_id")
    yield mc.host
    containers = [name for name in os.listdir(f"{mc.root}/containers") if not name.startswith(".")]
    if containers:
        mc.ok("rm", "-f", *containers)
    if _index(mc) != images:
        made = set(mc.ok("images", "-q", "--no-trunc").split()) - {busybox}
        if made:
            mc.ok("rmi", "-f", *made)
    left = mc.host.settled(before, ids(), mc.root, mc.run_root)
    if left:
        told = "\n".join(f"{kind}:\n  " + "\n  ".join(lines) for kind, lines in left.items())
        pytest.fail(f"the test left something on the host\n{told}", pytrace=False)


def _index(mc: Runner) -> bytes:
    with open(f"{mc.root}/images/index.json", "rb") as file:
        return file.read()
