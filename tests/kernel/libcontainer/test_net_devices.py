"""linux.netDevices: interfaces of a host of the test's own become a container's."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from minicontainer.errors import CommandNotFound
from minicontainer.linux import namespaces
from tests.kernel.linux.child import in_child, own_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers

VETH = ("type", "veth", "peer", "name", "peer0")
pytestmark = pytest.mark.needs("network namespace", "command:ip")


def ip(*words: str) -> str:
    ran = subprocess.run(["ip", *words], capture_output=True, text=True, check=True)
    return ran.stdout


def on_a_host(work: Callable[[], Any]) -> Any:
    """``work`` in a network namespace with an interface that has addresses of several kinds."""

    def body() -> Any:
        own_mounts()
        namespaces.unshare(namespaces.FLAGS["network"])
        try:
            ip("link", "add", "dum0", "address", "02:00:00:00:00:07", "mtu", "1400", *VETH)
        except subprocess.CalledProcessError as error:
            return f"skip: no pair of interfaces: {error.stderr.strip()}"
        ip("link", "set", "dum0", "up")
        ip("address", "add", "192.0.2.7/24", "broadcast", "+", "dev", "dum0")
        ip("address", "add", "2001:db8::7/64", "dev", "dum0", "nodad")
        ip("address", "add", "169.254.3.4/16", "scope", "link", "dev", "dum0")
        ip("address", "add", "198.51.100.1/24", "valid_lft", "500", "preferred_lft", "400", "dev", "dum0")
        return work()

    found = in_child(body)
    if isinstance(found, str) and found.startswith("skip: "):
        pytest.skip(found[6:])
    return found


def shown(pid: int, name: str) -> dict[str, Any]:
    """What ip(8) says of an interface of a process."""
    program = shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or "ip"
    text = subprocess.run(
        ["nsenter", f"--net=/proc/{pid}/ns/net", program, "-json", "address", "show", name],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    found: dict[str, Any] = json.loads(text)[0]
    return found


def global_addresses(link: dict[str, Any]) -> list[str]:
    return [f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"] if a["scope"] == "global"]


@pytest.mark.parametrize("new_name", [None, "inside0"])
def test_an_interface_moves_with_its_addresses(
    containers: Containers, bundle: Bundle, new_name: str | None
) -> None:
    bundle.change({"linux.netDevices": {"dum0": {"name": new_name} if new_name else {}}})

    def work() -> tuple[dict[str, Any], str]:
        container = containers.sleeping(bundle)
        found = shown(container.record.pid, new_name or "dum0"), ip("-brief", "link")
        containers.delete_all()
        return found

    link, left = on_a_host(work)
    assert "dum0" not in left
    assert link["address"] == "02:00:00:00:00:07"
    assert link["mtu"] == 1400
    assert "UP" in link["flags"]
    assert global_addresses(link) == ["192.0.2.7/24", "2001:db8::7/64"], "the permanent global ones alone"
    assert next(a for a in link["addr_info"] if a["family"] == "inet")["broadcast"] == "192.0.2.255"


@pytest.mark.needs("user namespace")
def test_into_a_network_namespace_that_exists(containers: Containers, bundle: Bundle) -> None:
    def work() -> list[str]:
        other = containers.sleeping(bundle)
        bundle.namespace("network", f"/proc/{other.record.pid}/ns/net")
        bundle.change({"linux.netDevices": {"dum0": {}}})
        containers.sleeping(bundle)
        found = global_addresses(shown(other.record.pid, "dum0"))
        containers.delete_all()
        return found

    assert on_a_host(work) == ["192.0.2.7/24", "2001:db8::7/64"]


def refused(containers: Containers, bundle: Bundle) -> tuple[str, str, str]:
    """On a host with dum0: the error of create, its field, and the host's interfaces afterwards."""

    def work() -> tuple[str, str, str]:
        try:
            containers.create(bundle)
        except OSError as error:
            return str(error), error.context, ip("-brief", "link")  # type: ignore[attr-defined]
        return "", "", ""

    found: tuple[str, str, str] = on_a_host(work)
    return found


def test_an_interface_that_is_missing(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"linux.netDevices": {"dum0": {}, "none0": {}}})
    error, context, left = refused(containers, bundle)
    assert "No such device: 'none0'" in error
    assert context == "linux.netDevices.none0"
    assert "dum0" in left, "nothing moved"


def test_a_name_that_is_taken(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"linux.netDevices": {"dum0": {"name": "lo"}}})
    error, context, left = refused(containers, bundle)
    assert "File exists: 'lo'" in error
    assert context == "linux.netDevices.dum0"
    assert "dum0" in left


@pytest.mark.parametrize("broken", ["process.args", "linux.sysctl"])
def test_a_container_that_fails_gives_it_back(containers: Containers, bundle: Bundle, broken: str) -> None:
    wrong = {"process.args": ["/no/such"], "linux.sysctl": {"net.no.such": "1"}}
    bundle.change({"linux.netDevices": {"dum0": {"name": "other"}}, broken: wrong[broken]})

    def work() -> dict[str, Any]:
        with pytest.raises((CommandNotFound, OSError)):
            containers.create(bundle)
        return shown(os.getpid(), "dum0")

    link = on_a_host(work)
    assert global_addresses(link) == ["192.0.2.7/24", "2001:db8::7/64"]
    assert "UP" in link["flags"]
