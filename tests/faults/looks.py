"""What a look at a host sees, kind by kind, as lines of text that can be compared (host.py)."""

from __future__ import annotations

import glob
import hashlib
import itertools
import json
import os
import subprocess
from collections import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

OWN_PLACES = ("/proc", "/sys", "/dev", "/mnt")
KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
# File -> what it holds where nobody has set it: on v2 it comes with a controller that a sibling needs.
LIMITS = {
    "cpu.max": "max 100000", "cpu.shares": "1024", "cpu.weight": "100",
    "memory.limit_in_bytes": "9223372036854771712", "memory.max": "max", "pids.max": "max",
}  # fmt: skip
RECORDS = (
    "containers/*/container.json",
    "containers/*/status.json",
    "containers/*/config.json",
    "images/index.json",
    "networks/*.json",
    "runtime/*/state.json",
)
inherited: set[str] = set()  # ids of the mounts that were there before the host


def mounts() -> list[str]:
    """Mount points and types; not those of the host outside, which come and go with its own programs."""
    lines = [line.split(" - ") for line in read("/proc/self/mountinfo").splitlines()]
    found = [(before.split(), after.split()[0]) for before, after in lines]
    return [
        f"{fields[4]} {kind}"
        for fields, kind in found
        if fields[0] not in inherited or fields[4].startswith(OWN_PLACES)
    ]


def rules() -> list[str]:
    try:
        ran = subprocess.run(
            ["nft", "--stateless", "list", "ruleset"], capture_output=True, text=True, check=True,
            env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"},
        )  # fmt: skip
    except FileNotFoundError:  # then there can be none of ours
        return []
    return ran.stdout.splitlines()


def living() -> dict[str, str]:
    """The command line of every process, by its number: one that has ended, or just does, has none."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                found[name] = read(f"/proc/{name}/cmdline").replace("\0", " ").strip()
            except (FileNotFoundError, ProcessLookupError):
                continue
    return {pid: words for pid, words in found.items() if words}


def namespaces(pids: Iterable[str]) -> list[str]:
    """How many there are of each kind besides the host's own: of processes, or held open by one.

    Those that a mount holds are told by `mounts`: their type is nsfs.  What this process holds open itself
    is another test's, and the callers that it has made have it, too.
    """
    own = {
        _link(f"/proc/self/{folder}/{name}")
        for folder in ("ns", "fd")
        for name in _listed(f"/proc/self/{folder}")
    }
    found = set()
    for pid in pids:
        for folder in ("ns", "fd"):
            for name in _listed(f"/proc/{pid}/{folder}"):
                link = _link(f"/proc/{pid}/{folder}/{name}")
                if link.endswith("]") and link.partition(":")[0] in KINDS and link not in own:
                    found.add(link)
    counts = Counter(link.partition(":")[0] for link in found)
    return sorted(f"{kind} {count}" for kind, count in counts.items())


def locks(pids: Iterable[str]) -> list[str]:
    """The files that somebody holds a lock of, whoever took it (proc_pid_fdinfo(5))."""
    found = set()
    for pid in pids:
        for fd in _listed(f"/proc/{pid}/fdinfo"):
            try:
                held = "\nlock:" in read(f"/proc/{pid}/fdinfo/{fd}")
            except (FileNotFoundError, ProcessLookupError):
                continue
            if held:
                found.add(_link(f"/proc/{pid}/fd/{fd}"))
    return sorted(found)


def addresses() -> list[str]:
    """Of all interfaces; IPv6's own of each link (fe80::) come a moment after it, and go with it."""
    lines = read("/proc/net/fib_trie").splitlines()
    found = {before.split()[-1] for before, line in itertools.pairwise(lines) if line.endswith("host LOCAL")}
    if os.path.exists("/proc/net/if_inet6"):
        rows = read("/proc/net/if_inet6").splitlines()
        found |= {row.split()[0] for row in rows if not row.startswith("fe80")}
    return sorted(found)


def limits(hierarchies: Iterable[str]) -> list[str]:
    """What the kernel holds each container to."""
    found = []
    for folder in hierarchies:
        for path in glob.glob(f"{folder}/minicontainer/*/*"):
            default = LIMITS.get(os.path.basename(path))
            try:
                held = read(path) if default else default
            except OSError:
                continue  # removed just now
            if held != default:
                found.append(f"{path}: {held}")
    return found


def images(index: str) -> list[str]:
    """The names of all images, one line for each that it leads to."""
    try:
        manifests = json.loads(read(index))["manifests"]
    except FileNotFoundError:
        return []
    return sorted(" ".join(one.get("annotations", {}).values()) for one in manifests)


def half_written(*folders: str) -> list[str]:
    """The records that are no whole JSON document."""
    found = []
    for folder in folders:
        for pattern in RECORDS:
            for path in glob.glob(f"{folder}/{pattern}"):
                try:
                    json.loads(read(path))
                except ValueError:
                    found.append(path)
                except FileNotFoundError:
                    continue
    return sorted(found)


def files(folder: str) -> list[str]:
    """Paths below ``folder``; unpacked layers and writable ones only by their names."""
    found = []
    for path, folders, files in os.walk(folder):
        if ".seccomp" in folders:
            folders.remove(".seccomp")  # compiled profiles, kept for the next start
        if path == folder and "events" in folders:
            folders.remove("events")  # a journal, which begins a new file now and then
        found += [f"{path}/{name}" for name in [*folders, *files]]
        if os.path.basename(os.path.dirname(path)) in ("layers", "upper", "work"):
            folders[:] = []
    return sorted(found)


def states(folder: str) -> list[str]:
    """What is recorded of each container, and whether its monitor lives; to be told in a line each."""
    found = []
    for container_id in os.listdir(folder):
        try:
            status = json.loads(read(f"{folder}/{container_id}/status.json"))
        except FileNotFoundError:
            continue  # .names, or half-made: its files tell
        monitor = os.path.exists(f"/proc/{status.get('monitor', 0)}")
        found.append(f"{container_id} {status.get('state', 'created')} {'monitored' if monitor else ''}")
    return found


def endpoints(record: str) -> list[str]:
    """The addresses that the bridge network's record has given away."""
    try:
        known = json.loads(read(record))["endpoints"]
    except FileNotFoundError:
        return []
    return [f"{one['address']} is {container_id}'s" for container_id, one in known.items()]


def started(words: str) -> str:
    """Number and start of the one process with that command line, which no later one shares; "" for none."""
    for pid, line in living().items():
        if line == words:
            try:
                return f"{pid} {read(f'/proc/{pid}/stat').rpartition(')')[2].split()[19]}"
            except (FileNotFoundError, ProcessLookupError):
                continue
    return ""


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except (FileNotFoundError, ProcessLookupError):
        return []


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except (FileNotFoundError, ProcessLookupError):
        return ""


def sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: str) -> str:
    with open(path, errors="surrogateescape") as file:
        return file.read().strip()
