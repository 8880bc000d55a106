"""Detach keys: leaving a container that goes on running, by typing a sequence (``--detach-keys``).

Docker's syntax: keys separated by commas, each one a character or ``ctrl-`` and one of ``a`` to
``z``, ``@``, ``[``, ``\\``, ``]``, ``^``, ``_``.
"""

from __future__ import annotations

from minicontainer.errors import UsageError

DEFAULT = "ctrl-p,ctrl-q"


def parse_keys(text: str) -> bytes:
    """The bytes that the sequence types; b"" for an empty text: never detach.  Raises UsageError."""
    return b"".join(_key(name, text) for name in text.split(",")) if text else b""


def _key(name: str, text: str) -> bytes:
    if len(name) == 1 and name.isascii():
        return name.encode()
    if name.startswith("ctrl-") and len(name) == 6:
        # A control key sends the letter's code without the bits 0x60 (ASCII): a is 1, [ is 27.
        letter = name[5].upper()
        if "@" <= letter <= "_":
            return bytes([ord(letter) & 0x1F])
    raise UsageError(f"invalid detach keys ({text}) provided: {name!r} is no character and no ctrl-KEY")


class DetachKeys:
    """Watches typed bytes for the sequence.

    A beginning of the sequence is held back until it is known whether the rest follows, as the
    program must not see the keys that detach from it.
    """

    __slots__ = ("_held", "_keys")

    def __init__(self, keys: bytes) -> None:
        self._keys = keys
        self._held = b""

    def feed(self, data: bytes) -> tuple[bytes, bool]:
        """(what to pass on, whether the sequence was completed); what follows it is dropped."""
        keys = self._keys
        if not keys or (not self._held and keys[0] not in data):
            return data, False
        data = self._held + data
        found = data.find(keys)
        if found >= 0:
            self._held = b""
            return data[:found], True
        size = self._unfinished(data)
        self._held = data[len(data) - size :]
        return data[: len(data) - size], False

    def _unfinished(self, data: bytes) -> int:
        """How many of the last bytes could still become the sequence."""
        longest = min(len(self._keys) - 1, len(data))
        return next((n for n in range(longest, 0, -1) if data.endswith(self._keys[:n])), 0)
