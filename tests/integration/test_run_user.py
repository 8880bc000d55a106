"""``run``: who the program is and what it may: -u, capabilities, --privileged, --ulimit."""

from __future__ import annotations

import io
import tarfile

import pytest

from minicontainer.linux import capabilities

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runner import Runner

RUN = ("run", "--rm", "--network", "none")
DEFAULT = 0xA80425FB  # Docker's fourteen
FIELDS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def caps(mc: Runner, *arguments: str) -> dict[str, int]:
    """The capability sets of a program."""
    shown = mc.ok(*RUN, *arguments, "busybox", "grep", "^Cap", "/proc/self/status")
    return {name: int(value, 16) for name, value in (line.split(":\t") for line in shown.splitlines())}


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("nobody", "uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)"),
        ("33", "uid=33(www-data) gid=33(www-data) groups=33(www-data)"),
        ("1234", "uid=1234 gid=0(root) groups=0(root)"),
        ("1234:5678", "uid=1234 gid=5678 groups=5678"),
        ("nobody:mail", "uid=65534(nobody) gid=8(mail) groups=8(mail)"),
        ("root:33", "uid=0(root) gid=33(www-data) groups=33(www-data)"),
        (":33", "uid=0(root) gid=33(www-data) groups=33(www-data)"),
        ("root", "uid=0(root) gid=0(root) groups=0(root),10(wheel)"),
        ("", "uid=0(root) gid=0(root) groups=0(root),10(wheel)"),
    ],
)
def test_user_by_name_or_number(mc: Runner, user: str, shown: str) -> None:
    assert mc.ok(*RUN, "-u", user, "busybox", "id") == shown


def test_home_is_the_users(mc: Runner) -> None:
    assert mc.ok(*RUN, "-u", "www-data", "busybox", "sh", "-c", "echo $HOME") == "/var/www"
    assert mc.ok(*RUN, "-u", "4242", "busybox", "sh", "-c", "echo $HOME") == "/"
    assert mc.ok(*RUN, "-u", "www-data", "-e", "HOME=/x", "busybox", "sh", "-c", "echo $HOME") == "/x"


@pytest.mark.parametrize("link", ["{host}/passwd", "../../../../../../../../..{host}/passwd"])
def test_passwd_that_points_out_of_the_image(mc: Runner, tmp_path: Path, link: str) -> None:
    """Such a link is resolved inside the image, where there is nothing: the host's users stay unknown."""
    (tmp_path / "passwd").write_text("hostuser:x:777:777::/:/bin/sh\n")
    image = mc.ok("import", str(_with_link(tmp_path, "etc/passwd", link.format(host=tmp_path))), "linked")
    refused = mc(*RUN, "-u", "hostuser", image, "/true")
    assert refused.code == 125
    assert refused.err == "minicontainer: unable to find user hostuser: no matching entries in passwd file\n"


def test_passwd_that_is_no_file(mc: Runner, tmp_path: Path) -> None:
    """Opening a FIFO must not wait for a writer; a device must not be read."""
    archive = tmp_path / "fifo.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo("etc/passwd")
        member.type = tarfile.FIFOTYPE
        tar.addfile(member)
    image = mc.ok("import", str(archive), "fifo")
    assert mc(*RUN, "-u", "someone", image, "/true", timeout=60).code == 125


def _with_link(folder: Path, name: str, target: str) -> Path:
    archive = folder / "rootfs.tar"
    with tarfile.open(archive, "w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = tarfile.SYMTYPE, target
        tar.addfile(member)
        tar.addfile(tarfile.TarInfo("true"), io.BytesIO())
    return archive


def test_default_capabilities_are_dockers(mc: Runner) -> None:
    assert caps(mc) == {"CapInh": 0, "CapPrm": DEFAULT, "CapEff": DEFAULT, "CapBnd": DEFAULT, "CapAmb": 0}


def test_capabilities_of_an_ordinary_user(mc: Runner) -> None:
    assert caps(mc, "-u", "nobody") == {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapBnd": DEFAULT, "CapAmb": 0}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--cap-drop", "ALL"], 0),
        (["--cap-drop", "all", "--cap-add", "net_raw"], 1 << 13),
        (["--cap-drop", "ALL", "--cap-add", "CAP_NET_RAW", "--cap-add", "CHOWN"], 1 << 13 | 1),
        (["--cap-add", "SYS_TIME"], DEFAULT | 1 << 25),
        (["--cap-drop", "CHOWN"], DEFAULT & ~1),
    ],
)
def test_cap_add_and_cap_drop(mc: Runner, arguments: list[str], expected: int) -> None:
    found = caps(mc, *arguments)
    held = expected & capabilities.current()["permitted"]
    assert (found["CapEff"], found["CapPrm"]) == (held, held)


def test_all_capabilities_are_those_we_have(mc: Runner) -> None:
    ours = capabilities.current()["permitted"]
    assert caps(mc, "--cap-add", "ALL")["CapEff"] == ours
    assert caps(mc, "--privileged")["CapEff"] == ours
    assert caps(mc, "--cap-add", "ALL", "--cap-drop", "NET_RAW")["CapEff"] == ours & ~(1 << 13)


def test_without_the_capability_the_kernel_refuses(mc: Runner) -> None:
    assert mc(*RUN, "busybox", "chown", "1", "/tmp").code == 0
    assert mc(*RUN, "--cap-drop", "CHOWN", "busybox", "chown", "1", "/tmp").code == 1
    assert mc(*RUN, "busybox", "hostname", "other").code == 1
    assert mc(*RUN, "--cap-add", "SYS_ADMIN", "busybox", "hostname", "other").code == 0


def test_privileged_sees_devices_and_may_mount(mc: Runner) -> None:
    script = (
        "mount -t tmpfs none /mnt && echo mounted; mount | grep ' /sys ' | grep -o '(r[ow]'; ls /dev | wc -l"
    )
    mounted, access, devices = mc.ok(*RUN, "--privileged", "busybox", "sh", "-c", script).splitlines()
    assert (mounted, access) == ("mounted", "(rw")
    assert int(devices) >= int(mc.ok(*RUN, "busybox", "sh", "-c", "ls /dev | wc -l"))
    assert mc(*RUN, "busybox", "mount", "-t", "tmpfs", "none", "/mnt").code != 0


def test_no_new_privileges_on_request(mc: Runner) -> None:
    line = ["busybox", "grep", "NoNewPrivs", "/proc/self/status"]
    assert mc.ok(*RUN, *line) == "NoNewPrivs:\t0"
    assert mc.ok(*RUN, "--security-opt", "no-new-privileges", *line) == "NoNewPrivs:\t1"


def test_ulimit(mc: Runner) -> None:
    script = "ulimit -Sn; ulimit -Hn; ulimit -Sc; ulimit -Hc"
    shown = mc.ok(*RUN, "--ulimit", "nofile=64:128", "--ulimit", "core=0", "busybox", "sh", "-c", script)
    assert shown.split() == ["64", "128", "0", "0"]


def test_streams_can_be_opened_again_by_the_programs_user(mc: Runner) -> None:
    result = mc(*RUN, "-u", "nobody", "busybox", "sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr")
    assert (result.out, result.err, result.code) == ("out\n", "err\n", 0)
