"""The entry point of minicontainer-runtime: global flags, a verb, an exit status.

::

    minicontainer-runtime [--root DIR] [--log FILE] [--log-format text|json] [--debug]
                          [--systemd-cgroup] [--rootless true|false|auto] VERB [FLAGS] WORDS

Exit status: 0; that of the program for run and exec; 255 for an exec that failed; 3 for an unknown verb;
1 for any other error, which is one line on standard error and, with --log, one in the log.
"""

from __future__ import annotations

import gc
import os
import sys

from minicontainer import __version__
from minicontainer.errors import MinicontainerError, UsageError
from minicontainer.runtime.flags import Flag, Misuse, describe, parse
from minicontainer.runtime.log import Log

# A collection while modules load finds nothing, and takes as long as a dozen system calls.
gc.disable()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, NoReturn

NAME = "minicontainer-runtime"
DEBUG = "MINICONTAINER_DEBUG"
FAULT = "MINICONTAINER_FAULT"  # linux/faults.py, for tests: imported only where it is set
FLAGS = [
    Flag("debug", "switch", "write debug lines to the log too, and tracebacks"),
    Flag("log", "text", "the log file (standard error)"),
    Flag("log-format", "text", "text or json", "text"),
    Flag("root", "text", "the folder of the containers' states (/run/minicontainer-runtime)"),
    Flag("criu", "text", "the criu program of checkpoint and restore", "criu"),
    Flag("systemd-cgroup", "switch", "control groups made by systemd"),
    Flag("rootless", "text", "do without control groups that may not be made: true, false or auto", "auto"),
    Flag("help h", "switch", "show this text"),
    Flag("version v", "switch", "print the version"),
]
# verb -> its module's name and what it does
VERBS = {
    "checkpoint": ("checkpoint", "checkpoint a running container"),
    "create": ("create", "create a container"),
    "delete": ("delete", "delete any resources held by the container"),
    "events": ("events", "display container events and statistics"),
    "exec": ("exec", "execute new process inside the container"),
    "features": ("features", "show the enabled features"),
    "kill": ("kill", "send a signal (default: SIGTERM) to the container's init process"),
    "list": ("listing", "list containers started with the given root"),
    "pause": ("pause", "suspend all processes inside the container"),
    "ps": ("ps", "display the processes running inside a container"),
    "restore": ("restore", "restore a container from a previous checkpoint"),
    "resume": ("pause", "resume all processes that have been paused"),
    "run": ("run", "create and run a container"),
    "spec": ("spec", "create a new specification file"),
    "start": ("start", "execute the user defined process in a created container"),
    "state": ("state", "output the state of a container"),
    "update": ("update", "update container resource constraints"),
}


class UnknownVerb(Misuse):
    """No verb of ours."""

    status = 3  # urfave/cli's, which is runc's parser


class Context:
    """What every verb is given: the global flags, its own, and its words."""

    __slots__ = ("flags", "log", "options", "root", "verb", "words")

    def __init__(self, options: dict[str, Any], log: Log) -> None:
        self.options = options
        self.log = log
        self.root: str = os.path.abspath(options["root"] or _default_root())
        self.verb = ""
        self.flags: dict[str, Any] = {}
        self.words: list[str] = []

    def container_id(self) -> str:
        """The only word.  Raises UsageError."""
        if len(self.words) != 1:
            raise UsageError(f'"{NAME} {self.verb}" requires exactly 1 argument(s)')
        return self.words[0]


def main() -> NoReturn:
    """Run the command line and end the process."""
    # Nothing is left to do at the end: taking the interpreter apart would only take time.
    os._exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Do what the words say; the exit status.  Errors are printed, never raised."""
    log = Log("", "text", False)
    verb = ""
    try:
        if os.environ.get(FAULT):
            from minicontainer.linux import faults

            faults.install_from_environment()
        options, rest = parse(FLAGS, words, stop=True)
        log = _log(options)
        verb = rest[0] if rest else ""
        if options["version"]:
            return _version()
        if options["help"] or not rest or verb in ("help", "h"):
            return _help()
        return _do(options, log, verb, rest[1:])
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return _failed(error, log, verb)


def _do(options: dict[str, Any], log: Log, verb: str, words: list[str]) -> int:
    if verb not in VERBS:
        raise UnknownVerb(f"unknown command {verb!r}; see '{NAME} --help'")
    module = _module(VERBS[verb][0])
    flags: list[Flag] = module.FLAGS
    context = Context(options, log)
    context.verb = verb
    if "--help" in words[:1] or "-h" in words[:1]:
        print(f"Usage: {NAME} {verb} {module.USAGE}\n\n{describe(flags)}")
        sys.stdout.flush()
        return 0
    context.flags, context.words = parse(flags, words, stop=getattr(module, "STOP", False))
    status: int = module.main(context)
    return status


def _module(name: str) -> ModuleType:
    __import__(f"minicontainer.runtime.{name}")
    return sys.modules[f"minicontainer.runtime.{name}"]


def _log(options: dict[str, Any]) -> Log:
    if options["log_format"] not in ("text", "json"):
        raise UsageError(f"invalid log-format: {options['log_format']!r}")
    if options["rootless"] not in ("true", "false", "auto"):
        raise UsageError(f"invalid rootless: {options['rootless']!r}; one of true, false, auto")
    return Log(options["log"], options["log_format"], options["debug"])


def _default_root() -> str:
    """As runc's: below XDG_RUNTIME_DIR for who is not root, or only in a user namespace of his own."""
    own = os.environ.get("XDG_RUNTIME_DIR")
    return f"{own}/{NAME}" if own and not _is_root() else f"/run/{NAME}"


def _is_root() -> bool:
    if os.geteuid() != 0:
        return False
    with open("/proc/self/uid_map") as ids:
        mapped = ids.read().split() != ["0", "0", "4294967295"]
    return not mapped or os.environ.get("USER") == "root"


def _failed(error: Exception, log: Log, verb: str) -> int:
    text = " ".join(_told(error).split())
    if log.debugs or os.environ.get(DEBUG, "") not in ("", "0"):
        import traceback

        os.write(2, "".join(traceback.format_exception(error)).encode(errors="replace"))
    if log.path:
        try:
            log.write("error", text)
        except OSError as refused:
            text += f" (and the log: {refused})"
    os.write(2, f"{NAME}: {text}\n".encode(errors="surrogateescape"))
    return getattr(error, "status", 255 if verb == "exec" else 1)


def _told(error: Exception) -> str:
    """The error in one line, with the field of config.json that it came from."""
    if isinstance(error, OSError):
        from minicontainer import explain

        text = explain.describe(error)
    elif isinstance(error, MinicontainerError):
        text = str(error)
    else:
        text = f"internal error: {type(error).__name__}: {error} ({DEBUG}=1 shows where)"
    context = getattr(error, "context", "")
    told = not context or text.startswith(("config.json: ", context))
    return text if told else f"config.json: {context}: {text}"


def _version() -> int:
    from minicontainer.oci.runtime import SPEC_VERSION

    print(f"{NAME} version {__version__}\nspec: {SPEC_VERSION}")
    sys.stdout.flush()
    return 0


def _help() -> int:
    verbs = "\n".join(f"  {name:<12} {does}" for name, (_, does) in VERBS.items())
    print(f"Usage: {NAME} [FLAGS] COMMAND [FLAGS] [ARGUMENTS]\n\nCommands:\n{verbs}\n\n{describe(FLAGS)}")
    sys.stdout.flush()
    return 0
