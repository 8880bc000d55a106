"""create and run: their flags, ids, the specification's version, and what they leave when they fail."""

from __future__ import annotations

import os
import sys
import time

import pytest

from minicontainer.cgroups.host import hierarchies
from minicontainer.linux import libc
from tests.conformance.conftest import new_id
from tests.conformance.runtimes import TIMEOUT_S, Refused, program_runs, received

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.bundles import Bundle
    from tests.conformance.runtimes import Runtime


# -- where things are


def test_the_current_folder_is_the_bundle(runtime: Runtime, sleeper: Bundle) -> None:
    sleeper.write()
    name = new_id()
    runtime.must("create", name, cwd=sleeper.path)
    assert runtime.state(name)["bundle"] == sleeper.path


def test_a_relative_bundle(runtime: Runtime, sleeper: Bundle) -> None:
    sleeper.write()
    name = new_id()
    runtime.must("create", "-b", "bundle", name, cwd=os.path.dirname(sleeper.path))
    assert runtime.state(name)["bundle"] == sleeper.path


@pytest.mark.parametrize("verb", ["create", "run"])
def test_a_pid_file(runtime: Runtime, sleeper: Bundle, tmp_path: Path, verb: str) -> None:
    sleeper.write()
    name = new_id()
    more = ["--detach"] if verb == "run" else []
    runtime.must(verb, *more, "--bundle", sleeper.path, "--pid-file", str(tmp_path / "pid"), name)
    assert (tmp_path / "pid").read_text() == str(runtime.pid(name))


def test_a_pid_file_that_cannot_be(runtime: Runtime, sleeper: Bundle) -> None:
    if runtime.name == "crun":
        pytest.skip("crun 1.8 leaves the container")
    name = new_id()
    with pytest.raises(Refused):
        runtime.create(sleeper, name, "--pid-file", "/no/such/folder/pid")
    with pytest.raises(Refused):
        runtime.state(name)


# -- ids


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a b", "a\nb"])
def test_ids_that_cannot_be(runtime: Runtime, sleeper: Bundle, name: str) -> None:
    if runtime.name == "crun" and "/" not in name:
        pytest.skip("crun 1.8 looks for no more than a slash")
    with pytest.raises(Refused):
        runtime.create(sleeper, name)


@pytest.mark.parametrize("name", ["a_b+c-d.e", "0", "-"])
def test_ids_that_can(runtime: Runtime, sleeper: Bundle, name: str) -> None:
    runtime.create(sleeper, name)
    assert runtime.state(name)["id"] == name


def test_an_id_that_is_taken_leaves_the_first_alone(runtime: Runtime, sleeper: Bundle) -> None:
    name = new_id()
    runtime.create(sleeper, name)
    before = runtime.state(name)
    for verb in ("create", "run"):
        found = runtime.ran(verb, "--bundle", sleeper.path, name)
        assert found.code == 1
        assert name in found.err or "exist" in found.err
    assert runtime.state(name) == before
    runtime.order("start", name)
    runtime.await_status(name, "running")


# -- the document


@pytest.mark.parametrize("version", ["1.0.0", "1.0.2-dev", "1.0.0-rc5", "1.1.0"])
def test_versions_that_are_understood(runtime: Runtime, bundle: Bundle, version: str) -> None:
    bundle.change({"ociVersion": version})
    bundle.program("/bin/true")
    assert runtime.run(bundle, new_id()).code == 0


@pytest.mark.parametrize("version", ["", "1", "1.0", "nonsense", "2.0.0", "0.9.0"])
def test_versions_that_are_not(runtime: Runtime, bundle: Bundle, version: str) -> None:
    if runtime.name != "minicontainer":
        pytest.skip(f"{runtime.name} takes any")
    bundle.change({"ociVersion": version})
    found = runtime.run(bundle, new_id())
    assert found.code == 1
    assert found.err


@pytest.mark.parametrize("at", ["", "process.", "linux.", "linux.resources."])
def test_unknown_properties_are_ignored(runtime: Runtime, bundle: Bundle, at: str) -> None:
    """config.md, Extensibility."""
    bundle.change({f"{at}unknownProperty": {"deep": [1, None, "x"]}})
    bundle.program("/bin/echo", "hello")
    assert runtime.run(bundle, new_id()).out == "hello\n"


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "{} {}", "\0"])
def test_what_is_no_document(runtime: Runtime, bundle: Bundle, text: str) -> None:
    with open(f"{bundle.path}/config.json", "w") as file:
        file.write(text)
    found = runtime.ran("create", "--bundle", bundle.path, new_id())
    assert found.code == 1
    assert found.err
    assert os.listdir(runtime.root) == []


def test_no_document(runtime: Runtime, tmp_path: Path) -> None:
    found = runtime.ran("create", "--bundle", str(tmp_path), new_id())
    assert found.code == 1
    assert "config.json" in found.err


@pytest.mark.parametrize(
    "change",
    [
        {"process.args": ["/no/such"]},
        {"mounts+": [{"destination": "/x", "type": "nonsense", "source": "x"}]},
        {"linux.sysctl": {"net.no.such": "1"}},
        {"linux.resources.memory": {"limit": 1}},
    ],
)
def test_a_failed_create_leaves_nothing(runtime: Runtime, bundle: Bundle, change: dict[str, object]) -> None:
    if runtime.name != "minicontainer" and "process.args" in change:
        pytest.skip(f"{runtime.name} finds out at the start")
    bundle.change(change)
    with pytest.raises(Refused):
        runtime.create(bundle, new_id())
    assert os.listdir(runtime.root) == []
    found = hierarchies()
    path = bundle.config["linux"]["cgroupsPath"]
    folders = {*found.bound.values(), *found.named.values(), *filter(None, [found.unified])}
    assert [folder for folder in folders if os.path.exists(folder + path)] == []
    with open("/proc/self/mountinfo") as table:
        assert bundle.path not in table.read()


# -- terminals


@pytest.fixture
def terminal(sleeper: Bundle) -> Bundle:
    sleeper.change({"process.terminal": True, "process.consoleSize": {"height": 11, "width": 22}})
    return sleeper


def read_until(master: int, wanted: bytes) -> bytes:
    shown = b""
    until = time.monotonic() + TIMEOUT_S
    while wanted not in shown:
        assert time.monotonic() < until, shown
        shown += os.read(master, 4096)
    return shown


@pytest.fixture
def opened() -> Iterator[list[int]]:
    """Descriptors, closed at the end."""
    found: list[int] = []
    yield found
    for fd in found:
        os.close(fd)


def test_what_is_typed_and_shown(runtime: Runtime, terminal: Bundle, opened: list[int]) -> None:
    terminal.script(
        "stty -echo; echo ready; read line; echo got $line; test -t 0 && echo all; exec sleep 1000"
    )
    name = new_id()
    opened.append(runtime.create(terminal, name, terminal=True))
    runtime.order("start", name)
    read_until(opened[0], b"ready")
    os.write(opened[0], b"hello\n")
    assert b"got hello" in read_until(opened[0], b"all")


def test_run_detached_with_a_terminal(
    runtime: Runtime, terminal: Bundle, opened: list[int], tmp_path: Path
) -> None:
    terminal.script("stty size; ls -l /dev/console | cut -c1; exec sleep 1000")
    terminal.write()
    path, name = str(tmp_path / "console.sock"), new_id()
    words = ["run", "--detach", "--bundle", terminal.path, "--console-socket", path, name]
    opened.append(received(path, lambda: runtime.must(*words)))
    assert read_until(opened[0], b"c\r\n").split() == [b"11", b"22", b"c"]


def test_a_terminal_and_nobody_to_take_it(runtime: Runtime, terminal: Bundle) -> None:
    if runtime.name == "crun":
        pytest.skip("crun 1.8 closes it")
    with pytest.raises(Refused):
        runtime.create(terminal, new_id())
    assert os.listdir(runtime.root) == []


def test_a_console_socket_that_is_missing(runtime: Runtime, terminal: Bundle) -> None:
    with pytest.raises(Refused):
        runtime.create(terminal, new_id(), "--console-socket", "/no/such/socket")
    assert os.listdir(runtime.root) == []


def test_a_console_socket_without_a_terminal(runtime: Runtime, sleeper: Bundle, tmp_path: Path) -> None:
    if runtime.name == "crun":
        pytest.skip("crun 1.8 ignores it")
    with pytest.raises(Refused):
        received(
            str(tmp_path / "socket"),
            lambda: runtime.create(sleeper, new_id(), "--console-socket", str(tmp_path / "socket")),
        )
    assert os.listdir(runtime.root) == []


# -- what is inherited


def holding(path: str) -> tuple[str, ...]:
    """Start what follows with 3, 4 and 5 open; sockets, if there are any, are for that process."""
    return "sh", "-c", f'export LISTEN_PID=$$; exec 3<{path} 4<{path} 5<{path}; exec "$@"', "sh"


@pytest.mark.parametrize(("count", "sockets", "kept"), [(0, 0, []), (2, 0, [3, 4]), (1, 1, [3, 4])])
def test_preserved_descriptors(
    runtime: Runtime, sleeper: Bundle, tmp_path: Path, count: int, sockets: int, kept: list[int]
) -> None:
    """Those of socket activation (sd_listen_fds(3)), and as many more as were asked for."""
    sleeper.program("/bin/sleep", "1000")
    name = new_id()
    env = {"LISTEN_FDS": str(sockets)} if sockets else {}
    runtime.create(
        sleeper, name, "--preserve-fds", str(count), through=holding(f"{sleeper.path}/config.json"), env=env
    )
    runtime.order("start", name)
    pid = runtime.pid(name)
    program_runs(pid, "/bin/sleep", "1000")
    found = {int(each): os.readlink(f"/proc/{pid}/fd/{each}") for each in os.listdir(f"/proc/{pid}/fd")}
    assert sorted(found) == [0, 1, 2, *kept]
    assert {found[fd] for fd in kept} <= {f"{sleeper.path}/config.json"}
    variables = read(f"/proc/{pid}/environ").split("\0")
    told = [each for each in variables if each.startswith("LISTEN_")]
    if runtime.name == "crun":
        return  # it leaves LISTEN_FDS to config.json
    assert sorted(told) == ([f"LISTEN_FDS={sockets}", "LISTEN_PID=1"] if sockets else [])


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def test_a_preserved_descriptor_that_is_not_open(runtime: Runtime, sleeper: Bundle) -> None:
    if runtime.name != "minicontainer":
        pytest.skip("what else their interpreter has open counts")
    with pytest.raises(Refused, match="--preserve-fds"):
        runtime.create(sleeper, new_id(), "--preserve-fds", "99")


# A session keyring with one key, for who possesses it only (keyrings(7), request-key(8)).
IN_A_SESSION = """
import ctypes, os, sys
call = ctypes.CDLL(None, use_errno=True).syscall
keyctl, add_key = map(int, sys.argv[1:3])
assert call(keyctl, 1, None) > 0, "join"
key = call(add_key, b"user", b"minicontainer-test", b"x", ctypes.c_size_t(1), -3)
assert key > 0 and call(keyctl, 5, key, 0x3f000000) == 0, "key"
os.execvp(sys.argv[3], sys.argv[3:])
"""


def test_a_session_keyring_of_its_own(runtime: Runtime, bundle: Bundle) -> None:
    bundle.script("grep -c minicontainer-test /proc/keys; true")
    bundle.write()
    keyctl = libc.number("keyctl")  # add_key(2) is two before it, on every architecture known there
    through = (sys.executable, "-c", IN_A_SESSION, str(keyctl), str(keyctl - 2))
    found = [
        runtime.must("run", *flags, "--bundle", bundle.path, new_id(), through=through).strip()
        for flags in ([], ["--no-new-keyring"])
    ]
    assert found == ["0", "1"]


def test_run_keeps(runtime: Runtime, bundle: Bundle) -> None:
    if runtime.name != "minicontainer":
        pytest.skip("since runc 1.2 and crun 1.9")
    bundle.program("/bin/true")
    bundle.write()
    name = new_id()
    runtime.must("run", "--keep", "--bundle", bundle.path, name)
    assert runtime.state(name)["status"] == "stopped"
    runtime.order("delete", name)


def test_run_is_given_the_input_and_the_output(runtime: Runtime, bundle: Bundle) -> None:
    bundle.script("cat; echo err >&2; exit 7")
    bundle.write()
    found = runtime.ran("run", "--bundle", bundle.path, new_id(), given=b"hello\n")
    assert (found.code, found.out, found.err) == (7, "hello\n", "err\n")


@pytest.mark.parametrize(("script", "code"), [("kill -9 $$", 137), ("kill -TERM $$; sleep 9", 143)])
def test_run_of_a_program_that_a_signal_ends(
    runtime: Runtime, bundle: Bundle, script: str, code: int
) -> None:
    """A first process gets no deadly signal from its own namespace, so this one has none."""
    bundle.without_namespace("pid")
    bundle.script(script)
    assert runtime.run(bundle, new_id()).code == code
