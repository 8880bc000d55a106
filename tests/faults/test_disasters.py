"""What befalls a host besides killed processes: each is told in plain words, and recovered from.

A full disk, a state folder that became read-only, records cut short or filled with noise, a clock that
jumps, a process number that was given to another process, a reboot.  Another container runs all
the while, and is to be untouched by all but the reboot.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from minicontainer.linux import mount
from tests.faults.host import PATIENCE_S, ROOT, RUN, SCRATCH, on_a_host, reap, settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.host import Facts, Host

pytestmark = pytest.mark.needs("network namespace", "pid namespace", "uts namespace", "cgroup namespace")

QUIET = ["--network", "none", "busybox"]
OTHER = ["run", "-d", "--name", "other", *QUIET, "sh", "-c", "echo said; exec sleep 2000"]
BOX = ["run", "-d", "--name", "box", *QUIET, "sh", "-c", "echo said; exec sleep 1000"]
LAST_PID = "/proc/sys/kernel/ns_last_pid"  # pid_namespaces(7)
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
    until_said(host)
    return container


def until_said(host: Host, lines: int = 1) -> None:
    """Until what ``box`` says at each start is in its log."""
    until = time.monotonic() + PATIENCE_S
    while host.good("logs", "box").splitlines() != ["said"] * lines:
        assert time.monotonic() < until


def gone(*pids: int) -> None:
    """Until there are no such processes any more, nor what is left of them."""
    until = time.monotonic() + PATIENCE_S
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        reap()
        assert time.monotonic() < until
        time.sleep(0.02)


def record(container: str, name: str = "status") -> str:
    return f"{ROOT}/containers/{container}/{name}.json"


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


def test_damaged_runtime_state(busybox_tar: Path) -> None:
    damaged_state(str(busybox_tar))


@on_a_host
def damaged_state(host: Host, image: str) -> None:
    """What RUN knows of a container that runs: it cannot be entered any more, but be seen, and be ended."""
    clean = furnish(host, image)
    for damage in DAMAGE:
        container = box(host)
        path = f"{RUN}/runtime/{container}/state.json"
        spoil(path, damage)
        told(host, path, damage)
        assert "Up" in host.good("ps", "--format", "{{.Status}}", "-f", "name=box")
        assert host.good("logs", "box") == "said"
        one_line(host, "exec", "box", "true", said="damaged")
        host.good("rm", "-f", "box")
        agree(host)
        nothing_left(host, clean)


@pytest.mark.needs("nat")
def test_damaged_network(busybox_tar: Path) -> None:
    damaged_network(str(busybox_tar))


@on_a_host
def damaged_network(host: Host, image: str) -> None:
    """Who is on the bridge stays there, and can leave it; then the record is made anew."""
    bridged = ["run", "-d", "busybox", "sleep", "1000"]
    furnish(host, image)
    host.good("run", "--rm", "busybox", "true")
    clean = host.steady()
    path = f"{ROOT}/networks/bridge.json"
    for damage in DAMAGE:
        first = host.good(*bridged)
        spoil(path, damage)
        if damage in ("cut", "noise"):  # an empty one is what a power failure leaves: then no bridge is there
            told(host, path, damage)
            one_line(host, "run", "--rm", "busybox", "true", said=f"{path} is damaged")
        assert "inet 172." in host.good("exec", first, "ip", "address", "show", "eth0")
        host.good("rm", "-f", first)
        agree(host)
        second = host.good(*bridged)
        assert "inet 172." in host.good("exec", second, "ip", "address", "show", "eth0")
        host.good("rm", "-f", second)
        # Whether packets were forwarded before the first container came, was in the record.
        left = [line for line in settled(host, clean) if "ip_forward: " not in line]
        assert not left, (damage, left)


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


def test_a_clock_that_jumps(busybox_tar: Path) -> None:
    clock(str(busybox_tar))


DAY = 86400.0


@on_a_host
def clock(host: Host, image: str) -> None:
    clean = furnish(host, image)
    # Set back: what was started while it was a day ahead is from tomorrow.
    assert host.run(*BOX, ahead=DAY).code == 0
    assert "Up Less than a second" in host.good("ps", "--format", "{{.Status}}", "-f", "name=box")
    stopped_in_time(host)
    assert "Exited (137)" in host.good("ps", "-a", "--format", "{{.Status}}", "-f", "name=box")
    result = host.run("system", "check")
    assert result.code == 1
    assert "24.0 hours ahead of the clock" in result.out
    agree(host)
    assert "hours ahead" not in host.run("system", "check").out
    host.good("start", "box")
    # Set forward: nothing that is waited for is over at once, or never.
    until_said(host, lines=2)
    stopped_in_time(host, ahead=365 * DAY)
    assert "Exited (137) 12 months ago" in host.run("ps", "-a", "--filter", "name=box", ahead=365 * DAY).out
    assert host.run("start", "box", ahead=365 * DAY).code == 0
    until_said(host, lines=3)
    nothing_left(host, clean)


def stopped_in_time(host: Host, ahead: float = 0.0) -> None:
    """``stop -t 1`` of a program that does not obey takes a second, whatever the clock says."""
    began = time.monotonic()
    assert host.run("stop", "-t", "1", "box", ahead=ahead).code == 0
    assert time.monotonic() - began >= 1
    assert host.good("inspect", "-f", "{{.State.Running}}", "box") == "false"


@pytest.mark.skipif(
    not os.path.exists(LAST_PID), reason=f"no {LAST_PID}: this kernel cannot be told which number comes next"
)
def test_a_number_that_another_process_has(busybox_tar: Path) -> None:
    taken_number(str(busybox_tar))


@on_a_host
def taken_number(host: Host, image: str) -> None:
    clean = furnish(host, image)
    container = box(host)
    with open(record(container)) as file:
        known = json.load(file)
    os.kill(known["monitor"], signal.SIGKILL)
    numbers = (known["monitor"], known["pid"])
    gone(*numbers)
    strangers = [stranger(number) for number in numbers]
    result = host.run("system", "check")
    assert result.code == 1
    assert f"process {known['monitor']} is another one now (sleep)" in result.out
    assert "Exited (137)" in host.good("ps", "-a", "--format", "{{.Status}}", "-f", "name=box")
    one_line(host, "kill", "box", said="is not running")
    one_line(host, "exec", "box", "true", said="is not running")
    host.good("stop", "-t", "0", "box")
    agree(host)
    host.good("start", "box")
    host.good("rm", "-f", "box")
    assert [one.poll() for one in strangers] == [None, None], "who has the number now was killed"
    for one in strangers:
        one.kill()
        one.wait()
    nothing_left(host, clean)


def stranger(number: int) -> subprocess.Popen[bytes]:
    """A process that has this number: the kernel counts on from the last one it gave."""
    until = time.monotonic() + PATIENCE_S
    while True:
        with open(LAST_PID, "w") as file:
            file.write(str(number - 1))
        made = subprocess.Popen(["sleep", "4000"])
        if made.pid == number:
            return made
        made.kill()  # somebody else was faster
        made.wait()
        assert time.monotonic() < until


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


def power_off(host: Host) -> None:
    """All processes, their groups and RUN are gone, as after a reboot."""
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            os.kill(int(name), signal.SIGKILL)
    until = time.monotonic() + PATIENCE_S
    while not groups_gone(host):
        assert time.monotonic() < until
        time.sleep(0.05)
    shutil.rmtree(RUN)


@pytest.mark.needs("nat")
def test_a_reboot_with_a_network(busybox_tar: Path) -> None:
    reboot_with_a_network(str(busybox_tar))


@on_a_host
def reboot_with_a_network(host: Host, image: str) -> None:
    """The record of the bridge tells of links, rules and addresses that no longer are."""
    furnish(host, image)
    host.good("run", "--rm", "busybox", "true")
    clean = host.steady()
    first = [host.good("run", "-d", "--name", name, "busybox", "sleep", "1000") for name in ("one", "two")]
    address = "{{.NetworkSettings.IPAddress}}"
    before = {name: host.good("inspect", "-f", address, name) for name in ("one", "two")}
    bridge = next(name for name in os.listdir("/sys/class/net") if name.startswith("minicontainer"))
    power_off(host)
    subprocess.run(["ip", "link", "del", bridge], check=True)
    subprocess.run(["nft", "flush", "ruleset"], check=True)
    with open("/proc/sys/net/ipv4/ip_forward", "w") as file:
        file.write("0")
    assert host.run("system", "check", "--repair").code == 0
    off = host.steady()
    for kind in ("addresses", "links", "rules"):
        assert off[kind] == clean[kind]
    host.good("start", "two", "one")
    assert {name: host.good("inspect", "-f", address, name) for name in before} == before
    assert "0% packet loss" in host.good("exec", "one", "ping", "-c", "1", before["two"])
    host.good("rm", "-f", *first)
    host.good("rm", "-f", "other")
    left = [line for line in settled(host, clean, 0) if line.startswith("+ ")]
    assert not left, "\n".join(left)


def test_a_reboot(busybox_tar: Path) -> None:
    reboot(str(busybox_tar))


@on_a_host
def reboot(host: Host, image: str) -> None:
    clean = furnish(host, image)
    container = box(host)
    host.good("run", "-d", "--rm", "--name", "passing", *QUIET, "sleep", "1000")
    power_off(host)
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
