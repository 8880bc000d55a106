"""What the descriptors of mountfd.py hold, in the words of mount(8): for the steps' shell equivalents.

A person names source and options when they attach a mount.  The kernel's newer calls name them before
and attach a descriptor, so what the first calls said is kept until the last one is told::

    open_tree("/src", OPEN_TREE_CLONE | AT_RECURSIVE) = 7   # hold /src, to be attached below
    mount_setattr(7, "", MOUNT_ATTR_RDONLY)                 # ro, when it is attached
    move_mount(7, "/dst")            mount --rbind /src /dst && mount -o remount,bind,ro /dst

An entry is replaced when the kernel gives the same number again.
"""

from __future__ import annotations

from minicontainer.linux.door import quote


class Held:
    """``source`` as one word; ``options`` are mount(8)'s; ``later`` are commands that need the target."""

    __slots__ = ("fstype", "later", "options", "recursive", "source")

    def __init__(self, source: str, *, fstype: str = "", recursive: bool = False) -> None:
        self.source = source
        self.fstype = fstype
        self.recursive = recursive
        self.options: list[str] = []
        self.later: list[str] = []


_held: dict[int, Held] = {}


def hold(fd: int, held: Held) -> int:
    """Remember what ``fd`` holds; gives ``fd`` back."""
    _held[fd] = held
    return fd


def of(fd: int) -> Held | None:
    """What ``fd`` holds, if one of our calls opened it."""
    return _held.get(fd)


def named(fd: int, path: str) -> str:
    """``path``, or what ``fd`` holds for an empty one."""
    known = _held.get(fd)
    return path or (known.source if known else f"/proc/self/fd/{fd}")


def attach(fd: int, target: str) -> str:
    """The command that mounts what ``fd`` holds at ``target``."""
    known = _held.get(fd)
    place = quote(target)
    if known is None:
        return f"mount --move /proc/self/fd/{fd} {place}"
    if known.fstype:
        chosen = f" -o {quote(','.join(known.options))}" if known.options else ""
        return f"mount -t {known.fstype}{chosen} {quote(known.source)} {place}"
    kind = f"--{'r' if known.recursive else ''}bind"
    # Owners are mapped before a mount is attached, or never (mount(8), X-mount.idmap).
    first = [option for option in known.options if option.startswith("X-")]
    rest = [option for option in known.options if option not in first]
    chosen = f" -o {','.join(first)}" if first else ""
    commands = [f"mount {kind}{chosen} {quote(known.source)} {place}"]
    if rest:
        commands.append(f"mount -o remount,bind,{','.join(rest)} {place}")
    commands += [f"{command} {place}" for command in known.later]
    return " && ".join(commands)
