"""Hooks: programs of the host's that run at points of a container's life (config.md, POSIX-platform Hooks).

::

    create   clone3, mounts ─► prestart, createRuntime    by the parent, in the runtime's namespaces
                            ─► createContainer            by init, in the container's; the host's tree
                                                          is "/" once more (rootfs.py, show_host)
    start                   ─► startContainer             by init, inside, as the program's user
             execve         ─► poststart                  by who started; a failure is only told
    delete                  ─► poststop                   by who deletes; a failure is only told

Each gets the container's state on its standard input, its own ``env`` and nothing else, and is killed
when ``timeout`` seconds have passed.  What it writes is shown only if it fails.
"""

from __future__ import annotations

import os
import select

from minicontainer.errors import InvalidConfig, MinicontainerError
from minicontainer.linux import mount, pidfd, process, signals
from minicontainer.linux.door import because
from minicontainer.oci import document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Hook, Hooks, State

KINDS = ("prestart", "create_runtime", "create_container", "start_container", "poststart", "poststop")
NAMES = {"create_runtime": "createRuntime", "create_container": "createContainer",
         "start_container": "startContainer"}  # fmt: skip
SHOWN = 1000  # bytes of what a failed hook wrote last


def check(hooks: Hooks) -> None:
    """Raises InvalidConfig for a hook that names no absolute path, or a timeout of no time."""
    for kind in KINDS:
        for index, hook in enumerate(getattr(hooks, kind)):
            place = f"config.json: hooks.{NAMES.get(kind, kind)}[{index}]"
            if not hook.path.startswith("/"):
                raise InvalidConfig(f"{place}.path: {hook.path!r} is not an absolute path")
            if hook.timeout is not None and hook.timeout <= 0:
                raise InvalidConfig(f"{place}.timeout: {hook.timeout} is not above 0")
            if "\0" in "".join((hook.path, *hook.args, *hook.env)):
                raise InvalidConfig(f"{place}: no program can be given a null byte")
            wrong = next((entry for entry in hook.env if "=" not in entry[1:]), None)
            if wrong is not None:
                raise InvalidConfig(f"{place}.env: {wrong!r} is not NAME=value")


def run(hooks: Hooks, kind: str, state: State, cwd: str) -> None:
    """Run the hooks of one kind, in their order, up to the first that fails.

    Raises MinicontainerError with the hook, how it ended and what it wrote; OSError.
    """
    for index, hook in enumerate(getattr(hooks, kind)):
        failure = _failure(hook, state, cwd)
        if failure:
            raise MinicontainerError(f"hooks.{NAMES.get(kind, kind)}[{index}] ({hook.path}): {failure}")


def run_all(hooks: Hooks, kind: str, state: State, cwd: str) -> None:
    """Run every hook of one kind; those that fail are told on standard error (runtime.md, Lifecycle)."""
    for index, hook in enumerate(getattr(hooks, kind)):
        failure = _failure(hook, state, cwd)
        if failure:
            print_warning(f"hooks.{kind}[{index}] ({hook.path}): {failure}")


def print_warning(text: str) -> None:
    """One line on standard error."""
    os.write(2, f"minicontainer: warning: {text}\n".encode(errors="surrogateescape"))


def _failure(hook: Hook, state: State, cwd: str) -> str | None:
    """Run one hook to its end; why it failed, or None."""
    given, written = _memory("state"), _memory("output")
    try:
        os.write(given, document.dump(state))
        os.lseek(given, 0, os.SEEK_SET)
        because(f"the hook {hook.path}")
        child = process.fork()
        if child == 0:
            _become(hook, given, written, cwd)
        in_time = _wait(child, hook.timeout)
        code = process.wait(child)
        if not in_time:
            return f"killed after {hook.timeout} seconds"
        return f"ended with {code}{_last_words(written)}" if code else None
    finally:
        os.close(given)
        os.close(written)


def _memory(name: str) -> int:
    return os.memfd_create(name, os.MFD_CLOEXEC)


def _become(hook: Hook, given: int, written: int, cwd: str) -> None:
    try:
        signals.reset()
        mount.chdir(cwd)
        for stream, fd in enumerate((given, written, written)):
            os.dup2(fd, stream)
        process.close_range(3)
        environment = dict(entry.split("=", 1) for entry in hook.env)
        process.execve(hook.path, hook.args or [hook.path], environment)
    except OSError as error:
        os.write(written, f"{error.strerror}: {error.filename or hook.path}".encode(errors="replace"))
    finally:
        # Whatever it was: this copy of the runtime must not go on and undo what the other one makes.
        os._exit(127)


def _wait(child: int, timeout: int | None) -> bool:
    """False if the time was over first; the hook is then killed."""
    if timeout is None:
        return True
    fd = pidfd.pidfd_open(child)
    try:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        if poller.poll(timeout * 1000):
            return True
        because("its time is over")
        pidfd.pidfd_send_signal(fd, signals.SIGKILL)
        return False
    finally:
        os.close(fd)


def _last_words(written: int) -> str:
    size = os.fstat(written).st_size
    text = os.pread(written, SHOWN, max(0, size - SHOWN)).decode(errors="replace").strip()
    return f": {text}" if text else ""
