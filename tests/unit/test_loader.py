"""The launcher's short way to modules: the same code as by Python's own, whatever the bytecode is like."""

from __future__ import annotations

import importlib.util
import inspect
import marshal
import os
import py_compile
import sys

import pytest

from minicontainer import loader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

NAME = "minicontainer.sample"


def imported(folder: Path) -> ModuleType:
    spec = loader.Finder.find_spec(NAME, [str(folder)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def bytecode(source: Path) -> Path:
    return source.parent / "__pycache__" / f"{source.stem}{loader.SUFFIX}"


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "sample.py"
    path.write_text("value = 1\n")
    return path


def test_bytecode_is_written_and_used(source: Path) -> None:
    assert imported(source.parent).value == 1
    compiled = bytecode(source)
    other = marshal.dumps(compile("value = 2\n", str(source), "exec"))
    compiled.write_bytes(compiled.read_bytes()[:16] + other)  # which only who reads it sees
    assert imported(source.parent).value == 2


def test_a_source_that_changed_is_compiled_anew(source: Path) -> None:
    imported(source.parent)
    source.write_text("value = 23\n")
    assert imported(source.parent).value == 23


def test_a_source_as_long_with_another_time_is_compiled_anew(source: Path) -> None:
    imported(source.parent)
    source.write_text("value = 3\n")
    os.utime(source, (1, 1))
    assert imported(source.parent).value == 3


@pytest.mark.parametrize("mode", list(py_compile.PycInvalidationMode))
def test_bytecode_of_every_kind(source: Path, mode: py_compile.PycInvalidationMode) -> None:
    py_compile.compile(str(source), invalidation_mode=mode, doraise=True)
    assert imported(source.parent).value == 1


@pytest.mark.parametrize("left", [0, 4, 15])
def test_bytecode_cut_short_in_its_header_is_written_anew(source: Path, left: int) -> None:
    imported(source.parent)
    whole = bytecode(source).read_bytes()
    bytecode(source).write_bytes(whole[:left])
    assert imported(source.parent).value == 1
    assert bytecode(source).read_bytes() == whole


def test_bytecode_that_is_very_long(source: Path) -> None:
    source.write_text(f"value = {'x' * 100_000!r}\n")
    assert imported(source.parent).value == imported(source.parent).value == "x" * 100_000


def test_a_package_has_a_path_and_the_same_names_as_by_python(source: Path) -> None:
    folder = source.parent / "sample"
    folder.mkdir()
    source.rename(folder / "__init__.py")
    module = imported(source.parent)
    assert module.__path__ == [str(folder)]
    assert module.__file__ == f"{folder}/__init__.py"
    assert module.__cached__ == importlib.util.cache_from_source(module.__file__)
    assert module.__package__ == NAME


def test_a_module_has_the_same_names_as_by_python(source: Path) -> None:
    module = imported(source.parent)
    assert module.__file__ == str(source)
    assert module.__cached__ == importlib.util.cache_from_source(str(source))
    assert module.__package__ == "minicontainer"
    assert inspect.getsource(module) == "value = 1\n"


def test_what_is_not_ours_or_not_there_is_pythons_to_find(tmp_path: Path) -> None:
    assert loader.Finder.find_spec("json.decoder", [str(tmp_path)]) is None
    assert loader.Finder.find_spec("minicontainer", None) is None
    assert loader.Finder.find_spec(NAME, [str(tmp_path)]) is None
    assert loader.Finder.find_spec(NAME, [f"{tmp_path}/a.zip/minicontainer"]) is None
