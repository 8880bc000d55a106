"""prctl(2): attributes of a process.  python-prctl's C half makes the calls: the other half defines a
class for every capability, and this is imported with every container."""

from __future__ import annotations

import _prctl

from minicontainer.linux import signals
from minicontainer.linux.door import flags, step


@step(
    "prctl(2)",
    why="no setuid program and no file capability can give this process more than it has",
    shell=lambda a: "setpriv --no-new-privs",
    watch=lambda a: [("status", "NoNewPrivs")],
)
def set_no_new_privs() -> None:
    """PR_SET_NO_NEW_PRIVS; cannot be undone."""
    _prctl.prctl(_prctl.PR_SET_NO_NEW_PRIVS, 1)


@step(
    "prctl(2)",
    why="end when the monitor ends, whatever ended it, so that no container is left without one",
    shell=lambda a: f"setpriv --pdeathsig {signals.name(a['number'])}",
    show={"number": signals.name},
)
def set_pdeathsig(number: int) -> None:
    """PR_SET_PDEATHSIG: cleared again by a change of user and by execve of a setuid program."""
    _prctl.prctl(_prctl.PR_SET_PDEATHSIG, number)


@step(
    "prctl(2)",
    why="other processes, the container's too, can neither trace this one nor read its files in /proc",
    shell=lambda a: f"# prctl(PR_SET_DUMPABLE, {int(a['dumpable'])})",
)
def set_dumpable(dumpable: bool) -> None:
    """PR_SET_DUMPABLE; execve(2) sets it again for the new program."""
    _prctl.prctl(_prctl.PR_SET_DUMPABLE, 1 if dumpable else 0)


@step(
    "prctl(2)",
    why="keep the permitted capabilities while the user changes",
    shell=lambda a: "# prctl(PR_SET_KEEPCAPS, 1)",
)
def set_keepcaps(keep: bool) -> None:
    """PR_SET_KEEPCAPS; execve(2) clears it."""
    _prctl.prctl(_prctl.PR_SET_KEEPCAPS, 1 if keep else 0)


@step(
    "prctl(2)",
    why="a name that ps can show",
    shell=lambda a: f"# prctl(PR_SET_NAME, {a['name']})",
)
def set_name(name: str) -> None:
    """PR_SET_NAME: at most 15 bytes are kept."""
    _prctl.prctl(_prctl.PR_SET_NAME, name)


SECBIT_NO_SETUID_FIXUP = 1 << 2


@step(
    "prctl(2)",
    why="what a change of user does to the capabilities",
    shell=lambda a: f"# prctl(PR_SET_SECUREBITS, {a['bits']:#x})",
    show={"bits": flags("SECBIT_", __name__)},
)
def set_securebits(bits: int) -> None:
    """PR_SET_SECUREBITS (capabilities(7), The securebits flags)."""
    _prctl.prctl(_prctl.PR_SET_SECUREBITS, bits)
