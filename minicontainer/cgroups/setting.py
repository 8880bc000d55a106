"""A limit as a control file and the value for it; and how a list of them is checked and written.

A controller's file turns its part of the OCI resources into settings and knows nothing else; the
driver knows folders.  Both versions read 0 in an optional number of the OCI document as "not set",
as runc does, because engines written in Go send it for absent fields.
"""

from __future__ import annotations

import errno
import os

from minicontainer.errors import Conflict, InvalidConfig, Unsupported, field
from minicontainer.linux.control import write_control
from minicontainer.linux.door import because

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from minicontainer.oci.runtime import Memory

    Has = Callable[[str], bool]  # does this host's kernel have that control file?


class Setting:
    """``limit`` is the OCI name, for people; ``needs`` says what a kernel without the file lacks.

    ``optional``: goes with another setting, and is left out where the kernel has no such file.
    """

    __slots__ = ("controller", "file", "limit", "needs", "optional", "value")

    def __init__(
        self, controller: str, file: str, value: object, limit: str, needs: str = "", optional: bool = False
    ) -> None:
        self.controller = controller
        self.file = file
        self.value = str(value)
        self.limit = limit
        self.needs = needs
        self.optional = optional

    def __repr__(self) -> str:
        return f"{self.file}={self.value}"

    def missing(self) -> Unsupported:
        """The error for a kernel without the file."""
        needs = f" ({self.needs})" if self.needs else ""
        return Unsupported(f"{self.limit} cannot be enforced: this kernel has no {self.file}{needs}")


def refuse(limit: str, why: str) -> Unsupported:
    """The error for a limit that has no counterpart on this host."""
    return Unsupported(f"{limit} cannot be enforced: {why}")


def limit_or(value: int, unlimited: str) -> str:
    """``value``, or the word for no limit if it is negative."""
    return unlimited if value < 0 else str(value)


def check_memory(memory: Memory) -> None:
    """What is wrong with these numbers on any host."""
    limit, swap = memory.limit or 0, memory.swap or 0
    if limit > 0 and 0 < swap < limit:
        raise InvalidConfig(
            f"memory.swap ({swap}) is memory and swap together and cannot be less than memory.limit ({limit})"
        )
    # Both were withdrawn from the kernel (5.16 refuses to enforce the first) and the specification.
    if (memory.kernel or 0) > 0:
        raise refuse("memory.kernel", "the kernel no longer limits its own memory apart from memory.limit")


def check_usage(memory: Memory, file: str) -> None:
    """memory.checkBeforeUpdate: a limit below what is used already would kill, so it is refused."""
    from minicontainer.cgroups import tree

    used = tree.number_or(file, None) or 0
    if 0 < (memory.limit or 0) < used:
        raise Conflict(f"memory.limit ({memory.limit}) is less than what is used now ({used})")


def check_present(settings: list[Setting], has: Has) -> None:
    """Raise Unsupported for the first setting whose file this kernel does not have."""
    for setting in settings:
        if not setting.optional and not has(setting.file):
            raise setting.missing()


def write(settings: list[Setting], folder_of: Callable[[str], str]) -> None:
    """Write each into the folder of its controller.

    A file may refuse a value until its sibling has changed (memory above memory+swap, a period that
    does not fit the old quota: EINVAL), so what was refused is tried again after the others.
    """
    while settings:
        refused: list[tuple[Setting, OSError]] = []
        for setting in settings:
            try:
                _write_one(setting, folder_of(setting.controller))
            except OSError as error:
                if error.errno != errno.EINVAL or len(settings) == 1:
                    raise
                refused.append((setting, error))
        if refused and len(refused) == len(settings):
            raise refused[0][1]
        settings = [setting for setting, _ in refused]


def _write_one(setting: Setting, folder: str) -> None:
    path = f"{folder}/{setting.file}"
    # Some files take one device per write(2).
    for line in setting.value.split("\n"):
        because(f"enforce {setting.limit}")
        try:
            with field(f"linux.resources.{setting.limit.replace(' ', '.')}"):
                write_control(path, line)
        except FileNotFoundError:
            if os.path.isdir(folder) and not setting.optional:
                raise setting.missing() from None
            if not setting.optional:
                raise
