"""Every step of an operation fails, and every process is killed at every step.

::

    good run, MINICONTAINER_FAULT=list:PATH ─► its steps: init:12 mount#3 ...
    for each:   the operation again, with init:12:EPERM, then with init:12:kill
                it ends by itself, with one line if any, and no traceback
                ps -a             the ordinary command that mends; what it lists is removed
                the host is as before; if not, one more `run` may mend the rest

A sample runs by default: every n-th step, so that a kind of fault of one operation takes about
`CASES` cases.  ``MINICONTAINER_FAULTS=all`` tries every step, which takes some minutes, and with
pytest's ``-s`` prints a line of results for each.
"""

from __future__ import annotations

import time

import pytest

from tests.faults.host import ALL, PATIENCE_S, SCRATCH, difference, on_a_host, sample, settled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.host import Facts, Host

pytestmark = pytest.mark.needs("network namespace", "pid namespace", "uts namespace", "cgroup namespace")

CASES = 6
BOX = "box"
START = ["run", "-d", "--name", BOX, "--network", "none", "busybox", "sleep", "1000"]
QUICK = ["run", "--rm", "--network", "none", "busybox", "true"]
BRIDGE = ["run", "--rm", "busybox", "true"]

# operation -> (what is there before, the commands that are struck, what else takes them back)
OPERATIONS: dict[str, tuple[list[list[str]], list[list[str]], list[list[str]]]] = {
    "run": ([], [QUICK], []),
    "run-bridge": ([], [BRIDGE], []),
    "run-user": (
        [],
        [["run", "--rm", "--init", "-u", "7", "-t", "--network", "none", "busybox", "true"]],
        [],
    ),
    "life": (
        [],
        [
            ["run", "-d", "--name", BOX, "-m", "64m", "busybox", "sleep", "1000"],
            ["stop", "-t", "0", BOX],
            ["rm", BOX],
        ],
        [],
    ),
    "rm -f": ([], [START, ["rm", "-f", BOX]], []),
    "exec": ([START], [["exec", BOX, "true"]], []),
    "exec-t": ([START], [["exec", "-t", "-u", "7", BOX, "true"]], []),
    "commit": (
        [START, ["exec", BOX, "touch", "/changed"]],
        [["commit", BOX, "changed"]],
        [["rmi", "changed"]],
    ),
}

# The command was killed; the program (or init, before it became that) was, and the command says so.
KILLED = (-9, 137)
# What such a call could fail with; for the others EPERM.
ERRORS = {
    "fork": "EAGAIN",
    "clone3": "EAGAIN",
    "clone_sibling": "EAGAIN",
    "make_group": "ENOSPC",
    "remove_group": "EBUSY",
    "write_control": "EIO",
    "umount2": "EBUSY",
    "wait": "ECHILD",
    "execve": "EACCES",
    "chdir": "EACCES",
    "mknod": "ENOSPC",
    "mount": "EINVAL",
    "pivot_root": "EINVAL",
    "start_nft": "ENOMEM",
    "_open_master": "ENOSPC",
}


BRIDGED = ("run-bridge", "life")


@pytest.mark.timeout(3600 if ALL else 120)
@pytest.mark.parametrize("kind", ["fails", "kills"])
@pytest.mark.parametrize(
    "operation",
    [pytest.param(one, marks=pytest.mark.needs("nat") if one in BRIDGED else ()) for one in OPERATIONS],
)
def test_nothing_is_left(operation: str, kind: str, busybox_tar: Path) -> None:
    every_step(operation, kind, str(busybox_tar))


@on_a_host
def every_step(host: Host, operation: str, kind: str, image: str) -> None:
    before, commands, undo = OPERATIONS[operation]
    host.good("import", image, "busybox")
    # What the first container leaves for good (folders, the network's lock) belongs to "before".
    for command in [BRIDGE if operation in BRIDGED else QUICK, *before]:
        host.good(*command)
    for command in commands:
        host.run(*command, fault=f"list:{SCRATCH}/steps")
    for command in undo:
        host.good(*command)
    kept = host.containers()
    start = host.steady()
    found = steps()
    tried = found if ALL else sample(found, operation + kind, CASES)
    trouble = []
    slowest = (0.0, "", "")
    mended = {"": 0, "by ps": 0, "by run": 0, "LEAKED": 0}
    for process, number, name in tried:
        began = time.monotonic()
        action = ERRORS.get(name, "EPERM") if kind == "fails" else "kill"
        fault = f"{process}:{number}:{action}"
        told = strike(host, commands, fault)
        how, left = recover(host, start, kept, undo)
        mended[how] += 1
        trouble += [f"{fault} ({name}): {line}" for line in told + left]
        slowest = max(slowest, (time.monotonic() - began, fault, name))
        if how == "LEAKED":
            break  # the rest would be compared with a host that is broken already
    print(f"\n{operation} {kind}: {len(found)} steps, {len(tried)} tried, {mended}, {slowest}")
    assert not trouble, "\n".join([f"{operation}, {kind}", *trouble])


def steps() -> list[tuple[str, int, str]]:
    """(process, its step's number, the step's name) of the good run."""
    with open(f"{SCRATCH}/steps") as file:
        lines = [line.split() for line in file]
    found = {}
    for where, name, _ in lines:
        process, _, number = where.partition(":")
        found[process, int(number)] = name.partition("#")[0]
    return [(process, number, name) for (process, number), name in found.items()]


def strike(host: Host, commands: list[list[str]], fault: str) -> list[str]:
    """Run the commands with the fault; what is wrong with how they end."""
    wrong = []
    for command in commands:
        result = host.run(*command, fault=fault)
        lines = result.err.splitlines()
        if result.code is None:
            wrong.append(f"{command[0]} did not end within {PATIENCE_S} s")
        elif "Traceback" in result.err or "internal error" in result.err:
            wrong.append(f"{command[0]}: {result.err.strip()}")
        elif len(lines) > 1 or (result.code not in (0, *KILLED) and not lines):
            wrong.append(f"{command[0]} ended with {result.code} and said {lines}")
    return wrong


def recover(host: Host, start: Facts, kept: list[str], undo: list[list[str]]) -> tuple[str, list[str]]:
    """What it took to have the host as it was: "", "by ps", "by run"; or LEAKED and the difference."""
    how = "" if not difference(start, host.facts()) else "by ps"
    for container in set(host.containers()) - set(kept):
        host.run("rm", "-f", container)
    for command in undo:
        host.run(*command)
    left = settled(host, start)
    if left:
        how = "by run"
        host.run(*QUICK)
        host.containers()
        left = settled(host, start)
    return ("LEAKED", left) if left else (how, [])
