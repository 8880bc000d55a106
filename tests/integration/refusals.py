"""What every refusal has to be: one clear line, Docker's exit code, and a state folder as it was before."""

from __future__ import annotations

import hashlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.integration.runner import Runner


def tree(folder: str) -> dict[str, str]:
    """Every path below a folder, with its kind, and what a file holds."""
    found = {}
    for where, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = os.path.join(where, name)
            if os.path.isfile(path) and not os.path.islink(path) and not name.startswith("lock"):
                with open(path, "rb") as file:
                    found[path] = hashlib.sha256(file.read()).hexdigest()
            elif not name.startswith("lock"):
                found[path] = os.readlink(path) if os.path.islink(path) else "folder"
    return found


def refused(
    mc: Runner, *arguments: str, code: int, said: str, input: bytes = b"", env: dict[str, str] | None = None
) -> None:
    """The command fails as it should, and the state is as it was."""
    before = tree(mc.root)
    result = mc(*arguments, input=input, env=env)
    assert result.code == code, result
    assert result.out in ("", "[]\n"), result
    assert result.err.startswith("minicontainer: "), result
    assert result.err.count("\n") == 1, result
    assert "Traceback" not in result.err
    assert "internal error" not in result.err
    assert said in result.err, result
    assert tree(mc.root) == before
