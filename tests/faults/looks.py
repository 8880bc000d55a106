"""What a look at a host sees, kind by kind, as lines of text that can be compared (host.py)."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess

OWN_PLACES = ("/proc", "/sys", "/dev", "/mnt")
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


def processes() -> list[str]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                found.append(read(f"/proc/{name}/cmdline").replace("\0", " ").strip())
            except (FileNotFoundError, ProcessLookupError):
                continue
    return sorted(filter(None, found))  # one that has just ended has no command line any more


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


def sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: str) -> str:
    with open(path, errors="surrogateescape") as file:
        return file.read().strip()
