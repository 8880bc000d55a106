"""Instructions in front of a seccomp program: a call newer than its profile does not exist (ENOSYS).

A profile lists what it allows, and its default refuses the rest, with EPERM as a rule.  A C library
that tries a new call first and falls back to an older one does so for ENOSYS only: with EPERM, a
container stops to work when its image's C library becomes newer than the profile.  A number above
the highest one that the profile names, whatever it says of that one, is therefore answered with
ENOSYS, as runc does since 1.0.0-rc93::

         ld  arch
    ┌──► jeq ARCHITECTURE, else next section ──┐     one section for each architecture
    │    ld  number                            │
    │    jgt HIGHEST ──► ret ERRNO(ENOSYS)     │
    │    ja  the compiled program              │
    └──────────────────────────────────────────┘
         the compiled program, which begins with ld arch itself

x86-64 and x32 share an architecture's value; x32's numbers have bit 30 set.
"""

from __future__ import annotations

from minicontainer.linux.seccomp import ACTIONS, instruction

LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
JUMP = 0x05  # BPF_JMP | BPF_JA
JUMP_IF_EQUAL = 0x15
JUMP_IF_GREATER = 0x25
JUMP_IF_GREATER_OR_EQUAL = 0x35
RETURN = 0x06

NUMBER_OFFSET = 0  # struct seccomp_data
ARCHITECTURE_OFFSET = 4

X32 = 0x4000003E  # libseccomp's token, SCMP_ARCH_X32
X86_64 = 0xC000003E  # AUDIT_ARCH_X86_64
X32_BIT = 0x40000000

ENOSYS = 38
REFUSE = instruction(RETURN, ACTIONS["errno"] | ENOSYS)


def prologue(highest: dict[int, int]) -> bytes:
    """The instructions for ``highest``, {libseccomp's architecture token: highest number named}."""
    sections = []
    for token, number in highest.items():
        if token == X32:
            continue
        x32 = highest.get(X32) if token == X86_64 else None
        sections.append(_section(token, number) if x32 is None else _two_tables(token, number, x32))
    if not sections:
        return b""
    # A section's only jump beyond itself has the rest of the sections to pass.
    done, rest = [], 0
    for head, tail in reversed(sections):
        done.append(head + instruction(JUMP, rest + len(tail) // 8) + tail)
        rest += len(done[-1]) // 8
    return instruction(LOAD, ARCHITECTURE_OFFSET) + b"".join(reversed(done))


def _section(token: int, highest: int) -> tuple[bytes, bytes]:
    """What comes before and after the jump to the program."""
    return (
        instruction(JUMP_IF_EQUAL, token, 0, 4)
        + instruction(LOAD, NUMBER_OFFSET)
        + instruction(JUMP_IF_GREATER, highest, 1, 0),
        REFUSE,
    )


def _two_tables(token: int, highest: int, highest_x32: int) -> tuple[bytes, bytes]:
    return (
        instruction(JUMP_IF_EQUAL, token, 0, 6)
        + instruction(LOAD, NUMBER_OFFSET)
        + instruction(JUMP_IF_GREATER_OR_EQUAL, X32_BIT, 1, 0)
        + instruction(JUMP_IF_GREATER, highest, 2, 1)
        + instruction(JUMP_IF_GREATER, highest_x32, 1, 0),
        REFUSE,
    )
