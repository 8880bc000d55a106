"""Whether a story (``--explain=json``) is what the kernel was asked: compared with strace(1).

    strace -f ... COMMAND      ─► asked: (pid, call, errno) of each process
    COMMAND's JSON story       ─► told:  (pid, call, errno)
    difference(asked, told)    ─► what either has alone; empty if the story is true

Left out, since they are not the runtime's: whatever a process does after it became another program,
calls that only ask (PR_GET_...), threads, the spawning of a program (nft, which is a step of its
own), and the one process that tells the story.
"""

from __future__ import annotations

import collections
import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import Counter

    Asked = tuple[int, str, str]

CALLS = (
    "mount", "umount2", "pivot_root", "open_tree", "move_mount", "mount_setattr", "fsopen",
    "fsconfig", "fsmount", "unshare", "setns", "clone", "clone3", "fork", "sethostname", "setdomainname",
    "prctl", "capset", "seccomp", "setgroups", "setresgid", "setresuid", "personality", "pidfd_send_signal",
)  # fmt: skip
STRACE = [
    "strace",
    "-f",
    "-qq",
    "-s",
    "0",
    "-e",
    "trace=execve,vfork," + ",".join(CALLS),
    "-e",
    "signal=none",
]

_LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+|\?)(?: (E[A-Z0-9]+))?")
_UNFINISHED = re.compile(r"(\d+) +(\w+\(.*) <unfinished \.\.\.>")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)")
# prctl(2) that changes nothing of the process, and malloc's own naming of its memory; seccomp(2) that
# asks what the kernel knows, as libseccomp does too: with no program.
_ONLY_ASKS = re.compile(
    r"PR_GET_|PR_CAPBSET_READ|PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET|PR_SET_VMA"
    r"|SECCOMP_GET_|SECCOMP_SET_MODE_\w+, [^,]+, NULL$"
)
# clone(2) of a thread, or of what posix_spawn(3) makes: both share our memory.
_SHARES_MEMORY = re.compile(r"\bCLONE_VM\b")


def asked(trace: str) -> Counter[Asked]:
    """What the processes of a strace output asked, until each became another program."""
    found: Counter[Asked] = collections.Counter()
    first, others, narrator = 0, set[int](), 0
    for pid, call, arguments, result, errno in _calls(trace):
        first = first or pid
        if pid in others or pid == narrator:
            continue
        if call == "execve":
            # The first execve is strace's own; a later one that succeeds ends what we look at.
            if pid != first and not errno:
                others.add(pid)
        elif _SHARES_MEMORY.search(arguments):
            continue
        elif call in ("clone", "clone3", "vfork") and not narrator:
            narrator = int(result)
        elif call not in ("prctl", "seccomp") or not _ONLY_ASKS.match(arguments):
            found[pid, "clone" if call == "fork" else call, errno] += 1
    return found


def _calls(trace: str) -> list[tuple[int, str, str, str, str]]:
    """(pid, call, arguments, result, errno) of each line; halves of an interrupted call joined."""
    begun: dict[str, str] = {}
    found = []
    for line in trace.splitlines():
        if half := _UNFINISHED.match(line):
            begun[half[1]] = half[2]
            continue
        if rest := _RESUMED.match(line):
            line = f"{rest[1]} {begun.pop(rest[1])}{rest[2]}"
        if whole := _LINE.match(line):
            found.append((int(whole[1]), whole[2], whole[3], whole[4], whole[5] or ""))
    return found


def told(story: str) -> Counter[Asked]:
    """What a JSON story says was asked, of the calls in `CALLS`."""
    found: Counter[Asked] = collections.Counter()
    for line in story.splitlines():
        step = json.loads(line)
        call = step["man"].partition("(")[0]
        if call in CALLS:
            found[step["pid"], "clone" if call == "fork" else call, step["errno"] or ""] += 1
    return found


def difference(asked: Counter[Asked], told: Counter[Asked]) -> dict[str, list[Asked]]:
    """``{"not told": [...], "not asked": [...]}``, each sorted; both empty for a true story."""
    return {
        "not told": sorted((asked - told).elements()),
        "not asked": sorted((told - asked).elements()),
    }
