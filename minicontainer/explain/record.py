"""What recorders send to the narrator: one JSON object a datagram, told apart by ``type``.

::

    {"type": "begun",  "step": {...}}   a call that returns twice (fork) or not at all (execve) begins
    {"type": "done",   "step": {...}}   a call has returned; its record is whole
    {"type": "lost",   "text": "..."}   a recorder could not describe a step, and has stopped
    {"type": "finish"}                  the caller has no more to tell

A step on the wire has the fields of `StepRecord`; ``seq`` and the process id as the narrator's
pid namespace has it are the narrator's to fill in.
"""

from __future__ import annotations

import msgspec

SCHEMA = 1


class Change(msgspec.Struct):
    """One thing that a step changed; None is absence."""

    what: str
    key: str
    before: str | None
    after: str | None


class StepRecord(msgspec.Struct, kw_only=True):
    """One passage through the door, in the order in which ``--explain=json`` writes it.

    ``result`` is the text of what the call returned, None if it returns nothing, failed or does not
    return; ``errno`` is a name (EPERM) or None; ``duration_us`` is None when the call does not return.
    """

    schema: int = SCHEMA
    seq: int = 0
    process: str
    pid: int
    step: str
    man: str
    args: dict[str, str]
    shell: str
    why: str
    result: str | None = None
    errno: str | None = None
    duration_us: int | None = None
    changed: list[Change] = []


class Begun(msgspec.Struct, tag_field="type", tag="begun"):
    step: StepRecord


class Done(msgspec.Struct, tag_field="type", tag="done"):
    step: StepRecord


class Lost(msgspec.Struct, tag_field="type", tag="lost"):
    text: str


class Finish(msgspec.Struct, tag_field="type", tag="finish"):
    pass


Message = Begun | Done | Lost | Finish
