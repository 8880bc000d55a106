"""A host of one's own: a child process in new network and mount namespaces, thrown away with it.

::

    pytest ── fork ──► "host": own links, rules, sysctls, /sys ── fork ──► Namespace: a container
                         the body of the test                               waits; dies with its parent

What the kernel has is read with ip(8) and nft(8), not with the code under test.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import socket
import subprocess
import threading
import time
import traceback

import pytest

from minicontainer.linux import door, mount, namespaces, prctl, process
from minicontainer.network.bridge import BridgeNetwork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NEEDS = pytest.mark.needs("network namespace", "mount namespace", "nat", "command:ip")
IP_FORWARD = "/proc/sys/net/ipv4/ip_forward"
IPV6 = "/proc/sys/net/ipv6/conf/default/disable_ipv6"
PATIENCE_S = 60
DROPPED_S = 1.5  # for an answer that must not come


def on_a_host(test: Callable[..., None]) -> Callable[..., None]:
    """Run the body of a test in a child that has a host's network to itself."""

    @functools.wraps(test)
    def inside(*args: Any, **kwargs: Any) -> None:
        def body() -> None:
            _become_a_host()
            test(*args, **kwargs)

        trouble = in_child(body)
        if trouble:
            pytest.fail(trouble, pytrace=False)

    return inside


def _become_a_host() -> None:
    namespaces.unshare(process.CLONE_NEWNET | process.CLONE_NEWNS)
    mount.mount("none", "/", None, mount.MS_REC | mount.MS_PRIVATE, None)
    mount.mount("sysfs", "/sys", "sysfs", 0, None)
    sh("ip link set lo up")
    write(IP_FORWARD, "0")
    if os.path.exists(IPV6):
        # A new interface's own address, and the routes to it, come whole seconds later.
        write(IPV6, "1")


def in_child(work: Callable[[], object]) -> str:
    """The traceback of ``work`` in a forked child; empty if there was none."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = ""
        door.listeners.clear()
        try:
            work()
        except BaseException:
            text = traceback.format_exc()
        finally:
            os.write(writer, text.encode()[-60000:])
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        text = answer.read().decode()
    _, status = os.waitpid(pid, 0)
    return text or (f"the child ended with {status}" if status else "")


class Namespace:
    """A network namespace with a process in it, as a container's init would be."""

    def __init__(self) -> None:
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            prctl.set_pdeathsig(signal.SIGKILL)
            namespaces.unshare(process.CLONE_NEWNET)
            os.write(writer, b".")
            signal.pause()
        os.read(reader, 1)
        os.close(reader)
        os.close(writer)
        self.path = f"/proc/{self.pid}/ns/net"

    def end(self) -> None:
        """Kill the process, and so the namespace."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def call(self, work: Callable[[], Any]) -> Any:
        """What ``work`` returns (a JSON value) when a child does it in here."""
        reader, writer = os.pipe()

        def there() -> None:
            fd = os.open(self.path, os.O_RDONLY)
            namespaces.setns(fd, process.CLONE_NEWNET)
            os.write(writer, json.dumps(work()).encode())

        trouble = in_child(there)
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            text = answer.read()
        assert not trouble, trouble
        return json.loads(text)

    def ip(self, *words: str) -> Any:
        """``ip -j WORDS`` in here."""
        return self.call(lambda: ip(*words))

    def reaches(self, address: str, port: int = 7) -> str:
        """The peer name that a server at ``address`` saw us under."""
        return self.call(lambda: _ask(address, port, PATIENCE_S))  # type: ignore[no-any-return]

    def reaches_not(self, address: str, port: int = 7) -> bool:
        """Whether nothing comes back."""
        return self.call(lambda: _ask(address, port, DROPPED_S)) is None


class Server:
    """Answers TCP connections in a namespace with the address it sees them come from."""

    def __init__(self, where: Namespace, port: int = 7) -> None:
        reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            prctl.set_pdeathsig(signal.SIGKILL)
            fd = os.open(where.path, os.O_RDONLY)
            namespaces.setns(fd, process.CLONE_NEWNET)
            listener = socket.create_server(("0.0.0.0", port))
            os.write(writer, b".")
            while True:
                connection, peer = listener.accept()
                connection.sendall(peer[0].encode())
                connection.close()
        os.read(reader, 1)
        os.close(reader)
        os.close(writer)

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _ask(address: str, port: int, patience: float) -> str | None:
    try:
        with socket.create_connection((address, port), timeout=patience) as connection:
            return connection.recv(100).decode()
    except OSError:
        return None


def sh(command: str) -> str:
    """The output of a shell command that must succeed."""
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{command}: {ran.stderr}"
    return ran.stdout


def ip(*words: str) -> Any:
    """``ip -j WORDS``, decoded; once the kernel has seen to every cable that was plugged in."""
    until = time.monotonic() + PATIENCE_S
    while True:
        found = json.loads(sh("ip -j -d " + " ".join(words)) or "[]")
        if not any(_behind(one) for one in found) or time.monotonic() > until:
            return found


def _behind(link: dict[str, Any]) -> bool:
    """Whether a link is not as its cable yet: a kernel thread sees to that (net/core/link_watch.c)."""
    flags = link.get("flags", [])
    return {"UP", "LOWER_UP"} <= {*flags} and link.get("operstate") in ("DOWN", "LOWERLAYERDOWN")


def write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def read(path: str) -> str:
    with open(path) as file:
        return file.read().strip()


def facts(root: str) -> dict[str, object]:
    """All that the network could leave behind on this host."""
    folder = os.path.join(root, "networks")
    return {
        "links": sorted(link["ifname"] for link in ip("link")),
        "addresses": sorted(str(link["addr_info"]) for link in ip("-4", "address")),
        "routes": sorted(map(str, ip("route", "show", "table", "all"))),
        "rules": sh("nft --stateless list ruleset"),
        "ip_forward": read(IP_FORWARD),
        "files": sorted(os.listdir(folder)) if os.path.isdir(folder) else [],
        "descriptors": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "namespace": os.readlink("/proc/self/ns/net"),
    }


def network(root: object, **options: Any) -> BridgeNetwork:
    """The network under test, warmed up, its folders there."""
    made = BridgeNetwork(str(root), os.path.join(str(root), "run"), **options)
    os.makedirs(made.folder, exist_ok=True)
    made.warm_up()
    return made


def container_id(number: int) -> str:
    """64 hex digits that differ in the first twelve."""
    return f"{number:012x}" + 52 * "0"
