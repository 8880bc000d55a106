"""Users and groups as the image knows them: /etc/passwd and /etc/group below a root (passwd(5), group(5)).

The forms are Docker's: ``user``, ``uid``, ``user:group``, ``uid:gid``; a name must exist, a number
need not.
"""

from __future__ import annotations

import os
import stat

from minicontainer.errors import NotFound
from minicontainer.linux.openat2 import open_in_root

MAX_ID = 2**31 - 1
LONGEST = 16 << 20  # bytes of /etc/passwd or /etc/group that are read


class Account:
    """Who a process runs as: numbers, and the home folder ("/" where the image has none)."""

    __slots__ = ("additional_gids", "gid", "home", "uid")

    def __init__(self, uid: int, gid: int, additional_gids: list[int], home: str) -> None:
        self.uid = uid
        self.gid = gid
        self.additional_gids = additional_gids
        self.home = home


def _table(root: int, path: str, fields: int) -> list[list[str]]:
    try:
        fd = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        # Absent, a loop of links, a link out of the image: such an image has no names.
        return []
    # A device has no end, and a file may be made as large as the image likes.
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        return []
    with os.fdopen(fd, "rb") as file:
        text = file.read(LONGEST).decode(errors="surrogateescape")
    rows = [line.split(":") for line in text.split("\n")]
    return [row for row in rows if len(row) >= fields and not row[0].startswith("#")]


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text[:11]) <= MAX_ID


def _number(text: str, what: str) -> int | None:
    if not text.isascii() or not text.isdigit():
        return None
    if not _is_id(text):
        raise NotFound(f"{what} {text} is outside the range 0..{MAX_ID}")
    return int(text)


def lookup(root: int, text: str) -> Account:
    """The account that ``text`` names inside the tree at descriptor ``root``.

    Raises NotFound for a name that the image's /etc/passwd or /etc/group does not have.
    """
    name, _, group = text.partition(":")
    name = name or "0"
    users = [row for row in _table(root, "/etc/passwd", 6) if _is_id(row[2]) and _is_id(row[3])]
    number = _number(name, "uid")
    # A number is a number: an image may have a user named 1000 whose uid is 0 (CVE-2016-3697).
    if number is None:
        found = next((row for row in users if row[0] == name), None)
    else:
        found = next((row for row in users if int(row[2]) == number), None)
    if found is None and number is None:
        raise NotFound(f"unable to find user {name}: no matching entries in passwd file")
    uid = int(found[2]) if found else number or 0
    home = (found[5] if found else "") or "/"
    # The user's own group is listed among the others too: were it not, a process that changes its gid
    # would leave a group whose members a file's mode may refuse (CVE-2022-36109).
    if group:
        gid = _group(root, group)
        return Account(uid, gid, [gid], home)
    gid = int(found[3]) if found else 0
    return Account(uid, gid, [gid, *(_memberships(root, found[0], gid) if found else [])], home)


def home_of(root: int, uid: int) -> str:
    """The home folder of user ``uid`` in the tree at descriptor ``root``; "/" for one without a name."""
    rows = _table(root, "/etc/passwd", 6)
    return next((row[5] for row in rows if row[2] == str(uid)), "") or "/"


def _group(root: int, name: str) -> int:
    number = _number(name, "gid")
    if number is not None:
        return number
    for row in _table(root, "/etc/group", 3):
        if row[0] == name and _is_id(row[2]):
            return int(row[2])
    raise NotFound(f"unable to find group {name}: no matching entries in group file")


def _memberships(root: int, user: str, gid: int) -> list[int]:
    groups = _table(root, "/etc/group", 4)
    return sorted({int(r[2]) for r in groups if user in r[3].split(",") and _is_id(r[2])} - {gid})
