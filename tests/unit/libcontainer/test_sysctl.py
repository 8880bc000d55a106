"""Which kernel settings are a container's own, and where they are below /proc."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.errors import InvalidConfig
from minicontainer.libcontainer import sysctl
from minicontainer.oci.runtime import Linux, Namespace

EVERY = Linux(namespaces=[Namespace(type=kind) for kind in ("network", "ipc", "uts")])


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("net.ipv4.ip_forward", "sys/net/ipv4/ip_forward"),
        ("net/ipv4/ip_forward", "sys/net/ipv4/ip_forward"),
        ("net/ipv4/conf/eth0.1/forwarding", "sys/net/ipv4/conf/eth0.1/forwarding"),
        ("net.ipv4.conf.eth0/1.forwarding", "sys/net/ipv4/conf/eth0.1/forwarding"),
        ("kernel.shmmni", "sys/kernel/shmmni"),
        ("fs.mqueue.msg_max", "sys/fs/mqueue/msg_max"),
        ("kernel.domainname", "sys/kernel/domainname"),
    ],
)
def test_names_are_files(name: str, path: str) -> None:
    assert sysctl.file_of(name, EVERY) == path


@pytest.mark.parametrize(
    ("name", "kind"), [("net.core.somaxconn", "network"), ("kernel.sem", "ipc"), ("kernel.domainname", "uts")]
)
def test_a_setting_needs_its_namespace(name: str, kind: str) -> None:
    others = Linux(namespaces=[found for found in EVERY.namespaces if found.type != kind])
    with pytest.raises(InvalidConfig, match=f"needs a {kind} namespace"):
        sysctl.file_of(name, others)


@pytest.mark.parametrize(
    "name", ["kernel.core_pattern", "vm.swappiness", "netx.y", "kernel.shm", "dev.tty.x"]
)
def test_the_host_s_are_refused(name: str) -> None:
    with pytest.raises(InvalidConfig, match="of the whole host"):
        sysctl.file_of(name, EVERY)


@given(st.text(alphabet="net./kerlsm.ipc\0", max_size=24))
def test_no_name_leads_out(name: str) -> None:
    try:
        path = sysctl.file_of(name, EVERY)
    except InvalidConfig:
        return
    parts = path.split("/")
    assert parts[0] == "sys"
    assert parts[1] in ("net", "kernel", "fs")
    assert not {"", ".", ".."} & set(parts)
