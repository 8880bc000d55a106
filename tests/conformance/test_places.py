"""Places that two parts of config.json name: what the one has put there, the other leaves."""

from __future__ import annotations

import os

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.bundles import Bundle
    from tests.conformance.runtimes import Runtime
    from tests.outcome import Outcome

    Run = Callable[..., Outcome]

FOO = {"type": "c", "path": "/dev/foo", "major": 1, "minor": 3}


def test_a_mount_on_a_usual_device_stays(bundle: Bundle, run: Run) -> None:
    bundle.mount("/dev/null", "bind", "/dev/zero", "bind")
    found = run("stat -c '%t:%T' /dev/null")
    assert (found.out, found.code) == ("1:5\n", 0), found


def test_a_device_may_be_named_twice(bundle: Bundle, run: Run) -> None:
    bundle.change({"linux.devices": [FOO, FOO]})
    found = run("stat -c '%t:%T' /dev/foo")
    assert (found.out, found.code) == ("1:3\n", 0), found


def test_another_file_in_a_device_s_place_is_said(runtime: Runtime, bundle: Bundle, run: Run) -> None:
    if runtime.name != "minicontainer":
        pytest.skip("runc 1.1 and crun 1.8 take any two of one name")
    bundle.change({"linux.devices": [FOO, {**FOO, "minor": 5}]})
    found = run("true")
    assert found.code == 1, found
    assert "linux.devices[1] (/dev/foo)" in found.err


def test_control_groups_shown_twice(bundle: Bundle, run: Run) -> None:
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", "ro")
    os.makedirs(f"{bundle.rootfs}/groups", exist_ok=True)
    bundle.mount("/groups", "cgroup", "cgroup", "ro")
    found = run(
        "ls /groups | sort >/dev/shm/a; ls /sys/fs/cgroup | sort >/dev/shm/b; cmp /dev/shm/a /dev/shm/b"
    )
    assert (found.out, found.code) == ("", 0), found


def test_a_read_only_dev_has_its_devices(bundle: Bundle, run: Run) -> None:
    bundle.mount("/dev", "tmpfs", "tmpfs", "remount", "ro", "nosuid")
    found = run("echo x >/dev/null && echo there; touch /dev/new 2>/dev/null || echo refused")
    assert found.out == "there\nrefused\n", found


def test_a_folder_bound_on_dev_is_left_as_it_is(runtime: Runtime, bundle: Bundle, run: Run) -> None:
    kept = [mount for mount in bundle.config["mounts"] if not mount["destination"].startswith("/dev")]
    bundle.change({"mounts": kept})
    os.mkdir(f"{bundle.path}/given")
    bundle.mount("/dev", "bind", f"{bundle.path}/given", "rbind")
    run("true")  # runc wants a null device there
    assert os.listdir(f"{bundle.path}/given") == []
    if runtime.name == "minicontainer":
        bundle.change({"linux.devices": [FOO]})
        assert "linux.devices[0] (/dev/foo): /dev is bound from elsewhere" in run("true").err


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the root as a mount's place": ({"mounts+": [{"destination": "/", "type": "tmpfs", "source": "x"}]}, "/"),
    "a null byte in a path": ({"linux.maskedPaths": ["/etc\0"]}, "maskedPaths[0]"),
    "a null byte in a name": ({"hostname": "a\0b"}, "hostname"),
    "the host's root": ({"root.path": "/"}, "root.path"),
    "a group above the root": ({"linux.cgroupsPath": "/../../x"}, "linux.cgroupsPath"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_a_silence_is_refused(runtime: Runtime, bundle: Bundle, run: Run, name: str) -> None:
    if runtime.name != "minicontainer":
        pytest.skip("others take some of these in silence")
    changes, field = REFUSED[name]
    bundle.change(changes)
    found = run("true")
    assert found.code == 1, found
    assert field in found.err
    assert found.err.count("\n") == 1
