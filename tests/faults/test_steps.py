"""Every step of an operation fails, and every process is killed at every step.

::

    setup, a good run with MINICONTAINER_FAULT=list:PATH ─► its steps: init:12 mount#3 ...
    for each:   setup; the operation again, with init:12:EPERM, with another errno, then with init:12:kill
                it ends by itself, with one line if any, and no traceback
        1       the host is as before, as after, or as after one of the operation's commands,
                or `system check` finds kernel and state in agreement?                          by itself
        2       the same after `ps -a`, an ordinary command?                                    by ps
        3       `system check --repair` finds them in agreement at last?                        by repair
        4       what was made is removed; the host is as it was before the setup?               or LEAKED

What `rm`, `rename` and `import` do is work on files: test_files.py fails that.  All the while another
container runs: its program is the same process in every look, what it said is in its log, and the blobs of
all images have the digests that are their names.  What any log had in it before the fault, it has
afterwards.  That this bench can tell when something is left, test_bench.py shows.

A sample runs by default: every n-th step, so that a kind of fault of one operation takes about
`CASES` cases.  ``make test-faults`` (``MINICONTAINER_FAULTS=all``) tries every step with every errno, and
makes a table of the rows that ``MINICONTAINER_FAULTS_ROWS`` collects.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.faults import looks
from tests.faults.errnos import of_step
from tests.faults.host import (
    ALL,
    AND,
    HOWS,
    PATIENCE_S,
    SCRATCH,
    SETTLING_S,
    difference,
    jobs,
    on_a_host,
    sample,
    settled,
    told,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.host import Facts, Host

    Step = tuple[str, int, str]  # process, its step's number, the step's name

pytestmark = pytest.mark.needs("network namespace", "pid namespace", "uts namespace", "cgroup namespace")

CASES = 3
KINDS = ("fails", "kills")
BOX = "box"
SPEAK = ["sh", "-c", "echo said; exec sleep 1000"]
QUIET = ["--network", "none", "busybox"]
START = ["run", "-d", "--name", BOX, *QUIET, *SPEAK]
QUICK = ["run", "--rm", *QUIET, "true"]
BRIDGE = ["run", "--rm", "busybox", "true"]
WITNESS = "sleep 2000"
OTHER = ["run", "-d", "--name", "other", *QUIET, "sh", "-c", f"echo said; exec {WITNESS}"]


class Operation:
    """``setup`` comes before and is not struck; ``undo`` takes back what is no container."""

    __slots__ = ("commands", "setup", "undo")

    def __init__(
        self, *commands: list[str], setup: list[list[str]] | None = None, undo: list[list[str]] | None = None
    ) -> None:
        self.setup = setup or []
        self.commands = list(commands)
        self.undo = undo or []


OPERATIONS = {
    "create+start": Operation(["create", "--name", BOX, *QUIET, *SPEAK], ["start", BOX]),
    "run": Operation(QUICK),
    "run -d bridge": Operation(["run", "-d", "--name", BOX, "-m", "64m", "busybox", *SPEAK]),
    "run bridge": Operation(BRIDGE),
    "run -t -u --init": Operation(["run", "--rm", "--init", "-u", "7", "-t", *QUIET, "true"]),
    "exec": Operation(["exec", BOX, "true"], setup=[START]),
    "exec -t -u": Operation(["exec", "-t", "-u", "7", BOX, "true"], setup=[START]),
    "pause+unpause": Operation(["pause", BOX], ["unpause", BOX], setup=[START]),
    "update": Operation(["update", "--cpu-shares", "512", "--pids-limit", "50", BOX], setup=[START]),
    "cp": Operation(["cp", "/etc/passwd", f"{BOX}:/copied"], ["cp", f"{BOX}:/bin", "-"], setup=[START]),
    "kill": Operation(["kill", BOX], setup=[START]),
    "stop": Operation(["stop", "-t", "0", BOX], setup=[START]),
    "restart": Operation(["restart", "-t", "0", BOX], setup=[START]),
    "restart policy": Operation(
        ["run", "-d", "--name", BOX, "--restart", "on-failure:1", *QUIET, "false"], ["wait", BOX]
    ),
    "rm -f": Operation(["rm", "-f", BOX], setup=[START]),
    "commit": Operation(
        ["commit", BOX, "changed"],
        setup=[START, ["exec", BOX, "touch", "/changed"]],
        undo=[["rmi", "changed"]],
    ),
}
BRIDGED = ("run -d bridge", "run bridge")
NEEDS = {**dict.fromkeys(BRIDGED, ("nat",)), "update": ("controller:cpu", "controller:pids")}

# The command was killed; the program (or init, before it became that) was, and the command says so.
KILLED = (-9, 137)


@pytest.mark.timeout(7200 if ALL else 300)
@pytest.mark.parametrize("kind", jobs(KINDS))
@pytest.mark.parametrize(
    "operation",
    [pytest.param(one, marks=pytest.mark.needs(*NEEDS.get(one, ()))) for one in OPERATIONS],
)
def test_nothing_is_left(operation: str, kind: str, busybox_tar: Path) -> None:
    every_step(operation, kind, str(busybox_tar))


@on_a_host
def every_step(host: Host, name: str, kind: str, image: str) -> None:
    bench = Bench(host, OPERATIONS[name], image, bridged=name in BRIDGED)
    steps = bench.steps()
    cases: list[tuple[Step, str]] = []
    for one in kind.split(AND):
        every = [(step, action) for step in steps for action in actions(step[2], one)]
        cases += every if ALL else sample(every, name + one, CASES)
    trouble: list[str] = []
    counts = dict.fromkeys(HOWS, 0)
    slowest = (0.0, "")
    for step, action in cases:
        began = time.monotonic()
        fault = f"{step[0]}:{step[1]}:{action}"
        how, wrong = bench.case(step, fault)
        counts[how] += 1
        trouble += [f"{fault} ({step[2]}): {line}" for line in wrong]
        slowest = max(slowest, (time.monotonic() - began, f"{fault} ({step[2]})"))
        if how == "LEAKED":
            break  # the rest would be compared with a host that is broken already
    row: dict[str, int | str] = {"operation": name, "kind": kind, "steps": len(steps)}
    told({**row, "tried": sum(counts.values()), **counts, "wrong": len(trouble), "slowest": str(slowest)})
    assert not trouble, "\n".join([f"{name}, {kind}", *trouble])


def actions(name: str, kind: str) -> tuple[str, ...]:
    """What is to become of a step: linux/faults.py's actions."""
    return of_step(name) if kind == "fails" else ("kill",)


class Bench:
    """An operation on a host, and how the host looks at rest: ``allowed`` are before, between and after."""

    patience: float = SETTLING_S

    def __init__(self, host: Host, operation: Operation, image: str, *, bridged: bool) -> None:
        self.host = host
        self.operation = operation
        host.good("import", image, "busybox")
        self.images = host.images()
        # What the first container leaves for good (folders, the network's lock) belongs to "before".
        for words in [BRIDGE if bridged else QUICK, OTHER]:
            host.good(*words)
        self.kept = host.containers()
        host.remember(self.kept[0], "other")
        self.heard()
        self.witness = looks.started(WITNESS)
        assert self.witness
        self.clean = host.steady()
        self.allowed: list[Facts] = []
        self.begun: set[tuple[str, int]] = set()

    def steps(self) -> list[Step]:
        """The steps of a good run, and how the host looks on its way."""
        listing = f"list:{SCRATCH}/steps"
        for words in self.operation.setup:
            self.host.run(*words, fault=listing)
        self.allowed = [self.host.steady()]
        before = _listed() if self.operation.setup else []
        self.begun = {step[:2] for step in before}
        for words in self.operation.commands:
            result = self.host.run(*words, fault=listing)
            assert result.code == 0, result.err
            self.allowed.append(self.host.steady())
        found = list(dict.fromkeys(_listed()[len(before) :]))
        wrong = self.clean_up()
        assert not wrong, wrong
        assert found
        return found

    def case(self, step: Step, fault: str) -> tuple[str, list[str]]:
        """How the host was recovered from a fault, and what was wrong."""
        for words in self.operation.setup:
            # A monitor of the setup lives on, to be struck at a later step than those of the setup.
            spared = step[0] == "caller" or step[:2] in self.begun
            result = self.host.run(*words, fault="" if spared else fault)
            if result.code:
                return "LEAKED", [f"setup: {result.err}", *self.clean_up()]
        logs = self.heard()
        wrong = self.strike(fault)
        how, trouble = self.recover()
        wrong += trouble
        now = self.host.logs()
        for path, text in logs.items():
            if os.path.isdir(os.path.dirname(path)) and not now.get(path, b"").startswith(text):
                wrong.append(f"{path} has lost lines: {text!r} became {now.get(path)!r}")
        if looks.started(WITNESS) != self.witness:
            wrong.append("the other container's program is not the process that it was")
        wrong += [f"blob {blob} is damaged" for blob in self.host.lying_blobs()]
        left = self.clean_up()
        return ("LEAKED" if left else how), wrong + left

    def heard(self) -> dict[str, bytes]:
        """Every container's log, once what its program says is in it."""
        until = time.monotonic() + PATIENCE_S
        while True:
            logs = self.host.logs()
            if all(b"said" in text for text in logs.values()):
                return logs
            assert time.monotonic() < until, logs
            time.sleep(0.02)

    def strike(self, fault: str) -> list[str]:
        """Run the commands with the fault; what is wrong with how they end."""
        wrong = []
        for words in self.operation.commands:
            result = self.host.run(*words, fault=fault)
            lines = result.err.splitlines()
            if result.code is None:
                wrong.append(f"{words[0]} did not end within {PATIENCE_S} s")
            elif "Traceback" in result.err or "internal error" in result.err:
                wrong.append(f"{words[0]}: {result.err.strip()}")
            elif len(lines) > 1 + _summed_up(lines) or (result.code not in (0, *KILLED) and not lines):
                wrong.append(f"{words[0]} ended with {result.code} and said {lines}")
        return wrong

    def recover(self) -> tuple[str, list[str]]:
        """What it took until nothing is half done."""
        # A look of its own may be as sound: created, and with the folders that a start made before it failed.
        if self.at_rest() or self.host.run("system", "check").code == 0:
            return "by itself", []
        self.host.containers()
        if self.at_rest() or self.host.run("system", "check").code == 0:
            return "by ps", []
        repaired = self.host.run("system", "check", "--repair")
        wrong = [] if repaired.code == 0 else [f"repair: {repaired.out.strip()} {repaired.err.strip()}"]
        return "by repair", wrong

    def at_rest(self) -> bool:
        """Whether the host is as before, between or after; soon, if there are processes to do that."""
        until = time.monotonic() + self.patience
        while (now := self.host.facts()) not in self.allowed:
            idle = any(now["processes"] == one["processes"] for one in [self.clean, *self.allowed])
            if idle or time.monotonic() > until:
                return self.host.facts() in self.allowed
            time.sleep(0.02)
        return True

    def clean_up(self) -> list[str]:
        """Remove what was made; the difference to the host before, that even a repair leaves."""
        if not difference(self.clean, self.host.facts()):
            return []
        made = set(self.host.containers()) - set(self.kept)
        if made:
            self.host.run("rm", "-f", *made)
        for words in self.operation.undo:
            self.host.run(*words)
        self.host.forget_images(self.images)
        left = settled(self.host, self.clean, self.patience)
        if left:
            self.host.run("system", "check", "--repair")
            left = settled(self.host, self.clean, self.patience)
        return left


def _summed_up(lines: list[str]) -> bool:
    """Whether the last line is Docker's, after one line for each container."""
    return bool(lines) and "failed to start containers" in lines[-1]


def _listed() -> list[Step]:
    """(process, its step's number, the step's name) in the order of the list."""
    found = []
    with open(f"{SCRATCH}/steps") as file:
        for line in file:
            where, name, _ = line.split()
            process, _, number = where.partition(":")
            found.append((process, int(number), name.partition("#")[0]))
    return found
