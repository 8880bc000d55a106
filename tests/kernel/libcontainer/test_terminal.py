"""A program with a terminal: the slave inside, the master in the hands of whoever created it."""

from __future__ import annotations

import os
import select
import stat
import time

import pytest

from minicontainer.errors import InvalidConfig
from minicontainer.linux import terminal
from minicontainer.linux.process import wait
from tests.kernel.linux.child import mounted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bundles import Bundle
    from tests.kernel.libcontainer.containers import Containers


class Console:
    """The master of a container's terminal."""

    def __init__(self) -> None:
        self.master = -1

    def take(self, master: int) -> None:
        """What Container.create calls."""
        self.master = master

    def read_until(self, text: str) -> str:
        """What was shown, up to ``text``."""
        shown, until = b"", time.monotonic() + 60
        while text.encode() not in shown:
            ready, _, _ = select.select([self.master], [], [], max(0, until - time.monotonic()))
            assert ready, shown
            shown += os.read(self.master, 4096)
        return shown.decode()

    def type(self, text: str) -> None:
        """Keys."""
        os.write(self.master, text.encode())


@pytest.fixture
def console() -> Iterator[Console]:
    made = Console()
    yield made
    if made.master >= 0:
        os.close(made.master)


def test_a_shell_on_a_terminal(containers: Containers, bundle: Bundle, console: Console) -> None:
    bundle.change({"process.terminal": True, "process.consoleSize": {"height": 33, "width": 99}})
    bundle.program("/bin/sh")
    container = containers.create(bundle, on_console=console.take)
    assert terminal.get_size(console.master) == (33, 99)
    assert not os.get_inheritable(console.master)
    container.start()
    console.type("stty size; tty; echo $((40+2))\n")
    shown = console.read_until("42\r\n")
    assert "33 99" in shown
    assert "/dev/pts/0" in shown
    console.type("exit 5\n")
    assert container.wait() == 5


def test_the_terminal_is_the_controlling_one_and_the_console(
    containers: Containers, bundle: Bundle, console: Console
) -> None:
    bundle.change({"process.terminal": True})
    pid = containers.sleeping(bundle, on_console=console.take).record.pid
    assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1, 2)} == {"/dev/pts/0"}
    assert sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"]
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    assert int(fields[4]) == os.makedev(136, 0)  # tty_nr
    found = mounted("/dev/console", pid)
    assert found is not None
    assert found.fstype == "devpts"
    assert stat.S_ISCHR(os.stat(f"/proc/{pid}/root/dev/console").st_mode)


def test_interrupt_reaches_the_program(containers: Containers, bundle: Bundle, console: Console) -> None:
    bundle.change({"process.terminal": True})
    bundle.script("trap 'exit 9' INT; echo ready; while :; do sleep 0.02; done")
    container = containers.start(bundle, on_console=console.take)
    console.read_until("ready")
    console.type("\x03")
    assert container.wait() == 9


def test_a_user_owns_its_terminal(containers: Containers, bundle: Bundle, console: Console) -> None:
    bundle.change({"process.terminal": True, "process.user": {"uid": 1000, "gid": 1000}})
    bundle.script("echo again > $(tty); exec sleep 1000")
    container = containers.start(bundle, on_console=console.take)
    console.read_until("again")
    assert os.stat(f"/proc/{container.record.pid}/root/dev/pts/0").st_uid == 1000


def test_nobody_takes_the_terminal(containers: Containers, bundle: Bundle) -> None:
    bundle.change({"process.terminal": True})
    with pytest.raises(InvalidConfig, match=r"process\.terminal is set and nobody takes the terminal"):
        containers.create(bundle)


def test_a_terminal_needs_devpts(containers: Containers, bundle: Bundle, console: Console) -> None:
    bundle.change({"process.terminal": True})
    bundle.change({"mounts": [m for m in bundle.config["mounts"] if m["destination"] != "/dev/pts"]})
    with pytest.raises(OSError, match="ptmx") as caught:
        containers.create(bundle, on_console=console.take)
    assert caught.value.context == "process.terminal"  # type: ignore[attr-defined]


def test_exec_with_a_terminal_of_its_own(containers: Containers, bundle: Bundle, console: Console) -> None:
    from minicontainer.oci.document import convert
    from minicontainer.oci.runtime import Process

    container = containers.sleeping(bundle)
    process = {"cwd": "/", "args": ["sh"], "terminal": True, "consoleSize": {"height": 11, "width": 22}}
    joined = container.exec(convert(Process, process, "process.json"))
    console.take(joined.console)
    console.type("stty size; exit 4\n")
    console.read_until("11 22")
    assert wait(joined.pid) == 4
