"""What is told: state, list, ps, events, features, spec, and errors with their log.

Where runc runs here, the shapes are compared with those of its own.
"""

from __future__ import annotations

import json
import os
import re

import pytest

from minicontainer.cgroups.host import hierarchies
from tests.bundles import copy_root
from tests.conformance.conftest import SLEEPS, new_id, why_not
from tests.conformance.runtimes import Runtime, program_runs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from tests.bundles import Bundle

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


@pytest.fixture
def both(busybox_root: Path, tmp_path: Path, sleeper: Bundle) -> Iterator[list[tuple[Runtime, str]]]:
    """A container that runs, of runc's and of ours: the runtime and the id."""
    if reason := why_not("runc", str(busybox_root)):
        pytest.skip(reason)
    made = []
    for name in ("runc", "minicontainer"):
        runtime = Runtime(name, str(tmp_path / name))
        found = new_id()
        sleeper.change({"linux.cgroupsPath": f"/{found}", "annotations": {"org.example.key": "value"}})
        runtime.create(sleeper, found)
        runtime.order("start", found)
        made.append((runtime, found))
        program_runs(runtime.pid(found), *SLEEPS)
    yield made
    for runtime, found in made:
        runtime.order("delete", found, "--force")


def shape(value: Any) -> Any:
    """The keys and types of a JSON value."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


# -- state and list


def test_the_shape_of_state(both: list[tuple[Runtime, str]]) -> None:
    theirs, ours = (runtime.state(name) for runtime, name in both)
    assert shape(ours) == shape(theirs)
    assert ours["rootfs"] == theirs["rootfs"]
    assert ours["owner"] == theirs["owner"] or theirs["owner"] == ""


def test_the_shape_of_list(both: list[tuple[Runtime, str]]) -> None:
    theirs, ours = (json.loads(runtime.must("list", "--format", "json")) for runtime, _ in both)
    assert shape(ours) == shape(theirs)


def test_state_says_when(runtime: Runtime, running: str) -> None:
    assert TIMESTAMP.fullmatch(runtime.state(running)["created"])


def test_list_as_a_table(runtime: Runtime, running: str, bundle: Bundle) -> None:
    heading, row = runtime.must("list").splitlines()
    columns = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert heading.split() == columns or (
        runtime.name == "crun" and heading.split()[:4] == ["NAME", *columns[1:4]]
    )
    assert row.split()[:4] == [running, str(runtime.pid(running)), "running", bundle.path]


def test_list_quietly(runtime: Runtime, running: str) -> None:
    assert runtime.must("list", "-q").split() == [running]
    assert runtime.must("list", "--quiet").split() == [running]


def test_list_of_nothing(runtime: Runtime) -> None:
    assert runtime.must("list", "-q") == ""
    assert json.loads(runtime.must("list", "--format", "json")) in ([], None)
    assert len(runtime.must("list").splitlines()) == 1


def test_list_in_no_form(runtime: Runtime) -> None:
    assert runtime.ran("list", "--format", "yaml").code == 1


def test_list_passes_over_what_is_no_container(runtime: Runtime, running: str) -> None:
    if runtime.name == "crun":
        pytest.skip("crun 1.8 fails at it")
    os.mkdir(f"{runtime.root}/empty")
    assert runtime.must("list", "-q").split() == [running]
    os.rmdir(f"{runtime.root}/empty")


# -- ps


def test_ps_as_json(runtime: Runtime, running: str) -> None:
    assert json.loads(runtime.must("ps", "--format", "json", running)) == [runtime.pid(running)]


@pytest.mark.needs("command:ps")
def test_ps_as_a_table(runtime: Runtime, running: str) -> None:
    if runtime.name == "crun":
        pytest.skip("crun's table has the ids only")
    heading, row = runtime.must("ps", running).splitlines()
    assert heading.split()[:3] == ["UID", "PID", "PPID"]
    assert row.split()[1] == str(runtime.pid(running))
    heading, row = runtime.must("ps", running, "-o", "pid,comm").splitlines()
    assert (heading.split(), row.split()) == (["PID", "COMMAND"], [str(runtime.pid(running)), "sleep"])


def test_ps_of_nobody(runtime: Runtime) -> None:
    found = runtime.ran("ps", "nobody")
    assert found.code == (253 if runtime.name == "crun" else 1)
    assert found.err


# -- events

# What no engine reads: times per CPU, the kernel's own part of memory, RDT.
UNREAD = (
    "blkio.", "hugetlb", "intel_rdt", "network_interfaces", "memory.kernel", "memory.raw.", "memory.swap",
    "memory.cache", "cpu.psi", "cpu.usage.percpu", "cpu.usage.kernel_percpu", "cpu.usage.user_percpu",
    "cpuset",
)  # fmt: skip


def test_the_shape_of_events(both: list[tuple[Runtime, str]]) -> None:
    if not hierarchies().bound:
        pytest.skip("on cgroup v2, runc's has what is v2's own")
    theirs, ours = (json.loads(runtime.must("events", "--stats", name)) for runtime, name in both)
    assert (ours["type"], ours["id"]) == ("stats", both[1][1])
    kept = missing(shape(theirs["data"]), shape(ours["data"]))
    assert [key for key in kept if not key.startswith(UNREAD)] == []
    assert ours["data"]["pids"]["current"] == theirs["data"]["pids"]["current"] == 1


def missing(wanted: Any, found: Any, path: str = "") -> list[str]:
    """The places of ``wanted`` that ``found`` has not."""
    if not isinstance(wanted, dict):
        return []
    return [
        each
        for key, value in wanted.items()
        for each in (
            missing(value, found[key], f"{path}{key}.")
            if isinstance(found, dict) and key in found
            else [f"{path}{key}"]
        )
    ]


def test_events_of_one_that_does_not_run(runtime: Runtime, running: str) -> None:
    if runtime.name == "crun":
        pytest.skip("crun has no events")
    runtime.order("kill", running, "KILL")
    runtime.await_status(running, "stopped")
    assert runtime.ran("events", "--stats", running).code == 1


# -- features and spec


def test_features(runtime: Runtime) -> None:
    if runtime.name == "crun":
        pytest.skip("since crun 1.9")
    found = json.loads(runtime.must("features"))
    assert {"ociVersionMin", "ociVersionMax", "hooks", "mountOptions", "linux"} <= set(found)
    assert sorted(found["hooks"]) == sorted(
        ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]
    )
    assert {"ro", "rbind", "nosuid", "rro"} <= set(found["mountOptions"])
    linux = found["linux"]
    assert {"pid", "network", "mount", "user", "cgroup"} <= set(linux["namespaces"])
    assert "CAP_CHOWN" in linux["capabilities"]
    assert linux["cgroup"]["v1"] is True
    assert linux["seccomp"]["enabled"] is True
    assert {"SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW"} <= set(linux["seccomp"]["actions"])


@pytest.mark.parametrize("rootless", [False, True])
def test_spec_makes_a_bundle_that_runs(
    runtime: Runtime, busybox_root: Path, tmp_path: Path, rootless: bool
) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    flags = ["--rootless"] if rootless else []
    runtime.must("spec", *flags, cwd=str(folder))
    config = json.loads((folder / "config.json").read_text())
    assert config["process"]["args"] == ["sh"]
    assert config["process"]["terminal"] is True
    assert config["root"] == {"path": "rootfs", "readonly": True}
    kinds = {each["type"] for each in config["linux"]["namespaces"]}
    assert {"pid", "ipc", "uts", "mount"} <= kinds
    assert ("user" in kinds) is rootless
    # A file that is there is not written over.
    assert runtime.ran("spec", cwd=str(folder)).code == 1
    copy_root(str(busybox_root), str(folder / "rootfs"))
    config["process"]["terminal"] = False
    config["process"]["args"] = ["/bin/echo", "hello"]
    if rootless:
        return
    (folder / "config.json").write_text(json.dumps(config))
    assert runtime.must("run", "--bundle", str(folder), new_id()) == "hello\n"


def test_spec_like_runc_s(both: list[tuple[Runtime, str]], tmp_path: Path) -> None:
    found = []
    for runtime, _ in both:
        folder = tmp_path / f"spec-{runtime.name}"
        folder.mkdir()
        runtime.must("spec", "--bundle", str(folder))
        found.append(json.loads((folder / "config.json").read_text()))
    theirs, ours = found
    assert ours["mounts"] == theirs["mounts"]
    assert {**ours["process"], "capabilities": 0} == {**theirs["process"], "capabilities": 0}
    assert {each["type"] for each in ours["linux"]["namespaces"]} >= {
        each["type"] for each in theirs["linux"]["namespaces"]
    }
    assert set(ours["linux"]["maskedPaths"]) >= set(theirs["linux"]["maskedPaths"])
    assert ours["linux"]["readonlyPaths"] == theirs["linux"]["readonlyPaths"]


# -- errors


WRONG = {
    "no such container": ["state", "nobody"],
    "no such flag": ["create", "--nonsense", "x"],
    "no id": ["start"],
    "too many ids": ["start", "a", "b"],
    "no such signal": ["kill", "nobody", "NONSENSE"],
    "no such format": ["list", "--format", "nonsense"],
}


@pytest.mark.parametrize("name", WRONG)
def test_an_error_is_told_and_ends_with_1(runtime: Runtime, name: str) -> None:
    if runtime.name != "minicontainer" and name not in ("no such container", "no such format"):
        pytest.skip("the usage of others is their own")
    found = runtime.ran(*WRONG[name])
    assert (found.code, found.out) == (1, "")
    if runtime.name == "minicontainer":
        assert len(found.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["nosuch"], 3),
        (["exec"], 1),
        (["exec", "--nosuch", "a", "true"], 1),
        (["kill"], 1),
        (["--nosuch"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_line_that_is_none(runtime: Runtime, words: list[str], code: int) -> None:
    if runtime.name == "crun":
        pytest.skip("crun's parser is another one")
    found = runtime.ran(*words)
    assert (found.code, bool(found.err)) == (code, True), found
    if runtime.name == "minicontainer":
        assert (found.out, len(found.err.splitlines())) == ("", 1)


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_log(runtime: Runtime, tmp_path: Path, form: str) -> None:
    path = tmp_path / "log"
    options = ("--log", str(path), "--log-format", form)
    assert runtime.ran("state", "nobody", options=options).code == 1
    assert runtime.ran("start", "nobody", options=options).code == 1
    lines = path.read_text().splitlines()
    if form == "json":
        # Without all of the three, containerd and podman say no more than the exit code.
        found = [json.loads(line) for line in lines]
        assert len(found) >= 2
        for line in found:
            assert set(line) == {"level", "msg", "time"}
            assert line["level"] == "error"
            assert line["msg"]
            assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", line["time"])
    else:
        assert len(lines) >= 2
        assert runtime.name == "crun" or all("level=error" in line for line in lines)


def test_what_works_logs_nothing(runtime: Runtime, sleeper: Bundle, tmp_path: Path) -> None:
    path, name = tmp_path / "log", new_id()
    sleeper.write()
    options = ("--log", str(path), "--log-format", "json")
    for words in (["create", "--bundle", sleeper.path, name], ["start", name], ["delete", "--force", name]):
        runtime.must(*words, options=options)
    assert (
        not path.exists()
        or [line for line in path.read_text().splitlines() if '"level":"error"' in line] == []
    )


def test_a_log_that_cannot_be(runtime: Runtime) -> None:
    if runtime.name != "minicontainer":
        pytest.skip("only the error of the log is told")
    found = runtime.ran("state", "nobody", options=("--log", "/no/such/folder/log"))
    assert found.code == 1
    assert "nobody" in found.err
    assert "/no/such/folder/log" in found.err


@pytest.mark.parametrize("words", [["--help"], ["create", "--help"], ["exec", "--help"], ["--version"]])
def test_help(runtime: Runtime, words: list[str]) -> None:
    found = runtime.ran(*words)
    assert found.code == 0
    assert found.out
    assert found.err == ""
