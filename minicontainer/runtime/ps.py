"""ps: the processes of a container, as ps(1) shows them or as a JSON list of their ids."""

from __future__ import annotations

import os

from minicontainer.errors import MinicontainerError, UsageError
from minicontainer.libcontainer.container import Container
from minicontainer.oci import jsontext
from minicontainer.runtime.flags import Flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.runtime.main import Context

USAGE = "[FLAGS] CONTAINER-ID [PS-OPTIONS]"
FLAGS = [Flag("format f", "text", "table or json", "table")]
STOP = True  # what follows the id is ps's


def main(context: Context) -> int:
    """0."""
    if not context.words:
        raise UsageError('"ps" requires a container id')
    form = context.flags["format"]
    name, *options = context.words
    if options[:1] in (["--format"], ["-f"]) and options[1:] == ["json"]:
        form, options = "json", []  # as runc, which lets flags follow the id
    if form not in ("table", "json"):
        raise UsageError(f"invalid format option {form!r}: one of table, json")
    pids = Container.load(name, context.root).cgroup.pids()
    if form == "json":
        os.write(1, jsontext.dumps(pids).encode() + b"\n")
    else:
        os.write(1, "".join(_rows(pids, options or ["-ef"])).encode(errors="surrogateescape"))
    return 0


def _rows(pids: list[int], options: list[str]) -> list[str]:
    """The lines of ps(1) for these processes, below its heading."""
    import subprocess

    try:
        ran = subprocess.run(["ps", *options], stdout=subprocess.PIPE, check=True, errors="surrogateescape")
    except FileNotFoundError:
        raise MinicontainerError("ps: the host has no ps(1); --format json needs none") from None
    except subprocess.CalledProcessError as error:
        raise MinicontainerError(f"ps {' '.join(options)}: exit code {error.returncode}") from None
    heading, *lines = ran.stdout.splitlines(keepends=True)
    if "PID" not in heading.split():
        raise UsageError(f"ps {' '.join(options)} shows no PID column")
    column = heading.split().index("PID")
    wanted = {str(pid) for pid in pids}
    return [
        heading,
        *(line for line in lines if line.split()[column : column + 1] and line.split()[column] in wanted),
    ]
