"""Several commands at once: each succeeds or says why in one line, and nothing is left of any."""

from __future__ import annotations

import subprocess
import sys

import pytest

from minicontainer.engine import attach
from tests.integration.runner import until

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.runner import Runner

RUN = ("run", "-d", "--network", "none")

# Another command starts what `run` has made, before it does so itself.
OUTRUN = """
from minicontainer.cli.main import main
from minicontainer.engine.engine import Engine
create = Engine.create
clients = []

def create_and_start(engine, image, asked):
    made = create(engine, image, asked)
    clients.append(engine.start(made.id))
    return made

Engine.create = create_and_start
main()
"""

# A removal that has seen that no container uses the image, and has not removed it yet.
SLOW_RMI = """
from minicontainer.cli.main import main
from minicontainer.engine.engine import Engine
containers_of = Engine.containers_of

def look_and_wait(engine, image_id):
    users = containers_of(engine, image_id)
    print("looked", flush=True)
    input()
    return users

Engine.containers_of = look_and_wait
main()
"""

# A client that comes when the program has ended, and its monitor has not: it writes what it is told.
LATE_COMER = """
import os
from minicontainer.cli.main import main
from minicontainer.engine import attach
from minicontainer.engine.monitor import Monitor
shut = Monitor._shut

def connect_and_shut(monitor):
    comer = monitor.engine.connect(monitor.container.id)
    if os.fork() == 0:
        monitor.session.listener.close()
        decoder, kinds = attach.Decoder(), []
        while not decoder.ended:
            kinds += [kind for kind, _ in decoder.receive(comer.fileno())]
        with open(os.environ["TOLD"] + ".new", "w") as file:
            print(*kinds, file=file)
        os.rename(file.name, os.environ["TOLD"])
        os._exit(0)
    comer.close()
    shut(monitor)

Monitor._shut = connect_and_shut
main()
"""


def program(mc: Runner, text: str, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
    """The command line with something changed in it."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return mc.host.popen([sys.executable, "-c", text, *arguments], env={**mc.environment, **env}, **pipes)


def at_once(mc: Runner, *commands: tuple[str, ...]) -> list[tuple[int, str, str]]:
    """Start all, then wait for all: exit code, output, error of each."""
    started = [mc.start(*command) for command in commands]
    results = []
    for command, process in zip(commands, started, strict=True):
        out, err = (text.decode() for text in process.communicate(timeout=60))
        assert "Traceback" not in err
        assert "internal error" not in err
        assert err.count("\n") <= 1, f"{command}: {err}"
        assert process.returncode == 0 or err or command[0] in ("exec", "run"), f"{command} fails silently"
        results.append((process.returncode, out, err))
    return results


@pytest.mark.parametrize("attempt", range(4))
def test_everything_on_one_container(mc: Runner, attempt: int) -> None:
    container = mc.ok(
        *RUN, "--name", "wanted", "busybox", "sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.01; done"
    )
    results = at_once(
        mc, ("exec", "wanted", "sleep", "0.05"), ("commit", "wanted", "taken"), ("stop", "wanted"),
        ("rm", "-f", "wanted"), ("inspect", "wanted"), ("kill", "wanted"), ("logs", "wanted"), ("ps", "-a"),
    )  # fmt: skip
    assert results[3][0] == 0
    assert mc("inspect", container).code == 1


def test_removals_of_one_container(mc: Runner) -> None:
    mc.ok(*RUN, "--name", "wanted", "busybox", "sleep", "60")
    results = at_once(mc, *[("rm", "-f", "wanted")] * 4)
    assert {code for code, _, _ in results} == {0}
    assert mc.ok("ps", "-aq") == ""


def test_one_name_for_several(mc: Runner) -> None:
    results = at_once(mc, *[(*RUN, "--name", "one", "busybox", "sleep", "60")] * 4)
    assert sorted(code for code, _, _ in results) == [0, 125, 125, 125]
    assert all('name "/one" is already in use' in err for code, _, err in results if code)
    assert len(mc.ok("ps", "-aq").split()) == 1


@pytest.mark.needs("nat")
def test_many_on_the_bridge(mc: Runner) -> None:
    results = at_once(mc, *[("run", "-d", "busybox", "sleep", "60")] * 6)
    assert {code for code, _, _ in results} == {0}, results
    containers = [out.strip() for _, out, _ in results]
    addresses = mc.ok("inspect", "-f", "{{.NetworkSettings.IPAddress}}", *containers).split()
    assert len(set(addresses)) == 6
    assert {code for code, _, _ in at_once(mc, *[("rm", "-f", one) for one in containers])} == {0}


def test_stop_and_program_that_ends_by_itself(mc: Runner) -> None:
    for _ in range(3):
        container = mc.ok(*RUN, "busybox", "sleep", "0.1")
        results = at_once(mc, ("stop", container), ("stop", container), ("logs", "-f", container))
        assert {code for code, _, _ in results} == {0}, results


def test_commits_to_one_name(mc: Runner) -> None:
    mc.ok("run", "--name", "base", "--network", "none", "busybox", "touch", "/made")
    results = at_once(mc, *[("commit", "base", "shared")] * 3)
    assert {code for code, _, _ in results} == {0}, results
    assert mc.ok("inspect", "-f", "{{.Id}}", "shared") in {out.strip() for _, out, _ in results}
    assert mc.ok("run", "--rm", "--network", "none", "shared", "ls", "/made") == "/made"


def test_image_removed_while_it_is_run(mc: Runner) -> None:
    mc.ok("run", "--name", "base", "--network", "none", "busybox", "touch", "/made")
    mc.ok("commit", "base", "shortlived")
    (ran, shown, _), (removed, _, _) = at_once(
        mc, ("run", "--rm", "--network", "none", "shortlived", "ls", "/made"), ("rmi", "shortlived")
    )
    assert (ran, shown) in ((0, "/made\n"), (125, ""))
    assert removed in (0, 1)
    assert (ran, removed) != (125, 1)


def test_image_whose_removal_has_begun(mc: Runner) -> None:
    mc.ok("run", "--name", "base", "--network", "none", "busybox", "touch", "/made")
    mc.ok("commit", "base", "shortlived")
    mc.ok("run", "--rm", "--network", "none", "shortlived", "ls", "/made")  # its layers are unpacked now
    removal = program(mc, SLOW_RMI, "rmi", "shortlived")
    assert removal.stdout is not None
    assert removal.stdout.readline() == b"looked\n"
    run = mc.start("run", "--network", "none", "shortlived", "ls", "/made")
    until(lambda: mc.ok("ps", "-aq").count("\n") == 1, "it is recorded beside the first")
    _, err = removal.communicate(b"\n", timeout=60)
    assert (removal.returncode, err) == (0, b"")
    out, err = run.communicate(timeout=60)
    assert (run.returncode, out) == (125, b"")
    assert b"was removed meanwhile" in err
    assert mc.ok("ps", "-aq").count("\n") == 0


def test_rm_option_and_rm_command(mc: Runner) -> None:
    for _ in range(3):
        mc.ok("run", "-d", "--rm", "--name", "both", "--network", "none", "busybox", "sleep", "0.05")
        at_once(mc, ("rm", "-f", "both"), ("exec", "both", "true"), ("stop", "both"))
        assert mc.ok("ps", "-aq") == ""


@pytest.mark.parametrize(
    ("options", "output"), [(("-d", "--cidfile", "{}"), "{id}\n"), (("-i", "--cidfile", "{}"), "bytes")]
)
def test_a_run_that_another_command_starts(
    mc: Runner, tmp_path: Path, options: tuple[str, ...], output: str
) -> None:
    """As with Docker, whose start of a running container is no error (304)."""
    id_file = tmp_path / "id"
    words = [word.replace("{}", str(id_file)) for word in options]
    process = program(mc, OUTRUN, "run", "--network", "none", *words, "busybox", "head", "-c5")
    out, err = process.communicate(b"bytes", timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert out.decode() == output.format(id=id_file.read_text())


@pytest.mark.parametrize("script", ["true", "/no/such/program"])
def test_a_client_that_comes_too_late(mc: Runner, tmp_path: Path, script: str) -> None:
    """It learns how the program ended, or why it did not start: not merely that nobody is there."""
    told = tmp_path / "told"
    run = program(mc, LATE_COMER, *RUN, "busybox", script, TOLD=str(told))
    run.communicate(timeout=60)
    until(told.exists, "it was answered")
    last = [attach.STARTED, attach.EXIT] if script == "true" else [attach.ERROR]
    assert [int(kind) for kind in told.read_text().split()] == last
