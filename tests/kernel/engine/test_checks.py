"""doctor: it tells the truth in places where something is missing, and leaves the host as it was."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from minicontainer.engine import host
from minicontainer.linux import capabilities, mount, namespaces, process
from tests.kernel.linux.child import in_child, own_mounts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DOCTOR = """
import os, sys
from minicontainer.cli.main import run
sys.exit(run(["--root", os.environ["ROOT"], "--run-root", os.environ["ROOT"], "doctor", *sys.argv[1:]]))
"""
pytestmark = pytest.mark.needs("mount namespace")


def doctor(root: str, prepare: Callable[[], None] | None = None) -> tuple[int, dict[str, Any]]:
    """(exit status, the JSON answer by check) of doctor in a process that ``prepare`` has changed."""
    ran = subprocess.run(
        [sys.executable, "-c", DOCTOR, "--format", "json"],
        env={**os.environ, "ROOT": root, "PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=prepare, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.stderr == ""
    answer = json.loads(ran.stdout)
    assert answer["schema"] == 1
    assert answer["works"] == (ran.returncode == 0)
    return ran.returncode, {check["name"]: check for check in answer["checks"]}


def others_reach(path: str) -> bool:
    """Whether every folder on the way to ``path``, links followed, lets other users through."""
    if os.path.islink(path) and not others_reach(os.path.join(os.path.dirname(path), os.readlink(path))):
        return False
    path = os.path.abspath(path)
    while path != "/":
        path = os.path.dirname(path)
        if not os.stat(path).st_mode & 0o001:
            return False
    return True


def state_of_host() -> dict[str, list[str]]:
    groups = [folder for folder, _, _ in os.walk("/sys/fs/cgroup") if "doctor" in folder]
    with open("/proc/self/mountinfo") as file:
        mounts = [line.split(" ")[4] for line in file]
    rules = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False).stdout
    return {
        "groups": groups,
        "mounts": mounts,
        "links": sorted(name for _, name in socket.if_nameindex()),
        "rules": [rules],
    }


@pytest.mark.needs("network namespace")
def test_it_changes_nothing(tmp_path: os.PathLike[str]) -> None:
    root = os.path.join(tmp_path, "not", "there", "yet")

    def compare() -> list[dict[str, list[str]]]:
        own_mounts()  # on the host itself, others mount, and make links and rules, meanwhile
        namespaces.unshare(process.CLONE_NEWNET)
        before = state_of_host()
        doctor(root)
        return [before, state_of_host()]

    before, after = in_child(compare)
    assert after == before
    assert os.listdir(tmp_path) == []


@pytest.mark.needs("pid namespace", "network namespace", "control groups")
def test_a_host_that_can_run_is_told_so(tmp_path: os.PathLike[str]) -> None:
    status, checks = doctor(os.fspath(tmp_path))
    assert {name for name, check in checks.items() if check["needed"] and not check["ok"]} == set()
    assert status == 0
    assert all(check["without"] for check in checks.values() if not check["ok"])


def test_a_missing_capability_is_named_with_what_it_costs(tmp_path: os.PathLike[str]) -> None:
    def drop() -> None:
        kept = capabilities.current()["effective"] & ~capabilities.mask(["CAP_MKNOD", "CAP_NET_ADMIN"])
        capabilities.drop_bounding(capabilities.NUMBERS["CAP_MKNOD"])
        capabilities.drop_bounding(capabilities.NUMBERS["CAP_NET_ADMIN"])
        capabilities.capset(kept, kept, 0)

    status, checks = doctor(os.fspath(tmp_path), drop)
    assert status == 1
    assert not checks["CAP_MKNOD"]["ok"]
    assert "device nodes" in checks["CAP_MKNOD"]["without"]
    assert not checks["CAP_NET_ADMIN"]["needed"]
    assert not checks["nft and NAT"]["ok"]
    assert "Operation not permitted" in checks["bridge and veth"]["found"]


@pytest.mark.needs("user namespace")
def test_an_ordinary_user_is_root_of_a_namespace(tmp_path: os.PathLike[str]) -> None:
    if not others_reach(sys.executable):
        pytest.skip("an ordinary user cannot reach this Python")
    root = os.fspath(tmp_path)
    for folder in (root, os.path.dirname(root), os.path.dirname(os.path.dirname(root))):
        os.chmod(folder, 0o755)
    status, checks = doctor(root, lambda: os.setresuid(65534, 65534, 65534))
    assert status == 1
    assert "root of a user namespace" in checks["user"]["found"]
    assert checks["mount namespace"]["ok"]
    assert not checks["control groups"]["needed"]
    assert not checks["state folder"]["ok"]


def test_an_overlay_below_the_state_folder_and_hidden_cgroups_are_seen(tmp_path: os.PathLike[str]) -> None:
    root = os.fspath(tmp_path)

    def nest() -> None:
        namespaces.unshare(process.CLONE_NEWNS)
        mount.mount(None, "/", None, mount.MS_REC | mount.MS_PRIVATE)
        for name in ("lower", "upper", "work", "merged"):
            os.mkdir(f"{root}/{name}")
        options = f"lowerdir={root}/lower,upperdir={root}/upper,workdir={root}/work"
        mount.mount("overlay", f"{root}/merged", "overlay", 0, options)
        mount.mount("tmpfs", "/sys/fs/cgroup", "tmpfs", mount.MS_RDONLY)

    status, checks = doctor(f"{root}/merged", nest)
    assert status == 1
    assert not checks["overlayfs"]["ok"]
    assert not checks["overlayfs"]["needed"]
    assert not checks["control groups"]["ok"]


def test_the_text_has_one_mark_a_line_and_a_verdict(tmp_path: os.PathLike[str]) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", DOCTOR],
        env={**os.environ, "ROOT": os.fspath(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path),
             "LC_ALL": "C.UTF-8"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = ran.stdout.splitlines()
    assert ran.stderr == ""
    assert lines[0] == "kernel"
    assert lines[-1].startswith("run works" if ran.returncode == 0 else "run cannot work on this host: ")
    findings = [line for line in lines if line.startswith("  ") and not line.startswith("    ")]
    assert all(line[2] in "✓!✗" for line in findings)
    assert len(findings) > 30


def test_facts_agree_with_the_kernel(tmp_path: os.PathLike[str]) -> None:
    facts = host.facts(os.fspath(tmp_path), "overlay")
    with open("/proc/meminfo") as file:
        total = int(file.readline().split()[1]) * 1024
    assert facts.mem_total == total
    assert facts.kernel_version == os.uname().release
    assert facts.ncpu == os.cpu_count()
    assert facts.driver == "overlay"


@pytest.mark.parametrize(
    ("content", "name"),
    [('A=1\nPRETTY_NAME="Some OS 3"\n', "Some OS 3"), ("A=1\n", "Linux"), (None, "Linux")],
)
def test_the_name_of_the_operating_system(tmp_path: os.PathLike[str], content: str | None, name: str) -> None:
    os.mkdir(os.path.join(tmp_path, "etc"))
    if content is not None:
        with open(os.path.join(tmp_path, "etc/os-release"), "w") as file:
            file.write(content)
    assert host.operating_system(os.fspath(tmp_path)) == name
