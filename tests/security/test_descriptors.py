"""What a process still holds of the host when it is already in the container.

====================  ==========================================================================
CVE-2016-9962         runc exec: its descriptors, through /proc, while it joins
CVE-2016-8649         lxc-attach: a descriptor of the host's /proc, inherited
CVE-2024-21626        runc: process.cwd is /proc/self/fd/N, a folder of the host
CVE-2019-14271, 2026-41567  docker cp: what the image calls a library or a tool, run with all our rights
CVE-2020-14370, 2021-3602   podman, buildah: the engine's environment
CVE-2026-57231        podman: a variable without a value, in an image, gets the engine's
CVE-2016-10124, 2017-5226   lxc-attach, bubblewrap: keys pushed into the caller's terminal (TIOCSTI)
====================  ==========================================================================
"""

from __future__ import annotations

import fcntl
import os
import pty
import sys
import termios

import pytest

from minicontainer.errors import InvalidConfig
from minicontainer.libcontainer import process as program
from minicontainer.libcontainer.options import INIT_ANNOTATION
from minicontainer.linux import prctl, process
from tests.security.attacks import LAST, as_container, at, attempt, note, noted, own

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from minicontainer.oci.runtime import Process
    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers


@pytest.fixture
def held(outside: Path) -> Iterator[int]:
    """A folder of the host that our process has open."""
    fd = os.open(outside, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


# -- CVE-2016-9962


def steal(containers: Containers, bundle: Bundle, fd: int, how: str) -> str:
    """What a process of the container finds in the descriptors of one that is being started there."""

    def look(victim: int) -> str:
        return own(f"/proc/{victim}/fd/{fd}/secret")

    if how == "create":
        with at(LAST, as_container(look)):
            containers.run(bundle, "true")
    else:
        container = containers.sleeping(bundle)
        with at(LAST, as_container(look), who="exec"):
            containers.exec(container, {"args": ["true"], "cwd": "/", **_rights(bundle)})
    return noted(bundle.rootfs)


def _rights(bundle: Bundle) -> dict[str, object]:
    return {name: bundle.config["process"][name] for name in ("env", "capabilities")}


@pytest.mark.parametrize("how", ["create", "exec"])
def test_cve_2016_9962_descriptors_of_a_process_that_joins_are_out_of_reach(
    containers: Containers, bundle: Bundle, outside: Path, held: int, how: str
) -> None:
    assert steal(containers, bundle, held, how) == "EACCES"
    assert (outside / "secret").read_text() == "host"


@pytest.mark.parametrize("how", ["create", "exec"])
def test_cve_2016_9962_without_set_dumpable(
    containers: Containers,
    bundle: Bundle,
    outside: Path,
    held: int,
    how: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(prctl, "set_dumpable", lambda dumpable: None)
    assert steal(containers, bundle, held, how) == "host"
    assert (outside / "secret").read_text() == "owned"


# -- CVE-2016-8649, and the inherited descriptors of CVE-2024-21626

INHERITED = "for fd in /proc/self/fd/*; do cat $fd/secret && echo owned > $fd/secret; done"


def test_cve_2016_8649_no_descriptor_is_inherited(
    containers: Containers, bundle: Bundle, outside: Path, held: int
) -> None:
    os.set_inheritable(held, True)
    assert containers.run(bundle, INHERITED).out == ""
    assert (outside / "secret").read_text() == "host"


def test_cve_2016_8649_without_close_range(
    containers: Containers, bundle: Bundle, outside: Path, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.set_inheritable(held, True)
    monkeypatch.setattr(process, "close_range", lambda *numbers: None)
    assert containers.run(bundle, INHERITED).out.startswith("host")
    assert (outside / "secret").read_text() == "owned\n"


# -- CVE-2024-21626


@pytest.mark.parametrize("way", ["/proc/self/fd/{}", "/link", "/proc/self/fd/{}/."])
def test_cve_2024_21626_a_working_folder_outside_is_refused(
    containers: Containers, bundle: Bundle, outside: Path, held: int, way: str
) -> None:
    os.symlink(f"/proc/self/fd/{held}", f"{bundle.rootfs}/link")
    bundle.change({"process.cwd": way.format(held)})
    with pytest.raises((InvalidConfig, OSError)) as caught:
        containers.run(bundle, "cat secret; echo owned > secret")
    assert getattr(caught.value, "context", "") == "process.cwd"
    assert (outside / "secret").read_text() == "host"


def test_cve_2024_21626_exec_too(containers: Containers, bundle: Bundle, outside: Path, held: int) -> None:
    container = containers.sleeping(bundle)
    with pytest.raises((InvalidConfig, OSError)):
        containers.exec(
            container, {"args": ["cat", "secret"], "cwd": f"/proc/self/fd/{held}", **_rights(bundle)}
        )


def test_cve_2024_21626_without_the_look_at_getcwd(
    containers: Containers, bundle: Bundle, outside: Path, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle.change({"process.cwd": f"/proc/self/fd/{held}"})
    monkeypatch.setattr(os, "getcwd", lambda: "/")
    assert containers.run(bundle, "cat secret; echo owned > secret").out == "host"
    assert (outside / "secret").read_text() == "owned\n"


# -- CVE-2019-14271

PLANTED = "sndhdr"  # of the standard library, and imported by nobody


def plant(bundle: Bundle) -> None:
    """The image has a library where our interpreter would look for its own."""
    for folder in sys.path:
        if folder.startswith("/") and not folder.endswith(".zip"):
            os.makedirs(bundle.rootfs + folder, exist_ok=True)
            with open(f"{bundle.rootfs}{folder}/{PLANTED}.py", "w") as file:
                file.write("with open('/found', 'w') as file: file.write('owned')\n")


def import_it() -> None:
    """What any import that nobody thought of would do."""
    sys.modules.pop(PLANTED, None)
    try:
        __import__(PLANTED)
    except ImportError:
        note("no such module")


def test_cve_2019_14271_no_code_of_the_image_runs_in_init(containers: Containers, bundle: Bundle) -> None:
    plant(bundle)
    with at("mount", import_it, place="/proc"):
        containers.run(bundle, "true")
    assert noted(bundle.rootfs) == "no such module"


def test_cve_2019_14271_nor_in_exec(containers: Containers, bundle: Bundle) -> None:
    plant(bundle)
    container = containers.sleeping(bundle)
    with at(LAST, import_it, who="exec"):
        containers.exec(container, {"args": ["true"], "cwd": "/", **_rights(bundle)})
    assert noted(bundle.rootfs) == "no such module"


def test_cve_2019_14271_without_import_no_more(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(bundle)
    monkeypatch.setattr(program, "import_no_more", lambda: None)
    with at("mount", import_it, place="/proc"):
        containers.run(bundle, "true")
    assert noted(bundle.rootfs) == "owned"


# -- CVE-2021-3602


def test_cve_2021_3602_nothing_of_our_environment_is_inside(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_SECRET", "host")
    found = containers.run(bundle, "cat /proc/*/environ; env")
    assert "PATH=" in found.out
    assert "HOST_SECRET" not in found.out


def test_cve_2021_3602_without_an_environment_of_its_own(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_SECRET", "host")
    monkeypatch.setattr(program, "environment", lambda config: dict(os.environ))
    assert "HOST_SECRET=host" in containers.run(bundle, "env").out


# -- CVE-2026-57231


@pytest.mark.parametrize("entry", ["HOST_SECRET", "HOST_*", "*"])
def test_cve_2026_57231_a_name_without_a_value_takes_none_of_ours(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    monkeypatch.setenv("HOST_SECRET", "host")
    bundle.change({"process.env+": [entry]})
    with pytest.raises(InvalidConfig, match="is not NAME=value"):
        containers.run(bundle, "env")


def test_cve_2026_57231_with_values_looked_up(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOST_SECRET", "host")
    bundle.change({"process.env+": ["HOST_SECRET"]})

    def looked_up(config: Process) -> dict[str, str]:
        entries = [entry if "=" in entry else f"{entry}={os.environ[entry]}" for entry in config.env]
        return dict(entry.split("=", 1) for entry in entries)

    monkeypatch.setattr(program, "environment", looked_up)
    assert "HOST_SECRET=host" in containers.run(bundle, "env").out


# -- CVE-2020-14370


def under_init(containers: Containers, bundle: Bundle) -> str:
    """What the container reads of the small init's first environment, which was ours."""
    bundle.change({"annotations": {INIT_ANNOTATION: "true"}})
    return containers.run(bundle, "cat /proc/1/environ || echo refused").out


def test_cve_2020_14370_nor_of_the_small_init_s(containers: Containers, bundle: Bundle) -> None:
    assert under_init(containers, bundle) == "refused\n"


def test_cve_2020_14370_without_set_dumpable(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prctl, "set_dumpable", lambda dumpable: None)
    with open("/proc/self/environ") as ours:
        assert under_init(containers, bundle) == ours.read()


# -- CVE-2016-10124, CVE-2017-5226


def push_a_key(containers: Containers, bundle: Bundle) -> str:
    """Run a container on the caller's terminal; whether it could type there."""

    def push() -> str:
        fcntl.ioctl(0, termios.TIOCSTI, b"x")
        return "typed"

    child, master = pty.fork()
    if child == 0:
        with at(LAST, lambda: attempt(push)):
            container = containers.create(bundle)
            container.start()
            container.wait()
            container.delete()
        os._exit(0)
    os.waitpid(child, 0)
    os.close(master)
    return noted(bundle.rootfs)


@pytest.fixture
def _tiocsti() -> None:
    """Kernels since 6.2 can do without (CONFIG_LEGACY_TIOCSTI)."""
    try:
        with open("/proc/sys/dev/tty/legacy_tiocsti") as file:
            if file.read().strip() == "0":
                pytest.skip("this kernel has no TIOCSTI: dev.tty.legacy_tiocsti is 0")
    except FileNotFoundError:
        return


@pytest.mark.usefixtures("_tiocsti")
def test_cve_2016_10124_no_keys_for_the_caller_s_terminal(containers: Containers, bundle: Bundle) -> None:
    assert push_a_key(containers, bundle) == "EPERM"


@pytest.mark.usefixtures("_tiocsti")
def test_cve_2016_10124_without_setsid(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "setsid", lambda: None)
    assert push_a_key(containers, bundle) == "typed"
