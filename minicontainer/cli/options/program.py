"""What runs: the program, as whom, with what environment, terminal and streams."""

from __future__ import annotations

from minicontainer.cli import types
from minicontainer.cli.command import flag
from minicontainer.cli.options import many, one

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OPTIONS = (
    many("-a", "--attach", type=types.STREAM, help="Attach to STDIN, STDOUT or STDERR only"),
    one("--entrypoint", help="Overwrite the image's entrypoint"),
    many("-e", "--env", type=types.ENTRY, help="Set environment variables"),
    many("--env-file", type=types.FILE, help="Read environment variables from a file"),
    flag("--init", help="Run a small init that forwards signals and reaps processes"),
    flag("-i", "--interactive", help="Keep standard input open"),
    flag("-t", "--tty", help="Give it a terminal"),
    one("-u", "--user", type=types.USER, help="USER[:GROUP], names or numbers"),
    one("-w", "--workdir", type=types.WORKING_DIRECTORY, help="Working directory"),
)


def config(flags: dict[str, Any]) -> dict[str, Any]:
    """Fields of Config.  Raises UsageError for a wrong environment file."""
    from minicontainer.cli.environment import collect

    entrypoint = flags["entrypoint"]
    return {
        "user": flags["user"] or "",
        "env": collect(flags["env"], flags["env_file"]),
        "entrypoint": None if entrypoint is None else [entrypoint] if entrypoint else [],
        "working_dir": flags["workdir"] or "",
        "tty": flags["tty"],
        "open_stdin": flags["interactive"],
        "attach": not flags["detach"],
        "streams": list(dict.fromkeys(flags["attach"])),
    }


def host(flags: dict[str, Any]) -> dict[str, Any]:
    """Fields of HostConfig."""
    return {"init": flags["init"]}
