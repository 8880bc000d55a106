"""Mount points that lead elsewhere: by a link in the image, or by one exchanged while init mounts.

==============================  ================================================================
CVE-2015-1335, CVE-2019-18837   lxc, crun: a link of the image at a mount's destination
CVE-2021-30465                  runc: a destination in a shared volume, exchanged after the look
CVE-2022-23648                  containerd: what a volume begins with is copied through a link
CVE-2024-45310                  runc: the same while missing folders and files are made
CVE-2019-16884                  runc: a mount over /proc/self/attr
CVE-2019-19921, CVE-2023-27561  runc: /proc is a link, and what is masked is behind it
CVE-2026-41579                  runc: /dev is a link, and nodes and links are made behind it
CVE-2026-88264                  crun: /dev/console is a link, and a file is made behind it
CVE-2015-1334                   lxc-attach: a /proc of the container's making is believed
==============================  ================================================================

The two containers that share a volume are one here: a listener does what the other would do.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal

import pytest

from minicontainer.errors import InvalidConfig
from minicontainer.linux import capabilities, mount, openat2
from tests.bundles import CAPABILITIES
from tests.security.attacks import at, exchange, in_mount_namespace, noted, switch_off

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers

RACES = 25


@pytest.fixture
def volume(bundle: Bundle, tmp_path: Path) -> Path:
    """A folder of the host at /vol, which another container has too; /vol/data is mounted on."""
    folder = tmp_path / "volume"
    (folder / "data").mkdir(parents=True)
    bundle.mount("/vol", "bind", str(folder), "rbind")
    return folder


def climbing(path: Path) -> str:
    return "../" * 30 + str(path).lstrip("/")


# -- CVE-2015-1335, CVE-2019-18837


def old_way(bundle: Bundle, destination: str) -> str:
    """Mounting by name while the host's tree is there, as was done once; where the mount then is."""

    def act() -> str:
        mount.mount("tmpfs", f"{bundle.rootfs}{destination}", "tmpfs")
        with open("/proc/self/mountinfo") as table:
            return table.readlines()[-1].split()[4]

    return in_mount_namespace(act)


@pytest.mark.parametrize("way", [str, climbing], ids=["absolute", "climbing"])
def test_cve_2015_1335_a_link_in_the_image_leads_no_mount_out(
    containers: Containers, bundle: Bundle, outside: Path, way: Callable[[Path], str]
) -> None:
    os.symlink(way(outside), f"{bundle.rootfs}/target")
    bundle.mount("/target", "tmpfs", "tmpfs")
    bundle.mount("/target/below", "bind", "/etc", "rbind")
    found = containers.run(bundle, f"cat {outside}/secret; ls {outside}")
    assert found.out == "below\n"
    assert os.listdir(outside) == ["secret"]


@pytest.mark.parametrize("way", [str, climbing], ids=["absolute", "climbing"])
def test_cve_2015_1335_before_pivot_root(bundle: Bundle, outside: Path, way: Callable[[Path], str]) -> None:
    os.symlink(way(outside), f"{bundle.rootfs}/target")
    assert old_way(bundle, "/target") == str(outside)


# -- CVE-2021-30465


def test_cve_2021_30465_an_exchanged_destination_is_not_followed(
    containers: Containers, bundle: Bundle, volume: Path, outside: Path
) -> None:
    bundle.mount("/vol/data", "tmpfs", "tmpfs")
    with at("mount", lambda: exchange("/vol/data", climbing(outside)), place="/vol/data"):
        found = containers.run(bundle, "grep -c ' /vol/data.old ' /proc/mounts; cat /vol/data/secret")
    assert found.out == "1\n"  # where it was looked at, under the name it has now
    assert "No such file" in found.err
    assert (outside / "secret").read_text() == "host"


def test_cve_2021_30465_nor_to_a_place_in_the_container(
    containers: Containers, bundle: Bundle, volume: Path
) -> None:
    bundle.mount("/vol/data", "tmpfs", "tmpfs")
    with at("mount", lambda: exchange("/vol/data", "/proc/sys"), place="/vol/data"):
        assert containers.run(bundle, "ls -d /proc/sys/kernel").code == 0


def test_cve_2021_30465_by_name_in_the_container_s_tree(
    containers: Containers, bundle: Bundle, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle.mount("/vol/data", "tmpfs", "tmpfs")

    on_descriptor = mount.mount
    monkeypatch.setattr(mount, "mount", lambda *call, on=-1: on_descriptor(*call))
    with at("mount", lambda: exchange("/vol/data", "/proc/sys"), place="/vol/data"):
        assert containers.run(bundle, "ls -d /proc/sys/kernel").code == 1  # hidden by the attacker's mount


def test_cve_2021_30465_before_pivot_root(bundle: Bundle, outside: Path) -> None:
    place = f"{bundle.rootfs}/vol/data"
    os.makedirs(place)
    assert os.path.realpath(place) == place  # the look
    exchange(place, climbing(outside))
    assert old_way(bundle, "/vol/data") == str(outside)


@pytest.fixture
def exchanging(volume: Path, outside: Path) -> Iterator[None]:
    """Another container, which exchanges /vol/data for a link and back as fast as it can."""
    os.symlink(climbing(outside), volume / "link")
    child = os.fork()
    if child == 0:
        data, link, other = (f"{volume}/{name}" for name in ("data", "link", "other"))
        try:
            while True:
                for source, target in ((data, other), (link, data), (data, link), (other, data)):
                    with contextlib.suppress(OSError):  # init has made a folder there meanwhile
                        os.rename(source, target)
        finally:
            os._exit(1)
    yield
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


@pytest.mark.usefixtures("exchanging")
def test_cve_2021_30465_by_luck(containers: Containers, bundle: Bundle, outside: Path) -> None:
    bundle.mount("/vol/data/new", "tmpfs", "tmpfs")
    bundle.script(f"[ ! -e /vol/data/secret ] && [ ! -e {outside}/secret ]")
    noticed: OSError | None = None
    for _ in range(RACES):
        try:
            assert containers.run(bundle).code == 0
        except OSError as error:  # the exchange was noticed
            noticed = error
    assert os.listdir(outside) == ["secret"], noticed
    assert (outside / "secret").read_text() == "host"


# -- CVE-2022-23648


def test_cve_2022_23648_nothing_of_the_host_is_copied(
    containers: Containers, bundle: Bundle, outside: Path
) -> None:
    os.symlink(climbing(outside), f"{bundle.rootfs}/data")
    bundle.mount("/data", "tmpfs", "tmpfs", "tmpcopyup")
    assert containers.run(bundle, "ls -A /data/; cat /data/secret").out == ""


def test_cve_2022_23648_before_pivot_root(bundle: Bundle, outside: Path, tmp_path: Path) -> None:
    os.symlink(climbing(outside), f"{bundle.rootfs}/data")
    shutil.copytree(f"{bundle.rootfs}/data", tmp_path / "volume")
    assert (tmp_path / "volume" / "secret").read_text() == "host"


# -- CVE-2024-45310


@pytest.mark.parametrize(("kind", "step"), [("tmpfs", "mkdir"), ("bind", "create")])
def test_cve_2024_45310_nothing_is_made_outside(
    containers: Containers, bundle: Bundle, volume: Path, outside: Path, kind: str, step: str
) -> None:
    bundle.mount("/vol/data/new", kind, "/etc/hostname", *(["bind"] if kind == "bind" else []))
    with (
        at(step, lambda: exchange("/vol/data", climbing(outside)), place="/vol/data/new"),
        pytest.raises(OSError, match=r"No such file|Not a directory"),
    ):
        containers.run(bundle, "true")
    assert os.listdir(outside) == ["secret"]


def test_cve_2024_45310_before_pivot_root(bundle: Bundle, outside: Path) -> None:
    place = f"{bundle.rootfs}/vol/data"
    os.makedirs(place)
    assert os.path.realpath(place) == place
    exchange(place, climbing(outside))
    os.makedirs(f"{place}/new")
    assert sorted(os.listdir(outside)) == ["new", "secret"]


# -- CVE-2019-16884

ATTR = ["/proc/self/attr", "/proc/sys/kernel", "/proc", "/proc/../proc/self"]


@pytest.mark.parametrize("destination", ATTR)
def test_cve_2019_16884_nothing_is_mounted_in_proc(
    containers: Containers, bundle: Bundle, destination: str
) -> None:
    bundle.mount(destination, "tmpfs", "tmpfs")
    with pytest.raises(InvalidConfig, match=r"inside /proc|only proc belongs there"):
        containers.create(bundle)


def test_cve_2019_16884_nor_by_an_exchange(containers: Containers, bundle: Bundle, volume: Path) -> None:
    """Here the look is at the name, and the link comes before the folder is opened."""
    bundle.mount("/vol/data", "tmpfs", "tmpfs", "nosuid")
    real = openat2.reach

    def late(path: str, *, follow: bool = False) -> int:
        if path == "/vol/data":
            exchange("/vol/data", "/proc/sys/kernel")
        return real(path, follow=follow)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(openat2, "reach", late)
        with pytest.raises(OSError, match="Too many levels of symbolic links"):
            containers.create(bundle)
        # ... and where links are followed there, it is what the attacker wants.
        (volume / "data").unlink()
        (volume / "data.old").rename(volume / "data")
        real = lambda path, *, follow=False: os.open(path, os.O_PATH | os.O_CLOEXEC)  # noqa: E731
        assert containers.run(bundle, "ls /proc/sys/kernel").out == ""


def test_cve_2019_16884_without_the_refusal(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch_off(monkeypatch, "_refuse_in_proc", lambda mount, target: None)
    bundle.mount("/proc/sys/kernel", "tmpfs", "tmpfs")
    assert containers.run(bundle, "ls /proc/sys/kernel").out == ""


# -- CVE-2026-41579


def dev_elsewhere(bundle: Bundle, outside: Path) -> None:
    shutil.rmtree(f"{bundle.rootfs}/dev")
    os.symlink(climbing(outside), f"{bundle.rootfs}/dev")


def test_cve_2026_41579_a_link_for_dev_is_refused(
    containers: Containers, bundle: Bundle, outside: Path
) -> None:
    dev_elsewhere(bundle, outside)
    with pytest.raises(InvalidConfig, match="/dev is a symbolic link in the image"):
        containers.create(bundle)
    assert os.listdir(outside) == ["secret"]


def test_cve_2026_41579_nor_is_anything_made_behind_it(
    containers: Containers, bundle: Bundle, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second protection, with the first off: all is made in the container's tree."""
    dev_elsewhere(bundle, outside)
    switch_off(monkeypatch, "_refuse_in_proc", lambda mount, target: None)
    containers.run(bundle, "true")
    assert os.listdir(outside) == ["secret"]


def test_cve_2026_41579_before_pivot_root(bundle: Bundle, outside: Path) -> None:
    dev_elsewhere(bundle, outside)
    os.symlink("/proc/self/fd", f"{bundle.rootfs}/dev/fd")
    assert sorted(os.listdir(outside)) == ["fd", "secret"]


# -- CVE-2026-88264


def console_elsewhere(bundle: Bundle, outside: Path) -> None:
    kept = [
        mount for mount in bundle.config["mounts"] if mount["destination"] not in ("/dev", "/dev/console")
    ]
    bundle.change({"mounts": kept, "process.terminal": True})
    os.symlink(climbing(outside) + "/console", f"{bundle.rootfs}/dev/console")
    os.symlink("pts/ptmx", f"{bundle.rootfs}/dev/ptmx")


def test_cve_2026_88264_a_link_for_the_console_is_not_followed(
    containers: Containers, bundle: Bundle, outside: Path
) -> None:
    console_elsewhere(bundle, outside)
    masters: list[int] = []
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        containers.create(bundle, on_console=masters.append)
    for master in masters:
        os.close(master)
    assert os.listdir(outside) == ["secret"]


def test_cve_2026_88264_before_pivot_root(bundle: Bundle, outside: Path) -> None:
    console_elsewhere(bundle, outside)
    open(f"{bundle.rootfs}/dev/console", "w").close()
    assert sorted(os.listdir(outside)) == ["console", "secret"]


# -- CVE-2019-19921, CVE-2023-27561


def behind_a_link(bundle: Bundle) -> None:
    os.rmdir(f"{bundle.rootfs}/proc")
    for name in ("a", "b"):
        os.mkdir(f"{bundle.rootfs}/{name}")
    os.symlink("/a", f"{bundle.rootfs}/proc")
    bundle.change({"linux.maskedPaths": ["/proc/cpuinfo"]})


def test_cve_2019_19921_a_link_for_proc_is_refused(containers: Containers, bundle: Bundle) -> None:
    behind_a_link(bundle)
    with pytest.raises(InvalidConfig, match="/proc is a symbolic link in the image"):
        containers.create(bundle)


def test_cve_2019_19921_without_the_refusal(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    behind_a_link(bundle)
    switch_off(monkeypatch, "_refuse_in_proc", lambda mount, target: None)

    def exchange_it() -> None:
        os.unlink("/proc")
        os.symlink("/b", "/proc")

    with at("symlink", exchange_it):  # after the mounts, before the masks
        containers.run(bundle, "cat /a/cpuinfo > /found")
    assert "processor" in noted(bundle.rootfs)


def lying(bundle: Bundle) -> None:
    """Without a /proc of the container's own, the image's says what it likes."""
    kept = [mount for mount in bundle.config["mounts"] if mount["destination"] != "/proc"]
    bundle.change({"mounts": kept})
    os.makedirs(f"{bundle.rootfs}/proc/self")
    with open(f"{bundle.rootfs}/proc/self/status", "w") as file:
        file.write("".join(f"Cap{name}:\t{0:016x}\n" for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")))
    with open(f"{bundle.rootfs}/proc/self/setgroups", "w") as file:
        file.write("deny")


def test_cve_2015_1334_what_a_false_proc_says_is_not_believed(containers: Containers, bundle: Bundle) -> None:
    lying(bundle)
    assert proc_of(containers, bundle) == (capabilities.mask(CAPABILITIES), "")


def test_cve_2015_1334_with_proc_believed(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    lying(bundle)

    def believed() -> dict[str, int]:
        with open("/proc/self/status") as file:
            rows = dict(line.split() for line in file if line.startswith("Cap"))
        names = {
            "inheritable": "Inh",
            "permitted": "Prm",
            "effective": "Eff",
            "bounding": "Bnd",
            "ambient": "Amb",
        }
        return {name: int(rows[f"Cap{short}:"], 16) for name, short in names.items()}

    every = capabilities.current()["bounding"]
    monkeypatch.setattr(capabilities, "current", believed)
    assert proc_of(containers, bundle)[0] == every  # of a container that was given nine of them


def proc_of(containers: Containers, bundle: Bundle) -> tuple[int, str]:
    """The capabilities and the groups that a program really has."""
    pid = containers.sleeping(bundle).record.pid
    with open(f"/proc/{pid}/status") as file:
        rows = dict(line.rstrip("\n").split(":\t", 1) for line in file)
    return int(rows["CapEff"], 16), rows["Groups"].strip()


def test_cve_2023_27561_what_is_masked_is_masked(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"linux.maskedPaths": ["/proc/cpuinfo"]})
    assert containers.run(bundle, "cat /proc/cpuinfo").out == ""
