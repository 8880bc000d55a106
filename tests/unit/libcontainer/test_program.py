"""Finding the program and its environment; here with this host's own files."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicontainer.errors import CommandNotExecutable, CommandNotFound, InvalidConfig
from minicontainer.libcontainer import executable, process
from minicontainer.oci.runtime import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name, mode in (("one/tool", 0o644), ("two/tool", 0o755), ("one/only", 0o644)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(mode)
    (tmp_path / "one" / "folder").mkdir()
    return tmp_path


def config(*args: str, path: str | None = None) -> Process:
    return Process(cwd="/", args=list(args), env=[] if path is None else [f"PATH={path}"])


def test_the_first_that_can_be_executed(folders: Path) -> None:
    found = executable.find(config("tool", path=f"{folders}/one:{folders}/two"))
    assert found == f"{folders}/two/tool"


def test_what_is_there_but_cannot_be_executed_is_126(folders: Path) -> None:
    with pytest.raises(CommandNotExecutable, match='exec: "only": permission denied') as caught:
        executable.find(config("only", path=f"{folders}/two:{folders}/one"))
    assert caught.value.exit_code == 126
    with pytest.raises(CommandNotExecutable, match="is a directory"):
        executable.find(config(f"{folders}/one/folder"))


def test_what_is_nowhere_is_127(folders: Path) -> None:
    with pytest.raises(CommandNotFound, match=r'"none": executable file not found in \$PATH') as caught:
        executable.find(config("none", path=f"{folders}/one:/no/such"))
    assert caught.value.exit_code == 127


def test_an_absolute_path_needs_no_path(folders: Path) -> None:
    assert executable.find(config(f"{folders}/two/tool", path="")) == f"{folders}/two/tool"


def test_without_a_path_the_usual_folders_are_searched() -> None:
    assert executable.find(config("sh")) in ("/bin/sh", "/usr/bin/sh")


def test_an_empty_part_of_the_path_is_the_working_directory(
    folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folders / "two")
    found = executable.find(config("tool", path=f"{folders}/one::/bin"))
    assert os.path.samefile(found, folders / "two" / "tool")


def test_the_last_path_of_the_environment_counts(folders: Path) -> None:
    found = executable.find(Process(cwd="/", args=["tool"], env=["PATH=/no/such", f"PATH={folders}/two"]))
    assert found == f"{folders}/two/tool"


@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z_]\w{0,8}", fullmatch=True), st.text(max_size=20))))
def test_the_last_of_each_name_counts(entries: list[tuple[str, str]]) -> None:
    usable = [(name, value) for name, value in entries if "\0" not in value]
    found = process.environment(Process(cwd="/", env=["HOME=/h", *(f"{n}={v}" for n, v in usable)]))
    assert found == {"HOME": "/h", **dict(usable)}


@pytest.mark.parametrize("entry", ["", "NAME", "=value", "A=b\0"])
def test_an_entry_that_is_none_is_named_by_its_number(entry: str) -> None:
    with pytest.raises(InvalidConfig, match=r"process\.env\[1\]"):
        process.environment(Process(cwd="/", env=["GOOD=1", entry]))
