"""What every verb is told by the options before its name: ``Context.obj`` is `Settings`.

`Context` is as much of click's as a verb needs that was read without click (quick.py).
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol, TypeVar

    from minicontainer.engine.engine import Engine

    T = TypeVar("T")

    class Finding(Protocol):
        """A context, ours or click's."""

        def find_object(self, object_type: type[T]) -> T | None:
            """The object of that type."""


DEFAULT_ROOT = "/var/lib/minicontainer"
DEFAULT_RUN_ROOT = "/run/minicontainer"
ROOT = "MINICONTAINER_ROOT"
RUN_ROOT = "MINICONTAINER_RUN_ROOT"


class Settings:
    """The two roots, absolute, and whether errors are shown with their traceback."""

    __slots__ = ("_engine", "debug", "root", "run_root", "verb")

    def __init__(self, root: str, run_root: str, debug: bool) -> None:
        self.root = root
        self.run_root = run_root
        self.debug = debug
        self.verb: str | None = None  # behind a group's name: ``run`` of ``container run``
        self._engine: Engine | None = None

    def engine(self) -> Engine:
        """The engine below the two roots, made when a verb first asks for it."""
        if self._engine is None:
            if os.geteuid() != 0:
                self.enter()
            from minicontainer.engine.engine import Engine

            self._engine = Engine(self.root, self.run_root)
        return self._engine

    def enter(self) -> None:
        """An ordinary user's command becomes root of a user namespace; where it may not, it can look."""
        from contextlib import suppress

        from minicontainer.engine import rootless
        from minicontainer.errors import Unsupported

        with suppress(Unsupported):  # `Engine.create` says what is missing
            rootless.enter(self.root)


class Context:
    """What a verb sees of its command line."""

    __slots__ = ("obj",)

    def __init__(self, obj: Settings) -> None:
        self.obj = obj

    def find_object(self, object_type: type[T]) -> T | None:
        """The settings."""
        return self.obj if isinstance(self.obj, object_type) else None


def settings(ctx: Finding) -> Settings:
    """The settings of a verb's context."""
    found = ctx.find_object(Settings)
    assert found is not None
    return found


def engine(ctx: Finding) -> Engine:
    """The engine of a verb's context."""
    return settings(ctx).engine()
