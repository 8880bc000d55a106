"""What the replays of this folder share: an attacker that acts at the worst moment, deterministically.

A race is won by a listener at the door (linux/door.py): it does what the other container would do,
in the process that is about to make the step, just before the step::

    init:   ... look at /vol/data ──► [step mount: the listener exchanges /vol/data] ──► mount(2)

A process of the container is a child that the listener forks when init has given up all but the
container's own rights (`as_container`); what it finds it leaves in a file of the container's root.

Nothing of the real host is a target: each attack aims at the test's own folder `outside`.
"""

from __future__ import annotations

import contextlib
import os

from minicontainer.linux import door, mount, namespaces, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from minicontainer.linux.door import Call

FOUND = "/found"  # in the container's root: what the attacker got
LAST = "close_range"  # the step before execve: the process has the container's rights, and every descriptor


class At:
    """A listener that acts once, before the first step ``name`` of a process called ``who``."""

    def __init__(
        self, name: str, act: Callable[[Call], None], who: str = "init", place: str | None = None
    ) -> None:
        self.name = name
        self.act = act
        self.who = who
        self.place = place
        self.done = False

    def before(self, call: Call) -> None:
        """Act, if this is the step."""
        if self.done or call.process != self.who or call.step.name != self.name:
            return
        if self.place is not None and self.place not in (
            call.arguments.get("target"),
            call.arguments.get("path"),
        ):
            return
        self.done = True
        self.act(call)

    def after(self, call: Call) -> None:
        """Nothing."""


@contextlib.contextmanager
def listening(listener: At) -> Iterator[None]:
    """``listener`` at the door of this process and of those that it makes."""
    door.listeners.append(listener)
    try:
        yield
    finally:
        door.listeners.remove(listener)


def at(name: str, act: Callable[[], None], who: str = "init", place: str | None = None):  # type: ignore[no-untyped-def]
    """``with at("mount", exchange, place="/vol/data"):`` acts before that step."""
    return listening(At(name, lambda call: act(), who, place))


def switch_off(monkeypatch: pytest.MonkeyPatch, name: str, instead: object) -> None:
    """Put ``instead`` in the place of a function of libcontainer, in whichever file it is."""
    import importlib
    import pkgutil

    from minicontainer import libcontainer

    names = [found.name for found in pkgutil.iter_modules(libcontainer.__path__)]
    modules = [importlib.import_module(f"minicontainer.libcontainer.{found}") for found in names]
    found = [module for module in modules if name in vars(module)]
    assert found, f"{name} is gone: what protects now?"
    for module in found:
        monkeypatch.setattr(module, name, instead)


def note(text: str) -> None:
    """Leave ``text`` where `noted` finds it."""
    with open(FOUND, "w") as file:
        file.write(text)


def noted(rootfs: str) -> str:
    """What the attacker left in the container's root."""
    with open(rootfs + FOUND) as file:
        return file.read()


def attempt(act: Callable[[], str]) -> None:
    """Note what ``act`` gives, or the name of the errno that stopped it."""
    import errno

    try:
        note(act())
    except OSError as error:
        note(errno.errorcode[error.errno or 0])


def as_container(act: Callable[[int], str]) -> Callable[[], None]:
    """Another process of the container, with the rights of the one at the step; ``act`` gets its pid."""

    def fork() -> None:
        victim = int(os.readlink("/proc/self"))
        child = os.fork()
        if child == 0:
            attempt(lambda: act(victim))
            os._exit(0)
        os.waitpid(child, 0)

    return fork


def exchange(path: str, target: str) -> None:
    """Put a link to ``target`` where ``path`` is; the old thing is ``path.old``."""
    os.rename(path, path + ".old")
    os.symlink(target, path)


def own(path: str) -> str:
    """Read a file and write to it: both, or the OSError."""
    with open(path, "r+") as file:
        text = file.read()
        file.seek(0)
        file.write("owned")
    return text


def in_mount_namespace(act: Callable[[], str]) -> str:
    """What ``act`` gives in a child with a mount namespace of its own, or its exception's text."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            namespaces.unshare(process.CLONE_NEWNS)
            mount.mount(None, "/", None, mount.MS_REC | mount.MS_PRIVATE)
            text = act()
        except BaseException as error:
            text = f"{type(error).__name__}: {error}"
        os.write(writer, text.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text
