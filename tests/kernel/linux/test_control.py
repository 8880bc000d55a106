"""Control files: one write(2) a value, and errors that name the file."""

from __future__ import annotations

import errno
import os

import pytest

from minicontainer.linux import control, door

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def test_a_value_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    control.write_control(str(path), "3 4")
    assert path.read_text() == "3 4"


def test_a_missing_file_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "missing"
    with pytest.raises(FileNotFoundError):
        control.write_control(str(path), "1")
    assert not path.exists()


def test_what_the_kernel_refuses_names_the_file() -> None:
    path = "/proc/self/oom_score_adj"
    with pytest.raises(OSError, match="oom_score_adj") as caught:
        control.write_control(path, "many")
    assert caught.value.errno == errno.EINVAL
    assert caught.value.filename == path
    assert caught.value.step["args"] == {"path": path, "data": "many"}  # type: ignore[attr-defined]


def test_a_refused_write_leaves_no_descriptor() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="Invalid argument"):
        control.write_control("/proc/self/oom_score_adj", "many")
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_shell_command_quotes(tmp_path: Path) -> None:
    step = door.steps["control.write_control"]
    path = tmp_path / "it's a file"
    path.write_text("")
    command = step.shell({"path": str(path), "data": "a b"})
    assert os.waitstatus_to_exitcode(os.system(command)) == 0
    assert path.read_text() == "a b\n"
