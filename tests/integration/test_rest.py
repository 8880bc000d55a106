"""A monitor that has nothing to do rests (engine/rest.py): it costs next to nothing, and loses nothing.

launched     the command line started by a launcher of this source: without one, monitors stay awake
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time

import pytest

from tests.integration.runner import Runner, Terminal, until
from tests.integration.waiting import held, let_go, status
from tests.launcher import installed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

pytestmark = pytest.mark.needs("command:cc")

NONE = ("--network", "none")
SHIM_KB = 2700  # the proportional set size of a containerd shim, measured once with 50 of them


class Launched(Runner):
    """The same roots and host, another way to start."""

    def __init__(self, mc: Runner, launcher: str) -> None:
        super().__init__(mc.host, mc.root, mc.run_root, mc.environment["PYTHONPYCACHEPREFIX"])
        self.launcher = launcher

    def start(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        wrapper: tuple[str, ...] = (),
        **options: Any,
    ) -> subprocess.Popen[bytes]:
        """As `Runner.start`."""
        streams = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE) | {"stdin": subprocess.DEVNULL}
        return self.host.popen(
            [*wrapper, self.launcher, *arguments],
            env={**self.environment, **(env or {})},
            **{**streams, **options},
        )

    def rests(self, container: str) -> bool:
        """Whether its monitor does."""
        return self.host.sh(f"tr '\\0' ' ' < /proc/{self.monitor(container)}/cmdline").startswith(
            "minicontainer-monitor "
        )

    def await_rest(self, container: str) -> int:
        """Its monitor, which rests."""
        until(lambda: self.rests(container), "the monitor rests", timeout=60)
        return self.monitor(container)

    def resting_until_restarted(self, container: str) -> int:
        """Its monitor, which waits as the launcher does, and is held there (waiting.py)."""

        def launcher() -> int:
            monitor = held(self, container)
            if self.host.sh(f"cat /proc/{monitor}/cmdline").startswith("minicontainer-monitor"):
                return monitor
            let_go(self, monitor)
            return 0

        found: int = until(launcher, "it waits without Python", timeout=60)
        return found


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with this project's launcher and the packages of ours."""
    made = tmp_path_factory.mktemp("launched")
    installed(made)
    return made


@pytest.fixture
def launched(mc: Runner, prefix: Path) -> Launched:
    return Launched(mc, str(prefix / "bin" / "minicontainer"))


def test_it_costs_less_than_a_shim_and_no_time(launched: Launched) -> None:
    container = launched.ok("run", "-d", *NONE, "busybox", "sleep", "60")
    before = launched.monitor(container)
    monitor = launched.await_rest(container)
    assert monitor == before
    (size,) = re.findall(
        r"^Pss: +(\d+) kB", launched.host.sh(f"cat /proc/{monitor}/smaps_rollup"), re.MULTILINE
    )
    assert int(size) < SHIM_KB / 2
    used = f"cut -d ' ' -f 14,15 /proc/{monitor}/stat; grep ctxt /proc/{monitor}/status"

    def nothing_happens() -> bool:
        first = launched.host.sh(used)
        time.sleep(0.5)
        return launched.host.sh(used) == first

    until(nothing_happens, "it waits, once it has begun to")


def test_what_it_had_begun_goes_on(launched: Launched) -> None:
    script = "printf begun; read x; echo ', and ended'; echo error >&2; read x; exit 7"
    container = launched.ok("run", "-d", "-i", *NONE, "busybox", "sh", "-c", script)
    monitor = launched.await_rest(container)
    client = launched.start("attach", container, stdin=subprocess.PIPE)
    assert client.stdin is not None
    client.stdin.write(b"\n")
    client.stdin.flush()
    until(lambda: launched("logs", container).err == "error\n", "it is in the log")
    assert launched("logs", container).out == "begun, and ended\n"
    assert launched.await_rest(container) == monitor  # a client is attached, and has nothing to say
    out, err = client.communicate(b"\n", timeout=60)
    assert (client.returncode, out, err) == (7, b", and ended\n", b"error\n")
    assert launched.state(container) == "exited 7"


def test_a_terminal_that_was_left_alone(launched: Launched) -> None:
    with launched.terminal("run", "--rm", "-it", "--name", "alone", *NONE, "busybox", "sh") as terminal:
        _prompt(terminal)
        launched.await_rest("alone")
        terminal.type("echo $((6 * 7))\n")
        terminal.expect("42")
        launched.await_rest("alone")
        terminal.resize(31, 97)
        terminal.type("stty size; exit 3\n")
        terminal.expect("31 97")
        assert terminal.wait() == 3


def _prompt(terminal: Terminal) -> None:
    terminal.expect("# ")


def test_exec_stop_and_rm_of_a_container_whose_monitor_rests(launched: Launched) -> None:
    container = launched.ok(
        "run", "-d", *NONE, "busybox", "sh", "-c", "trap 'exit 4' TERM; while :; do sleep 0.1; done"
    )
    launched.await_rest(container)
    assert launched.ok("exec", container, "echo", "here") == "here"
    assert launched.rests(container)  # exec is none of its business
    launched.ok("stop", container)
    assert launched.state(container) == "exited 4"
    launched.ok("start", container)
    launched.await_rest(container)
    launched.ok("rm", "-f", container)


def test_killed_while_it_rests(launched: Launched) -> None:
    container = launched.ok("run", "-d", *NONE, "busybox", "sh", "-c", "echo said; sleep 60")
    monitor = launched.await_rest(container)
    launched.host.kill(monitor)
    until(lambda: launched.state(container) == "exited 137", "it is mended")
    assert launched.ok("logs", container) == "said"


def test_it_wakes_to_probe_and_rests_again(launched: Launched) -> None:
    container = launched.ok(
        "run", "-d", *NONE, "--health-cmd", "echo well", "--health-interval", "3s", "busybox", "sleep", "60"
    )
    monitor = launched.monitor(container)
    for count in (1, 2):
        assert launched.await_rest(container) == monitor
        until(lambda count=count: len(_results(launched, container)) >= count, f"probe {count}", timeout=60)
    assert launched.await_rest(container) == monitor
    assert {one["Output"] for one in _results(launched, container)} == {"well\n"}
    assert launched.ok("ps", "-q", "--filter", "health=healthy") == container[:12]


def test_it_rests_while_a_probe_takes_its_time(launched: Launched) -> None:
    check = "touch /begun; while ! test -e /go; do sleep 0.1; done; echo gone"
    options = ("--health-interval", "50ms", "--health-timeout", "1h", "--health-cmd", check)
    container = launched.ok("run", "-d", *NONE, *options, "busybox", "sleep", "60")
    until(lambda: launched("exec", container, "test", "-e", "/begun").code == 0, "a probe runs")
    monitor = launched.await_rest(container)
    assert _results(launched, container) == []
    launched.ok("exec", container, "touch", "/go")
    until(lambda: _results(launched, container), "its result is taken")
    assert _results(launched, container)[0]["Output"] == "gone\n"
    assert launched.monitor(container) == monitor


def test_a_probe_ends_with_the_container_whose_monitor_rests(launched: Launched) -> None:
    options = ("--health-interval", "50ms", "--health-timeout", "1h", "--health-cmd", "exec sleep 1009")
    container = launched.ok("run", "-d", *NONE, *options, "busybox", "sleep", "60")
    monitor = launched.await_rest(container)
    probers = f"cat /proc/{monitor}/task/*/children | wc -w"
    assert launched.host.sh(probers).strip() == "2"  # init, and who waits for the probe
    launched.ok("rm", "-f", container)  # what is left of it, the fixture finds


def _results(launched: Launched, container: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(launched.state(container, "{{json .State.Health.Log}}"))
    return found


def test_without_its_launcher_it_stays_awake(launched: Launched, tmp_path: Path, prefix: Path) -> None:
    away = prefix / "bin" / "gone"
    container = launched.ok("run", "-d", "-i", *NONE, "busybox", "cat")
    os.rename(launched.launcher, away)
    try:
        time.sleep(3)
    finally:
        os.rename(away, launched.launcher)
    assert not launched.rests(container)
    assert launched("attach", container, input=b"echoed\n").out == "echoed\n"


def test_a_program_that_never_falls_silent_loses_nothing(launched: Launched) -> None:
    script = "i=0; while :; do i=$((i+1)); echo $i; done"
    container = launched.ok("run", "-d", *NONE, "busybox", "sh", "-c", script)
    monitor = launched.monitor(container)
    words = f"tr '\\0' ' ' < /proc/{monitor}/cmdline"
    until(lambda: f" minicontainer-monitor {container} " in launched.host.sh(words), "it has begun anew")
    launched.ok("kill", container)
    logged = launched.ok("logs", container).split()
    assert logged == [str(n) for n in range(1, len(logged) + 1)]


def test_it_waits_without_python_until_its_container_is_restarted(launched: Launched) -> None:
    container = launched.ok("run", "-d", "--restart", "always", *NONE, "busybox", "false")
    first = launched.resting_until_restarted(container)
    open_files = launched.host.sh(f"ls -l /proc/{first}/fd | grep -o ' -> .*' | sed 's/[0-9]//g' | sort")
    count = status(launched, container)["restarts"]
    mounts = launched.host.sh(f"cat /proc/{first}/mountinfo")
    assert f"{container}/rootfs" not in mounts
    let_go(launched, first)
    until(lambda: status(launched, container)["restarts"] > count, "it runs again", timeout=60)
    monitor = launched.resting_until_restarted(container)
    assert monitor == first
    # The listening socket, the pipe with the state, and the standard streams.
    assert open_files.count("\n") == 5
    now = launched.host.sh(f"ls -l /proc/{monitor}/fd | grep -o ' -> .*' | sed 's/[0-9]//g' | sort")
    assert now == open_files
    assert launched.host.sh(f"cat /proc/{monitor}/mountinfo").count("\n") == mounts.count("\n")
    launched.ok("stop", container)
    assert launched.state(container) == "exited 1"


def test_who_comes_while_it_waits_is_served_by_the_next_run(launched: Launched) -> None:
    script = "[ -e /file ] || { touch /file; exit 3; }; exit 4"
    container = launched.ok("run", "-d", "--restart", "on-failure:1", *NONE, "busybox", "sh", "-c", script)
    monitor = held(launched, container)
    client = launched.start("wait", container)
    until(lambda: launched.host.sh("cat /proc/net/unix").count("attach.sock") == 2, "it waits in the queue")
    let_go(launched, monitor)
    out, _ = client.communicate(timeout=60)
    assert (client.returncode, out) == (0, b"4\n")
