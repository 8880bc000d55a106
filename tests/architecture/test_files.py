"""Every file can be read in one sitting, says what it is, and stands on any machine."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys

import pytest

PROJECT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
LONGEST = 700
# Paths that exist on one machine only: this one's, and a person's home anywhere.
MACHINE = re.compile(
    rb"|".join(
        [rb"(?<![\w.$}])/(home|Users)/[\w.-]+"]
        + [re.escape(os.fsencode(path)) for path in (PROJECT, sys.prefix) if not path.startswith("/usr")]
    )
)


def tracked() -> list[str]:
    """The project's files as git lists them; without git, as they lie here."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=PROJECT,
            capture_output=True,
            check=True,
        ).stdout.decode()
        return [name for name in listed.split("\0") if name and os.path.isfile(os.path.join(PROJECT, name))]
    except (OSError, subprocess.CalledProcessError):
        return walked()


def walked() -> list[str]:
    """Every file that is not below a hidden folder or a cache."""
    found = []
    for folder, names, files in os.walk(PROJECT):
        names[:] = [name for name in names if not name.startswith(".") and name != "__pycache__"]
        found += [os.path.relpath(os.path.join(folder, name), PROJECT) for name in files]
    return found


FILES = sorted(tracked())
PYTHON = [name for name in FILES if name.endswith(".py") or name == "rootfs/busybox/build"]


def read(name: str) -> bytes:
    with open(os.path.join(PROJECT, name), "rb") as file:
        return file.read()


@pytest.mark.parametrize("name", PYTHON)
def test_opens_with_a_docstring_and_ends_in_time(name: str) -> None:
    text = read(name).decode()
    assert ast.get_docstring(ast.parse(text)), f"{name} does not open with its design"
    assert text.count("\n") <= LONGEST


def test_no_path_of_one_machine() -> None:
    found = {name: match.group() for name in FILES if (match := MACHINE.search(read(name)))}
    assert found == {}
