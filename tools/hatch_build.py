"""Compiles minicontainer/launcher.c when the package is built or installed, for hatchling.

The same program is installed under two names: it looks at its own to know which command it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMMANDS = ("minicontainer", "minicontainer-runtime")


class LauncherHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the launcher to the wheel's scripts (an editable wheel's, too)."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Raises CalledProcessError, having shown the compiler's words."""
        built = os.path.join(self.directory, "launcher")
        os.makedirs(self.directory, exist_ok=True)
        compiler = os.environ.get("CC") or (sysconfig.get_config_var("CC") or "cc").split()[0]
        source = os.path.join(self.root, "minicontainer", "launcher.c")
        # Where no python3 lies beside the installed launcher: that of this build.
        python = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
        words = [compiler, "-O2", "-s", "-Wall", f'-DPYTHON="{python}"', "-o", built, source]
        # Static starts in two thirds of the time; not every system has what that needs.
        if subprocess.run([*words, "-static"], stderr=subprocess.DEVNULL, check=False).returncode:
            subprocess.run(words, check=True)
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        for name in COMMANDS:
            copy = os.path.join(self.directory, name)
            with open(built, "rb") as program, open(copy, "wb") as file:
                file.write(program.read())
            os.chmod(copy, 0o755)
            build_data["shared_scripts"][copy] = name
