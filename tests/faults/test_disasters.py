"""What befalls a host besides killed processes: each is told in plain words, and recovered from.

A full disk, a state folder that became read-only, records cut short or filled with noise, a clock that was
set back, a process number that was given to another process, a reboot.  Another container runs all
the while, and is to be untouched by all but the reboot.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import time

import pytest

from minicontainer.linux import mount
from tests.faults.host import ROOT, RUN, SCRATCH, on_a_host, settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.faults.host import Facts, Host

pytestmark = pytest.mark.needs("network namespace", "pid namespace", "uts namespace", "cgroup namespace")

QUIET = ["--network", "none", "busybox"]
OTHER = ["run", "-d", "--name", "other", *QUIET, "sh", "-c", "echo said; exec sleep 2000"]
BOX = ["run", "-d", "--name", "box", *QUIET, "sh", "-c", "echo said; exec sleep 1000"]
ROOM = 24 << 20  # bytes: an image of busybox twice, and some containers


def furnish(host: Host, image: str) -> Facts:
    """An image and the other container; how that looks."""
    host.good("import", image, "busybox")
    host.remember(host.good(*OTHER), "other")
    host.good("run", "--rm", *QUIET, "true")
    return host.steady()


def one_line(host: Host, *words: str, said: str = "") -> None:
    """The command fails with one line, in which ``said`` is."""
    result = host.run(*words)
    assert result.code not in (0, None), (words, result.code, result.out)
    lines = result.err.splitlines()
    # After the line of each container, Docker's `start` says which.
    assert len(lines) == (2 if words[0] == "start" else 1), (words, result.err)
    assert "internal error" not in result.err, result.err
    assert said in result.err.lower(), (words, result.err)


def agree(host: Host) -> None:
    """Kernel and state agree, if need be after a repair; and the other container is well."""
    result = host.run("system", "check", "--repair")
    assert result.code == 0, result.out + result.err
    assert host.good("exec", "other", "echo", "well") == "well"
    assert host.good("logs", "other") == "said"
    assert host.lying_blobs() == []


def nothing_left(host: Host, clean: Facts) -> None:
    """Without ``box``, the host is as it was."""
    host.run("rm", "-f", "box")
    left = settled(host, clean)
    assert not left, "\n".join(left)


def box(host: Host) -> str:
    """A second container, that runs and has said something; its id."""
    container = host.good(*BOX)
    until = time.monotonic() + 5
    while host.good("logs", "box") != "said":
        assert time.monotonic() < until
    return container


def record(container: str, name: str = "status") -> str:
    return f"{ROOT}/containers/{container}/{name}.json"


def change(path: str, **fields: Any) -> None:
    """Other values in a record."""
    with open(path) as file:
        document = json.load(file)
    with open(path, "w") as file:
        json.dump({**document, **fields}, file)


def test_a_full_disk(busybox_tar: Path) -> None:
    full_disk(str(busybox_tar))


@on_a_host
def full_disk(host: Host, image: str) -> None:
    mount.mount("tmpfs", ROOT, "tmpfs", 0, f"size={ROOM}")
    shutil.copy(image, f"{SCRATCH}/image.tar")
    clean = furnish(host, image)
    box(host)
    host.good("create", "--name", "idle", *QUIET, "true")
    with open(f"{ROOT}/filler", "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while file.write(bytes(size)) == size:
                    continue
            except OSError:
                continue
    for words in (
        ["create", *QUIET, "true"],
        ["run", *QUIET, "true"],
        ["import", f"{SCRATCH}/image.tar", "no"],
    ):
        one_line(host, *words, said="no space left")
    one_line(host, "commit", "box", "no", said="no space left")
    # What there is can be seen, and be got rid of.
    assert host.good("logs", "box") == "said"
    assert len(host.containers()) == 3
    host.good("stop", "-t", "0", "box")
    host.good("rm", "box")
    host.good("rm", "idle")
    os.unlink(f"{ROOT}/filler")
    agree(host)
    box(host)
    nothing_left(host, clean)


def test_a_state_folder_that_became_read_only(busybox_tar: Path) -> None:
    read_only(str(busybox_tar))


@on_a_host
def read_only(host: Host, image: str) -> None:
    mount.mount("tmpfs", ROOT, "tmpfs", 0, f"size={ROOM}")
    clean = furnish(host, image)
    container = box(host)
    # Whoever writes to the log just now keeps the file system from becoming read-only: a bind can.
    mount.mount(ROOT, ROOT, None, mount.MS_BIND)
    mount.mount(None, ROOT, None, mount.MS_BIND | mount.MS_REMOUNT | mount.MS_RDONLY)
    for words in (
        ["create", *QUIET, "true"],
        ["run", *QUIET, "true"],
        ["commit", "box", "no"],
        ["rm", "-f", "box"],
    ):
        one_line(host, *words, said="read-only")
    assert len(host.containers()) == 2
    assert host.good("logs", "other") == "said"
    assert host.good("exec", "other", "echo", "well") == "well"
    mount.umount2(ROOT, mount.MNT_DETACH)
    assert container in host.containers()
    agree(host)
    nothing_left(host, clean)


DAMAGE = {"empty": b"", "zeros": bytes(200), "cut": None, "noise": b"\x9c\x01\xfe noise \xff" * 9}
WORDS = {"empty": "it is empty", "zeros": "it is empty", "cut": "it was cut short", "noise": "it is noise"}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_records(damage: str, busybox_tar: Path) -> None:
    damaged(damage, str(busybox_tar))


@on_a_host
def damaged(host: Host, damage: str, image: str) -> None:
    clean = furnish(host, image)
    # Of a container that runs: the repair finds out what it is.
    container = box(host)
    spoil(record(container), damage)
    told(host, record(container), damage)
    agree(host)
    assert host.good("ps", "-q", "--no-trunc", "-f", "name=box") == container
    assert host.good("logs", "box") == "said"
    host.good("stop", "-t", "0", "box")
    # Of one that has ended: it can be started again.
    spoil(record(container), damage)
    told(host, record(container), damage)
    agree(host)
    host.good("start", "box")
    # What was asked for cannot be found out; it can be removed, and no other is affected.
    host.good("stop", "-t", "0", "box")
    spoil(record(container, "container"), damage)
    told(host, record(container, "container"), damage)
    assert len(host.good("ps", "-aq").split()) == 1
    one_line(host, "start", "box", said="damaged")
    host.good("rm", "-f", "box")
    agree(host)
    # The index of the images; it is told of, and comes from elsewhere.
    index = f"{ROOT}/images/index.json"
    with open(index, "rb") as file:
        whole = file.read()
    spoil(index, damage)
    told(host, index, damage)
    one_line(host, "run", *QUIET, "true")
    with open(index, "wb") as file:
        file.write(whole)
    agree(host)
    nothing_left(host, clean)


def spoil(path: str, damage: str) -> None:
    """Write something else into a file, or only half of what is there."""
    with open(path, "rb") as file:
        old = file.read()
    new = DAMAGE[damage]
    with open(path, "wb") as file:
        file.write(old[: len(old) // 2] if new is None else new)


def told(host: Host, path: str, damage: str) -> None:
    """The check names the file and what is wrong with it."""
    result = host.run("system", "check")
    assert result.code == 1
    assert any(path in line and WORDS[damage] in line for line in result.out.splitlines()), result.out


def test_a_blob_that_lies(busybox_tar: Path) -> None:
    lying(str(busybox_tar))


@on_a_host
def lying(host: Host, image: str) -> None:
    furnish(host, image)
    folder = f"{ROOT}/images/blobs/sha256"
    layer = max(os.listdir(folder), key=lambda name: os.path.getsize(f"{folder}/{name}"))
    with open(f"{folder}/{layer}", "r+b") as file:
        file.seek(1000)
        file.write(b"lie")
    assert host.run("system", "check").code == 0  # it has its size
    verified = host.run("system", "check", "--verify", "--repair")
    assert verified.code == 1
    assert "busybox:latest" in verified.out
    assert "another digest" in verified.out
    os.unlink(f"{folder}/{layer}")
    assert "is missing" in host.run("system", "check").out
    assert host.good("run", "--rm", *QUIET, "echo", "unpacked") == "unpacked"


def test_a_clock_that_was_set_back(busybox_tar: Path) -> None:
    clock(str(busybox_tar))


@on_a_host
def clock(host: Host, image: str) -> None:
    """No clock of a test's own there is (time_namespaces(7)): the records are from tomorrow instead."""
    clean = furnish(host, image)
    container = box(host)
    host.good("stop", "-t", "0", "box")
    tomorrow = time.time() + 86400
    change(record(container, "container"), created=tomorrow)
    change(record(container), started=tomorrow, finished=tomorrow)
    assert "Exited (137)" in host.good("ps", "-a", "--format", "{{.Status}}", "-f", "name=box")
    result = host.run("system", "check")
    assert result.code == 1
    assert "24.0 hours ahead of the clock" in result.out
    agree(host)
    assert "hours ahead" not in host.run("system", "check").out
    host.good("start", "box")
    nothing_left(host, clean)


def test_a_number_that_another_process_has(busybox_tar: Path) -> None:
    taken_number(str(busybox_tar))


@on_a_host
def taken_number(host: Host, image: str) -> None:
    clean = furnish(host, image)
    container = box(host)
    with open(record(host.good("inspect", "-f", "{{.Id}}", "other"))) as file:
        others = json.load(file)
    with open(record(container)) as file:
        monitor = json.load(file)["monitor"]
    os.kill(monitor, signal.SIGKILL)
    # The kernel could have given the number to anybody: to the other container's monitor, say.
    change(record(container), monitor=others["monitor"], pid=others["pid"])
    result = host.run("system", "check")
    assert result.code == 1
    assert f"process {others['monitor']} is another one now" in result.out
    assert "Exited (137)" in host.good("ps", "-a", "--format", "{{.Status}}", "-f", "name=box")
    agree(host)
    nothing_left(host, clean)


def groups_gone(host: Host) -> bool:
    """Whether there are no processes any more, and no groups, which go once their processes are reaped."""
    if host.facts()["processes"]:
        return False
    for folder in host.hierarchies:
        for path, _, _ in os.walk(f"{folder}/minicontainer", topdown=False):
            try:
                os.rmdir(path)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                return False
    return True


def test_a_reboot(busybox_tar: Path) -> None:
    reboot(str(busybox_tar))


@on_a_host
def reboot(host: Host, image: str) -> None:
    clean = furnish(host, image)
    container = box(host)
    host.good("run", "-d", "--rm", "--name", "passing", *QUIET, "sleep", "1000")
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            os.kill(int(name), signal.SIGKILL)
    until = time.monotonic() + 5
    while not groups_gone(host):
        assert time.monotonic() < until
        time.sleep(0.05)
    shutil.rmtree(RUN)
    result = host.run("system", "check")
    assert result.code == 1
    assert result.out.count("is recorded as running, but its monitor") == 3
    assert host.run("system", "check", "--repair").code == 0
    states = host.good("ps", "-a", "--format", "{{.Names}} {{.State}}").splitlines()
    assert sorted(states) == ["box exited", "other exited"]  # --rm: it went
    assert host.good("logs", container) == "said"
    host.good("start", "other", "box")
    assert host.good("exec", "other", "echo", "well") == "well"
    host.good("rm", "-f", "box")
    # Another command is the other's monitor now.
    left = [line for line in settled(host, clean) if "processes: " not in line]
    assert not left, "\n".join(left)
