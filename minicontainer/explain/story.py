"""The order of the story: records as they arrive -> numbered steps.

Records arrive in the order in which calls ended.  Two kinds of call need more than that:

::

    caller  clone3 ─────────────────────────► done       what a new process does before its parent's
    init          └─► mount done, mount done             call has ended waits for that end

    init    execve begun ─► (no more)                    nothing is told until it has failed, or the
    init    execve begun ─► done ENOENT                  process is seen to be another program
"""

from __future__ import annotations

from minicontainer.explain.record import Begun, Done, Lost, StepRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_MS = 40  # between two looks at who may have become another program
MAKES_A_PROCESS = frozenset({"fork", "clone", "clone3", "vfork"})
DOES_NOT_RETURN = frozenset({"execve", "execveat", "fexecve"})


class Story:
    """Takes messages with their sender's pid, gives steps in order."""

    def __init__(self) -> None:
        self._number = 0
        self._known: set[int] = set()
        self._making: set[int] = set()
        self._held: list[tuple[int, Begun | Done | Lost]] = []
        self._leaving: dict[int, StepRecord] = {}

    @property
    def undecided(self) -> bool:
        """True while an execve may still turn out to have failed."""
        return bool(self._leaving)

    def take(self, pid: int, message: Begun | Done | Lost) -> list[StepRecord | Lost]:
        """The steps that can be told now that ``message`` of process ``pid`` has arrived."""
        if self._must_wait(pid):
            self._held.append((pid, message))
            return []
        self._known.add(pid)
        if isinstance(message, Lost):
            return [message]
        message.step.pid = pid or message.step.pid
        if isinstance(message, Begun):
            return self._begun(pid, message.step)
        told: list[StepRecord | Lost] = [self._numbered(message.step)]
        if pid in self._making or pid in self._leaving:
            self._making.discard(pid)
            self._leaving.pop(pid, None)
            told += self._release()
        return told

    def _must_wait(self, pid: int) -> bool:
        if self._leaving and pid not in self._leaving:
            return True
        return bool(self._making) and pid not in self._known

    def settle(self, has_left: Callable[[int], bool] = lambda _pid: True) -> list[StepRecord | Lost]:
        """Those of the undecided have succeeded whose process ``has_left`` says is another program."""
        left = {pid: step for pid, step in self._leaving.items() if has_left(pid)}
        self._leaving = {pid: step for pid, step in self._leaving.items() if pid not in left}
        told: list[StepRecord | Lost] = [self._numbered(step) for step in left.values()]
        return told + self._release()

    def end(self) -> list[StepRecord | Lost]:
        """All that is still held back."""
        told: list[StepRecord | Lost] = []
        while self._held or self._leaving:
            self._making.clear()
            told += self.settle()
        return told

    def _begun(self, pid: int, step: StepRecord) -> list[StepRecord | Lost]:
        if step.step in MAKES_A_PROCESS:
            self._making.add(pid)
        else:
            self._leaving[pid] = step
        return []

    def _release(self) -> list[StepRecord | Lost]:
        held, self._held = self._held, []
        told: list[StepRecord | Lost] = []
        for pid, message in held:
            told += self.take(pid, message)
        return told

    def _numbered(self, step: StepRecord) -> StepRecord:
        self._number += 1
        step.seq = self._number
        return step
