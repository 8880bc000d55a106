"""Two hundred containers at once, started and removed by 16 callers at a time, over and over.

::

    host's pid 1 ──fork──► 16 callers (callers.py), each with its share of the containers
       "up"    ──► all start theirs                                ──► top: all run
       "turn"  ──► all remove and start theirs, one after another  ──► top                 again and again
       "down"  ──► all remove theirs                               ──► bottom: as before "up"

    top       ps says what the kernel has, `system check` finds nothing, and the figures (open files,
              namespaces, groups, processes, memory of the monitors, of the state) are those of the first top
    bottom    the host is as it was: facts (host.py), and the memory of its control group

A caller that does not answer in time is a deadlock.  `make test-stress` takes STRESS_SECONDS=600 with
STRESS_CONTAINERS=200; in `make test` it is two short rounds with 16.
"""

from __future__ import annotations

import json
import os
import select
import time

import pytest

from tests import needs
from tests.faults import looks
from tests.faults.callers import PATIENCE_S, Caller, processes, run
from tests.faults.host import STATE, on_a_host, reap, settled
from tests.launcher import installed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.host import Facts, Host

    Figures = dict[str, int]

pytestmark = pytest.mark.needs(
    "network namespace", "pid namespace", "uts namespace", "cgroup namespace", "command:cc"
)

SECONDS = float(os.environ.get("STRESS_SECONDS") or 0)
CALLERS = 16
CONTAINERS = int(os.environ.get("STRESS_CONTAINERS") or (200 if SECONDS else CALLERS))
TURNS = 2 if SECONDS else 1  # between a start of all and a removal of all
RESTED_S = 120
EXACT = ("processes", "open files", "namespaces", "groups")
# What may be more than the first time: the events' journal, pages of files that somebody read.
SLACK = {"monitors kB": 0.05, "state kB": 0.15, "memory kB": 0.3}
JOURNAL_KB = 4096


@pytest.mark.timeout(SECONDS * 3 + 1800)
def test_stress(busybox_tar: Path, tmp_path: Path) -> None:
    networks = ("none", "none", "none") if needs.lacks("nat") else ("none", "none", "bridge", "none")
    stress(str(busybox_tar), str(installed(tmp_path, copied=True)), networks)


@on_a_host
def stress(host: Host, image: str, command: str, networks: tuple[str, ...]) -> None:
    host.good("import", image, "busybox")
    for network in set(networks):
        host.good("run", "--rm", "--network", network, "busybox", "true")
    clean = host.steady()
    share = [{f"c{one}": one for one in range(first, CONTAINERS, CALLERS)} for first in range(CALLERS)]
    everyone = Everyone(host, [Caller(host, command, names, networks) for names in share])
    until = time.monotonic() + SECONDS
    tops: list[Figures] = []
    bottoms: list[Figures] = []
    while time.monotonic() < until or len(bottoms) < 2:
        for order in ("up", *["turn"] * TURNS):
            everyone.order(order)
            tops.append(top(host, command))
            told(order, everyone, tops[-1])
            if time.monotonic() > until and len(bottoms) >= 1:
                break
        everyone.order("down")
        bottoms.append(bottom(host, clean))
        told("down", everyone, bottoms[-1])
    for found in (tops, bottoms):
        assert not grown(found), "\n".join(map(str, [*grown(found), *found]))


class Everyone:
    """All callers, at one order after another."""

    def __init__(self, host: Host, callers: list[Caller]) -> None:
        self.host = host
        self.callers = callers
        self.commands = 0
        self.began = time.monotonic()

    def order(self, word: str) -> None:
        """All do it; fails with what was wrong, or with who does not answer."""
        for caller in self.callers:
            caller.channel.send(word.encode())
        waited = {caller.channel.fileno(): caller for caller in self.callers}
        wrong: list[str] = []
        # A share of it after the other; each command has its own limit, so nobody waits for all of this.
        deadline = time.monotonic() + PATIENCE_S * 2
        while waited:
            ready, _, _ = select.select(list(waited), [], [], 0.05)
            reap()
            for fd in ready:
                caller = waited.pop(fd)
                commands, found = json.loads(caller.channel.recv(1 << 17) or '[0, ["a caller died"]]')
                self.commands += commands
                wrong += found
                deadline = time.monotonic() + PATIENCE_S * 2
            if time.monotonic() > deadline:
                raise AssertionError(f"{word}: {len(waited)} callers do not answer: {looks.living()}")
        assert not wrong, f"{word}:\n" + "\n".join(wrong)


def top(host: Host, command: str) -> Figures:
    """With all containers running: ps and the kernel agree; the figures."""
    out, err, code = run(host, command, "ps", "--no-trunc", "--format", "{{.ID}} {{.State}}")
    assert (code, err) == (0, "")
    listed = dict(line.split() for line in out.splitlines())
    assert len(listed) == CONTAINERS
    assert set(listed.values()) == {"running"}
    groups = {name for folder in host.hierarchies for name in groups_in(f"{folder}/minicontainer")}
    assert groups == set(listed)
    pids = {container_id: processes(host, container_id) for container_id in listed}
    assert {len(found) for found in pids.values()} == {1}
    out, err, code = run(host, command, "system", "check")
    assert (code, err) == (0, ""), out
    await_rest()
    return figures(host)


def bottom(host: Host, clean: Facts) -> Figures:
    """Without any container: the host is as it was."""
    callers = [line for line in host.facts()["processes"] if line not in clean["processes"]]
    left = [line for line in settled(host, {**clean, "processes": callers}) if "/out-" not in line]
    assert not left, "\n".join(left)
    assert len(callers) == CALLERS, callers
    return figures(host)


def await_rest() -> None:
    """Until all monitors do: what they cost is what they cost at rest."""
    until = time.monotonic() + RESTED_S
    while len(monitors()) < CONTAINERS:
        assert time.monotonic() < until, f"{len(monitors())} monitors rest"
        reap()
        time.sleep(0.1)


def monitors() -> list[str]:
    return [pid for pid, words in looks.living().items() if words.startswith("minicontainer-monitor ")]


def figures(host: Host) -> Figures:
    """What is to be flat; the callers' own is in it, and the same each time."""
    reap()
    pids = looks.living()
    shares = [looks.read(f"/proc/{pid}/smaps_rollup").partition("\nPss:")[2].split()[0] for pid in monitors()]
    space = os.statvfs(STATE)
    return {
        "processes": len(pids),
        "open files": sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in pids),
        "namespaces": sum(int(line.split()[1]) for line in looks.namespaces(pids)),
        "groups": sum(len(groups_in(f"{folder}/minicontainer")) for folder in host.hierarchies),
        "monitors kB": sum(map(int, shares)),
        "state kB": (space.f_blocks - space.f_bfree) * space.f_frsize >> 10,
        "memory kB": used_kb(host),
    }


def used_kb(host: Host) -> int:
    """What the kernel counts for all processes of the host and their files; 0 where nobody counts."""
    for folder in host.hierarchies:
        for name in ("memory.usage_in_bytes", "memory.current"):
            if os.path.exists(f"{folder}/{name}"):
                return int(looks.read(f"{folder}/{name}")) >> 10
    return 0


def grown(found: list[Figures]) -> list[str]:
    """What was not flat: other numbers than the first time, or more than that and some slack."""
    first = found[0]
    wrong = [
        f"{name}: {first[name]} became {now[name]}"
        for now in found
        for name in EXACT
        if now[name] != first[name]
    ]
    for name, slack in SLACK.items():
        most = first[name] * (1 + slack) + JOURNAL_KB
        wrong += [f"{name}: {first[name]} became {now[name]}" for now in found if now[name] > most]
    return wrong


def groups_in(folder: str) -> list[str]:
    return (
        [name for name in os.listdir(folder) if os.path.isdir(f"{folder}/{name}")]
        if os.path.isdir(folder)
        else []
    )


def told(order: str, everyone: Everyone, found: Figures) -> None:
    """A line of how it goes, for who looks."""
    seconds = time.monotonic() - everyone.began
    print(f"\n{seconds:5.0f} s {everyone.commands:6} commands, after {order:4}: {found}", end="", flush=True)
