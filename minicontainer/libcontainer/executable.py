"""The program's file: found by PATH as execvp(3) would, and none of the runtime's own."""

from __future__ import annotations

import os
import stat

from minicontainer.errors import CommandNotExecutable, CommandNotFound, InvalidConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.oci.runtime import Process

MOST_INTERPRETERS = 6  # the kernel follows five (execve(2), Interpreter scripts)
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def find(config: Process) -> str:
    """The program's path, by PATH of the container's environment as execvp(3) would.

    Raises CommandNotFound or CommandNotExecutable with Docker's wording.
    """
    if not config.args:
        raise InvalidConfig("config.json: process.args is empty")
    name = config.args[0]
    if not name:
        raise CommandNotFound("exec: no command")
    if "/" in name:
        _check(name, name)
        return name
    path = next((v[5:] for v in reversed(config.env) if v.startswith("PATH=")), DEFAULT_PATH)
    refused: Exception | None = None
    for folder in path.split(":"):
        candidate = os.path.join(folder or ".", name)
        try:
            _check(candidate, name)
            return candidate
        except CommandNotExecutable as error:
            refused = refused or error
        except CommandNotFound:
            continue
    raise refused or CommandNotFound(f'exec: "{name}": executable file not found in $PATH')


def _check(path: str, name: str) -> None:
    try:
        status = os.stat(path)
    except PermissionError:
        raise CommandNotExecutable(f'exec: "{name}": permission denied') from None
    except OSError as error:
        # As Go writes it: engines know exit codes 126 and 127 by these words.
        raise CommandNotFound(f'exec: "{name}": stat {path}: {str(error.strerror).lower()}') from None
    if stat.S_ISDIR(status.st_mode):
        # What execve(2) would say.
        raise CommandNotExecutable(f'exec: "{name}": is a directory: permission denied')
    if not os.access(path, os.X_OK, effective_ids=True):
        raise CommandNotExecutable(f'exec: "{name}": permission denied')


def refuse_own_interpreter(path: str, name: str) -> None:
    """An image's ``#!/proc/self/exe`` would start the host's Python, which runs this process, with the
    image's libraries: and let it open that file (CVE-2019-5736).

    Where the same file is on a mount of the container's own, whoever asked for that mount gave it.
    A container that exchanges the file between this look and execve is not caught.
    """
    try:
        own = os.stat("/proc/self/exe")
    except FileNotFoundError:
        return  # no /proc, no way to it
    for _ in range(MOST_INTERPRETERS):
        found = os.stat(path)
        if (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino) and not _on_own_mount(path):
            raise CommandNotExecutable(f'exec: "{name}": leads to the interpreter of the runtime itself')
        following = _interpreter(path)
        if following is None or not os.path.exists(following):
            return
        path = following


def _on_own_mount(path: str) -> bool:
    """Whether a file is reached through a mount of this mount namespace (proc(5), fdinfo's mnt_id)."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        with open(f"/proc/self/fdinfo/{fd}") as info:
            mount_id = next(line.split()[1] for line in info if line.startswith("mnt_id:"))
    finally:
        os.close(fd)
    with open("/proc/self/mountinfo") as table:
        return any(line.split(" ", 1)[0] == mount_id for line in table)


def _interpreter(path: str) -> str | None:
    """What a script's first line names; None for anything but a script."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except PermissionError:
        return None  # executable, not readable: the kernel would not read a first line either
    try:
        first = os.read(fd, 256).partition(b"\n")[0]
    finally:
        os.close(fd)
    words = first[2:].split(None, 1)
    return os.fsdecode(words[0]) if first.startswith(b"#!") and words else None
