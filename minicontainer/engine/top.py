"""``top``: a container's processes, as the host's ps(1) shows them.

ps is asked for every process of the host and what it says of others is dropped: only so may its
options choose whatever columns they like (moby: daemon/top_unix.go).
"""

from __future__ import annotations

from minicontainer.engine import events
from minicontainer.engine.engine import Engine
from minicontainer.errors import MinicontainerError, Unsupported, UsageError

DEFAULT = ["-ef"]


def top(engine: Engine, text: str, options: list[str]) -> list[list[str]]:
    """The cells of ps's heading and of a line for each process; the last column may hold spaces.

    ``options`` are ps's.  Raises NotFound, Conflict for a container that does not run, UsageError for
    options without a column of process ids.
    """
    found = engine.find_running(text)
    pids = engine.runtime(found).cgroup.pids() or [found.status.pid]
    table = select(_ask(options or DEFAULT), pids)
    events.of_container(engine.folders, found.container, "top")
    return table


def _ask(options: list[str]) -> str:
    import subprocess

    try:
        ran = subprocess.run(
            ["ps", *options],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            errors="surrogateescape",
        )
    except FileNotFoundError:
        raise Unsupported("top: this host has no ps(1)") from None
    if ran.returncode:
        raise MinicontainerError(f"ps: {' '.join((ran.stderr or ran.stdout).split())}")
    return ran.stdout


def select(output: str, pids: list[int]) -> list[list[str]]:
    """The heading, and the lines of these processes."""
    lines = output.splitlines()
    heading = lines[0].split() if lines else []
    if "PID" not in heading:
        raise UsageError("Couldn't find PID field in ps output")
    column = heading.index("PID")
    wanted = {str(pid) for pid in pids}
    rows = [line.split(None, len(heading) - 1) for line in lines[1:]]
    return [heading, *(row for row in rows if len(row) > column and row[column] in wanted)]
