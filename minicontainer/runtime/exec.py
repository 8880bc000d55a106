"""exec: one more process in a running container."""

from __future__ import annotations

import os

from minicontainer.errors import InvalidConfig, UsageError
from minicontainer.libcontainer.container import Container
from minicontainer.linux import process, signals
from minicontainer.oci.document import load, replace
from minicontainer.oci.runtime import Capabilities, Process, Spec, User, load_spec
from minicontainer.runtime import create, run
from minicontainer.runtime.flags import Flag, Misuse
from minicontainer.util import files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from minicontainer.runtime.main import Context
    from minicontainer.util.sockets import Socket

USAGE = "[FLAGS] CONTAINER-ID COMMAND [ARG...]"
FLAGS = [
    Flag("console-socket", "text", "an AF_UNIX socket that is sent the terminal's master"),
    Flag("cwd", "text", "the working directory in the container"),
    Flag("env e", "list", "a variable of the environment, NAME=value"),
    Flag("tty t", "switch", "allocate a terminal"),
    Flag("user u", "text", "UID[:GID]"),
    Flag("additional-gids g", "list", "one more group id"),
    Flag("process p", "text", "a file with the process as the specification describes it"),
    Flag("detach d", "switch", "leave the process running, and end"),
    Flag("pid-file", "text", "a file for the process id"),
    Flag("process-label", "text", "the SELinux label"),
    Flag("apparmor", "text", "the AppArmor profile"),
    Flag("no-new-privs", "switch", "set no_new_privs"),
    Flag("cap c", "list", "one more capability"),
    Flag("preserve-fds", "number", "pass so many descriptors after the standard streams"),
    Flag("cgroup", "list", "a group below the container's: [CONTROLLER[,CONTROLLER]:]PATH"),
    Flag("ignore-paused", "switch", "also in a paused container"),
]
STOP = True  # what follows the id is the program's


def main(context: Context) -> int:
    """The process's exit code; 0 with --detach."""
    flags = context.flags
    if not context.words or (len(context.words) == 1 and not flags["process"]):
        raise Misuse('"exec" requires a container id and a command, or --process')
    container = Container.load(context.words[0], context.root)
    config = _process(container, flags, context.words[1:])
    _warn(context, container, config)
    if flags["detach"] and config.terminal and not flags["console_socket"]:
        raise UsageError("cannot allocate tty if the process is detached without --console-socket")
    if flags["console_socket"] and not (flags["detach"] and config.terminal):
        raise UsageError("--console-socket is for a detached process with a terminal")
    console = _console(flags["console_socket"])
    passed = run.forwarded()
    if not flags["detach"]:
        signals.block([*passed, signals.SIGCHLD, signals.SIGWINCH])
    joined = container.exec(
        config,
        preserve_fds=create.preserved(flags["preserve_fds"]),
        subgroups=flags["cgroup"],
        ignore_paused=flags["ignore_paused"],
    )
    try:
        if console is not None:
            from minicontainer.runtime.console import send

            send(console, joined.console)
        if flags["pid_file"]:
            files.write_atomic(flags["pid_file"], str(joined.pid).encode(), mode=0o644, sync=False)
    except BaseException:
        # Who asked would know nothing of it.
        process.kill(joined.pid, signals.SIGKILL)
        process.wait(joined.pid)
        raise
    return 0 if flags["detach"] else run.attend(joined.pid, joined.console, passed)


def _console(path: str) -> Socket | None:
    """A connection to --console-socket, made before there is a process that could be left alone."""
    if not path:
        return None
    from minicontainer.runtime import console

    return console.connect(path)


def _warn(context: Context, container: Container, config: Process) -> None:
    from minicontainer.libcontainer.process import not_granted

    pid = container.record.pid
    everything = os.path.exists(f"/proc/{pid}") and not os.path.samefile(
        f"/proc/{pid}/ns/user", "/proc/self/ns/user"
    )
    if names := not_granted(config.capabilities, everything=everything):
        context.log.write("warning", f"process.capabilities: not granted: {', '.join(names)}")


def _process(container: Container, flags: dict[str, Any], words: list[str]) -> Process:
    """The process of --process, or the container's own with what the flags change."""
    if flags["process"]:
        return load(Process, files.read(flags["process"]), "process.json")
    bundle: Spec = load_spec(files.read(os.path.join(container.record.bundle, "config.json")))
    if bundle.process is None:
        raise InvalidConfig("config.json: process is missing")
    config = replace(bundle.process, args=words, terminal=flags["tty"])
    if flags["cwd"]:
        config.cwd = flags["cwd"]
    if flags["env"]:
        config.env = [*config.env, *flags["env"]]
    if flags["user"] or flags["additional_gids"]:
        config.user = _user(config.user, flags)
    if flags["no_new_privs"]:
        config.no_new_privileges = True
    if flags["apparmor"]:
        config.apparmor_profile = flags["apparmor"]
    if flags["process_label"]:
        config.selinux_label = flags["process_label"]
    if flags["cap"]:
        config.capabilities = _with_capabilities(config.capabilities or Capabilities(), flags["cap"])
    return config


def _user(user: User, flags: dict[str, Any]) -> User:
    uid, _, gid = flags["user"].partition(":")
    changes: dict[str, Any] = {}
    if uid:
        changes["uid"] = _id(uid)
    if gid:
        changes["gid"] = _id(gid)
    if flags["additional_gids"]:
        more = [_id(group) for group in flags["additional_gids"]]
        changes["additional_gids"] = [*user.additional_gids, *more]
    return replace(user, **changes)


def _id(word: str) -> int:
    if not (word.isascii() and word.isdigit() and len(word) <= 10 and int(word) < 1 << 32):
        raise UsageError(f"--user and --additional-gids take numbers of 32 bits: {word!r}")
    return int(word)


def _with_capabilities(held: Capabilities, names: list[str]) -> Capabilities:
    """As runc: in the bounding, effective and permitted sets, and in those that the others imply."""
    return replace(
        held,
        bounding=[*held.bounding, *names],
        effective=[*held.effective, *names],
        permitted=[*held.permitted, *names],
        inheritable=[*held.inheritable, *names] if held.inheritable else [],
        ambient=[*held.ambient, *names] if held.ambient else [],
    )
