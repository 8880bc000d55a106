"""A virtual environment whose command is started by the project's launcher, as an installed one is.

Only so started do monitors rest (engine/rest.py).  It has links to the packages of this interpreter's own
environment; the project's, ``copied``, is compiled there as an installation would, or else the source itself.
"""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import sysconfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def installed(made: Path, *, copied: bool = False) -> Path:
    """Make it in the folder ``made``; the command."""
    packages = sysconfig.get_path("purelib")
    folder = made / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    folder.mkdir(parents=True)
    for name in os.listdir(packages):
        if name not in ("_minicontainer.pth", "minicontainer"):
            (folder / name).symlink_to(f"{packages}/{name}")
    if copied:
        left_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(f"{PROJECT}/minicontainer", folder / "minicontainer", ignore=left_out)
        compileall.compile_dir(folder / "minicontainer", quiet=1)
    else:
        (folder / "_minicontainer.pth").write_text(f"{PROJECT}\n")
    (made / "bin").mkdir()
    (made / "bin" / "python3").symlink_to(os.path.realpath(sys.executable))
    (made / "pyvenv.cfg").write_text(f"home = {os.path.dirname(os.path.realpath(sys.executable))}\n")
    source, built = f"{PROJECT}/minicontainer/launcher.c", made / "bin" / "minicontainer"
    words = ["cc", "-O2", f'-DPYTHON="{os.path.realpath(sys.executable)}"', "-o", str(built), source]
    if subprocess.run([*words, "-static"], stderr=subprocess.DEVNULL, check=False).returncode:
        subprocess.run(words, check=True)
    return built
