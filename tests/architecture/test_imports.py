"""What each entry point may import: a budget in names, since every start of every command pays for it.

    imports/<entry>.txt      one module a line, in order; "#" starts a comment

    ENTRIES[entry]  ──► a fresh interpreter runs it ──► what sys.modules has more than before
                                                        must be in the list

Private modules of the standard library (``_socket``, ``encodings.*``) come and go with Python's
versions and are left out.  A module of ours that is listed and no longer imported fails too, so that
the lists stay true.  After a change that is meant::

    MINICONTAINER_WRITE_IMPORTS=1 python -m pytest tests/architecture/test_imports.py

and look at the difference.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest

LISTS = os.path.join(os.path.dirname(__file__), "imports")
WRITE = os.environ.get("MINICONTAINER_WRITE_IMPORTS")

VERB = "import minicontainer.cli.main, minicontainer.engine.engine, minicontainer.cli."
# The module that must exist, and what a fresh interpreter does.
ENTRIES = {
    "door": ("minicontainer.linux.mount", "import minicontainer.linux.mount"),
    "errors": ("minicontainer.errors", "import minicontainer.errors"),
    "runtime-state": (
        "minicontainer.runtime.main",
        "import minicontainer.runtime.main, minicontainer.runtime.state, minicontainer.runtime.kill",
    ),
    "runtime-run": (
        "minicontainer.runtime.main",
        "import minicontainer.runtime.main, minicontainer.runtime.run, minicontainer.libcontainer.creation",
    ),
    "monitor": (
        "minicontainer.engine.monitor",
        "import minicontainer.engine.monitor",
    ),
    # One that rested, and woke up to probe its container's health: it and the prober together.
    "monitor-probe": (
        "minicontainer.engine.probing",
        "import minicontainer.engine.rest, minicontainer.engine.session, minicontainer.engine.logs, "
        "minicontainer.engine.healthwatch, minicontainer.engine.probing, minicontainer.libcontainer.exec",
    ),
    "verb-ps": (
        "minicontainer.cli.ps",
        VERB + "ps, minicontainer.engine.listing, minicontainer.engine.sizes",
    ),
    "verb-logs": ("minicontainer.cli.logs", VERB + "logs, minicontainer.engine.logread"),
    "verb-exec": (
        "minicontainer.cli.exec",
        VERB + "exec, minicontainer.cli.environment, minicontainer.engine.exec, minicontainer.cli.attach, "
        "minicontainer.libcontainer.exec, minicontainer.libcontainer.confinement",
    ),
    "verb-start": ("minicontainer.cli.start", VERB + "start, minicontainer.engine.waiting"),
    "verb-stop": ("minicontainer.cli.stop", VERB + "stop"),
    "verb-rm": ("minicontainer.cli.rm", VERB + "rm"),
    "cli-run": (
        "minicontainer.cli.main",
        "from minicontainer.cli.main import run; run(['run', '--help'])",
    ),
    "cli-version": (
        "minicontainer.cli.main",
        "from minicontainer.cli.main import run; run(['--version'])",
    ),
    "cli-help": (
        "minicontainer.cli.main",
        "from minicontainer.cli.main import run; run(['--help'])",
    ),
}

# Never at the start of any of them (milliseconds beside a bare start of 8, measured once).
HEAVY = {"pyroute2": 205, "asyncio": 61, "psutil": 35, "dataclasses": 18, "argparse": 9}

# Nor where a process starts with every container: each takes as long as some ten modules of ours.
HEAVY_FOR_A_RUNTIME = {"click", "contextlib", "enum", "functools", "json", "msgspec", "prctl", "re", "signal",
                       "socket", "subprocess", "typing"}  # fmt: skip

# What a verb does without: reading plain words takes no click (cli/quick.py), records no msgspec.
HEAVY_FOR_A_VERB = HEAVY_FOR_A_RUNTIME - {"socket"} | {"psutil"}

PROGRAM = """
import sys
before = set(sys.modules)
try:
    {code}
except SystemExit:
    pass
print("\\n".join(sorted(set(sys.modules) - before)), file=sys.stderr)
"""


def imported(code: str) -> set[str]:
    """Names of the modules that ``code`` imports in a fresh interpreter, without the private ones."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code=code)], capture_output=True, text=True, check=True
    )
    return {name for name in ran.stderr.split() if not private(name)}


def private(name: str) -> bool:
    top = name.partition(".")[0]
    return top in ("encodings", "codecs") or (top.startswith("_") and top in sys.stdlib_module_names)


def listed(entry: str) -> set[str]:
    with open(os.path.join(LISTS, f"{entry}.txt"), encoding="utf-8") as file:
        names = (line.partition("#")[0].strip() for line in file)
        return {name for name in names if name}


def exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_point_imports_what_its_list_says(entry: str) -> None:
    module, code = ENTRIES[entry]
    assert exists(module)
    found = imported(code)
    if WRITE:
        with open(os.path.join(LISTS, f"{entry}.txt"), "w", encoding="utf-8") as file:
            file.write("".join(f"{name}\n" for name in sorted(found)))
    allowed = listed(entry)
    assert found - allowed == set(), "more than the budget"
    assert {name for name in allowed - found if name.startswith("minicontainer")} == set(), (
        "no longer imported"
    )


@pytest.mark.parametrize("entry", ENTRIES)
def test_no_list_holds_a_heavy_module(entry: str) -> None:
    heavy = {*HEAVY}
    if entry.startswith("runtime-"):
        heavy |= HEAVY_FOR_A_RUNTIME
    if entry.startswith(("verb-", "monitor")):
        heavy |= HEAVY_FOR_A_VERB
    assert {name.partition(".")[0] for name in listed(entry)} & heavy == set()
