"""Modules that are imported at their first use, as PEP 810's ``lazy import`` will do.

``import click`` takes 20 ms here, 5 of them for ``inspect`` (which brings ast, dis, tokenize and
linecache) and 1.4 for ``uuid`` (which brings platform): click tidies help texts with the one and has a
parameter type for the other, and so never needs them in a command that runs.
`defer` puts a stand-in into ``sys.modules``; the first attribute that anybody asks of it imports the
real module and fills the stand-in with it.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any
else:
    ModuleType = type(sys)


class _Deferred(ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # what the import system asks is no use of the module
            raise AttributeError(name)
        real = sys.modules.get(self.__name__)
        if real is self:
            del sys.modules[self.__name__]
            real = __import__(self.__name__)
        self.__dict__.update(vars(real))
        self.__class__ = ModuleType  # type: ignore[assignment]  # no more of this
        return getattr(real, name)


def defer(*names: str) -> None:
    """Let these top-level modules be imported when they are first used, if they are not yet."""
    for name in names:
        if name not in sys.modules:
            sys.modules[name] = _Deferred(name)
