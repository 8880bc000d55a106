"""Containers of spoiled documents: an answer in time, in one line, and a host that is as it was before.

Each example is: create; if that worked, state and (half of them) start; delete --force.  It happens on a
host of the tests' own (tests/integration/host.py); what would reach beyond it is bent back first
(`bounded`): control groups, the root's folder, namespaces that other hosts share.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bundles import Bundle
from tests.conformance.runtimes import program
from tests.fuzz.conftest import examples
from tests.fuzz.mutation import PROCESS, RESOURCES, SECCOMP, full_config, mutated, text_of, texts
from tests.integration.host import Host
from tests.needs import bound_controllers
from tests.outcome import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

pytestmark = pytest.mark.needs("mount namespace", "network namespace", "control groups")

TIMEOUT_S = 60
PARENT = f"/fuzz-{os.getpid()}"
CONFIG = full_config()
numbers = itertools.count()


class Place:
    """A host, a bundle on it, and a --root."""

    def __init__(self, folder: str, busybox: str) -> None:
        self.host = Host()
        self.root = f"{folder}/state"
        self.bundle = Bundle(f"{folder}/bundle", busybox)
        os.mkdir(self.root)
        os.mkdir(f"{folder}/empty")
        self.cwd = f"{folder}/empty"
        self.program = [*program("minicontainer"), "--root", self.root]
        self.env = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}

    def ran(self, *words: str, given: bytes = b"") -> Outcome:
        """An outcome that is one of ours: in time, no traceback, and a failure says why in one line."""
        paths = [f"{self.root}.out", f"{self.root}.err"]
        with open(paths[0], "wb") as out, open(paths[1], "wb") as err:
            ran = self.host.popen(
                [*self.program, *words],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                env=self.env,
                cwd=self.cwd,
            )
            try:
                ran.communicate(given, timeout=TIMEOUT_S)
            except subprocess.TimeoutExpired:
                ran.kill()
                raise
        texts = []
        for path in paths:
            with open(path, "rb") as file:
                texts.append(file.read().decode(errors="surrogateescape"))
        found = Outcome(ran.returncode, texts[0], texts[1])
        assert found.code >= 0, found
        assert "Traceback" not in found.err, found.err
        assert "internal error" not in found.err, found.err
        return found

    def containers(self) -> list[str]:
        """What is below --root, but for the compiled seccomp profiles that are kept there."""
        return [name for name in os.listdir(self.root) if name != ".seccomp"]

    def groups(self, path: object) -> list[str]:
        """The folders of the control group ``path``."""
        if not isinstance(path, str) or "\0" in path:
            return []
        folders = {*bound_controllers().values(), "/sys/fs/cgroup/unified"}
        found = [folder + path for folder in folders]
        return sorted(each for each in found if os.path.isdir(each.encode(errors="surrogatepass")))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, busybox_root: Path) -> Iterator[Place]:
    made = Place(str(tmp_path_factory.mktemp("fuzz")), str(busybox_root))
    yield made
    for name in made.containers():
        made.ran("delete", "--force", name)
    made.host.close()


def bounded(document: Any, bundle: Bundle, name: str) -> Any:
    """The document, if it stays on the tests' own host, and what it does is brief."""
    if not isinstance(document, dict):
        return document
    linux = document.get("linux")
    if isinstance(linux, dict):
        path = linux.get("cgroupsPath")
        if path is None or (isinstance(path, str) and ".." in path):
            path = name
        linux["cgroupsPath"] = f"{PARENT}/{path}" if isinstance(path, str) else path
    root = document.get("root")
    if isinstance(root, dict) and isinstance(root.get("path"), str):
        path = root["path"]
        # What is no path at all may stay.
        if path.isascii() and "\0" not in path:
            path = os.path.realpath(os.path.join(bundle.path, path))
            root["path"] = root["path"] if path.startswith(f"{bundle.path}/") else "rootfs"
    hooks = document.get("hooks")
    for kind in hooks.values() if isinstance(hooks, dict) else ():
        for hook in kind if isinstance(kind, list) else ():
            if isinstance(hook, dict) and hook.get("path"):
                hook["path"] = "/bin/true" if isinstance(hook["path"], str) else hook["path"]
    return document


def check(place: Place, before: dict[str, list[str]], name: str, group: object, host_name: str) -> None:
    """The host is as it was."""
    assert place.host.settled(before, {name}) == {}
    assert place.containers() == []
    left = place.groups(group)
    # Folders above the container's own are left, as other runtimes do: removed, if they are empty.
    for folder in place.groups(PARENT):
        for each, _, _ in os.walk(folder, topdown=False):
            os.rmdir(each)
    assert left == []
    now = os.uname().nodename
    if now != host_name:
        socket.sethostname(host_name)
    assert now == host_name


def live(place: Place, document: Any, *, starts: bool, works: bool = False) -> bool:
    """Whether it could be created; ``works``: it has to be."""
    name = f"f{next(numbers)}"
    document = bounded(document, place.bundle, name)
    if not isinstance(document, dict) or not isinstance(document.get("linux"), dict):
        return False  # the host's own namespaces
    with open(f"{place.bundle.path}/config.json", "wb") as file:
        file.write(text_of(document))
    before, host_name = place.host.look({name}), os.uname().nodename
    created = place.ran("create", "--bundle", place.bundle.path, name)
    assert not (works and created.code), created
    if created.code:
        assert created.code == 1
        assert created.err.strip()
        assert place.containers() == [], created
        assert len(created.err.strip().splitlines()) == 1, created.err
    else:
        state = json.loads(place.ran("state", name).out)
        assert state["status"] == "created"
        if starts:
            started = place.ran("start", name)
            assert started.code == 0 or started.err.strip()
    deleted = place.ran("delete", "--force", name)
    assert deleted.code == 0, (created, deleted)
    check(place, before, name, document["linux"].get("cgroupsPath"), host_name)
    return created.code == 0


@examples(50, 3)
@given(mutated(CONFIG, most=3), st.booleans())
def test_config_json(place: Place, document: Any, starts: bool) -> None:
    live(place, document, starts=starts)


@examples(15, 3)
@given(mutated(SECCOMP, most=2))
def test_seccomp(place: Place, document: Any) -> None:
    found = full_config()
    found["linux"]["seccomp"] = document
    live(place, found, starts=True)


def test_the_documents_are_right(place: Place) -> None:
    """Else what is made of them would prove little."""
    live(place, full_config(), starts=True, works=True)


@pytest.fixture(scope="module")
def resources(place: Place) -> dict[str, Any]:
    """Those of RESOURCES that this host can limit."""
    found = {}
    for key, value in RESOURCES.items():
        document = full_config()
        document["linux"]["resources"] = {key: value}
        if live(place, document, starts=False):
            found[key] = value
    return found


@examples(20, 3)
@given(st.data())
def test_resources(place: Place, resources: dict[str, Any], data: st.DataObject) -> None:
    found = full_config()
    found["linux"]["resources"] = data.draw(mutated(resources, most=2))
    live(place, found, starts=False)


# -- beside a container that runs


@pytest.fixture(scope="module")
def sleeper(place: Place) -> str:
    return "sleeper"


def awake(place: Place, name: str) -> int:
    """Init's pid; the container is made anew if an example has ended it."""
    if name in place.containers():
        state = json.loads(place.ran("state", name).out)
        if state["status"] == "running":
            return int(state["pid"])
        assert place.ran("delete", "--force", name).code == 0
    document = full_config()
    document["linux"].pop("seccomp")
    document["process"]["args"] = ["/bin/sleep", "1000"]
    document["linux"]["cgroupsPath"] = f"{PARENT}/{name}"
    with open(f"{place.bundle.path}/config.json", "wb") as file:
        file.write(text_of(document))
    assert place.ran("run", "--detach", "--bundle", place.bundle.path, name).code == 0
    return int(json.loads(place.ran("state", name).out)["pid"])


def alone(place: Place, name: str, pid: int) -> None:
    """Nothing but init is left in the container, soon."""
    until = time.monotonic() + TIMEOUT_S
    while (found := json.loads(place.ran("ps", "--format", "json", name).out)) not in ([pid], []):
        assert time.monotonic() < until, found


@examples(30, 4)
@given(mutated(PROCESS, most=3))
def test_process_json(place: Place, sleeper: str, document: Any) -> None:
    pid = awake(place, sleeper)
    with open(f"{place.bundle.path}/process.json", "wb") as file:
        file.write(text_of(document))
    found = place.ran("exec", "--process", f"{place.bundle.path}/process.json", sleeper)
    assert found.code == 0 or found.err.strip(), found
    alone(place, sleeper, pid)


@examples(25, 4)
@given(st.data())
def test_update(place: Place, sleeper: str, resources: dict[str, Any], data: st.DataObject) -> None:
    awake(place, sleeper)
    document = text_of(data.draw(mutated(resources, most=3)))
    found = place.ran("update", "--resources", "-", sleeper, given=document)
    assert found.code == 0 or found.err.strip(), found


VERBS = [
    "create", "run", "start", "state", "kill", "delete", "exec", "ps", "list", "pause", "resume", "events",
    "update", "spec", "features", "nonsense",
]  # fmt: skip
FLAGS = [
    "--force", "--all", "--format", "json", "-q", "--stats", "--detach", "--tty", "--env", "--user", "--cwd",
    "--cap", "--preserve-fds", "--keep", "--help", "--debug", "--resources", "--pids-limit", "--memory",
    "--interval", "10ms", "1ms", "--console-socket", "sleeper", "nobody", "0", "CONT", "true", "--", "-",
]  # fmt: skip
words = st.sampled_from(FLAGS) | texts.filter(lambda text: "\0" not in text and "/" not in text)


@examples(40, 6)
@given(st.sampled_from(VERBS), st.lists(words, max_size=4))
def test_command_lines(place: Place, sleeper: str, verb: str, given: list[str]) -> None:
    # Else events would last as long as the container.
    given = ["--stats", *given] if verb == "events" else given
    awake(place, sleeper)
    found = place.ran(verb, *(word.encode(errors="replace").decode() for word in given))
    assert found.code == 0 or found.err.strip() or verb in ("exec", "run"), found
    if sleeper in place.containers():
        place.ran("resume", sleeper)
    for left in os.listdir(place.cwd):
        path = os.path.join(place.cwd, left)
        shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def test_the_end(place: Place, sleeper: str) -> None:
    """What the examples above have left in control groups is gone with the container."""
    awake(place, sleeper)
    assert place.ran("delete", "--force", sleeper).code == 0
    assert place.containers() == []
    assert place.groups(f"{PARENT}/{sleeper}") == []
    for group in place.groups(PARENT):
        os.rmdir(group)
