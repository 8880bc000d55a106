"""The fields of config.json that few containers use: what the program then sees, or who refuses them."""

from __future__ import annotations

import os

import pytest

from minicontainer.cgroups.host import hierarchies
from tests.conformance.cases import Case, check_refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from tests.bundles import Bundle
    from tests.conformance.cases import Run
    from tests.conformance.runtimes import Runtime

SINCE_1_2 = {"runc": "since runc 1.2", "crun": "since crun 1.9"}
OLD = {"runc": "since runc 1.4", "crun": "since crun 1.25"}
SHIFT = [{"containerID": 0, "hostID": 5000, "size": 1000}]


def mounts(*found: tuple[str, str, str, list[str]]) -> dict[str, Any]:
    keys = ("destination", "type", "source", "options")
    return {"mounts+": [dict(zip(keys, mount, strict=True)) for mount in found]}


OPTIONS = "grep ' /mnt{} ' /proc/self/mountinfo | tail -1 | cut -d' ' -f6"

CASES: dict[str, Case] = {
    # -- process
    "scheduler": Case(
        {"process.scheduler": {"policy": "SCHED_BATCH", "nice": 5}},
        "cut -d' ' -f19,41 /proc/self/stat", "5 3\n", SINCE_1_2,
    ),
    "priority for disks": Case(
        {"process.ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 6}},
        "ionice -p 1", "best-effort: prio 6\n", SINCE_1_2,
    ),
    "unconfined": Case({"process.apparmorProfile": ""}, "echo ran", "ran\n", {"crun": "1.8 asks AppArmor"}),
    # -- mounts
    "a tmpfs that begins with what was there": Case(
        mounts(("/etc", "tmpfs", "tmpfs", ["tmpcopyup"])),
        "head -1 /etc/passwd | cut -d: -f1; echo x > /etc/new; stat -f -c %T /etc", "root\ntmpfs\n",
    ),
    "a bind mount that is changed": Case(
        mounts(
            ("/mnt", "bind", "rootfs/etc", ["bind"]),
            ("/mnt", "bind", "rootfs/etc", ["bind", "remount", "ro"]),
        ),
        f"{OPTIONS.format('')} | cut -d, -f1", "ro\n",
    ),
    "a mount on a mount": Case(
        mounts(("/mnt", "tmpfs", "a", ["mode=700"]), ("/mnt", "tmpfs", "b", ["mode=711"])),
        "grep ' /mnt ' /proc/self/mountinfo | wc -l", "2\n",
    ),
    "a source beside the configuration": Case(
        mounts(("/mnt", "bind", "rootfs/etc", ["bind"])), "test -e /mnt/passwd && echo there", "there\n",
    ),
    "a file for a target that is missing": Case(
        mounts(("/deep/file", "bind", "rootfs/etc/passwd", ["bind"])),
        "head -1 /deep/file | cut -d: -f1", "root\n",
    ),
    "a relative destination": Case(
        mounts(("mnt/deep", "tmpfs", "x", [])), "grep -c ' /mnt/deep ' /proc/self/mountinfo", "1\n",
    ),
    "read-only with all below": Case(
        mounts(("/mnt", "bind", "rootfs", ["rbind", "rro"])), f"{OPTIONS.format('')} | cut -d, -f1", "ro\n",
    ),
    "without programs, with all below": Case(
        mounts(("/mnt", "bind", "rootfs", ["rbind", "rnoexec", "rnosuid"])),
        f"{OPTIONS.format('')} | tr , '\\n' | grep -e exec -e suid | sort", "noexec\nnosuid\n",
    ),
    # -- linux
    "memory policy": Case(
        {"linux.memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"}},
        "grep stack /proc/self/numa_maps | cut -d' ' -f2", "bind:0\n", OLD,
    ),
    "a setting with slashes": Case(
        {"linux.sysctl": {"net/ipv4/ip_default_ttl": "44"}}, "cat /proc/sys/net/ipv4/ip_default_ttl", "44\n",
    ),
    "an unknown property": Case(
        {"nonsense": {"a": [1]}, "linux.nonsense": 1, "process.nonsense": None}, "echo ran", "ran\n",
    ),
    "an early version": Case({"ociVersion": "1.0.0-rc5"}, "echo ran", "ran\n"),
    "processors by turns": Case({"linux.resources.cpu": {"idle": 1}}, "echo ran", "ran\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_the_program_sees(runtime: Runtime, bundle: Bundle, run: Run, name: str) -> None:
    if name == "memory policy" and not os.path.exists("/proc/self/numa_maps"):
        pytest.skip("this kernel has no NUMA (CONFIG_NUMA)")
    os.makedirs(f"{bundle.rootfs}/mnt", exist_ok=True)
    CASES[name].check(runtime, bundle, run)


def test_owners_are_mapped(runtime: Runtime, bundle: Bundle, run: Run) -> None:
    if runtime.name == "runc":
        pytest.skip("runc: since runc 1.2")
    bundle.mount("/mnt", "bind", f"{bundle.rootfs}/etc", "bind", "idmap")
    bundle.config["mounts"][-1] |= {"uidMappings": SHIFT, "gidMappings": SHIFT}
    found = run("stat -c '%u %g' /mnt/passwd")
    assert found.out == "5000 5000\n", found


# What is wrong -> (the change, what a runtime makes of it that refuses nothing).
REFUSED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "a profile without AppArmor": ({"process.apparmorProfile": "docker-default"}, {}),
    "a second namespace of a kind": ({"linux.namespaces+": [{"type": "ipc"}]}, {"crun": "1.8 makes one"}),
    "mappings without a user namespace": (
        {"linux.uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]},
        {"runc": "since runc 1.2", "crun": "1.8 leaves them out"},
    ),
    "a setting of the host's": ({"linux.sysctl": {"kernel.core_pattern": "|/bin/x"}}, {}),
    "a setting of a namespace that is shared": (
        {"linux.sysctl": {"kernel.shmmax": "1"},
         "linux.namespaces": [{"type": t} for t in ("pid", "network", "uts", "mount")]}, {},
    ),
    "a domain name in the host's namespace": (
        {"domainname": "x", "hostname": None,
         "linux.namespaces": [{"type": t} for t in ("pid", "network", "ipc", "mount")]},
        {"runc": "since runc 1.2"},
    ),
    "an unknown policy": ({"process.scheduler": {"policy": "SCHED_NONSENSE"}}, SINCE_1_2),
    "an unknown class": ({"process.ioPriority": {"class": "NONSENSE"}}, SINCE_1_2),
    "an unknown memory policy": ({"linux.memoryPolicy": {"mode": "NONSENSE"}}, OLD),
    "an unknown domain": ({"linux.personality": {"domain": "BSD"}}, {"runc": "since runc 1.2"}),
    "an interface that is missing": ({"linux.netDevices": {"no-such0": {}}}, OLD),
    "limits of cgroup v2 on v1": (
        {"linux.resources.unified": {"memory.high": "100000000"}}, {},
    ),
    "no arguments": ({"process.args": []}, {}),
    "a version of the next kind": (
        {"ociVersion": "2.0.0"}, {"runc": "1.1 reads any version"},
    ),
    "a version that is none": (
        {"ociVersion": "latest"}, {"runc": "1.1 reads any version"},
    ),
    "cache that cannot be divided": (
        {"linux.intelRdt": {"closID": "x", "l3CacheSchema": "L3:0=f"}}, {"crun": "1.8 leaves it out"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(runtime: Runtime, run: Run, bundle: Bundle, name: str) -> None:
    if name == "limits of cgroup v2 on v1" and hierarchies().version == "v2":
        pytest.skip("the memory controller is cgroup v2's here")
    check_refused(runtime, bundle, run, *REFUSED[name])


def test_a_source_that_is_missing_is_named(
    runtime: Runtime, run: Run, bundle: Bundle, tmp_path: Path
) -> None:
    missing = str(tmp_path / "missing")
    bundle.mount("/mnt", "bind", missing, "bind")
    found = run("true")
    assert found.code != 0
    assert missing in found.err, runtime.name
