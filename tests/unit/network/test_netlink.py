"""The parts of netlink.py that need no kernel: the import, and taking messages apart."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.linux import netlink as protocol
from minicontainer.network import netlink

PROJECT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))


def run(source: str) -> str:
    """What a fresh interpreter prints."""
    ran = subprocess.run(
        [sys.executable, "-c", source], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_the_message_classes_come_without_the_rest_of_pyroute2() -> None:
    loaded = run(
        "import sys; from minicontainer.network import netlink; netlink.warm_up();"
        "print([n for n in ('asyncio', 'ssl', 'pyroute2', 'pyroute2.netlink') if n in sys.modules])"
    )
    assert loaded == "[]"


def test_importing_the_module_imports_nothing_of_it() -> None:
    assert run("import sys, minicontainer.network.netlink; print('socket' in sys.modules)") == "False"


@pytest.mark.parametrize(
    "order", ["netlink.warm_up(); import pyroute2", "import pyroute2; netlink.warm_up()"]
)
def test_pyroute2_itself_stays_usable(order: str) -> None:
    source = f"""
from minicontainer.linux import netlink as protocol
from minicontainer.network import netlink
{order}
import pyroute2.netlink
with pyroute2.IPRoute() as route:
    print(route.get_links()[0].get_attr("IFLA_IFNAME"), pyroute2.netlink.nlmsg.__name__)
"""
    assert run(source) == "lo nlmsg"


@given(st.dictionaries(st.integers(1, 100), st.binary(max_size=40)))
def test_attributes_are_taken_apart(given_attributes: dict[int, bytes]) -> None:
    packed = b"".join(
        struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)
        for kind, value in given_attributes.items()
    )
    assert protocol.attributes(packed) == given_attributes


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parsers_hang(data: bytes) -> None:
    assert len(protocol.attributes(data)) <= len(data) // 4
    assert len(protocol._split(data.ljust(16, b"\0")[:16])) <= 1


def test_a_refusal_carries_the_kernels_sentence() -> None:
    sentence = b"Device is up\0"
    attribute = struct.pack("=HH", 4 + len(sentence), protocol.NLMSGERR_ATTR_MSG) + sentence
    body = struct.pack("=i", -errno.EBUSY) + bytes(16) + attribute
    with pytest.raises(OSError, match=r"busy \(Device is up\)") as caught:
        protocol._check(protocol.NLMSG_ERROR, protocol.NLM_F_ACK_TLVS, body, "eth0")
    assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, "eth0")


def test_nft_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        netlink._find("no-such-program")
