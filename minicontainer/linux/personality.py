"""personality(2): which variant of the kernel's behaviour a process sees."""

from __future__ import annotations

import ctypes

from minicontainer.linux.door import step
from minicontainer.linux.libc import check, function

PER_LINUX = 0x0000
PER_LINUX32 = 0x0008
# config-linux.md, Personality
DOMAINS = {"LINUX": PER_LINUX, "LINUX32": PER_LINUX32}

_personality = function("personality", ctypes.c_ulong)


@step(
    "personality(2)",
    why="show the program another execution domain, such as a 32-bit machine",
    shell=lambda a: f"setarch {'linux32' if a['persona'] & PER_LINUX32 else 'linux64'}",
    show={"persona": lambda value: "PER_LINUX32" if value & PER_LINUX32 else "PER_LINUX"},
)
def personality(persona: int) -> None:
    """Set the execution domain, kept across execve(2)."""
    check(_personality(persona))
