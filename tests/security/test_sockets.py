"""Sockets of the runtime that a container may reach.

==============================  ================================================================
CVE-2020-15257                  containerd-shim: an abstract socket, there for every container
                                with the host's network namespace
CVE-2020-13401                  Docker: router advertisements from a container
                                (tests/security/command/test_images.py)
==============================  ================================================================
"""

from __future__ import annotations

import _socket

import pytest

from minicontainer.util import sockets
from tests.security.attacks import LAST, at, attempt, noted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers


def start_another_s(containers: Containers, bundle: Bundle, tmp_path: Path) -> str:
    """A container with the host's network looks for another one that waits, and starts it."""
    from tests.bundles import Bundle as Made

    bundle.program("/bin/sleep", "1000")
    victim = containers.create(bundle)
    attacker = Made(str(tmp_path / "attacker"), bundle.rootfs)
    attacker.without_namespace("network")
    path = f"{victim.folder}/start.sock"

    def connect() -> str:
        for address in (path, "\0" + path):
            with sockets.Socket(_socket.AF_UNIX, sockets.SOCK_SEQPACKET) as caller:
                try:
                    caller.connect(address)
                except (FileNotFoundError, ConnectionRefusedError):
                    continue
                caller.send(b'{"type":"start"}')
                return "started"
        return "nobody there"

    with at(LAST, lambda: attempt(connect)):
        containers.run(attacker, "true")
    return noted(attacker.rootfs)


def test_cve_2020_15257_no_socket_is_in_the_network_namespace(
    containers: Containers, bundle: Bundle, tmp_path: Path
) -> None:
    assert start_another_s(containers, bundle, tmp_path) == "nobody there"


def test_cve_2020_15257_with_an_abstract_name(
    containers: Containers, bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_path = sockets.listen

    def listen(folder: str, name: str, kind: int) -> sockets.Socket:
        abstract = sockets.Socket(_socket.AF_UNIX, kind)
        abstract.bind(f"\0{folder}/{name}")
        abstract.listen(1)
        opened.append(abstract)
        return by_path(folder, name, kind)

    opened: list[sockets.Socket] = []
    monkeypatch.setattr(sockets, "listen", listen)
    assert start_another_s(containers, bundle, tmp_path) == "started"
    for abstract in opened:
        abstract.close()


def test_cve_2020_15257_nothing_of_ours_is_abstract(containers: Containers, bundle: Bundle) -> None:
    before = abstract()
    containers.sleeping(bundle)
    assert not [name for name in abstract() - before if "minicontainer" in name or containers.prefix in name]


def abstract() -> set[str]:
    """The abstract names of this network namespace (proc(5), net/unix)."""
    with open("/proc/net/unix") as table:
        return {line.split()[-1] for line in table if "@" in line}
