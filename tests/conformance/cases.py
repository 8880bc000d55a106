"""A change of config.json, and what comes of it with each runtime."""

from __future__ import annotations

import os

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tests.bundles import Bundle
    from tests.conformance.runtimes import Runtime
    from tests.outcome import Outcome

    Run = Callable[..., Outcome]


class Case:
    """``changes`` as Bundle.change takes them; ``script`` prints ``expected``.

    ``never`` maps a runtime to why it does not do this.
    """

    def __init__(
        self, changes: dict[str, Any], script: str, expected: str, never: dict[str, str] | None = None
    ) -> None:
        self.changes = changes
        self.script = script
        self.expected = expected
        self.never = never or {}

    def check(self, runtime: Runtime, bundle: Bundle, run: Run) -> None:
        """The program sees it."""
        skip_who_does_not(runtime, self.never)
        bundle.change(self.changes)
        found = run(self.script)
        assert found.out == self.expected, found
        assert found.code == 0, found


def check_refused(
    runtime: Runtime, bundle: Bundle, run: Run, changes: dict[str, Any], never: dict[str, str]
) -> None:
    """With ``changes``, no program runs; ``never``: what a runtime makes of them that refuses nothing."""
    skip_who_does_not(runtime, never)
    bundle.script("touch /ran")
    bundle.change(changes)
    found = run()
    assert found.code != 0, found
    assert found.out == "", found
    assert found.err, found
    assert not os.path.exists(f"{bundle.rootfs}/ran")


def skip_who_does_not(runtime: Runtime, never: dict[str, str]) -> None:
    """Skip, and say why, where ``never`` names this runtime."""
    if runtime.name in never:
        pytest.skip(f"{runtime.name}: {never[runtime.name]}")
