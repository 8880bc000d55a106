"""``stats``: what it prints, compared with the kernel's own counters."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess

import pytest

from minicontainer.cgroups.host import hierarchies
from tests.integration.refusals import refused
from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner

ALONE = ("--network", "none")
HEADER = ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"]
UNITS = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def size(text: str) -> float:
    """Bytes of ``4.1kB``."""
    found = re.fullmatch(r"([0-9.]+)([kKMGi]*B)", text)
    assert found, text
    return float(found[1]) * UNITS[found[2]]


def shown(mc: Runner, name: str) -> dict[str, str]:
    """The fields of one container."""
    found: dict[str, str] = json.loads(mc.ok("stats", "--no-stream", "--format", "json", name))
    return found


def control(mc: Runner, name: str, v1: str, v2: str) -> str | None:
    """A control file of the container's group; None where nobody counts."""
    found = hierarchies()
    controller = v1.partition(".")[0]
    on_v2 = {"blkio": "io"}.get(controller, controller)
    if controller not in found.bound and on_v2 not in found.unified_controllers:
        return None
    mount, file = (found.bound[controller], v1) if controller in found.bound else (found.unified, v2)
    with open(f"{mount}/minicontainer/{mc.state(name, '{{.Id}}')}/{file}") as opened:
        return opened.read().strip()


def table(text: str | None) -> dict[str, int]:
    """A control file of ``key value`` lines."""
    return {key: int(value) for key, value in (line.split() for line in (text or "").splitlines())}


def in_use(mc: Runner, name: str) -> int:
    """Memory that is not free for the taking, as the kernel counts it."""
    usage = control(mc, name, "memory.usage_in_bytes", "memory.current")
    detail = table(control(mc, name, "memory.stat", "memory.stat"))
    assert usage is not None
    return int(usage) - detail.get("total_inactive_file", detail["inactive_file"])


def total_memory() -> int:
    """Bytes of the host's memory."""
    with open("/proc/meminfo") as file:
        return int(file.readline().split()[1]) * 1024


def test_the_columns_are_docker_s(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "sleeps", *ALONE, "busybox", "sleep", "60")
    head, row = mc.ok("stats", "--no-stream").splitlines()
    assert re.split(r" {2,}", head) == HEADER
    assert row.split()[:2] == [mc.state("sleeps", "{{.Id}}")[:12], "sleeps"]
    assert list(shown(mc, "sleeps")) == [
        "BlockIO", "CPUPerc", "Container", "ID", "MemPerc", "MemUsage", "Name", "NetIO", "PIDs",
    ]  # fmt: skip
    assert mc.state("sleeps", "{{.Id}}") in mc.ok("stats", "--no-stream", "--no-trunc")


@pytest.mark.needs("controller:memory")
def test_memory_is_the_kernel_s_without_the_cache_that_can_go(mc: Runner) -> None:
    fill = "dd if=/dev/zero of=/dev/shm/x bs=1M count=9 2>/dev/null; echo full; exec sleep 60"
    mc.ok("run", "-d", "--name", "eats", "-m", "64m", *ALONE, "busybox", "sh", "-c", fill)
    until(lambda: mc.ok("logs", "eats") == "full", "the memory is in use")
    before, found, after = in_use(mc, "eats"), shown(mc, "eats"), in_use(mc, "eats")
    used, limit = map(size, found["MemUsage"].split(" / "))
    # The kernel counts in batches for each processor; 4 digits are shown.
    slack = (os.cpu_count() or 1) * (1 << 18) + 0.001 * after
    assert min(before, after) - slack <= used <= max(before, after) + slack
    assert used > 9 << 20
    assert limit == 64 << 20
    assert float(found["MemPerc"].removesuffix("%")) == pytest.approx(used / limit * 100, abs=0.1)


@pytest.mark.needs("controller:memory")
def test_without_a_limit_it_is_the_host_s_memory(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "sleeps", *ALONE, "busybox", "sleep", "60")
    limit = size(shown(mc, "sleeps")["MemUsage"].split(" / ")[1])
    assert limit == pytest.approx(total_memory(), rel=0.001)


@pytest.mark.needs("controller:pids")
def test_pids_are_the_kernel_s(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "family", *ALONE, "busybox", "sh", "-c", "sleep 60 & sleep 60 & wait")
    until(lambda: control(mc, "family", "pids.current", "pids.current") == "3", "all run")
    assert shown(mc, "family")["PIDs"] == "3"


@pytest.mark.needs("controller:cpu")
def test_cpu_is_what_the_group_used_of_one_processor(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "idle", *ALONE, "busybox", "sleep", "60")
    mc.ok(
        "run", "-d", "--name", "busy", "--cpus", "0.3", *ALONE, "busybox", "sh", "-c", "while :; do :; done"
    )
    rows = mc.ok("stats", "--no-stream", "--format", "{{.Name}} {{.CPUPerc}}", "idle", "busy").splitlines()
    percent = {name: float(text.removesuffix("%")) for name, text in (row.split() for row in rows)}
    # About 30; on a busy host, time passes between reading the group's counter and the host's.
    assert 0 < percent["busy"] <= 90
    assert percent["idle"] < min(1, percent["busy"])


@pytest.mark.needs("nat")
def test_the_network_s_bytes_are_those_of_its_interface(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "server", "busybox", "sh", "-c", "yes | head -c 300000 > /y; httpd -f -h /")
    address = mc.state("server", "{{.NetworkSettings.IPAddress}}")
    fetch = f"until wget -qO /dev/null http://{address}/y; do sleep 0.1; done"
    mc.ok("run", "--rm", "busybox", "sh", "-c", fetch)

    def counted(which: str) -> int:
        return int(mc.ok("exec", "server", "cat", f"/sys/class/net/eth0/statistics/{which}_bytes"))

    before = counted("rx"), counted("tx")
    found = [size(text) for text in shown(mc, "server")["NetIO"].split(" / ")]
    after = counted("rx"), counted("tx")
    for low, value, high in zip(before, found, after, strict=True):
        assert low * 0.99 <= value <= high * 1.01
    assert found[1] > 300_000
    assert shown(mc, "server")["Name"] == "server"


def test_the_host_s_traffic_is_nobody_s(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "guest", "--network", "host", "busybox", "sleep", "60")
    assert shown(mc, "guest")["NetIO"] == "0B / 0B"


def test_block_devices_are_counted_by_the_kernel(mc: Runner) -> None:
    write = "dd if=/dev/zero of=/file bs=64k count=32 conv=fsync 2>/dev/null; echo written; exec sleep 60"
    mc.ok("run", "-d", "--name", "writes", *ALONE, "busybox", "sh", "-c", write)
    until(lambda: mc.ok("logs", "writes") == "written", "the file is written")

    def counted() -> list[int]:
        text = control(mc, "writes", "blkio.throttle.io_service_bytes_recursive", "io.stat")
        sums = [0, 0]
        for line in (text or "").splitlines():
            for at, (v1, v2) in enumerate((("Read", "rbytes"), ("Write", "wbytes"))):
                number = re.search(rf"{v2}=(\d+)|\d+:\d+ {v1} (\d+)", line)
                sums[at] += int(number[1] or number[2]) if number else 0
        return sums

    before = counted()
    found = [size(text) for text in shown(mc, "writes")["BlockIO"].split(" / ")]
    # Of what was written, the disk may get some only now.
    for low, value, high in zip(before, found, counted(), strict=True):
        assert low * 0.99 <= value <= high * 1.01


def test_what_does_not_run_uses_nothing(mc: Runner) -> None:
    mc.ok("create", "--name", "never", *ALONE, "busybox", "true")
    assert mc.ok("stats", "--no-stream").splitlines()[1:] == []
    row = ["never", "0.00%", "0B / 0B", "0.00%", "0B / 0B", "0B / 0B", "0"]
    form = "{{.Name}}\\t{{.CPUPerc}}\\t{{.MemUsage}}\\t{{.MemPerc}}\\t{{.NetIO}}\\t{{.BlockIO}}\\t{{.PIDs}}"
    assert mc.ok("stats", "--no-stream", "-a", "--format", form).split("\t") == row
    assert mc.ok("stats", "--no-stream", "--format", form, "never").split("\t") == row


def test_a_paused_container_is_measured(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "still", *ALONE, "busybox", "sleep", "60")
    mc.ok("pause", "still")
    assert shown(mc, "still")["CPUPerc"] == "0.00%"
    assert shown(mc, "still")["MemUsage"] != "0B / 0B"


def test_a_named_container_that_ends_stays_as_unknown(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "ends", *ALONE, "busybox", "sleep", "60")
    with mc.start("stats", "--format", "{{.Name}} {{.PIDs}}", "ends") as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == b"ends --\n"
        assert re.fullmatch(rb"ends \d+\n", watching.stdout.readline())
        mc.ok("kill", "ends")
        while (line := watching.stdout.readline()) != b"ends --\n":
            assert line.startswith(b"ends "), line
        mc.ok("rm", "ends")
        assert watching.stdout.readline() == b"ends --\n"
        assert end(watching, signal.SIGINT) == 130


def test_without_names_what_ends_goes_and_what_starts_comes(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "one", *ALONE, "busybox", "sleep", "60")
    with mc.start("stats", "--format", "table {{.Name}}\\t{{.PIDs}}") as watching:
        assert watching.stdout is not None

        def seen() -> set[bytes]:
            """The names in the next whole picture."""
            names = []
            assert watching.stdout is not None
            while not (line := watching.stdout.readline()).startswith(b"NAME"):
                names.append(line.split()[0])
            return set(names)

        seen()
        assert seen() == {b"one"}
        mc.ok("run", "-d", "--name", "two", *ALONE, "busybox", "sleep", "60")
        until(lambda: seen() == {b"one", b"two"}, "the second appears", timeout=60)
        mc.ok("kill", "one")
        until(lambda: seen() == {b"two"}, "the first is gone", timeout=60)
        end(watching, signal.SIGINT)


def end(command: subprocess.Popen[bytes], number: int) -> int:
    """The exit status after a signal."""
    command.send_signal(number)
    command.communicate(timeout=60)
    return command.returncode


def test_on_a_terminal_each_picture_covers_the_last_and_fits_the_window(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "first", *ALONE, "busybox", "sleep", "60")
    mc.ok("run", "-d", "--name", "second", *ALONE, "busybox", "sleep", "60")
    with mc.terminal("stats", rows=24, columns=200) as terminal:
        terminal.expect("\x1b[HCONTAINER ID")
        terminal.expect("PIDS\x1b[K")
        terminal.expect("\x1b[J", timeout=60)
        assert not terminal.is_raw()
        terminal.resize(2, 30)
        # One line, as wide as the window, the cursor below it.
        terminal.expect("\x1b[HCONTAINER ID   NAME      CPU %\x1b[K\r\n\x1b[J", timeout=60)
        terminal.type("\x03")
        assert terminal.wait() == 130
        assert terminal.restored()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nosuch"], 1, "No such container: nosuch"),
        (["--no-stream", "nosuch"], 1, "No such container: nosuch"),
        (["--no-stream", "--format", "{{"], 1, ""),
        (["--nonsense"], 125, "unknown flag: --nonsense"),
    ],
)
def test_refusals(mc: Runner, arguments: list[str], code: int, said: str) -> None:
    refused(mc, "stats", *arguments, code=code, said=said)


def test_one_wrong_name_refuses_all(mc: Runner) -> None:
    mc.ok("run", "-d", "--name", "right", *ALONE, "busybox", "sleep", "60")
    result = mc("stats", "--no-stream", "right", "wrong")
    assert (result.code, result.out) == (1, "")
    assert "No such container: wrong" in result.err
