"""Every call with which a command changes files fails as on a full disk, or is the command's last.

The steps of test_steps.py are what is asked of the kernel's containers; the command's own files are
ordinary work, so here strace(1) injects: ``-e inject=rename:error=ENOSPC:when=3``.

::

    good run under strace ─► its calls: mkdir 1, mkdir 2, rename 1, ...
    for each:   the command again, with that call failing, or with SIGKILL there
                the command a second time, undisturbed: it works
                what it made is removed; the host is as before, at the latest after one more `run`,
                or after `system check --repair`

A sample runs by default, all with ``MINICONTAINER_FAULTS=all``, as in test_steps.py.
"""

from __future__ import annotations

import io
import re
import tarfile
from collections import Counter

import pytest

from tests.faults.host import ALL, AND, HOWS, SCRATCH, difference, jobs, on_a_host, sample, settled, told

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.host import Host

pytestmark = pytest.mark.needs("network namespace", "pid namespace", "cgroup namespace", "command:strace")

CASES = 3
KINDS = ("error=ENOSPC", "signal=SIGKILL")  # as strace has them
QUIET = ["run", "--rm", "--network", "none", "busybox", "true"]
MADE = ["run", "-d", "--name", "made", "--network", "none", "busybox", "sleep", "1000"]

# operation -> (what is there before, the command that is struck, what takes it back)
OPERATIONS: dict[str, tuple[list[list[str]], list[str], list[list[str]]]] = {
    "import": ([], ["import", f"{SCRATCH}/image.tar", "second"], [["rmi", "second"]]),
    "run": ([], QUIET, []),
    "run, monitor and init": ([], QUIET, []),
    "commit": (
        [MADE, ["exec", "made", "sh", "-c", "mkdir /new; echo 1 > /new/file; rm /bin/ls"]],
        ["commit", "made", "second"],
        [["rmi", "second"]],
    ),
    "rm": ([], ["rm", "-f", "made"], []),
    "rmi": ([], ["rmi", "second"], []),
    "rename": ([MADE], ["rename", "made", "called"], [["rename", "called", "made"]]),
    "update": ([MADE], ["update", "--pids-limit", "99", "made"], []),
}
# Where the processes that the command makes are struck, too: each by the calls that it makes itself.
FOLLOWED = ("run, monitor and init",)
# What is done again before each case of an operation that takes things away.
AGAIN = {"rm": [MADE], "rmi": [["import", f"{SCRATCH}/image.tar", "second"]]}

CHANGING = (
    "/^(f|l)?(mkdir|rmdir|rename|link|symlink|unlink|mknod|chmod|chown|truncate|setxattr)(at|at2)?$"
    "|^(fsync|write|sendfile|copy_file_range|utimensat)$"
)
# Nobody but the terminal's reader hears of these.
_NOT_FILES = re.compile(r"write\((1|2),")
_CALL = re.compile(r"(\d+ +)?((\w+)\(.*)")  # process, if several are followed; call; its name


@pytest.mark.timeout(7200 if ALL else 300)
@pytest.mark.parametrize("kind", jobs(KINDS))
@pytest.mark.parametrize("operation", OPERATIONS)
def test_files_are_as_before(operation: str, kind: str, busybox_tar: Path) -> None:
    every_call(operation, kind, str(busybox_tar))


@on_a_host
def every_call(host: Host, operation: str, kind: str, image: str) -> None:
    before, command, undo = OPERATIONS[operation]
    again = AGAIN.get(operation, [])
    host.good("import", image, "busybox")
    archive(f"{SCRATCH}/image.tar")
    for words in [QUIET, *before, *again, command, *undo]:
        host.good(*words)
    start, images, kept = host.steady(), host.images(), set(host.containers())
    for words in again:
        host.good(*words)
    follow = ["-f"] if operation in FOLLOWED else []
    found = calls(host, command, follow)
    trouble: list[str] = []
    counts = dict.fromkeys(HOWS, 0)
    for words in undo:
        host.good(*words)
    tried: list[tuple[str, int, str]] = []
    for one in kind.split(AND):
        every = [(name, number, one) for name, number in found]
        tried += every if ALL else sample(every, operation + one, CASES)
    for name, number, action in tried:
        for words in again if not difference(start, host.facts()) else []:
            host.good(*words)
        about = f"{name} {number} {action}"
        result = host.run(*command, under=inject(name, number, action, follow))
        how = "by itself" if not difference(start, host.facts()) else "by ps"
        if result.code is None or "Traceback" in result.err or "internal error" in result.err:
            trouble.append(f"{about}: ended with {result.code}: {result.err.strip()}")
        # Where it is the message that could not be written, the exit code alone tells.
        silent = not result.err and result.code not in (0, 137, -9) and not (follow and name == "write")
        if len(result.err.splitlines()) > 1 or silent:
            trouble.append(f"{about}: ended with {result.code}, and said {result.err!r}")
        second = host.run(*command)
        if second.code and not ((again or operation == "rename") and "o such" in second.err):
            trouble.append(f"{about}: the second time: {second.err.strip()}")
        for words in undo:
            host.run(*words)
        for container in set(host.containers()) - kept:  # created, and its `run` was killed then, say
            host.run("rm", "-f", container)
        host.forget_images(images)
        left = settled(host, start)
        if left:  # the next run sweeps
            host.good(*QUIET)
            left = settled(host, start)
        if left:
            how = "by repair"
            host.run("system", "check", "--repair")
            left = settled(host, start)
        counts["LEAKED" if left else how] += 1
        if left:
            trouble += [f"{about}: {line}" for line in left]
            break  # the rest would be compared with a host that is broken already
    row: dict[str, int | str] = {"operation": f"{operation}: files", "kind": kind, "steps": len(found)}
    told({**row, "tried": sum(counts.values()), **counts, "wrong": len(trouble)})
    assert not trouble, "\n".join([f"{operation}, {kind}", *trouble])


def calls(host: Host, command: list[str], follow: list[str]) -> list[tuple[str, int]]:
    """(name, which of that name in its process) of the calls of a good run."""
    words = ["strace", *follow, "-qq", "-e", f"trace={CHANGING}", "-o", f"{SCRATCH}/calls"]
    result = host.run(*command, under=words)
    assert result.code == 0, result.err
    counts: Counter[tuple[str | None, str]] = Counter()
    found: dict[tuple[str, int], bool] = {}
    with open(f"{SCRATCH}/calls", errors="replace") as file:
        for line in file:
            call = _CALL.match(line)
            if call:
                process, whole, name = call.groups()
                counts[process, name] += 1
                if not _NOT_FILES.match(whole):
                    found[name, counts[process, name]] = True
    return list(found)


def inject(name: str, number: int, action: str, follow: list[str]) -> list[str]:
    """strace, as what runs the command."""
    return [
        "strace",
        *follow,
        "-qq",
        "-e",
        f"trace={name}",
        "-e",
        f"inject={name}:{action}:when={number}",
        "-o",
        "/dev/null",
    ]


def archive(path: str) -> None:
    """An image of one member of each kind: each has calls of its own, and busybox has the same 300 times."""
    kinds = [
        ("bin", tarfile.DIRTYPE, 0o755, b""),
        ("bin/program", tarfile.REGTYPE, 0o4755, bytes(range(256)) * 1024),
        ("bin/name", tarfile.SYMTYPE, 0o777, b"program"),
        ("bin/same", tarfile.LNKTYPE, 0o4755, b"bin/program"),
        ("tmp", tarfile.DIRTYPE, 0o1777, b""),
        ("tmp/empty", tarfile.REGTYPE, 0o600, b""),
        ("tmp/pipe", tarfile.FIFOTYPE, 0o644, b""),
        ("tmp/.wh.gone", tarfile.REGTYPE, 0o644, b""),
    ]
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as made:
        for name, kind, mode, content in kinds:
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.mtime, member.uid = kind, mode, 1700000000, 7
            if kind == tarfile.REGTYPE:
                member.size = len(content)
            else:
                member.linkname = content.decode()
            made.addfile(member, io.BytesIO(content))
