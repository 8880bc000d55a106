"""A refused call in one line for people: what was tried, the errno, the usual cause, how to check.

    pivot_root rootfs: Invalid argument (EINVAL); usually: the parent mount ... is shared, ...;
    check: findmnt -o TARGET,PROPAGATION

The causes are a table, causes.py; this file finds the row and puts the words together.
"""

from __future__ import annotations

import errno
import os

from minicontainer.explain import causes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# Names that the table's checks use for what the call was about: NAME -> arguments that may hold it.
PLACES = {
    "NEW_ROOT": ("new_root",),
    "TO_PATH": ("to_path",),
    "TARGET": ("target",),
    "SOURCE": ("source",),
    "FSTYPE": ("fstype",),
    "TYPE": ("fstype",),
    "PATH": ("path",),
    "PID": ("pid",),
    "VALUE": ("value",),
    "BRIDGE": ("master", "bridge"),
}


class Hint:
    """The usual cause of an errno from a call, and a command that shows whether it is the one."""

    __slots__ = ("cause", "check")

    def __init__(self, cause: str, check: str) -> None:
        self.cause = cause
        self.check = check


def find(name: str, man: str, args: Mapping[str, str], code: str) -> Hint | None:
    """The hint for errno ``code`` (as EPERM) of step ``name``, whose manual page is ``man``.

    ``args`` are the step's decoded arguments, as in ``OSError.step``.
    """
    calls = (f"write:{os.path.basename(args.get('path', ''))}", name, man.partition("(")[0], "*")
    for call in calls:
        for row in causes.ROWS:
            if row[0] == call and row[1] == code and (len(row) == 4 or row[4](args)):
                return Hint(row[2], _placed(row[3], args))
    return None


def describe(error: OSError) -> str:
    """``error`` in one line, with its hint if there is one.

    An error that came through the door (linux/door.py) says which call with which arguments it was.
    """
    step: dict[str, Any] = getattr(error, "step", None) or {}
    args = step.get("args", {})
    about = phrase(step["name"], args) if step else _path(error)
    code = errno.errorcode.get(error.errno or 0, "")
    text = error.strerror or str(error)
    said = f"{about}: {text}" if about else text
    if code:
        said += f" ({code})"
    hint = find(step["name"], step["man"], args, code) if step else _of_a_file(error, code)
    if hint:
        said += f"; usually: {hint.cause}; check: {hint.check}"
    return " ".join(said.split())


def phrase(name: str, args: Mapping[str, str]) -> str:
    """What a call was about, in a few words: ``mount proc on /proc``."""
    if name == "mount":
        return _mount_phrase(args)
    if name == "write_control":
        return f"write {args['data']!r} to {args['path']}"
    if name in ("make_group", "remove_group"):
        return f"{name.partition('_')[0]} cgroup {args['path']}"
    for key in ("path", "target", "new_root", "name", "to_path", "fstype", "key", "flags", "nstype", "pid"):
        if args.get(key):
            return f"{name} {args[key]}"
    return name


def _mount_phrase(args: Mapping[str, str]) -> str:
    bits, target = args.get("flags", "").split("|"), args.get("target", "")
    if "MS_REMOUNT" in bits:
        return f"remount {target}"
    if "MS_BIND" in bits:
        return f"bind mount {args.get('source', '')} on {target}"
    for kind in ("PRIVATE", "SLAVE", "SHARED", "UNBINDABLE"):
        if f"MS_{kind}" in bits:
            return f"make mount {target} {kind.lower()}"
    return f"mount {args.get('fstype') or args.get('source', '')} on {target}"


def _path(error: OSError) -> str:
    names = [os.fsdecode(n) for n in (error.filename, error.filename2) if isinstance(n, (str, bytes))]
    return " -> ".join(names)


def _of_a_file(error: OSError, code: str) -> Hint | None:
    """For an error of ordinary file work, only what holds for any call is worth saying."""
    return find("", "", {"path": _path(error)}, code) if code not in ("EPERM", "EACCES") else None


def _placed(check: str, args: Mapping[str, str]) -> str:
    """``check`` with the call's own names in the places of capital words."""
    words = []
    for word in check.split(" "):
        bare = word.rstrip(";,")
        value = next((args[key] for key in PLACES.get(bare, ()) if args.get(key)), "")
        words.append(value + word[len(bare) :] if value else word)
    return " ".join(words)
