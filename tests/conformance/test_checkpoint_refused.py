"""checkpoint and restore where there is no criu, or one that does not do it."""

from __future__ import annotations

import os

import pytest

from tests.conformance.conftest import new_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.bundles import Bundle
    from tests.conformance.runtimes import Runtime

# Nothing there, and a program that ends without a word.
PROGRAMS = ["/no/such/criu", "/bin/false"]


@pytest.fixture(params=PROGRAMS)
def without_criu(request: pytest.FixtureRequest, runtime: Runtime) -> Runtime:
    """A runtime whose criu is none."""
    if runtime.name == "crun":
        pytest.skip("crun has no flag that names the criu program")
    runtime.program += ["--criu", request.param]
    return runtime


def test_a_checkpoint(without_criu: Runtime, sleeper: Bundle, tmp_path: Path) -> None:
    name = new_id()
    without_criu.create(sleeper, name)
    without_criu.order("start", name)
    found = without_criu.ran("checkpoint", "--image-path", str(tmp_path / "images"), name)
    assert found.code == 1
    assert without_criu.state(name)["status"] == "running"
    if without_criu.name == "minicontainer":
        assert found.err.count("\n") == 1
        assert "criu" in found.err


def test_a_restore(without_criu: Runtime, sleeper: Bundle, tmp_path: Path) -> None:
    name = new_id()
    sleeper.write()
    (tmp_path / "descriptors.json").write_text('["/dev/null", "/dev/null", "/dev/null"]')
    words = ["restore", "--detach", "--image-path", str(tmp_path), "--bundle", sleeper.path, name]
    found = without_criu.ran(*words)
    assert found.code == 1
    assert without_criu.ran("state", name).code != 0
    assert not os.path.exists(f"{without_criu.root}/{name}")
    if without_criu.name == "minicontainer":
        assert found.err.count("\n") == 1
        assert "criu" in found.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--manage-cgroups-mode", "hard"], "soft, full, strict, ignore"),
        (["--empty-ns", "pid"], "only network"),
        (["--page-server", "host"], "ADDRESS:PORT"),
        (["--parent-path", "/absolute"], "relative"),
        (["--parent-path", "missing"], "not a folder"),
        (["--status-fd", "77"], "not open"),
    ],
)
def test_flags_that_cannot_be(
    runtime: Runtime, running: str, tmp_path: Path, words: list[str], said: str
) -> None:
    if runtime.name != "minicontainer":
        pytest.skip("these are our own words")
    runtime.program += ["--criu", "/bin/false"]
    found = runtime.ran("checkpoint", "--image-path", str(tmp_path), *words, running)
    assert found.code == 1
    assert said in found.err
    assert runtime.state(running)["status"] == "running"
