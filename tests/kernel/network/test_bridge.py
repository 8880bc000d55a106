"""The bridge network as the kernel, ip(8), nft(8) and TCP see it."""

from __future__ import annotations

import json
import os
import signal

import pytest

from minicontainer.errors import Conflict, Unsupported
from minicontainer.linux import door, mount
from minicontainer.network import netlink
from minicontainer.util.files import Lock
from tests.kernel.network.hosts import (
    IP_FORWARD,
    NEEDS,
    Namespace,
    Server,
    container_id,
    facts,
    ip,
    network,
    on_a_host,
    read,
    sh,
    write,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from minicontainer.linux.door import Call

pytestmark = NEEDS
A, B, C = map(container_id, (0xA, 0xB, 0xC))


@on_a_host
def test_a_container_gets_an_interface_an_address_and_a_route(tmp_path: Path) -> None:
    container = Namespace()
    endpoint = network(tmp_path).attach(A, container.path)
    assert (endpoint.address, endpoint.prefix_length, endpoint.gateway) == ("172.29.0.2", 16, "172.29.0.1")
    (eth0,) = container.ip("address", "show", endpoint.interface)
    (address,) = [info for info in eth0["addr_info"] if info["family"] == "inet"]
    assert (address["local"], address["prefixlen"]) == ("172.29.0.2", 16)
    assert address["broadcast"] == "172.29.255.255"
    assert (eth0["address"], eth0["operstate"]) == (endpoint.mac, "UP")
    assert [route["gateway"] for route in container.ip("route", "show", "default")] == ["172.29.0.1"]
    (cable,) = ip("link", "show", endpoint.host_interface)
    (bridge,) = ip("address", "show", "minicontainer0")
    assert (cable["master"], cable["operstate"]) == ("minicontainer0", "UP")
    assert "172.29.0.1" in [info["local"] for info in bridge["addr_info"]]
    assert (bridge["linkinfo"]["info_kind"], bridge["group"]) == ("bridge", cable["group"])


@on_a_host
def test_a_hardware_address_can_be_asked_for(tmp_path: Path) -> None:
    container = Namespace()
    network(tmp_path).attach(A, container.path, mac="02:00:00:00:00:07")
    assert container.ip("link", "show", "eth0")[0]["address"] == "02:00:00:00:00:07"


@on_a_host
def test_containers_reach_each_other_and_the_host_under_their_own_addresses(tmp_path: Path) -> None:
    here = network(tmp_path)
    one, other = Namespace(), Namespace()
    here.attach(A, one.path)
    there = here.attach(B, other.path)
    server = Server(other)
    assert one.reaches(there.address) == "172.29.0.2"
    assert one.reaches_not("172.29.0.9")
    server.end()


def outside_world() -> Namespace:
    """A namespace behind another interface of the host, which knows no route to the containers."""
    outside = Namespace()
    sh(f"ip link add up0 type veth peer name wan0 netns {outside.pid}")
    sh("ip address add 10.99.0.1/24 dev up0 && ip link set up0 up")
    outside.call(lambda: sh("ip address add 10.99.0.2/24 dev wan0 && ip link set wan0 up"))
    ip("link")  # which waits until the route over it is one that can be taken
    return outside


@on_a_host
def test_the_outside_sees_the_hosts_address(tmp_path: Path) -> None:
    outside, container = outside_world(), Namespace()
    server = Server(outside)
    network(tmp_path).attach(A, container.path)
    assert container.reaches("10.99.0.2") == "10.99.0.1"
    server.end()


@on_a_host
def test_the_outside_cannot_open_connections_to_a_container(tmp_path: Path) -> None:
    outside, container = outside_world(), Namespace()
    endpoint = network(tmp_path).attach(A, container.path)
    outside.call(lambda: sh("ip route add 172.29.0.0/16 via 10.99.0.1"))
    server = Server(container)
    assert outside.reaches_not(endpoint.address)
    sh("nft delete chain ip minicontainer0 forward")  # the rule that was in the way
    assert outside.reaches(endpoint.address) == "10.99.0.2"
    server.end()


DOCKER = """
table ip filter {
    chain DOCKER-USER { }
    chain FORWARD { type filter hook forward priority filter; policy drop; jump DOCKER-USER; }
}
"""


@on_a_host
def test_dockers_drop_policy_does_not_stop_us(tmp_path: Path) -> None:
    outside, container = outside_world(), Namespace()
    server = Server(outside)
    here = network(tmp_path)
    sh(f"nft '{DOCKER}'")
    before = facts(str(tmp_path))
    here.attach(A, container.path)
    assert container.reaches("10.99.0.2") == "10.99.0.1"
    here.release(A)
    assert facts(str(tmp_path)) == before
    server.end()


@on_a_host
def test_a_docker_that_starts_later_is_met_by_the_next_attach(tmp_path: Path) -> None:
    outside, container, late = outside_world(), Namespace(), Namespace()
    server = Server(outside)
    here = network(tmp_path)
    here.attach(A, container.path)
    sh(f"nft '{DOCKER}'")
    assert container.reaches_not("10.99.0.2")
    here.attach(B, late.path)
    assert container.reaches("10.99.0.2") == "10.99.0.1"
    here.release(A)
    here.release(B)
    assert "minicontainer" not in sh("nft list ruleset")
    server.end()


@pytest.mark.needs("command:iptables-nft")
@on_a_host
def test_iptables_still_reads_dockers_chain(tmp_path: Path) -> None:
    container = Namespace()
    sh("iptables-nft -N DOCKER-USER && iptables-nft -I FORWARD -j DOCKER-USER")
    network(tmp_path).attach(A, container.path)
    rules = [line for line in sh("iptables-nft -S DOCKER-USER").splitlines() if line.startswith("-A")]
    comment = "-m comment --comment minicontainer0 "
    assert [rule.split(" ", 2)[2].replace(comment, "") for rule in rules] == [
        "-i minicontainer0 -o docker0 -j RETURN",
        "-i minicontainer0 -o br-+ -j RETURN",
        "-i minicontainer0 -j ACCEPT",
        "-o minicontainer0 -j ACCEPT",
    ]


@on_a_host
def test_rules_that_somebody_flushed_come_back_with_the_next_container(tmp_path: Path) -> None:
    here = network(tmp_path)
    one, other = Namespace(), Namespace()
    here.attach(A, one.path)
    rules = sh("nft list ruleset")
    sh("nft flush ruleset")
    here.attach(B, other.path)
    assert sh("nft list ruleset") == rules


@on_a_host
def test_after_the_last_container_the_host_is_as_before(tmp_path: Path) -> None:
    here = network(tmp_path)
    before = facts(str(tmp_path))
    one, other = Namespace(), Namespace()
    here.attach(A, one.path)
    here.attach(B, other.path)
    here.release(A)
    assert [link["ifname"] for link in ip("link")] == ["lo", "minicontainer0", f"mc{B[:12]}"]
    assert container_gone(one)
    here.release(B)
    assert facts(str(tmp_path)) == before
    here.release(B)
    here.release(C)
    assert facts(str(tmp_path)) == before


def container_gone(container: Namespace) -> bool:
    return "eth0" not in [link["ifname"] for link in container.ip("link")]


@on_a_host
def test_forwarding_is_left_on_for_another_bridge(tmp_path: Path) -> None:
    here, container = network(tmp_path), Namespace()
    here.attach(A, container.path)
    assert read(IP_FORWARD) == "1"
    sh("ip link add docker0 type bridge")
    here.release(A)
    assert read(IP_FORWARD) == "1"


@on_a_host
def test_forwarding_that_was_on_stays_on(tmp_path: Path) -> None:
    here, container = network(tmp_path), Namespace()
    write(IP_FORWARD, "1")
    here.attach(A, container.path)
    here.release(A)
    assert read(IP_FORWARD) == "1"


@on_a_host
def test_an_exhausted_pool_says_so_and_changes_nothing(tmp_path: Path) -> None:
    here, container = network(tmp_path, ranges=["172.29.0.0/30"]), Namespace()
    here.attach(A, container.path)
    before = facts(str(tmp_path))
    with pytest.raises(Conflict, match=r"no address is left .* all 1 of 172\.29\.0\.0/30 are taken"):
        here.attach(B, Namespace().path)
    assert facts(str(tmp_path)) == before
    here.release(A)
    assert here.attach(B, Namespace().path).address == "172.29.0.2"


@on_a_host
def test_a_range_that_the_host_has_a_route_into_is_passed_over(tmp_path: Path) -> None:
    sh("ip route add blackhole 172.29.128.0/17")
    sh("ip address add 172.28.3.4/32 dev lo")
    assert network(tmp_path).attach(A, Namespace().path).address == "172.27.0.2"


@on_a_host
def test_two_state_folders_have_two_bridges(tmp_path: Path) -> None:
    write(IP_FORWARD, "1")
    before = facts(str(tmp_path))
    one, other = network(tmp_path / "1"), network(tmp_path / "2")
    assert one.attach(A, Namespace().path).address == "172.29.0.2"
    assert other.attach(B, Namespace().path).address == "172.28.0.2"
    one.release(A)
    assert [link["ifname"] for link in ip("link")] == ["lo", "minicontainer1", f"mc{B[:12]}"]
    other.release(B)
    assert facts(str(tmp_path)) == before


@on_a_host
def test_a_bridge_of_our_name_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    here = network(tmp_path)
    here.attach(A, Namespace().path)
    sh("ip link delete minicontainer0; ip link add minicontainer0 type bridge")
    here.attach(B, Namespace().path)
    assert ip("link", "show", f"mc{B[:12]}")[0]["master"] == "minicontainer1"
    here.reconcile(set())
    assert "minicontainer0" in [link["ifname"] for link in ip("link")]


@on_a_host
def test_attaching_again_replaces_the_endpoint(tmp_path: Path) -> None:
    here, first, second = network(tmp_path), Namespace(), Namespace()
    before = here.attach(A, first.path)
    assert here.attach(A, second.path) == before
    assert container_gone(first)
    assert second.ip("link", "show", "eth0")[0]["operstate"] == "UP"


@on_a_host
def test_a_namespace_that_ended_gives_its_address_back(tmp_path: Path) -> None:
    here, dead = network(tmp_path), Namespace()
    endpoint = here.attach(A, dead.path)
    here.attach(B, Namespace().path)
    dead.end()
    sh(f"while ip link show {endpoint.host_interface} 2>/dev/null; do sleep 0.01; done")
    assert here.attach(C, Namespace().path).address == endpoint.address


@on_a_host
def test_reconcile_keeps_the_living(tmp_path: Path) -> None:
    here, living, dead = network(tmp_path), Namespace(), Namespace()
    before = facts(str(tmp_path))
    here.attach(A, living.path)
    here.attach(B, dead.path)
    assert here.reconcile({A, C}) == [f"address 172.29.0.3 of container {B[:12]}"]
    assert here.reconcile({A, C}) == []
    assert living.ip("link", "show", "eth0")[0]["operstate"] == "UP"
    assert here.reconcile(set()) == [f"address 172.29.0.2 of container {A[:12]}", "bridge minicontainer0"]
    assert facts(str(tmp_path)) == before


@on_a_host
def test_a_network_namespace_that_is_not_there_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    here = network(tmp_path)
    before = facts(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="/proc/0/ns/net"):
        here.attach(A, "/proc/0/ns/net")
    with pytest.raises(OSError, match="Invalid argument"):
        here.attach(A, "/proc/self/ns/mnt")
    assert facts(str(tmp_path)) == before


@on_a_host
def test_without_nft_the_error_names_it(tmp_path: Path) -> None:
    here, container = network(tmp_path), Namespace()
    before = facts(str(tmp_path))
    folders = {os.path.realpath(folder) for folder in (*os.get_exec_path(), "/usr/sbin", "/sbin")}
    programs = {os.path.realpath(f"{folder}/nft") for folder in folders if os.path.exists(f"{folder}/nft")}
    for program in programs:
        mount.mount("/dev/null", program, None, mount.MS_BIND, None)
    with pytest.raises(Unsupported, match="needs the program nft"):
        here.attach(A, container.path)
    for program in programs:
        mount.umount2(program, 0)
    assert facts(str(tmp_path)) == before


@on_a_host
def test_what_nft_refuses_is_told_with_its_words(tmp_path: Path) -> None:
    here = network(tmp_path)
    sh("nft 'add table ip minicontainer0; add chain ip minicontainer0 x; add table ip y'")
    sh("nft 'add chain ip minicontainer0 z; add rule ip minicontainer0 z jump x'")
    command = {"delete": {"chain": {"family": "ip", "table": "minicontainer0", "name": "x"}}}
    with Lock(str(tmp_path / "lock")) as lock:
        running = netlink.start_nft(json.dumps({"nftables": [command]}), lock.fd)
        with pytest.raises(Unsupported, match=r"could not change this host's packet rules: .*busy"):
            running.__exit__(None, None, None)
    assert here.attach(A, Namespace().path).address == "172.29.0.2"


@on_a_host
def test_a_running_nft_keeps_the_lock_of_a_killed_process(tmp_path: Path) -> None:
    lock = Lock(str(tmp_path / "lock"))
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)  # nft holds it, so the end of the file is the end of nft
    if os.fork() == 0:
        with lock:
            netlink.start_nft('{"nftables": [{"add": {"table": {"family": "ip", "name": "t"}}}]}', lock.fd)
            os.kill(os.getpid(), signal.SIGKILL)
    os.close(writer)
    os.wait()
    with lock:
        assert "table ip t" in sh("nft list ruleset")
    assert os.read(reader, 1) == b""


class Teller:
    """A listener that keeps each step as a person reads it."""

    def __init__(self) -> None:
        self.commands: list[str] = []

    def before(self, call: Call) -> None:
        assert all(isinstance(text, str) for text in call.step.decode(call.arguments).values())
        if call.step.watch:
            assert call.step.watch(call.arguments)
        self.commands.append(call.step.shell(call.arguments))

    def after(self, call: Call) -> None:
        assert call.error is None


@on_a_host
def test_every_change_is_told_at_the_door(tmp_path: Path) -> None:
    here, container, teller = network(tmp_path), Namespace(), Teller()
    door.listeners.append(teller)
    here.attach(A, container.path)
    attached, teller.commands = teller.commands, []
    here.release(A)
    ipv6 = "/proc/sys/net/ipv6/conf/minicontainer0/disable_ipv6"
    expected = [
        "echo '{",
        "ip link add name minicontainer0 address 02:42:ac:1d:00:01 group ",
        *([f"echo 1 > {ipv6}"] if os.path.exists(os.path.dirname(os.path.dirname(ipv6))) else []),
        "ip address add 172.29.0.1/16 broadcast + dev minicontainer0",
        f"echo 1 > {IP_FORWARD}",
        "ip link add name mc00000000000a group ",
        "nsenter --net=",
        "ip link set eth0 up",
        "ip address add 172.29.0.2/16 broadcast + dev eth0",
        "ip route add default via 172.29.0.1",
        "nsenter --net=",
    ]
    assert [made[: len(wanted)] for made, wanted in zip(attached, expected, strict=True)] == expected
    expected = ["echo '{", "ip link delete group ", f"echo 0 > {IP_FORWARD}"]
    assert [made[: len(wanted)] for made, wanted in zip(teller.commands, expected, strict=True)] == expected


@on_a_host
def test_the_told_commands_make_the_same_network(tmp_path: Path) -> None:
    """What --explain=sh prints, run by a shell, gives what our messages gave."""
    here, ours, theirs, teller = network(tmp_path), Namespace(), Namespace(), Teller()
    door.listeners.append(teller)
    here.attach(A, ours.path)
    made = [seen(), ours.call(seen_inside)]
    here.release(A)
    inside = False
    for command in teller.commands[:-3]:
        if command.startswith("nsenter"):
            inside = not inside
        elif inside:
            theirs.call(lambda command=command: sh(command))  # type: ignore[misc]
        else:
            sh(command.replace(ours.path, str(theirs.pid)))
    assert [seen(), theirs.call(seen_inside)] == made


def seen() -> list[object]:
    links = [[link["ifname"], link.get("master"), link["group"], link["operstate"]] for link in ip("link")]
    (bridge,) = ip("-4", "address", "show", "minicontainer0")
    addresses = [[info["local"], info["prefixlen"], info["broadcast"]] for info in bridge["addr_info"]]
    return [links, addresses, bridge["address"], sh("nft list ruleset"), ip("-4", "route"), read(IP_FORWARD)]


def seen_inside() -> list[object]:
    (eth0,) = ip("-4", "address", "show", "eth0")
    addresses = [[info["local"], info["prefixlen"], info["broadcast"]] for info in eth0["addr_info"]]
    return [addresses, eth0["address"], eth0["operstate"], ip("-4", "route")]
