"""The busybox recipe: what the archive holds, that it is reproducible, what it says when it cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

RECIPE = os.path.join(os.path.dirname(__file__), "..", "..", "..", "rootfs", "busybox", "build")


def build(target: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, RECIPE, target], env={**os.environ, **environment}, capture_output=True, check=False
    )


@pytest.fixture
def members(busybox_tar: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(busybox_tar) as tar:
        return {member.name: member for member in tar}


def test_every_applet_is_a_link_to_the_one_program(members: dict[str, tarfile.TarInfo]) -> None:
    assert members["bin/busybox"].isreg()
    assert members["bin/busybox"].mode == 0o755
    for applet in ("bin/sh", "bin/true", "usr/bin/id", "sbin/ip"):
        assert members[applet].linkname == "/bin/busybox"


def test_the_usual_folders_and_accounts(members: dict[str, tarfile.TarInfo], busybox_tar: Path) -> None:
    assert members["tmp"].mode == 0o1777
    assert members["root"].mode == 0o700
    assert {"dev", "etc", "home", "proc", "run", "sys", "usr/bin", "var"} <= members.keys()
    with tarfile.open(busybox_tar) as tar:
        passwd = tar.extractfile("etc/passwd")
        assert passwd is not None
        assert passwd.readline() == b"root:x:0:0:root:/root:/bin/sh\n"


def test_parents_come_first_and_all_belongs_to_root(members: dict[str, tarfile.TarInfo]) -> None:
    seen: set[str] = set()
    for name, member in members.items():
        parent = os.path.dirname(name)
        assert not parent or parent in seen
        assert (member.uid, member.gid) == (0, 0)
        seen.add(name)


def test_the_same_busybox_gives_the_same_bytes(busybox_tar: Path, tmp_path: Path) -> None:
    to_file, to_output = build(str(tmp_path / "again.tar")), build("-")
    assert (to_file.returncode, to_output.returncode) == (0, 0)
    assert (tmp_path / "again.tar").read_bytes() == busybox_tar.read_bytes() == to_output.stdout


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("/nowhere/busybox", b"no /nowhere/busybox here"),
        (sys.executable, b"shared libraries"),
        (RECIPE, b"ELF"),
    ],
)
def test_a_busybox_that_will_not_do_is_named(program: str, says: bytes, tmp_path: Path) -> None:
    made = build(str(tmp_path / "x.tar"), BUSYBOX=program)
    assert made.returncode == 1
    assert says in made.stderr
    assert b"Traceback" not in made.stderr
    assert os.listdir(tmp_path) == []
