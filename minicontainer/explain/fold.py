"""Runs of one step, told as one: 26 capabilities are dropped by 26 calls, which differ in one word.

::

    103 init  drop_bounding(number=CAP_SYSLOG) = ok  ┐   103 init  drop_bounding(number={CAP_SYSLOG,
    104 init  drop_bounding(number=CAP_BPF) = ok     ├─►           CAP_BPF, CAP_PERFMON}) = ok (3 steps,
    105 init  drop_bounding(number=CAP_PERFMON) = ok ┘             to 105)

A run is of neighbours in the story that one process made, that all succeeded without a result, and
that differ in the same single argument (a path: in what is at one depth).  Two are told as they are.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from minicontainer.explain.record import StepRecord

FEWEST = 3
_EDGES = " ,/:|="


class Runs:
    """Takes steps, gives groups of them: a group ends when a step comes that is not of it."""

    def __init__(self) -> None:
        self._group: list[StepRecord] = []

    @property
    def waiting(self) -> bool:
        """Whether there is a group that the next step may join."""
        return bool(self._group)

    def take(self, step: StepRecord) -> list[list[StepRecord]]:
        """The groups that are whole now."""
        if self._group and differing(self._group, step):
            self._group.append(step)
            return []
        done = self.flush()
        if not _joins(step):
            return [*done, [step]]
        self._group = [step]
        return done

    def flush(self) -> list[list[StepRecord]]:
        """What there is, whole or not."""
        group, self._group = self._group, []
        if len(group) >= FEWEST:
            return [group]
        return [[step] for step in group]


def _joins(step: StepRecord) -> bool:
    return step.errno is None and step.result is None and step.duration_us is not None and bool(step.args)


def differing(group: list[StepRecord], step: StepRecord) -> str:
    """The argument in which ``step`` differs from the group it belongs to; "" if it does not belong."""
    first = group[0]
    if not _joins(step) or (step.process, step.pid, step.step) != (first.process, first.pid, first.step):
        return ""
    names = [name for name, text in step.args.items() if text != first.args.get(name)]
    if len(names) != 1 or (len(group) > 1 and names[0] != differing(group[:1], group[1])):
        return ""
    name = names[0]
    # Folders of one depth are siblings, and have most of their path in common.
    return name if step.args[name].count("/") == first.args.get(name, "").count("/") else ""


def together(texts: list[str]) -> str:
    """What the texts share once, the rest in braces: ``/sys/{a, b}/x`` for ``/sys/a/x`` and ``/sys/b/x``."""
    start = _shared(texts)
    rest = [text[start:] for text in texts]
    end = _shared([text[::-1] for text in rest])
    middle = [text[: len(text) - end] for text in rest]
    return f"{texts[0][:start]}{{{', '.join(middle)}}}{rest[0][len(rest[0]) - end :]}"


def _shared(texts: list[str]) -> int:
    """How many characters at the beginning are the same in all, up to the end of a word."""
    count = 0
    for position, characters in enumerate(zip(*texts, strict=False)):
        if len(set(characters)) > 1:
            break
        if characters[0] in _EDGES:
            count = position + 1
    return count
