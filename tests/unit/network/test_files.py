"""hostname, hosts and resolv.conf: what a container is told about its network."""

from __future__ import annotations

import pytest

from minicontainer import network
from minicontainer.errors import NotFound
from minicontainer.network import files
from minicontainer.network.record import Endpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT = Endpoint("eth0", "mc0123456789ab", "172.29.0.2", 16, "172.29.0.1", "02:42:ac:1d:00:02")


def names(text: str) -> dict[str, list[str]]:
    """Addresses by name, as a resolver reads /etc/hosts."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        address, *aliases = line.split()
        for alias in aliases:
            found.setdefault(alias, []).append(address)
    return found


def test_hostname_ends_with_a_newline() -> None:
    assert files.hostname("web") == "web\n"


def test_hosts_names_the_container_and_the_loopback() -> None:
    found = names(files.hosts("web", ENDPOINT))
    assert found["web"] == ["172.29.0.2"]
    assert found["localhost"] == ["127.0.0.1", "::1"]


def test_a_full_name_has_its_first_part_as_an_alias() -> None:
    assert files.hosts("web.example.org", ENDPOINT).endswith("172.29.0.2\tweb.example.org web\n")


def test_without_an_endpoint_only_the_loopback_has_names() -> None:
    assert "web" not in names(files.hosts("web", None))


@pytest.mark.parametrize(
    ("host", "container"),
    [
        ("nameserver 10.0.0.1\n", "nameserver 10.0.0.1\n"),
        ("nameserver 127.0.0.1\nnameserver 10.0.0.1\n", "nameserver 10.0.0.1\n"),
        ("nameserver 10.0.0.1\nnameserver ::1\nnameserver fd00::1", "nameserver 10.0.0.1\n"),
        ("# why\nsearch a b\nnameserver 127.0.0.53\noptions ndots:2\n", None),
        ("", None),
    ],
)
def test_nameservers_out_of_reach_are_dropped(host: str, container: str | None) -> None:
    if container is None:
        kept = "".join(f"{line}\n" for line in host.splitlines() if not line.startswith("nameserver"))
        container = f"{kept}nameserver 8.8.8.8\nnameserver 8.8.4.4\n"
    assert files.resolv_conf(host) == container


def test_behind_systemd_resolved_its_uplink_file_counts(tmp_path: Path) -> None:
    stub, uplink = tmp_path / "resolv.conf", tmp_path / "uplink"
    stub.write_text("nameserver 127.0.0.53\noptions edns0\n")
    assert files.host_resolv_conf(str(stub), str(uplink)) == stub.read_text()
    uplink.write_text("nameserver 10.0.0.1\n")
    assert files.host_resolv_conf(str(stub), str(uplink)) == "nameserver 10.0.0.1\n"
    stub.write_text("nameserver 10.9.9.9\n")
    assert files.host_resolv_conf(str(stub), str(uplink)) == "nameserver 10.9.9.9\n"


def test_a_host_without_resolv_conf_has_an_empty_one(tmp_path: Path) -> None:
    assert files.host_resolv_conf(str(tmp_path / "no"), str(tmp_path / "nor this")) == ""


def test_modes_are_dockers() -> None:
    assert [network.mode(name) for name in ("bridge", "host", "none", "default")] == [
        "bridge", "host", "none", "bridge",
    ]  # fmt: skip
    with pytest.raises(NotFound, match="network blue not found: it is one of bridge, host, none"):
        network.mode("blue")
