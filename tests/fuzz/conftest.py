"""Fuzzing: a few examples of each test inside `make test`, as many as time allows by `make fuzz`.

    FUZZ_SECONDS=600 make fuzz      about so long in all; a failure is remembered, shrunk and repeated

    mutation.py      valid documents, and how they are spoiled
    test_parsing.py  what only reads: in this process, many examples
    test_live.py     containers: few, each compared with the host before it

What may never be: a traceback, "internal error", a hang, a half-made container.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = float(os.environ.get("FUZZ_SECONDS") or 0)
TESTS = 12  # that share the time


def examples(few: int, per_second: float) -> Callable[..., object]:
    """Settings of a test that needs a second for ``per_second`` examples; without FUZZ_SECONDS, ``few``."""
    found = settings(
        max_examples=max(few, int(SECONDS / TESTS * per_second)),
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    # The same in every run, unless there is time to find something new.
    return found if SECONDS else settings(found, derandomize=True, database=None)
