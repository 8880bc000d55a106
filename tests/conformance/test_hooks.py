"""Hooks (config.md, POSIX-platform Hooks): when, where and with what they run, and what their failure undoes.

Every hook adds a line to /log of the root file system, which both sides of the wall can reach.
"""

from __future__ import annotations

import json
import os

import pytest

from minicontainer.linux import namespaces
from tests.conformance.conftest import new_id
from tests.conformance.runtimes import Refused, await_true

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from tests.bundles import Bundle
    from tests.conformance.runtimes import Runtime

INSIDE = "startContainer"
AT_CREATE = ["prestart", "createRuntime", "createContainer"]
KINDS = [*AT_CREATE, INSIDE, "poststart", "poststop"]
PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
EARLY_POSTSTART = "runc runs poststart within create"


def hook(bundle: Bundle, kind: str, script: str, *, env: tuple[str, ...] = (), **more: Any) -> None:
    """One hook more of ``kind``; in its script, $ROOT is the root file system and $WHICH says which it is."""
    root = "" if kind == INSIDE else bundle.rootfs
    given = bundle.config.setdefault("hooks", {}).setdefault(kind, [])
    which = f"{kind}{len(given)}"
    if not script.startswith("cat > "):
        script = f"cat > /dev/null; {script}"  # SIGPIPE ends crun where a hook does not read
    given.append(
        {
            "path": "/bin/sh",
            "args": ["sh", "-c", script],
            "env": [PATH, f"ROOT={root}", f"WHICH={which}", *env],
            **more,
        }
    )


NOTE = "echo $WHICH >> $ROOT/log"


def log(bundle: Bundle) -> list[str]:
    try:
        with open(f"{bundle.rootfs}/log") as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def test_their_order(runtime: Runtime, sleeper: Bundle) -> None:
    for kind in KINDS:
        hook(sleeper, kind, NOTE)
        hook(sleeper, kind, NOTE)
    name = new_id()
    runtime.create(sleeper, name)
    at_create, at_start = (
        [f"{kind}{number}" for kind in kinds for number in (0, 1)]
        for kinds in (AT_CREATE, (INSIDE, "poststart"))
    )
    if runtime.name == "runc":
        at_create, at_start = at_create + at_start[2:], at_start[:2]
    assert log(sleeper) == at_create
    runtime.order("start", name)
    if runtime.name == "minicontainer":
        assert log(sleeper) == at_create + at_start
    sleeping(sleeper)
    # The start of others does not wait for the hooks inside.
    before = log(sleeper)
    assert sorted(before) == sorted(at_create + at_start)
    runtime.order("kill", name, "KILL")
    runtime.await_status(name, "stopped")
    assert log(sleeper) == before
    runtime.order("delete", name)
    assert log(sleeper) == [*before, "poststop0", "poststop1"]


def sleeping(bundle: Bundle) -> None:
    """Until the program has run: runc's start does not wait for it."""
    await_true(lambda: os.path.exists(f"{bundle.rootfs}/ran"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_state_on_their_standard_input(runtime: Runtime, sleeper: Bundle, kind: str) -> None:
    sleeper.change({"annotations": {"org.example.key": "value"}})
    hook(sleeper, kind, "cat > $ROOT/state")
    name = new_id()
    runtime.create(sleeper, name)
    pid = runtime.pid(name)
    runtime.order("start", name)
    sleeping(sleeper)
    runtime.order("delete", name, "--force")
    with open(f"{sleeper.rootfs}/state") as file:
        state = json.load(file)
    assert state["id"] == name
    assert state["bundle"] == ("/" if (runtime.name, kind) == ("crun", INSIDE) else sleeper.path)
    assert state["annotations"]["org.example.key"] == "value"
    assert state["ociVersion"]
    # By their number outside or inside; crun's init does not know the one outside.
    told = {"poststop": (0, pid), INSIDE: (pid, 1), "createContainer": (pid, 1)}.get(kind, (pid,))
    assert state.get("pid", 0) in (told if runtime.name != "crun" else (*told, 0))
    early = ["creating", "created", "starting"]
    later = {"poststart": early if runtime.name == "runc" else ["running"], "poststop": ["stopped"]}
    assert state["status"] in later.get(kind, early)


# -- where


@pytest.mark.parametrize("kind", ["prestart", "createRuntime", "poststart", "poststop"])
def test_the_runtime_s_namespaces(runtime: Runtime, sleeper: Bundle, kind: str) -> None:
    kinds = ("mount", "network", "pid", "uts")
    links = " ".join(f"/proc/self/ns/{namespaces.FILES[each]}" for each in kinds)
    hook(sleeper, kind, f"for link in {links}; do readlink $link; done > $ROOT/log")
    name = new_id()
    runtime.create(sleeper, name)
    runtime.order("start", name)
    runtime.order("delete", name, "--force")
    found, own = log(sleeper), [os.readlink(namespaces.path("self", each)) for each in kinds]
    # crun is run in a mount namespace of its own where it is shown another host.
    start = 1 if runtime.name == "crun" else 0
    assert found[start:] == own[start:]


def test_create_container_hooks_are_in_the_namespaces_with_the_host_s_tree(
    runtime: Runtime, sleeper: Bundle, tmp_path: Any
) -> None:
    (tmp_path / "host-file").write_text("")
    links = " ".join(f"/proc/self/ns/{namespaces.FILES[each]}" for each in ("mount", "network", "uts"))
    script = (
        f"for link in {links}; do readlink $link; done > $ROOT/log;"
        f"test -e {tmp_path}/host-file && echo host >> $ROOT/log;"
        'grep -q " $ROOT/dev/shm " /proc/self/mountinfo && echo mounts >> $ROOT/log'
    )
    hook(sleeper, "createContainer", script)
    name = new_id()
    runtime.create(sleeper, name)
    pid = runtime.pid(name)
    inside = [os.readlink(namespaces.path(pid, each)) for each in ("mount", "network", "uts")]
    assert log(sleeper) == [*inside, "host", "mounts"]


def test_start_container_hooks_are_inside(runtime: Runtime, sleeper: Bundle) -> None:
    links = " ".join(f"/proc/self/ns/{namespaces.FILES[each]}" for each in ("mount", "pid"))
    hook(sleeper, INSIDE, f"for link in {links}; do readlink $link; done > /log; hostname >> /log")
    name = new_id()
    runtime.create(sleeper, name)
    pid = runtime.pid(name)
    inside = [os.readlink(namespaces.path(pid, each)) for each in ("mount", "pid")]
    runtime.order("start", name)
    sleeping(sleeper)
    assert log(sleeper) == [*inside, "box"]


# -- with what


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer", "poststop"])
def test_their_environment_is_their_own(runtime: Runtime, sleeper: Bundle, kind: str) -> None:
    hook(sleeper, kind, "env | cut -d= -f1 | sort > $ROOT/log; echo $A >> $ROOT/log", env=("A=b=c",))
    name = new_id()
    runtime.create(sleeper, name, env={"SECRET": "1"})
    runtime.must("delete", "--force", name, env={"SECRET": "1"})
    assert set(log(sleeper)) - {"PWD", "SHLVL", "_", "OLDPWD"} == {"A", "PATH", "ROOT", "WHICH", "b=c"}


def test_their_arguments(runtime: Runtime, sleeper: Bundle) -> None:
    """args[0] is the program's own name for itself, as in execv(3)."""
    hook(sleeper, "createRuntime", "")
    sleeper.config["hooks"]["createRuntime"][0]["args"] = [
        "other", "-c", f'echo $0 "$1" "$2" > {sleeper.rootfs}/log', "zero", "a b", "",
    ]  # fmt: skip
    runtime.create(sleeper, new_id())
    assert log(sleeper) == ["zero", "a", "b"]


def test_their_input_need_not_be_read(runtime: Runtime, sleeper: Bundle) -> None:
    if runtime.name == "crun":
        pytest.skip("SIGPIPE ends crun 1.8")
    sleeper.change({f"hooks.{kind}": [{"path": "/bin/true"}] for kind in KINDS})
    name = new_id()
    runtime.create(sleeper, name)
    runtime.order("start", name)
    runtime.order("delete", name, "--force")


@pytest.mark.parametrize("kind", ["createRuntime", "createContainer"])
def test_a_timeout(runtime: Runtime, sleeper: Bundle, kind: str) -> None:
    hook(sleeper, kind, f"{NOTE}; exec sleep 20", timeout=1)
    hook(sleeper, kind, NOTE)
    name = new_id()
    with pytest.raises(Refused):
        runtime.create(sleeper, name)
    # On a busy machine, its time may be up before its first line.
    assert log(sleeper) in ([f"{kind}0"], [])
    with pytest.raises(Refused):
        runtime.state(name)


# -- failures


@pytest.mark.parametrize("kind", AT_CREATE)
def test_a_failure_undoes_the_create(runtime: Runtime, sleeper: Bundle, kind: str) -> None:
    hook(sleeper, kind, f"{NOTE}; echo these are my last words >&2; exit 3")
    hook(sleeper, kind, NOTE)
    hook(sleeper, "poststop", NOTE)
    name = new_id()
    with pytest.raises(Refused) as refused:
        runtime.create(sleeper, name)
    assert log(sleeper)[0] == f"{kind}0"
    # "If any of these fails, ... continue the lifecycle at step 12": the poststop hooks.
    assert log(sleeper)[1:] in (["poststop0"], [])
    if runtime.name == "minicontainer":
        assert log(sleeper)[1:] == ["poststop0"]
        assert f"hooks.{kind}[0]" in str(refused.value)
        assert "these are my last words" in str(refused.value)
    with pytest.raises(Refused):
        runtime.state(name)
    # Nothing of it holds the name or the group.
    sleeper.change({"hooks": None})
    runtime.create(sleeper, name)


def test_a_failure_inside_stops_the_container(runtime: Runtime, sleeper: Bundle) -> None:
    hook(sleeper, INSIDE, f"{NOTE}; exit 3")
    hook(sleeper, "poststop", NOTE)
    name = new_id()
    runtime.create(sleeper, name)
    found = runtime.ran("start", name)
    runtime.await_status(name, "stopped")
    assert not os.path.exists(f"{sleeper.rootfs}/ran")
    if runtime.name == "minicontainer":  # the start of the others ends before the hook does
        assert found.code == 1, found
        assert f"hooks.{INSIDE}[0]" in found.err
    runtime.order("delete", name)
    assert log(sleeper) == [f"{INSIDE}0", "poststop0"]


def test_a_failure_after_the_start_is_only_told(runtime: Runtime, sleeper: Bundle) -> None:
    if runtime.name == "runc":
        pytest.skip(f"{EARLY_POSTSTART}, and undoes it")
    hook(sleeper, "poststart", f"{NOTE}; exit 3")
    hook(sleeper, "poststart", NOTE)
    name = new_id()
    runtime.create(sleeper, name)
    found = runtime.ran("start", name)
    assert found.code == 0, found
    assert runtime.state(name)["status"] == "running"
    if runtime.name == "minicontainer":
        assert "hooks.poststart[0]" in found.err
    assert log(sleeper)[0] == "poststart0"


def test_a_failure_after_the_end_is_only_told(runtime: Runtime, sleeper: Bundle) -> None:
    hook(sleeper, "poststop", f"{NOTE}; exit 3")
    hook(sleeper, "poststop", NOTE)
    name = new_id()
    runtime.create(sleeper, name)
    found = runtime.ran("delete", "--force", name)
    assert found.code == 0, found
    # "the remaining hooks ... continue as if the hook had succeeded"
    assert log(sleeper) == (["poststop0"] if runtime.name == "runc" else ["poststop0", "poststop1"])
    with pytest.raises(Refused):
        runtime.state(name)


@pytest.mark.parametrize("kind", ["prestart", "createContainer"])
def test_a_hook_that_is_missing(runtime: Runtime, sleeper: Bundle, kind: str) -> None:
    sleeper.change({f"hooks.{kind}": [{"path": "/no/such/hook"}]})
    with pytest.raises(Refused):
        runtime.create(sleeper, new_id())


def test_a_relative_path_is_refused(runtime: Runtime, sleeper: Bundle) -> None:
    if runtime.name == "crun":
        pytest.skip("crun 1.8 takes it from its own folder")
    sleeper.change({"hooks.createRuntime": [{"path": "bin/true"}]})
    with pytest.raises(Refused):
        runtime.create(sleeper, new_id())
