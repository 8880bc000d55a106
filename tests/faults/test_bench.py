"""The bench of test_steps.py can fail: whatever is left behind on purpose, it tells as leaked, by its kind.

::

    Bench.strike ─► leaves one thing ─► case: LEAKED, and "+ KIND: ..." or what else was lost
                                    ◄── the thing is taken away ─► the next one, on the same host
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import glob
import os
import signal
import subprocess
import time

import pytest

from minicontainer.linux import mount
from tests import needs
from tests.faults import looks
from tests.faults.host import ROOT, RUN, SCRATCH, TEMPORARY, difference, on_a_host
from tests.faults.test_steps import OPERATIONS, WITNESS, Bench

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.faults.host import Host

pytestmark = pytest.mark.needs("network namespace", "pid namespace", "uts namespace", "cgroup namespace")


@contextlib.contextmanager
def a_mount(host: Host) -> Iterator[None]:
    mount.mount("tmpfs", SCRATCH, "tmpfs")
    yield
    mount.umount2(SCRATCH, 0)


@contextlib.contextmanager
def a_control_group(host: Host) -> Iterator[None]:
    path = f"{host.hierarchies[0]}/left"
    os.mkdir(path)
    yield
    os.rmdir(path)


@contextlib.contextmanager
def a_process(host: Host) -> Iterator[None]:
    with ended(subprocess.Popen(["sleep", "3000"])):
        yield


@contextlib.contextmanager
def a_namespace(host: Host) -> Iterator[None]:
    """It lives as long as somebody is in it, or has it open."""
    with ended(subprocess.Popen(["unshare", "--uts", "sleep", "3000"])):
        yield


@contextlib.contextmanager
def a_lock(host: Host) -> Iterator[None]:
    fd = os.open(f"{ROOT}/images/oci-layout", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    with ended(subprocess.Popen(["sleep", "3000"], pass_fds=[fd])):
        os.close(fd)
        yield


@contextlib.contextmanager
def an_address(host: Host) -> Iterator[None]:
    subprocess.run(["ip", "address", "add", "192.0.2.1/32", "dev", "lo"], check=True)
    yield
    subprocess.run(["ip", "address", "del", "192.0.2.1/32", "dev", "lo"], check=True)


@contextlib.contextmanager
def a_link(host: Host) -> Iterator[None]:
    subprocess.run(["ip", "link", "add", "left0", "type", "bridge"], check=True)
    yield
    subprocess.run(["ip", "link", "del", "left0"], check=True)


@contextlib.contextmanager
def a_rule(host: Host) -> Iterator[None]:
    subprocess.run(["nft", "add", "table", "ip", "left"], check=True)
    yield
    subprocess.run(["nft", "delete", "table", "ip", "left"], check=True)


@contextlib.contextmanager
def forwarding(host: Host) -> Iterator[None]:
    write("/proc/sys/net/ipv4/ip_forward", b"1")
    yield
    write("/proc/sys/net/ipv4/ip_forward", b"0")


@contextlib.contextmanager
def a_temporary_file(host: Host) -> Iterator[None]:
    write(f"{TEMPORARY}/left", b"")
    yield
    os.unlink(f"{TEMPORARY}/left")


@contextlib.contextmanager
def a_folder_of_state(host: Host) -> Iterator[None]:
    os.mkdir(f"{RUN}/left")
    yield
    os.rmdir(f"{RUN}/left")


@contextlib.contextmanager
def a_record_cut_short(host: Host) -> Iterator[None]:
    with spoilt(f"{ROOT}/containers/{host.containers()[0]}/config.json", lambda old: old[: len(old) // 2]):
        yield


@contextlib.contextmanager
def another_name(host: Host) -> Iterator[None]:
    host.good("tag", "busybox", "left")
    yield
    host.good("rmi", "left")


@contextlib.contextmanager
def a_lost_line(host: Host) -> Iterator[None]:
    with spoilt(f"{ROOT}/containers/{host.containers()[0]}/log.json", lambda old: b""):
        yield


@contextlib.contextmanager
def a_damaged_blob(host: Host) -> Iterator[None]:
    blob = max(glob.glob(f"{ROOT}/images/blobs/sha256/*"), key=os.path.getsize)
    with spoilt(blob, lambda old: b"lie" + old[3:]):
        yield


@contextlib.contextmanager
def another_program(host: Host) -> Iterator[None]:
    """Last: the other container's program is gone for good, another one looks like it."""
    os.kill(int(looks.started(WITNESS).split()[0]), signal.SIGKILL)
    until = time.monotonic() + 60
    while host.good("ps", "-q"):
        assert time.monotonic() < until
    host.good("start", "other")
    yield


LEFT: dict[str, Callable[[Host], AbstractContextManager[None]]] = {  # what the bench says -> what is left
    "+ mounts: /mnt/scratch tmpfs": a_mount,
    "+ cgroups: ": a_control_group,
    "+ processes: sleep 3000": a_process,
    "+ namespaces: uts 2": a_namespace,
    f"+ locks: {ROOT}/images/oci-layout": a_lock,
    "+ addresses: 192.0.2.1": an_address,
    "+ links: left0": a_link,
    "+ rules: table ip left {": a_rule,
    "+ ip_forward: 1": forwarding,
    f"+ files: {TEMPORARY}/left": a_temporary_file,
    f"+ files: {RUN}/left": a_folder_of_state,
    f"+ half-written: {ROOT}/containers/other/config.json": a_record_cut_short,
    "+ images: left:latest": another_name,
    "has lost lines: ": a_lost_line,
    "is damaged": a_damaged_blob,
    "is not the process that it was": another_program,
}


class Leaving(Bench):
    """A bench whose operation does nothing but leave something."""

    patience = 0.1  # nothing that is left here goes by itself
    leave: Callable[[], object]

    def strike(self, fault: str) -> list[str]:
        self.leave()
        return []


def test_everything_that_is_left_is_told(busybox_tar: Path) -> None:
    everything(str(busybox_tar))


@on_a_host
def everything(host: Host, image: str) -> None:
    bench = Leaving(host, OPERATIONS["run"], image, bridged=False)
    bench.allowed = [bench.clean]
    bench.leave = lambda: None
    assert bench.case(("caller", 1, "none"), "") == ("by itself", [])
    for words, left in LEFT.items():
        if left is a_rule and needs.lacks("nat"):
            continue
        with contextlib.ExitStack() as stack:
            bench.leave = functools.partial(stack.enter_context, left(host))
            how, wrong = bench.case(("caller", 1, "none"), "")
            assert [line for line in wrong if words in line], (words, how, wrong)
            assert how == "LEAKED" or not words.startswith("+ "), (words, how)
        if left is not another_program:
            assert difference(bench.clean, host.facts()) == [], words


def test_outside_of_its_folders_nothing_can_be_written() -> None:
    outside()


@on_a_host
def outside(host: Host) -> None:
    for folder in ("/", "/tmp", "/var", "/etc", os.path.dirname(__file__)):
        with pytest.raises(OSError, match="Read-only file system"):
            write(f"{folder}/left", b"")


@contextlib.contextmanager
def ended(started: subprocess.Popen[bytes]) -> Iterator[None]:
    yield
    started.kill()
    started.wait()


@contextlib.contextmanager
def spoilt(path: str, change: Callable[[bytes], bytes]) -> Iterator[None]:
    with open(path, "rb") as file:
        whole = file.read()
    write(path, change(whole))
    yield
    write(path, whole)


def write(path: str, data: bytes) -> None:
    """In place: who has the file open goes on with it."""
    with open(path, "wb") as file:
        file.write(data)
