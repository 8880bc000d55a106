"""`system check` finds each thing that is left behind, and --repair removes it and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import time

import pytest

from minicontainer.linux import mount
from tests.faults.host import PATIENCE_S, ROOT, RUN, SCRATCH, difference, on_a_host

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.faults.host import Host

pytestmark = pytest.mark.needs("network namespace", "pid namespace", "uts namespace", "cgroup namespace")

NOBODY = "f" * 64
QUIET = ["--network", "none", "busybox"]


def found(host: Host) -> list[dict[str, str]]:
    """What the check finds, of which it says that all can be mended."""
    result = host.run("system", "check", "--format", "json")
    answer = json.loads(result.out)
    assert (answer["schema"], answer["agree"], result.code) == (
        1,
        not answer["findings"],
        int(not answer["agree"]),
    )
    assert all(one["mendable"] for one in answer["findings"]), answer
    return list(answer["findings"])


def test_what_is_left_behind(busybox_tar: Path) -> None:
    left_behind(str(busybox_tar))


@on_a_host
def left_behind(host: Host, image: str) -> None:
    host.good("import", image, "busybox")
    other = host.good("run", "-d", "--name", "other", *QUIET, "sleep", "1000")
    idle = host.good("create", "--name", "idle", *QUIET, "true")
    host.remember(idle, "idle")
    before = host.steady()
    assert found(host) == []
    own = f"{ROOT}/containers/{idle}"
    groups = [f"{folder}/minicontainer" for folder in host.hierarchies]
    group = next(path for path in groups if os.path.isdir(path))
    os.symlink(f"../{NOBODY}", f"{ROOT}/containers/.names/ghost")
    os.unlink(f"{ROOT}/containers/.names/idle")
    for path in (
        f"{group}/{NOBODY}",
        f"{group}/{idle}",
        f"{RUN}/monitors/{NOBODY}",
        f"{ROOT}/containers/.tmp-7-7",
    ):
        os.mkdir(path)
    for path in (f"{own}/.tmp-status.json-4194305", f"{ROOT}/images/.tmp-7-7", f"{RUN}/locks/{NOBODY}"):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    with open(f"{ROOT}/images/blobs/sha256/{NOBODY}", "w") as file:
        file.write("nobody's")
    drivers = [name for name in ("overlay", "vfs") if os.path.isdir(f"{ROOT}/layers/{name}")]
    layer = f"{ROOT}/layers/{drivers[0]}/{NOBODY}"
    os.mkdir(layer)
    mount.mount("tmpfs", f"{own}/rootfs", "tmpfs")
    told = {(one["kind"], one["where"]) for one in found(host)}
    assert told == {
        ("name", f"{ROOT}/containers/.names/ghost"),
        ("name", f"container idle ({idle[:12]})"),
        ("control group", f"{group}/{NOBODY}"),
        ("control group", f"{group}/{idle}"),
        ("attach socket", f"{RUN}/monitors/{NOBODY}"),
        ("lock", f"{RUN}/locks/{NOBODY}"),
        ("half-made", f"{ROOT}/containers/.tmp-7-7"),
        ("half-made", f"{own}/.tmp-status.json-4194305"),
        ("half-made", f"{ROOT}/images/.tmp-7-7"),
        ("blob", f"{ROOT}/images/blobs/sha256/{NOBODY}"),
        ("layer", layer),
        ("mount", f"{own}/rootfs"),
    }
    repaired = host.run("system", "check", "--repair")
    assert repaired.code == 0, repaired.out
    assert repaired.out.endswith("kernel and state agree\n")
    # A lock stays with its container.
    assert difference(before, host.facts()) == [f"+ files: {RUN}/locks/idle"]
    assert host.good("ps", "-q", "--no-trunc") == other


def test_a_damaged_health_record(busybox_tar: Path) -> None:
    damaged_health(str(busybox_tar))


@on_a_host
def damaged_health(host: Host, image: str) -> None:
    """What a health check said may be forgotten: the next probe says it again."""
    host.good("import", image, "busybox")
    check = ("--health-cmd", "true", "--health-interval", "20ms")
    box = host.good("run", "-d", "--name", "box", *check, *QUIET, "sleep", "1000")
    healthy = ("ps", "-q", "--no-trunc", "--filter", "health=healthy")
    _until(lambda: host.good(*healthy) == box, "a probe has said it")
    host.good("stop", "-t", "0", "box")
    path = f"{ROOT}/containers/{box}/health.json"
    with open(path, "w") as file:
        file.write('{"status": "hea')
    assert [(one["kind"], one["where"]) for one in found(host)] == [("record", path)]
    assert "is damaged" in host.good("inspect", "-f", "{{json .State.Health}}", "box")
    repaired = host.run("system", "check", "--repair")
    assert repaired.code == 0, repaired.out
    assert "the health of box " in repaired.out
    shown = host.good("inspect", "-f", "{{json .State.Health}}", "box")
    assert shown == '{"Status":"unhealthy","FailingStreak":0,"Log":[]}'
    host.good("start", "box")
    _until(lambda: host.good(*healthy) == box, "it is found out anew")
    host.good("rm", "-f", "box")


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.mark.needs("controller:cpu", "controller:pids")
def test_an_update_that_was_killed(busybox_tar: Path) -> None:
    killed_update(str(busybox_tar))


@on_a_host
def killed_update(host: Host, image: str) -> None:
    """What was written to the kernel and not recorded is undone."""

    def update(shares: int, pids: int, fault: str = "") -> int | None:
        words = ["update", "--cpu-shares", str(shares), "--pids-limit", str(pids), "other"]
        return host.run(*words, fault=fault).code

    host.good("import", image, "busybox")
    other = host.good("run", "-d", "--name", "other", *QUIET, "sleep", "1000")
    assert update(512, 50) == 0  # what groups that takes, they are there from now on
    assert update(256, 60, f"list:{SCRATCH}/steps") == 0
    with open(f"{SCRATCH}/steps") as file:
        writes = sum(" write_control#" in line for line in file)
    assert writes > 1
    before = host.steady()
    assert any(line.endswith("/pids.max: 60") for line in before["limits"])
    for number in range(2, writes + 1):
        assert update(128, 70, f"caller:write_control#{number}:kill") == -9
        told = [(one["kind"], one["where"]) for one in found(host)]
        assert told == [("limits", f"container other ({other[:12]})")]
        assert difference(before, host.facts()) != []
        repaired = host.run("system", "check", "--repair")
        assert repaired.code == 0, repaired.out
        assert difference(before, host.facts()) == []
    limits = "{{.HostConfig.CpuShares}} {{.HostConfig.PidsLimit}}"
    assert host.good("inspect", "-f", limits, "other") == "256 60"
    assert update(128, 70) == 0
    assert host.good("inspect", "-f", limits, "other") == "128 70"


def test_another_root(busybox_tar: Path) -> None:
    another_root(str(busybox_tar))


@on_a_host
def another_root(host: Host, image: str) -> None:
    """What runs from another root is no business of this one, nor what its commands are at."""
    host.good("import", image, "busybox")
    host.good("run", "-d", "--name", "theirs", *QUIET, "sleep", "1000")
    before = host.steady()
    roots = ["--root", f"{ROOT}/elsewhere", "--run-root", f"{RUN}/elsewhere"]
    assert host.good(*roots, "system", "check", "--repair") == "kernel and state agree"
    assert [line for line in difference(before, host.facts()) if "/elsewhere" not in line] == []
    assert host.good("exec", "theirs", "echo", "well") == "well"


@pytest.mark.needs("nat")
def test_links_and_rules(busybox_tar: Path) -> None:
    links_and_rules(str(busybox_tar))


@on_a_host
def links_and_rules(host: Host, image: str) -> None:
    host.good("import", image, "busybox")
    host.good("run", "-d", "--name", "other", "busybox", "sleep", "1000")
    idle = host.good("create", "--name", "idle", "busybox", "true")
    before = host.steady()
    assert found(host) == []
    for words in (
        ["ip", "link", "add", "minicontainer9", "type", "bridge"],
        ["ip", "link", "add", f"mc{idle[:12]}", "type", "veth", "peer", "name", "peer"],
        ["nft", "add", "table", "ip", "minicontainer8"],
    ):
        subprocess.run(words, check=True)
    path = f"{ROOT}/networks/bridge.json"
    with open(path) as file:
        record = json.load(file)
    endpoint = next(iter(record["endpoints"].values()))
    record["endpoints"][NOBODY] = {**endpoint, "address": "192.0.2.9", "host_interface": "lo"}
    with open(path, "w") as file:
        json.dump(record, file)
    told = {(one["kind"], one["where"]) for one in found(host)}
    assert told == {
        ("link", "minicontainer9"),
        ("link", f"mc{idle[:12]}"),
        ("rules", "nft table ip minicontainer8"),
        ("address", f"192.0.2.9 on {record['bridge']}"),
    }
    # The kernel's own link is not to be deleted for the sake of a record.
    record["endpoints"][NOBODY]["host_interface"] = "mcffffffffffff"
    with open(path, "w") as file:
        json.dump(record, file)
    repaired = host.run("system", "check", "--repair")
    assert repaired.code == 0, repaired.out + repaired.err
    assert difference(before, host.facts()) == []
    with open(path) as file:
        assert NOBODY not in json.load(file)["endpoints"]
    assert "inet 172." in host.good("exec", "other", "ip", "address", "show", "eth0")
