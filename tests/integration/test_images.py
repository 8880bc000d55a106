"""``images``, ``rmi`` and ``import``: what is in the image store."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runner import Runner

RUN = ("run", "--rm", "--network", "none")


def archive(**files: str) -> bytes:
    """A tar of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def made(mc: Runner, name: str, text: str = "x") -> str:
    """The id of a small image."""
    return mc.ok("import", "-", name, input=archive(file=text))


# -- images


def test_an_empty_name_is_no_tag(mc: Runner) -> None:
    before = mc.ok("images", "-a", "-q")
    result = mc("tag", "busybox", "")
    assert (result.code, result.err) == (1, "minicontainer: invalid reference format: ''\n")
    assert mc.ok("images", "-a", "-q") == before


def test_columns(mc: Runner) -> None:
    heading, line = mc.ok("images").splitlines()
    assert heading.split("  ")[0] == "REPOSITORY"
    assert line.split()[:2] == ["busybox", "latest"]
    assert line.split()[2] == mc.ok("images", "-q")
    assert line.endswith("MB")


def test_each_name_has_a_line_and_the_newest_is_first(mc: Runner) -> None:
    made(mc, "a:1")
    made(mc, "b:2", "y")
    shown = mc.ok("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert shown == ["b:2", "a:1", "busybox:latest"]
    assert mc.ok("images", "--format", "{{.Tag}}", "a") == "1"
    assert mc.ok("images", "-q", "nosuch") == ""
    assert mc.ok("images", "--no-trunc", "-q", "busybox").startswith("sha256:")
    assert "sha256:" in mc.ok("images", "--digests", "a")
    lines = mc.ok("images", "--format", "json").splitlines()
    assert {json.loads(line)["Repository"] for line in lines} == {"a", "b", "busybox"}


# -- rmi


def test_rmi_by_name_and_by_id(mc: Runner) -> None:
    first, second = made(mc, "a:1"), made(mc, "b:2", "y")
    assert mc.ok("rmi", "a:1").splitlines()[:2] == ["Untagged: a:1", f"Deleted: {first}"]
    assert mc.ok("rmi", second.removeprefix("sha256:")[:12]).splitlines()[0] == "Untagged: b:2"
    assert mc.ok("images", "--format", "{{.Repository}}") == "busybox"


def test_rmi_of_one_of_two_names(mc: Runner) -> None:
    mc.ok("run", "--name", "base", "--network", "none", "busybox", "true")
    image = mc.ok("commit", "base", "one")
    mc.ok("rm", "base")
    made(mc, "two")
    assert mc.ok("rmi", "two").startswith("Untagged: two:latest\nDeleted: sha256:")
    assert mc.ok("images", "-q", "--no-trunc", "one") == image


def test_rmi_of_a_used_image(mc: Runner) -> None:
    mc.ok("run", "--name", "user", "--network", "none", "busybox", "true")
    for name in ("busybox", mc.ok("images", "-q")):
        refused = mc("rmi", name)
        assert refused.code == 1
        assert "conflict" in refused.err
        assert refused.err.count("\n") == 1
    assert mc.ok("images", "-q", "busybox")


def test_rmi_several_and_missing_ones(mc: Runner) -> None:
    made(mc, "a:1")
    result = mc("rmi", "nosuch", "a:1")
    assert result.code == 1
    assert result.out.startswith("Untagged: a:1\n")
    assert result.err.startswith("minicontainer: no such image: nosuch")


# -- import


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_import_of_a_file_and_from_a_pipe(mc: Runner, tmp_path: Path, compression: str) -> None:
    import zstandard

    data = archive(**{"etc/file": "content"})
    if compression == "gzip":
        data = gzip.compress(data)
    if compression == "zstd":
        data = zstandard.ZstdCompressor().compress(data)
    (tmp_path / "rootfs").write_bytes(data)
    by_file = mc.ok("import", str(tmp_path / "rootfs"), "by-file")
    by_pipe = mc.ok("import", "-", "by-pipe", input=data)
    layers = [mc.ok("inspect", "-f", "{{.RootFS.Layers}}", image) for image in (by_file, by_pipe)]
    assert layers[0] == layers[1]


def test_import_with_changes_and_message(mc: Runner, busybox_tar: Path) -> None:
    mc.ok(
        "import",
        "-c",
        'CMD ["echo", "from the image"]',
        "-c",
        "ENV A=b",
        "-m",
        "why",
        str(busybox_tar),
        "b:1",
    )
    assert mc.ok(*RUN, "b:1") == "from the image"
    assert "A=b" in mc.ok("inspect", "-f", "{{.Config.Env}}", "b:1")


def test_import_without_a_name(mc: Runner) -> None:
    image = mc.ok("import", "-", input=archive(file="x"))
    assert mc.ok("inspect", "-f", "{{.RepoTags}}", image) == "[]"


def test_import_shows_a_bar_on_a_terminal_only(mc: Runner, tmp_path: Path) -> None:
    (tmp_path / "rootfs.tar").write_bytes(archive(file="x" * 100000))
    with mc.terminal("import", str(tmp_path / "rootfs.tar"), "bar") as shown:
        assert shown.wait() == 0
        assert b"importing bar [" in shown.seen
    assert mc("import", str(tmp_path / "rootfs.tar"), "bar").err == ""


def test_import_keeps_what_a_tar_can_say(mc: Runner, busybox_root: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.add(busybox_root, ".")
        for name, kind, mode in (("fifo", tarfile.FIFOTYPE, 0o600), ("null", tarfile.CHRTYPE, 0o666)):
            member = tarfile.TarInfo(f"kept/{name}")
            member.type, member.mode, member.devmajor, member.devminor = kind, mode, 1, 3
            tar.addfile(member)
        member = tarfile.TarInfo("kept/owned")
        member.mode, member.uid, member.gid, member.mtime = 0o4755, 12, 34, 1000
        tar.addfile(member)
        link = tarfile.TarInfo("kept/hard")
        link.type, link.linkname = tarfile.LNKTYPE, "kept/owned"
        tar.addfile(link)
    image = mc.ok("import", "-", "kept", input=buffer.getvalue())
    shown = mc.ok(*RUN, image, "sh", "-c", "cd /kept; stat -c '%F %a %u:%g %Y %h' owned; stat -c %F fifo null"
                  "; [ owned -ef hard ] && echo same")  # fmt: skip
    assert shown.splitlines() == [
        "regular empty file 4755 12:34 1000 2", "fifo", "character special file", "same",
    ]  # fmt: skip
