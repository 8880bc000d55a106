"""``cp`` and ``export``: files into a container and out of it."""

from __future__ import annotations

import io
import os
import tarfile

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runner import Runner


@pytest.fixture(params=["running", "stopped"])
def box(mc: Runner, request: pytest.FixtureRequest) -> str:
    """A container with /d, /d/f (1000:1001), /link -> /d/f, /out -> the host's /etc/hostname."""
    made = "mkdir /d; echo hi > /d/f; chown 1000:1001 /d/f; chmod 4750 /d/f; ln -s /d/f /link"
    end = "exec sleep 300" if request.param == "running" else "exit 0"
    words = ["--name", "box", "--network", "none", "busybox", "sh", "-c", f"{made}; touch /ready; {end}"]
    if request.param == "running":
        mc.ok("run", "-d", *words)
        mc.ok("exec", "box", "sh", "-c", "while ! [ -e /ready ]; do sleep 0.05; done")
    else:
        mc.ok("run", *words)
    return "box"


def listed(mc: Runner, path: str) -> dict[str, tarfile.TarInfo]:
    result = mc("cp", path, "-")
    assert result.code == 0, result
    with tarfile.open(fileobj=io.BytesIO(result.raw)) as archive:
        return {member.name: member for member in archive}


def test_out_the_callers_without_set_id(mc: Runner, box: str, tmp_path: Path) -> None:
    mc.ok("cp", f"{box}:/d", str(tmp_path))
    status = (tmp_path / "d/f").stat()
    assert (tmp_path / "d/f").read_text() == "hi\n"
    assert (status.st_uid, status.st_mode & 0o7777) == (os.geteuid(), 0o750)
    mc.ok("cp", f"{box}:/d/.", str(tmp_path / "new"))
    assert os.listdir(tmp_path / "new") == ["f"]


def test_in_with_owners_and_links_as_links(mc: Runner, box: str, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t/a").write_text("a")
    os.chown(tmp_path / "t/a", 1234, 1235)
    os.symlink("a", tmp_path / "t/l")
    mc.ok("cp", str(tmp_path / "t"), f"{box}:/d")
    mc.ok("cp", str(tmp_path / "t"), f"{box}:/named")
    for folder in ("d/t", "named"):
        found = listed(mc, f"{box}:/{folder}")
        name = folder.rpartition("/")[2]
        assert (found[f"{name}/a"].uid, found[f"{name}/a"].gid) == (1234, 1235)
        assert found[f"{name}/l"].linkname == "a"


def test_a_target_link_stays_inside(mc: Runner, box: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("host")
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        link = tarfile.TarInfo("escape")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("escape/planted"))
    mc("cp", "-", f"{box}:/d", input=data.getvalue())
    assert os.listdir(tmp_path) == ["secret"]
    refused = mc("cp", f"{box}:/d/escape/secret", str(tmp_path / "got"))
    assert (refused.code, os.listdir(tmp_path)) == (1, ["secret"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["box:/a", "box:/b"], "copying between containers is not supported"),
        (["/a", "/b"], "must specify at least one container source"),
        (["", "box:/"], "source can not be empty"),
        (["nosuch:/a", "/tmp"], "No such container: nosuch"),
        (["box:/none", "/tmp"], "Could not find the file /none in container box"),
        (["box:/d", "/nosuch/x"], "invalid output path"),
        (["/etc/hostname", "box:/none/x"], "Could not find the file /none in container box"),
        (["/etc/hostname", "box:/none/"], "no such directory"),
        (["/etc", "box:/d/f"], "cannot copy directory"),
        (["-", "box:/d/f"], 'destination "box:/d/f" must be a directory'),
    ],
)
def test_refused(mc: Runner, words: list[str], said: str) -> None:
    script = "mkdir /d; echo hi > /d/f"
    mc.ok("run", "--name", "box", "--network", "none", "busybox", "sh", "-c", script)
    result = mc("cp", *words)
    assert (result.code, result.err.count("\n")) == (1, 1), result
    assert said in result.err


def test_export(mc: Runner, box: str) -> None:
    result = mc("export", box)
    assert result.code == 0, result
    with tarfile.open(fileobj=io.BytesIO(result.raw)) as archive:
        found = {member.name: member for member in archive}
    assert (found["d/f"].uid, found["d/f"].gid, found["d/f"].mode) == (1000, 1001, 0o4750)
    assert found["link"].linkname == "/d/f"
