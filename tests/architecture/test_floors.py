"""A file imports only from floors below its own (the contracts in pyproject.toml)."""

from __future__ import annotations

import os
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

PROJECT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def lint(folder: str) -> subprocess.CompletedProcess[str]:
    """import-linter on the package ``minicontainer`` in a folder, with the project's contracts."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    config = os.path.join(PROJECT, "pyproject.toml")
    return subprocess.run(
        [sys.executable, "-B", "-c", command, "--config", config, "--no-cache", "--no-logo"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_floors_hold() -> None:
    result = lint(PROJECT)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_step_upstairs_is_seen(tmp_path: Path) -> None:
    package = tmp_path / "minicontainer"
    for name in ("linux", "oci", "util", "engine"):
        (package / name).mkdir(parents=True)
        (package / name / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "errors.py").write_text("")
    assert lint(str(tmp_path)).returncode == 0
    (package / "linux" / "mount.py").write_text("import minicontainer.engine\n")
    broken = lint(str(tmp_path))
    assert broken.returncode == 1
    assert "minicontainer.linux.mount -> minicontainer.engine" in broken.stdout
