"""A static program that makes any system call and prints the answer (calls.c), for tests of filters.

program = build(folder)          skips where there is no C compiler that links statically
words("close:100", "getpid")     its arguments: the names replaced by this machine's numbers
"""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from minicontainer.linux import libseccomp

SOURCE = os.path.join(os.path.dirname(__file__), "calls.c")
# What the program itself cannot do without, from the C library's start to exit.
NEEDED = [
    "execve", "arch_prctl", "brk", "exit_group", "fstat", "getrandom", "mmap", "mprotect", "munmap",
    "newfstatat", "prlimit64", "readlink", "readlinkat", "rseq", "set_robust_list", "set_tid_address",
    "uname", "write",
]  # fmt: skip


def build(folder: str) -> str:
    """Compile it; the path of the program."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    path = os.path.join(folder, "calls")
    ran = subprocess.run(
        [compiler, "-static", "-O1", "-o", path, SOURCE], capture_output=True, text=True, check=False
    )
    if ran.returncode:
        pytest.skip(f"needs a C compiler that links statically: {ran.stderr.strip()[-200:]}")
    return path


def require_libseccomp() -> None:
    """Skip where the library is missing."""
    try:
        libseccomp.version()
    except OSError as error:
        pytest.skip(f"needs libseccomp: {error.strerror}")


def words(*calls: str) -> list[str]:
    """``getpid`` and ``close:100`` with numbers; what begins with a digit or with i and a digit stays."""
    found = []
    for call in calls:
        name, colon, arguments = call.partition(":")
        if not name.lstrip("i")[:1].isdigit():
            name = str(libseccomp.number(name))
        found.append(f"{name}{colon}{arguments}")
    return found
