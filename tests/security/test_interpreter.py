"""CVE-2019-5736: a container makes the runtime run, or open, the file that the runtime runs from.

::

    image:  /bin/evil = "#!/proc/self/exe"     execve(/bin/evil) runs the host's own program again,
            /lib64/ld-linux...  (the image's)  with a loader of the image: which then has that program
                                               as /proc/self/exe, to be written when nobody runs it

Three things stand in the way: the runtime refuses such a program; what runs in a container is not
dumpable until it is the program; and the launcher runs Python from a read-only mount that is attached
nowhere.  Each is looked at alone here, with the others off.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys

import pytest

from minicontainer.errors import CommandNotExecutable
from minicontainer.linux import prctl
from tests.security.attacks import LAST, as_container, at, noted, switch_off

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


# -- the refusal


def evil(bundle: Bundle) -> None:
    """A program that is ours again, with a loader of the image's, which runs first and says so."""
    if os.uname().machine != "x86_64":
        pytest.skip("the loader is written for x86_64")
    for path, content in (("/bin/evil", b"#!/proc/self/exe\n"), (_loader(), elf())):
        os.makedirs(os.path.dirname(bundle.rootfs + path), exist_ok=True)
        with open(bundle.rootfs + path, "wb") as file:
            file.write(content)
        os.chmod(bundle.rootfs + path, 0o755)
    bundle.program("/bin/evil")


def elf() -> bytes:
    """A program of two system calls: write(1, "owned\\n", 6), exit(0)."""
    code = bytes.fromhex("b801000000 bf01000000 488d3512000000 ba06000000 0f05 b83c000000 31ff 0f05 9090")
    code += b"owned\n"
    size = 4096  # a whole page: kernels before 6.6 would clear the rest of it, which cannot be written
    head = (
        b"\x7fELF\2\1\1"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    )
    program = head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, size, size, 4096) + code
    return program.ljust(size, b"\0")


def _loader() -> str:
    """The loader that our own interpreter names (elf(5), PT_INTERP)."""
    with open("/proc/self/exe", "rb") as file:
        head = file.read(8192)
    start = head.find(b"/lib")
    if start < 0:
        pytest.skip("our interpreter is linked statically")
    return head[start : head.index(b"\0", start)].decode()


def test_cve_2019_5736_our_own_program_is_refused(containers: Containers, bundle: Bundle) -> None:
    evil(bundle)
    with pytest.raises(CommandNotExecutable, match="interpreter of the runtime"):
        containers.run(bundle)


def test_cve_2019_5736_without_the_refusal(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    evil(bundle)
    switch_off(monkeypatch, "refuse_own_interpreter", lambda path, name: None)
    found = containers.run(bundle)
    assert found.out == "owned\n", found  # code of the image, in a process whose exe is ours


# -- not dumpable


def look_at_exe(victim: int) -> str:
    """Open for writing what another process runs; the kernel says whether only that is in the way."""
    os.close(os.open(f"/proc/{victim}/exe", os.O_WRONLY))
    return "open"


def test_cve_2019_5736_what_runs_is_out_of_reach(containers: Containers, bundle: Bundle) -> None:
    with at(LAST, as_container(look_at_exe)):
        containers.run(bundle, "true")
    assert noted(bundle.rootfs) == "EACCES"


def test_cve_2019_5736_without_set_dumpable(
    containers: Containers, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prctl, "set_dumpable", lambda dumpable: None)
    with at(LAST, as_container(look_at_exe)):
        containers.run(bundle, "true")
    assert noted(bundle.rootfs) == "ETXTBSY"  # there, and only in use for the moment


# -- the launcher

# The process opens what it runs from, becomes another, and then writes: nobody runs that file any more.
ATTACK = """
import os
fd = os.open("/proc/self/exe", os.O_RDONLY)
os.set_inheritable(fd, True)
os.execv("/bin/sh", ["sh", "-c", f"echo owned >> /proc/self/fd/{fd}"])
"""


@pytest.fixture
def python(tmp_path: Path) -> str:
    """A copy of our interpreter, to be overwritten."""
    copy = tmp_path / "python-of-the-host"
    shutil.copy(os.path.realpath(getattr(sys, "_base_executable", sys.executable)), copy)
    return str(copy)


def launcher(python: str) -> str:
    """The launcher for that interpreter, built to run `ATTACK` in the place of the command."""
    with open(f"{PROJECT}/minicontainer/launcher.c") as file:
        before, declaration, rest = file.read().partition("static const char BOOT[] =")
    text = "".join('"' + line.replace('"', '\\"') + '\\n"\n' for line in ATTACK.splitlines())
    built = f"{os.path.dirname(python)}/minicontainer"
    with open(f"{built}.c", "w") as file:
        file.write(before + declaration + text + rest[rest.index(";\n") :])
    subprocess.run(["cc", f'-DPYTHON="{python}"', "-o", built, f"{built}.c"], check=True)
    return built


def overwritten(python: str) -> bool:
    with open(python, "rb") as file:
        return file.read().endswith(b"owned\n")


@pytest.mark.needs("command:cc")
def test_cve_2019_5736_the_launcher_s_python_cannot_be_written(python: str) -> None:
    attacked = subprocess.run([launcher(python)], capture_output=True, text=True, check=False)
    assert "Read-only file system" in attacked.stderr or "Operation not permitted" in attacked.stderr
    assert not overwritten(python)


def test_cve_2019_5736_python_without_the_launcher(python: str) -> None:
    subprocess.run([python, "-SI", "-c", ATTACK], check=True)
    assert overwritten(python)
