"""How the launcher's Python finds minicontainer's own modules: as Python does, with less looking around.

::

    minicontainer.a.b ──► in the folder of minicontainer.a: b.py, or b/__init__.py        stat
                      ──► __pycache__/b.cpython-311.pyc                                   open, read, close
                            magic │ 0 │ the source's time and size │ code                 (PEP 552)

Python's own finders list folders, try five suffixes and come back to the same file several times; a command
of eighty modules waits 2 ms for that, of 30.  What is not exactly as drawn, such as bytecode that is missing,
older than its source or marked by a hash, is left to Python's own loader, which also writes it.
"""

from __future__ import annotations

import os
import sys
from _frozen_importlib import ModuleSpec  # importlib.machinery, without importing importlib
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader
from marshal import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

SUFFIX = f".{sys.implementation.cache_tag}.pyc"
HEADER = 16
LONGEST = 1 << 16  # bytes; what is longer is read by Python's own loader


class Loader(SourceFileLoader):
    """Python's, with a short way to bytecode that is up to date."""

    def __init__(self, name: str, path: str, cached: str, source: os.stat_result) -> None:
        self.name, self.path = name, path
        self.cached = cached
        times = int(source.st_mtime) & 0xFFFFFFFF, source.st_size & 0xFFFFFFFF
        self.header = MAGIC_NUMBER + bytes(4) + b"".join(number.to_bytes(4, "little") for number in times)

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code."""
        try:
            fd = os.open(self.cached, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return super().get_code(fullname)
        try:
            data = os.read(fd, LONGEST)
        finally:
            os.close(fd)
        if len(data) == LONGEST or data[:HEADER] != self.header:
            return super().get_code(fullname)
        code: CodeType = loads(memoryview(data)[HEADER:])
        return code


class Finder:
    """What sys.meta_path asks first."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Where a submodule of minicontainer is; None for what Python has to look for."""
        if not path or not name.startswith("minicontainer."):
            return None
        stem = name.rpartition(".")[2]
        return _spec(name, path[0], stem) or _spec(name, f"{path[0]}/{stem}", "__init__")


def _spec(name: str, folder: str, stem: str) -> ModuleSpec | None:
    source = f"{folder}/{stem}.py"
    try:
        status = os.stat(source)
    except OSError:
        return None
    cached = f"{folder}/__pycache__/{stem}{SUFFIX}"
    spec = ModuleSpec(name, Loader(name, source, cached, status), origin=source)
    if stem == "__init__":
        spec.submodule_search_locations = [folder]
    spec.cached = cached
    spec.has_location = True
    return spec


def install() -> None:
    """Use it from now on."""
    sys.meta_path.insert(0, Finder)
