"""``run --network``: none, host, bridge; what is given back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

BRIDGE = pytest.mark.needs("nat")


def test_none_has_a_loopback_only(mc: Runner) -> None:
    shown = mc.ok(
        "run", "--rm", "--network", "none", "busybox", "sh", "-c", "ls /sys/class/net; ip -o -4 addr"
    )
    assert shown.splitlines()[0] == "lo"
    assert "127.0.0.1/8" in shown
    assert "eth0" not in shown


def test_none_can_talk_to_itself(mc: Runner) -> None:
    assert (
        mc("run", "--rm", "--network", "none", "busybox", "ping", "-c", "1", "-W", "1", "127.0.0.1").code == 0
    )


def test_host_is_the_hosts(mc: Runner) -> None:
    own = mc.host.sh("readlink /proc/self/ns/net").strip()
    script = "readlink /proc/self/ns/net; hostname"
    network, name = mc.ok("run", "--rm", "--network", "host", "busybox", "sh", "-c", script).splitlines()
    assert network == own
    assert name == mc.host.sh("hostname").strip()


@BRIDGE
def test_two_containers_reach_each_other_and_the_host(mc: Runner) -> None:
    server = mc.ok("run", "-d", "busybox", "sh", "-c", "echo hello | nc -l -p 80")
    address = mc.state(server, "{{.NetworkSettings.IPAddress}}")
    gateway = mc.state(server, "{{.NetworkSettings.Gateway}}")
    script = f"ping -c 1 -W 2 {address} && ping -c 1 -W 2 {gateway}; hostname -i"
    shown = mc.ok("run", "--rm", "busybox", "sh", "-c", script)
    assert shown.count(" 0% packet loss") == 2
    own = shown.splitlines()[-1].strip()
    assert own != address
    assert own.rpartition(".")[0] == address.rpartition(".")[0]
    client = until(
        lambda: mc("run", "--rm", "busybox", "nc", "-w", "2", address, "80").out, "the server answers", 15
    )
    assert client == "hello\n"


@BRIDGE
def test_bridge_is_the_default_with_route_and_resolver(mc: Runner) -> None:
    script = "ip -o -4 addr show eth0; ip route; cat /etc/hosts; test -f /etc/resolv.conf"
    shown = mc.ok("run", "--rm", "-h", "me", "busybox", "sh", "-c", script)
    address = shown.split("inet ")[1].split("/")[0]
    assert "default via" in shown
    assert f"{address}\tme" in shown


@BRIDGE
def test_addresses_are_given_back(mc: Runner) -> None:
    addresses = {
        mc.ok("run", "--rm", "busybox", "sh", "-c", "ip -o -4 addr show eth0").split("inet ")[1].split("/")[0]
        for _ in range(3)
    }
    running = mc.ok("run", "-d", "busybox", "sleep", "60")
    assert mc.state(running, "{{.NetworkSettings.IPAddress}}") in addresses
    record = Path(mc.root, "networks", "bridge.json")
    assert list(json.loads(record.read_text())["endpoints"]) == [running]
    mc.ok("rm", "-f", running)
    assert not record.exists()


@BRIDGE
def test_links_and_rules_are_there_while_it_runs_and_gone_after(mc: Runner) -> None:
    before = mc.host.look(set())
    container = mc.ok("run", "-d", "busybox", "sleep", "60")
    during = mc.host.look(set())
    assert len(during["links"]) == len(before["links"]) + 2  # the bridge and a veth's end
    assert len(during["rules"]) == len(before["rules"]) + 1
    assert during["forwarding"] == ["1"]
    mc.ok("rm", "-f", container)
    assert mc.host.look(set())["links"] == before["links"]


def test_unknown_network(mc: Runner) -> None:
    refused = mc("run", "--rm", "--network", "nosuch", "busybox", "true")
    assert refused.code == 125
    assert "network nosuch not found" in refused.err
