"""What an image or a container did to its host once, in this runtime or in another, and may not do."""

from __future__ import annotations

import io
import os
import select
import tarfile
import time

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runner import Runner


def image(mc: Runner, busybox_tar: Path, name: str, *links: tuple[str, str], **files: bytes) -> None:
    """Import busybox with its members at the links' paths replaced, and with other files."""
    out = io.BytesIO()
    replaced = {path for path, _ in links} | {path.replace("__", "/") for path in files}
    with tarfile.open(busybox_tar) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            path = member.name.strip("./")
            if not any(path == gone or path.startswith(f"{gone}/") for gone in replaced):
                new.addfile(member, old.extractfile(member) if member.isreg() else None)
        for path, target in links:
            member = tarfile.TarInfo(path)
            member.type, member.linkname = tarfile.SYMTYPE, target
            new.addfile(member)
        for path, data in files.items():
            member = tarfile.TarInfo(path.replace("__", "/"))
            member.size, member.mode = len(data), 0o755
            new.addfile(member, io.BytesIO(data))
    mc.ok("import", "-", name, input=out.getvalue())


@pytest.mark.parametrize("at", ["etc", "etc/hosts", "etc/hostname", "data"])
@pytest.mark.parametrize("way", ["/..{}", "{}", "../../../../..{}"])
def test_a_link_in_an_image_makes_nothing_on_the_host(
    mc: Runner, busybox_tar: Path, tmp_path: Path, at: str, way: str
) -> None:
    # ".." at the root of a tree that lies under another once led out of it.
    outside = tmp_path / "outside"
    image(mc, busybox_tar, "links", (at, way.format(outside)))
    mc("run", "--rm", "--network", "none", "-v", "/usr/share:/data/sub", "links", "true")
    assert not outside.exists()


@pytest.mark.parametrize("folder", ["proc", "sys", "dev"])
def test_a_link_in_place_of_what_is_protected_by_path_is_refused(
    mc: Runner, busybox_tar: Path, folder: str
) -> None:  # CVE-2019-19921
    image(mc, busybox_tar, "links", (folder, "/tmp"))
    result = mc("run", "--rm", "--network", "none", "links", "true")
    assert result.code == 125
    assert result.err.startswith(f"minicontainer: /{folder} is a symbolic link in the image")


def test_nothing_is_mounted_inside_proc(mc: Runner) -> None:  # CVE-2019-16884
    for flag in ("--tmpfs=/proc/sys", "--tmpfs=/proc/self/attr", "-v=/usr:/proc/1"):
        assert "inside /proc" in mc("run", "--rm", "--network", "none", flag, "busybox", "true").err


@pytest.mark.parametrize("how", ["run", "exec"])
def test_the_runtime_s_own_interpreter_does_not_run_in_a_container(
    mc: Runner, busybox_tar: Path, how: str
) -> None:  # CVE-2019-5736
    image(mc, busybox_tar, "own", ("bin/evil", "/proc/self/exe"), bin__script=b"#!/proc/self/exe\n")
    flags = ["--network", "none", "own"]
    for program in ("/bin/evil", "/bin/script", "/proc/self/exe"):
        if how == "run":
            result = mc("run", "--rm", *flags, program)
        else:
            container = mc.ok("run", "-d", *flags, "sleep", "1000")
            result = mc("exec", container, program)
            mc.ok("rm", "-f", container)
        assert result.code == 126, result
        assert "interpreter of the runtime" in result.err


def test_exec_gives_no_descriptor_of_the_caller_s(mc: Runner, tmp_path: Path) -> None:
    held = tmp_path / "held"
    held.write_bytes(b"whole\n")
    os.chown(held, 1234, 1234)
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sleep", "1000")
    program = "echo over > /proc/self/fd/0; ls -l /proc/self/fd; cat"
    with open(held, "rb") as stream:
        started = mc.start("exec", "-i", container, "sh", "-c", program, stdin=stream)
        out, _ = started.communicate(timeout=60)
    assert held.read_bytes() == b"whole\n"
    assert held.stat().st_uid == 1234
    assert b"held" not in out
    assert b"pipe:" in out


def test_a_detached_container_keeps_no_descriptor_of_its_caller_s(mc: Runner) -> None:
    reader, writer = os.pipe()
    mc.start(
        "run", "-d", "--rm", "--network", "none", "busybox", "sleep", "1000", pass_fds=(writer,)
    ).communicate(timeout=60)
    os.close(writer)
    assert select.select([reader], [], [], 60)[0], "somebody still holds the other end"
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_the_keys_of_the_caller_s_session_stay_outside(mc: Runner) -> None:
    # What the step does is proved in tests/kernel/linux/test_keyring.py: here, that both take it.
    container = mc.ok("run", "-d", "--network", "none", "busybox", "sleep", "1000")
    for verb in (("run", "--rm", "--network", "none"), ("exec",)):
        where = "busybox" if verb[0] == "run" else container
        told = mc(verb[0], "--explain=json", *verb[1:], where, "true").err.splitlines()
        steps = [line for line in told if '"step":"join_session_keyring"' in line.replace(": ", ":")]
        assert len(steps) == 1


def test_the_bridge_takes_no_addresses_from_containers(mc: Runner) -> None:  # CVE-2020-13401
    container = mc.ok("run", "-d", "busybox", "sleep", "1000")
    gateway = mc.state(container, "{{.NetworkSettings.Gateway}}")
    script = "for i in /proc/sys/net/ipv6/conf/minicontainer*; do cat $i/disable_ipv6; done"
    found = mc.ok("run", "--rm", "--network", "host", "busybox", "sh", "-c", script)
    assert gateway
    assert found.split() == ["1"] * len(found.split()) != []


@pytest.mark.parametrize("network", ["none", "bridge"])
@pytest.mark.parametrize(("program", "code"), [("nope", 127), ("/etc", 126), ("/etc/passwd", 126)])
def test_what_init_said_is_the_error_on_every_network(
    mc: Runner, network: str, program: str, code: int
) -> None:
    result = mc("run", "--rm", "--network", network, "busybox", program)
    assert (result.code, len(result.err.splitlines())) == (code, 1)
    assert result.err.startswith("minicontainer: exec: ")


@pytest.mark.parametrize(
    "passwd",
    [
        b"x:x:\xc2\xb2:0::/:/bin/sh\n",
        b"x:x:99999999999999:0::/:/bin/sh\n",
        b"\0" * 70_000,
        b":" * 5_000,
        b"x:x:1",
    ],
)
def test_odd_accounts_in_an_image_are_no_accounts(mc: Runner, busybox_tar: Path, passwd: bytes) -> None:
    image(mc, busybox_tar, "odd", etc__passwd=passwd)
    assert mc.ok("run", "--rm", "--network", "none", "odd", "id", "-u") == "0"
    result = mc("run", "--rm", "--network", "none", "-u", "x", "odd", "true")
    assert (result.code, len(result.err.splitlines())) == (125, 1)


def test_accounts_are_not_read_from_a_device(mc: Runner, busybox_tar: Path) -> None:
    image(mc, busybox_tar, "odd")
    container = mc.ok("run", "-d", "--network", "none", "odd", "sleep", "1000")
    mc.ok("exec", container, "sh", "-c", "rm /etc/passwd; ln -s /dev/zero /etc/passwd")
    begun = time.monotonic()
    assert mc.ok("exec", container, "echo", "ran") == "ran"
    assert time.monotonic() - begun < 60


def test_an_image_s_labels_set_nothing(mc: Runner, busybox_tar: Path) -> None:  # CVE-2026-94603
    label = "LABEL io.minicontainer.init=true"
    mc.ok("import", "--change", label, str(busybox_tar), "labelled")
    assert mc.ok("run", "--rm", "--network", "none", "labelled", "readlink", "/proc/1/exe") == "/bin/busybox"
    by_flag = mc.ok("run", "--rm", "--init", "--network", "none", "labelled", "sh", "-c", "echo $$")
    assert by_flag != "1"
