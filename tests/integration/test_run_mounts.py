"""``run``: what is mounted where: -v, --mount, --tmpfs, --read-only, and what every container has."""

from __future__ import annotations

import os
import stat
import sys

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runner import Runner

RUN = ("run", "--rm", "--network", "none")


def test_folder_is_shared_both_ways(mc: Runner, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("from the host")
    shown = mc.ok(
        *RUN, "-v", f"{tmp_path}:/data", "busybox", "sh", "-c", "cat /data/in; echo back > /data/out"
    )
    assert shown == "from the host"
    assert (tmp_path / "out").read_text() == "back\n"


def test_file_and_read_only(mc: Runner, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("content")
    result = mc(
        *RUN, "-v", f"{file}:/etc/file:ro", "busybox", "sh", "-c", "cat /etc/file; echo x > /etc/file"
    )
    assert result.out == "content"
    assert result.code == 1
    assert "Read-only file system" in result.err
    assert file.read_text() == "content"


def test_v_makes_a_missing_source_and_mount_does_not(mc: Runner, tmp_path: Path) -> None:
    mc.ok(*RUN, "-v", f"{tmp_path}/made:/data", "busybox", "true")
    assert (tmp_path / "made").is_dir()
    refused = mc(*RUN, "--mount", f"type=bind,src={tmp_path}/absent,dst=/data", "busybox", "true")
    assert refused.code == 125
    assert "bind source path does not exist" in refused.err
    assert not (tmp_path / "absent").exists()


def test_read_only_covers_the_mounts_below(mc: Runner, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    script = "mount -t tmpfs none /data/sub 2>/dev/null; touch /data/x"
    assert (
        mc(
            *RUN, "--mount", f"type=bind,src={tmp_path},dst=/data,readonly", "busybox", "sh", "-c", script
        ).code
        == 1
    )


def test_relative_source_is_the_callers_folder(mc: Runner, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "file").write_text("near")
    started = mc.start(*RUN, "-v", "./here:/data", "busybox", "cat", "/data/file", cwd=tmp_path)
    out, err = started.communicate(timeout=60)
    assert (out, err, started.returncode) == (b"near", b"", 0)


def test_tmpfs_with_options(mc: Runner) -> None:
    shown = mc.ok(
        *RUN, "--tmpfs", "/a:size=1m,mode=700", "--mount", "type=tmpfs,dst=/b,tmpfs-size=2m", "busybox",
        "sh", "-c", "df -k /a /b | awk 'NR>1 {print $2}'; stat -c %a /a /b",
    )  # fmt: skip
    assert shown.split() == ["1024", "2048", "700", "1777"]


def test_of_two_tmpfs_at_one_place_the_last_counts(mc: Runner) -> None:
    shown = mc.ok(*RUN, "--tmpfs", "/a:size=1m", "--tmpfs", "/a:size=2m", "busybox", "df", "-k", "/a")
    assert shown.splitlines()[1].split()[1] == "2048"


def test_a_read_only_bind_is_so_below_it_on_request(mc: Runner, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    mc.host.sh(f"mount -t tmpfs none {tmp_path}/sub")
    mount = f"type=bind,src={tmp_path},dst=/data,readonly"
    assert mc(*RUN, "--mount", mount, "busybox", "touch", "/data/sub/x").code == 0
    every = f"{mount},bind-recursive=readonly"
    assert mc(*RUN, "--mount", every, "busybox", "touch", "/data/sub/y").code == 1


def test_tmpfs_exec_on_request(mc: Runner) -> None:
    script = "cp /bin/busybox /t/true && /t/true"
    assert mc(*RUN, "--tmpfs", "/t", "busybox", "sh", "-c", script).code == 126
    assert mc(*RUN, "--tmpfs", "/t:exec", "busybox", "sh", "-c", script).code == 0


def test_read_only_root_has_writable_mounts(mc: Runner, tmp_path: Path) -> None:
    script = "touch /x; touch /etc/hosts; touch /t/x && touch /data/x && touch /dev/shm/x && echo written"
    result = mc(
        *RUN, "--read-only", "--tmpfs", "/t", "-v", f"{tmp_path}:/data", "busybox", "sh", "-c", script
    )
    assert result.out == "written\n", result
    assert "touch: /x: Read-only file system" in result.err
    assert (tmp_path / "x").exists()


def test_a_volume_covers_a_part_of_another(mc: Runner, tmp_path: Path) -> None:
    for name in ("outer", "inner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    shown = mc.ok(
        *RUN, "-v", f"{tmp_path}/inner:/data/in", "-v", f"{tmp_path}/outer:/data", "busybox", "find", "/data"
    )
    assert sorted(shown.split()) == ["/data", "/data/in", "/data/in/inner", "/data/outer"]


def test_target_through_a_link_of_the_image_stays_inside(mc: Runner, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    mc.ok("run", "--name", "linked", "--network", "none", "busybox", "ln", "-s", "/../../../..", "/way-out")
    image = mc.ok("commit", "linked")
    mc.ok(
        *RUN, "-v", f"{tmp_path}/data:/way-out{tmp_path}/escaped", image, "test", "-d", f"{tmp_path}/escaped"
    )
    assert not (tmp_path / "escaped").exists()


def test_dev(mc: Runner) -> None:
    script = "ls /dev; for d in null zero full random urandom tty; do stat -c '%F %t:%T %a' /dev/$d; done"
    shown = mc.ok(*RUN, "busybox", "sh", "-c", script)
    names = {"fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout",
             "tty", "urandom", "zero"}  # fmt: skip
    lines = shown.splitlines()
    assert set(lines[:-6]) == names
    assert lines[-6:] == [
        f"character special file {numbers} 666" for numbers in ("1:3", "1:5", "1:7", "1:8", "1:9", "5:0")
    ]


@pytest.mark.parametrize("path", ["/proc/kcore", "/proc/keys", "/proc/timer_list"])
def test_masked_paths_are_empty(mc: Runner, path: str) -> None:
    assert mc.ok(*RUN, "busybox", "sh", "-c", f"cat {path} 2>/dev/null | wc -c") == "0"


@pytest.mark.parametrize("path", ["/proc/sys/kernel/domainname", "/proc/sysrq-trigger", "/sys/kernel/x"])
def test_kernel_settings_are_read_only(mc: Runner, path: str) -> None:
    result = mc(*RUN, "busybox", "sh", "-c", f"echo x > {path}")
    assert result.code == 1
    assert "Read-only file system" in result.err or "nonexistent" in result.err


def test_mounts_of_the_container_do_not_reach_the_host(mc: Runner, tmp_path: Path) -> None:
    """The host fixture compares; this makes something to be compared."""
    script = "mount -t tmpfs none /data && touch /data/inside"
    mc.ok(*RUN, "--privileged", "-v", f"{tmp_path}:/data", "busybox", "sh", "-c", script)
    assert list(tmp_path.iterdir()) == []


def test_mounts_of_the_host_reach_a_slave(mc: Runner, tmp_path: Path) -> None:
    container = mc.ok(
        "run", "-d", "--network", "none", "-v", f"{tmp_path}:/data:rslave", "busybox", "sleep", "60"
    )
    (tmp_path / "sub").mkdir()
    mc.host.sh(f"mount -t tmpfs none {tmp_path}/sub && touch {tmp_path}/sub/new")
    try:
        assert mc.ok("exec", container, "ls", "/data/sub") == "new"
    finally:
        mc.host.sh(f"umount {tmp_path}/sub")


def test_host_name_files_are_the_containers(mc: Runner) -> None:
    shown = mc.ok(*RUN, "-h", "me", "busybox", "cat", "/etc/hostname", "/etc/hosts")
    assert shown.startswith("me\n127.0.0.1\tlocalhost\n")


def test_own_file_in_the_place_of_etc_hosts(mc: Runner, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("mine")
    assert mc.ok(*RUN, "-v", f"{tmp_path}/hosts:/etc/hosts", "busybox", "cat", "/etc/hosts") == "mine"


def test_modes_of_our_state_folders_keep_others_out(mc: Runner) -> None:
    mc.ok(*RUN, "busybox", "true")
    for folder in (mc.run_root, f"{mc.root}/images", f"{mc.root}/containers/.names"):
        mode = stat.S_IMODE(os.stat(folder).st_mode)
        assert mode & 0o022 == 0, f"{folder} {mode:o}"


def test_interpreter_of_the_runtime_on_a_mount_that_was_asked_for(mc: Runner) -> None:
    """It may run there, and not by the way that leads out of the container."""
    real = os.path.realpath(sys.executable)
    result = mc(*RUN, "-v", f"{real}:/own:ro", "busybox", "/own", "--version")
    assert "leads to the interpreter" not in result.err, result
    assert mc(*RUN, "-v", f"{real}:/own:ro", "busybox", "/proc/self/exe").code == 126
