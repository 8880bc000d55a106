"""The entry point: from arguments to an exit status, and every error to one line.

=================================================  ==============================================
error                                              exit status
=================================================  ==============================================
a wrong option                                     125, as Docker's
a wrong number of arguments, an unknown command    1, as Docker's
CommandNotFound, CommandNotExecutable              127, 126
any other MinicontainerError, any OSError          125 from ``run``, 1 from the other verbs: what
                                                   ``run`` ends with is else the program's own
^C                                                 130
nobody reads standard output any more              1, without a word, as Docker
=================================================  ==============================================

A traceback appears only with --debug or MINICONTAINER_DEBUG=1.

Start-up counts in every command: one in which nothing is wrong runs without click (13 ms, quick.py), what
click seldom uses is deferred (deferred.py), the garbage collector, which finds nothing while modules
load, runs rarely (3 ms), and the process ends without tearing down the interpreter (5 ms).
"""

from __future__ import annotations

import gc
import os
import sys

from minicontainer import errors
from minicontainer.cli import quick
from minicontainer.cli.command import Declared, Verb
from minicontainer.cli.context import DEFAULT_ROOT, DEFAULT_RUN_ROOT, ROOT, RUN_ROOT, Context, Settings
from minicontainer.cli.deferred import defer
from minicontainer.cli.echo import echo

gc.set_threshold(50_000)
defer("inspect", "uuid")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

NAME = "minicontainer"
DEBUG = "MINICONTAINER_DEBUG"
COMPLETE = "__complete"  # asked by a shell, at a press of a key (completing.py)
FAULT = "MINICONTAINER_FAULT"  # linux/faults.py, for tests: imported only where it is set

VERBS = (
    Verb("run", "minicontainer.cli.run", "Create and run a new container from an image"),
    Verb("create", "minicontainer.cli.create", "Create a new container, without starting it"),
    Verb("exec", "minicontainer.cli.exec", "Execute a command in a running container"),
    Verb("start", "minicontainer.cli.start", "Start one or more stopped containers"),
    Verb("attach", "minicontainer.cli.attaching", "Attach to the streams of a running container"),
    Verb("ps", "minicontainer.cli.ps", "List containers"),
    Verb("commit", "minicontainer.cli.commit", "Create a new image from a container's changes"),
    Verb("cp", "minicontainer.cli.cp", "Copy files between a container and the host"),
    Verb("export", "minicontainer.cli.export", "Export a container's file system as a tar archive"),
    Verb("diff", "minicontainer.cli.diff", "Show what changed in a container's file system"),
    Verb("top", "minicontainer.cli.top", "Show the running processes of a container"),
    Verb("stats", "minicontainer.cli.stats", "Show what containers use of the host, live"),
    Verb("logs", "minicontainer.cli.logs", "Fetch the logs of a container"),
    Verb("events", "minicontainer.cli.events", "Get real time events of containers and images"),
    Verb("stop", "minicontainer.cli.stop", "Stop one or more running containers"),
    Verb("restart", "minicontainer.cli.restart", "Restart one or more containers"),
    Verb("kill", "minicontainer.cli.kill", "Kill one or more running containers"),
    Verb("pause", "minicontainer.cli.pause", "Pause all processes within one or more containers"),
    Verb("unpause", "minicontainer.cli.unpause", "Unpause all processes within one or more containers"),
    Verb("wait", "minicontainer.cli.wait", "Block until containers stop, then print their exit codes"),
    Verb("update", "minicontainer.cli.update", "Update configuration of one or more containers"),
    Verb("rename", "minicontainer.cli.rename", "Rename a container"),
    Verb("rm", "minicontainer.cli.rm", "Remove one or more containers"),
    Verb("inspect", "minicontainer.cli.inspect", "Show what is known of containers and images"),
    Verb("images", "minicontainer.cli.images", "List images"),
    Verb("rmi", "minicontainer.cli.rmi", "Remove one or more images"),
    Verb("tag", "minicontainer.cli.tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE"),
    Verb("history", "minicontainer.cli.history", "Show the history of an image"),
    Verb("import", "minicontainer.cli.importing", "Make an image of a root file system"),
    Verb("image", "minicontainer.cli.image", "Manage images"),
    Verb("container", "minicontainer.cli.container", "Manage containers"),
    Verb("system", "minicontainer.cli.system", "Manage minicontainer"),
    Verb("info", "minicontainer.cli.info", "Show facts about this host and its containers"),
    Verb("doctor", "minicontainer.cli.doctor", "Say what will and will not work on this host, and why"),
    Verb("completion", "minicontainer.cli.completion", "Print the completion script of a shell"),
    Verb("version", "minicontainer.cli.version", "Show the version information"),
)

TABLE = {verb.name: verb for verb in VERBS}

# The verbs whose exit status is a program's; Docker then marks its own errors with 125.
ERRORS_ARE_125 = frozenset({"run"})


def main() -> NoReturn:
    """Run the command line and end the process."""
    _open_missing_streams()
    status = run(sys.argv[1:])
    # Nothing is left to do: taking the modules apart one by one would only take time.
    os._exit(status)


def run(arguments: list[str]) -> int:
    """Do what the arguments say; the exit status.  Errors are printed, never raised."""
    for stream in (sys.stdout, sys.stderr):
        # As Docker: UTF-8 whatever the locale; names that are not UTF-8 come out as they are.
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    told = Told()
    try:
        if os.environ.get(FAULT):
            from minicontainer.linux import faults

            faults.install_from_environment()
        status = _quick(arguments, told)
        if status is None:
            status = _by_click(arguments, told)
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        status = _report(error, "", 130, told)
    except BaseException as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            _discard_output()
            return 1
        status = _failed(error, told)
    return status


class Told:
    """What is known of the command when it fails."""

    __slots__ = ("debug", "verb")

    def __init__(self) -> None:
        self.verb: str | None = None
        self.debug = debug_wanted()


def _quick(arguments: list[str], told: Told) -> int | None:
    """Do a verb whose words are plain; None, with nothing done, for click."""
    row = TABLE.get(arguments[0]) if arguments else None
    if row is None or os.geteuid() != 0:
        return None
    verb = __import__(row.module, fromlist=["command"]).command
    parameters = quick.read(verb, arguments[1:]) if isinstance(verb, Declared) else None
    if parameters is None:
        return None
    told.verb = row.name
    root = os.environ.get(ROOT) or DEFAULT_ROOT
    run_root = os.environ.get(RUN_ROOT) or DEFAULT_RUN_ROOT
    settings = Settings(os.path.abspath(root), os.path.abspath(run_root), told.debug)
    try:
        verb.function(Context(settings), **parameters)
    except SystemExit as end:
        return exit_status(end)
    return 0


def _by_click(arguments: list[str], told: Told) -> int:
    from minicontainer.cli import group

    if arguments[:1] == [COMPLETE]:
        from minicontainer.cli import completing

        return completing.answer(group.cli, arguments[1:])
    return group.invoke(arguments, told)


def exit_status(end: SystemExit) -> int:
    """The number in it: nothing is 0, a text is 1."""
    return end.code if isinstance(end.code, int) else 0 if end.code is None else 1


def _failed(error: BaseException, told: Told) -> int:
    """Print an error; the exit status."""
    if "click" in sys.modules:
        from minicontainer.cli import group

        said = group.said(error)
        if said is not None:
            return _report(error, *said, told)
    if isinstance(error, errors.MinicontainerError):
        return _report(error, str(error), _status(error.exit_code, told), told)
    if isinstance(error, OSError):
        return _report(error, _described(error), _status(getattr(error, "exit_code", 125), told), told)
    if isinstance(error, Exception):
        text = f"internal error: {type(error).__name__}: {error} ({DEBUG}=1 shows where)"
        return _report(error, text, _status(125, told), told)
    raise error


def _status(code: int, told: Told) -> int:
    return code if code != 125 or told.verb in ERRORS_ARE_125 else 1


def _described(error: OSError) -> str:
    from minicontainer import explain

    return explain.describe(error)


def _report(error: BaseException, text: str, status: int, told: Told) -> int:
    if told.debug:
        import traceback

        text = f"{text}\n{''.join(traceback.format_exception(error))}".rstrip()
    else:
        text = " ".join(text.split("\n"))
    if text:
        try:
            echo(f"{NAME}: {text}", err=True)
        except OSError:
            _discard_output(2)  # the exit status tells it all the same
    try:
        sys.stdout.flush()
    except OSError:
        _discard_output()  # the error that is reported came first
    return status


def debug_wanted() -> bool:
    return os.environ.get(DEBUG, "") not in ("", "0")


def _nobody_reads() -> bool:
    """Whether standard output is a pipe or socket whose other side is closed."""
    import select

    poll = select.poll()
    poll.register(1, 0)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def _discard_output(stream: int = 1) -> None:
    """Let what is still buffered go nowhere."""
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(null, stream)
    os.close(null)


def _open_missing_streams() -> None:
    """Give 0, 1 and 2 to /dev/null where they are closed, before a socket of ours gets the number."""
    while True:
        fd = os.open(os.devnull, os.O_RDWR)
        if fd > 2:
            os.close(fd)
            return
        os.set_inheritable(fd, True)
        if fd == 1:
            sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 (lives as long as the process)
        if fd == 2:
            sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
