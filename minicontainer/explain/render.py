"""The story in one of four forms; each turns one numbered step into text.

brief   one line a step: number, process, the call with its constants named, ``= result``; ids and
        long arguments are cut, which "…" marks
full    also the shell command, the manual page, why, what changed, how long it took
sh      the equivalent shell commands as a script, with the reasons as comments
json    one object a line; schema 1:

::

    {"schema": 1,            rises when a field changes its meaning or goes away
     "seq": 7,               the step's number in the story, from 1
     "process": "init",      caller, monitor, init, ...
     "pid": 4711,            as the caller's pid namespace numbers it
     "step": "mount",        the wrapper's name, most often the system call's
     "man": "mount(2)",
     "args": {"target": "/proc", ...},             text by name; constants by their names
     "shell": "mount -t proc proc /proc",
     "why": "...",
     "result": "12" | null,       what the call returned; null if nothing, refused or not returning
     "errno": "EPERM" | null,
     "duration_us": 85 | null,    null if the call does not return (execve)
     "changed": [{"what": "mount", "key": "/proc", "before": null, "after": "..."}]}

or, if a process can tell no more, ``{"schema": 1, "lost": "why"}``.

Colour only on a terminal, and not with NO_COLOR set (no-color.org).  A terminal's lines end in CR LF,
since the container's session may have made it raw.
"""

from __future__ import annotations

import os

from minicontainer.explain.fold import Runs, differing, together
from minicontainer.explain.record import SCHEMA, Lost
from minicontainer.linux.door import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.explain.record import Change, StepRecord

ID = 64  # hex digits of a container's id and of a sha256
LONGEST = 240  # characters of one argument in a brief line

NOTHING_AT_ZERO = frozenset(
    {"flags", "attributes", "attr_set", "attr_clr", "propagation", "userns_fd", "aux", "fd_flags"}
)

BOLD, DIM, RED, GREEN, CYAN = "1", "2", "31", "32", "36"


def renderer(mode: str, stream: int) -> Renderer:
    """The renderer of ``mode`` (brief, full, sh, json) for the descriptor ``stream``."""
    terminal = os.isatty(stream)
    coloured = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return RENDERERS[mode](coloured, "\r\n" if terminal else "\n")


class Renderer:
    """What the four share: colour and line ends."""

    def __init__(self, coloured: bool, newline: str = "\n") -> None:
        self._coloured = coloured
        self._newline = newline

    def opening(self) -> str:
        """What stands before the first step."""
        return ""

    def closing(self) -> str:
        """What stands after the last step."""
        return self.flush()

    @property
    def waiting(self) -> bool:
        """Whether something is held back that the next step may belong to."""
        return False

    def flush(self) -> str:
        """What is held back."""
        return ""

    def line(self, told: StepRecord | Lost) -> str:
        """One step, or the notice that a process tells no more; ends with a newline."""
        if isinstance(told, Lost):
            return self.flush() + self._ended(self.lost(told))
        return self._ended(self.step(_printable(told)))

    def _ended(self, lines: list[str]) -> str:
        return "".join(line.replace("\n", self._newline) + self._newline for line in lines)

    def step(self, step: StepRecord) -> list[str]:
        """The lines of one step."""
        raise NotImplementedError

    def lost(self, lost: Lost) -> list[str]:
        """The lines of a notice."""
        return [self.paint(RED, f"  ... {lost.text}")]

    def paint(self, colour: str, text: str) -> str:
        """``text`` in a colour (ECMA-48 SGR), where colours are wanted."""
        return f"\033[{colour}m{text}\033[0m" if self._coloured and text else text


class Brief(Renderer):
    """``  7 init     mount(source=proc, target=/proc) = ok``; runs of one step are one line (fold.py)."""

    def __init__(self, coloured: bool, newline: str = "\n") -> None:
        super().__init__(coloured, newline)
        self._runs = Runs()

    @property
    def waiting(self) -> bool:
        return self._runs.waiting

    def flush(self) -> str:
        return self._ended([self._group(group) for group in self._runs.flush()])

    def step(self, step: StepRecord) -> list[str]:
        return [self._group(group) for group in self._runs.take(step)]

    def _group(self, group: list[StepRecord]) -> str:
        if len(group) == 1:
            return self.one(group[0])
        name = differing(group[:1], group[1])
        varied = together([_cut(step.args[name]) for step in group])
        count = self.paint(DIM, f" ({len(group)} steps, to {group[-1].seq})")
        return self.one(group[0], {name: varied}) + count

    def one(self, step: StepRecord, instead: dict[str, str] | None = None) -> str:
        """The line of a step, with some arguments told otherwise."""
        number = self.paint(DIM, f"{step.seq:3}")
        who = self.paint(CYAN, f"{step.process:<8}")
        return f"{number} {who} {self.call(step, instead or {})}{self.outcome(step)}"

    def call(self, step: StepRecord, instead: dict[str, str]) -> str:
        """The call as a programmer writes it; arguments that say nothing are left out."""
        given = ", ".join(
            f"{name}={instead.get(name) or _word(_cut(text))}"
            for name, text in step.args.items()
            if text and not (text == "0" and name in NOTHING_AT_ZERO)
        )
        return f"{self.paint(BOLD, step.step)}({given})"

    def outcome(self, step: StepRecord) -> str:
        """`` = result``, or the errno's name."""
        if step.errno:
            return self.paint(RED, f" = -1 {step.errno}")
        if step.duration_us is None:
            return ""
        return self.paint(GREEN, f" = {step.result or 'ok'}")


class Full(Brief):
    """The brief line, and under it what there is to learn."""

    def step(self, step: StepRecord) -> list[str]:
        told = [self.one(step)]
        told.append(self._about("why", step.why))
        told.append(self._about("shell", step.shell))
        told.append(self._about("manual", step.man))
        told += [self._about("changed", text) for change in step.changed for text in self._change(change)]
        if step.errno:
            told += [self._about(label, text) for label, text in _hints(step)]
        took = "" if step.duration_us is None else f", {step.duration_us} µs"
        told.append(self._about("process", f"{step.process}, pid {step.pid}{took}"))
        told.append("")
        return told

    def _about(self, label: str, text: str) -> str:
        return f"    {self.paint(DIM, f'{label:<8}')} {text}"

    def _change(self, change: Change) -> list[str]:
        key = _cut(change.key)
        before = "nothing" if change.before is None else change.before or "empty"
        after = "nothing" if change.after is None else change.after or "empty"
        if len(before) + len(after) + len(key) < 70 and "\n" not in before + after:
            return [f"{change.what} {key}: {before} -> {after}"]
        mark = " " if change.what == "caps" else "\n"
        old, new = before.split(mark), after.split(mark)
        return [
            f"{change.what} {key}:",
            *(f"  - {part}" for part in old if part not in new),
            *(f"  + {part}" for part in new if part not in old),
        ]


class Script(Renderer):
    """The story as shell commands.

    A line cannot say in which process it runs, so a comment does, wherever it changes.
    """

    def __init__(self, coloured: bool, newline: str = "\n") -> None:
        super().__init__(False, newline)
        self._who = ("", 0)

    def opening(self) -> str:
        title = "# What this run asked of the kernel, as the commands that ask the same."
        return f"#!/bin/sh{self._newline}{title}{self._newline}"

    def step(self, step: StepRecord) -> list[str]:
        told = []
        if (step.process, step.pid) != self._who:
            self._who = (step.process, step.pid)
            told += ["", f"### in {step.process} (pid {step.pid})"]
        told.append(f"# {step.seq}. {_one_line(step.why)}")
        command = step.shell if "\n" not in step.shell else _one_line(step.shell)
        told.append(f"# refused, {step.errno}: {command}" if step.errno else command)
        return told

    def lost(self, lost: Lost) -> list[str]:
        return [f"# ... {_one_line(lost.text)}"]


class Json(Renderer):
    """One object a line, see the top of this file."""

    def __init__(self, coloured: bool, newline: str = "\n") -> None:
        super().__init__(False, "\n")

    def line(self, told: StepRecord | Lost) -> str:
        import msgspec

        fields = {"schema": SCHEMA, "lost": told.text} if isinstance(told, Lost) else told
        return msgspec.json.encode(fields).decode() + "\n"


_HEX = frozenset("0123456789abcdef")

RENDERERS: dict[str, type[Renderer]] = {"brief": Brief, "full": Full, "sh": Script, "json": Json}


def _cut(text: str) -> str:
    """``text`` with 12 digits of each id, and not too long."""
    parts = text.split("/")
    parts = [
        f"{part[:12]}…{part[ID:]}" if len(part) >= ID and set(part[:ID]) <= _HEX else part for part in parts
    ]
    short = "/".join(parts)
    return short if len(short) <= LONGEST else f"{short[:LONGEST]}…"


def _word(text: str) -> str:
    """``text`` as it is where it reads as one word, else quoted."""
    plain = not any(character in text for character in " ,()=\n\t") or "|" in text or text.startswith("[")
    return text if plain else quote(_one_line(text))


def _printable(step: StepRecord) -> StepRecord:
    """``step`` with escapes for control characters: names come from images, which may be hostile."""
    import msgspec

    def clean(value: object) -> object:
        if isinstance(value, str):
            return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in value)
        if isinstance(value, dict):
            return {clean(name): clean(each) for name, each in value.items()}
        return [clean(each) for each in value] if isinstance(value, list) else value

    return msgspec.convert(clean(msgspec.to_builtins(step)), type(step))


def _one_line(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n") if "\n" in text else text


def _hints(step: StepRecord) -> list[tuple[str, str]]:
    from minicontainer.explain import hints

    hint = hints.find(step.step, step.man, step.args, step.errno or "")
    return [("usually", hint.cause), ("check", hint.check)] if hint else []
