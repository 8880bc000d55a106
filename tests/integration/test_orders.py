"""Steps of two commands in the order that is seldom: programs with one thing changed, so that it is always.

Where the other command, or the end of a container's program, comes between a look and what is done
about it, the outcome is that of one after the other.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.integration.runner import until
from tests.integration.test_concurrent import program

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.integration.runner import Runner

NONE = ("--network", "none")
SLEEPS = (*NONE, "--name", "wanted", "busybox", "sleep", "1000")

# The container is removed between two looks at its name.
VANISHES = """
import os
from minicontainer.cli.main import main
from minicontainer.engine.engine import Engine
exists = os.path.exists

def seen_last(path):
    found = exists(path)
    if found and str(path).endswith("/.names/wanted"):
        os.path.exists = exists
        Engine(os.environ["MINICONTAINER_ROOT"], os.environ["MINICONTAINER_RUN_ROOT"]).remove("wanted")
    return found

os.path.exists = seen_last
main()
"""

# Another restart is at work when this one gets the container's lock.
RESTARTED = """
import os, time
from minicontainer.cli.main import main
from minicontainer.engine import restarting
from minicontainer.engine.monitor import Monitor
kept, configure = restarting._restart_kept, Monitor._configure

def configure_late(monitor, *arguments):
    while not os.path.exists(os.environ["GO"]):
        time.sleep(0.01)
    configure(monitor, *arguments)

def after_another(engine, container_id, *rest):
    restarting._restart_kept = kept
    if os.fork() == 0:
        Monitor._configure = configure_late
        try:
            restarting.restart(engine, container_id, 0)
        finally:
            os._exit(0)
    while engine.read(container_id).status.state != "starting":
        time.sleep(0.01)
    try:
        return kept(engine, container_id, *rest)
    finally:
        open(os.environ["GO"], "w").close()

restarting._restart_kept = after_another
main()
"""

# Somebody pauses what has been asked to end.
PAUSED = """
from minicontainer.cli.main import main
from minicontainer.engine import pausing
from minicontainer.engine.ending import Stopping
wait = Stopping.wait

def pause_and_wait(stopping):
    pausing.pause(stopping.engine, stopping.name)
    wait(stopping)

Stopping.wait = pause_and_wait
main()
"""

# The program ends when the command has seen that it runs.
ENDS = """
from minicontainer.cli.main import main
from minicontainer.engine.engine import Engine
load = Engine.load_locked

def load_and_end(engine, container_id):
    found = load(engine, container_id)
    if found.running:
        Engine.load_locked = load
        engine.signal(container_id, 9)
        engine.wait(found, -1)
    return found

Engine.load_locked = load_and_end
main()
"""

# It ends when one more process is about to join it.
ENDS_BEFORE = """
from minicontainer.cli.main import main
from minicontainer.libcontainer import exec as execution
from minicontainer.libcontainer.state import start_time
from minicontainer.linux import process
differing = execution._differing

def end_first(pid):
    process.kill(pid, 9)
    while start_time(pid) is not None:
        pass
    return differing(pid)

execution._differing = end_first
main()
"""

# The end of a run is told late to those who are attached: "restarting" is in the status by then.
TOLD_LATE = """
import os, time
from minicontainer.cli.main import main
from minicontainer.engine.session import Session
farewell = Session.farewell

def say_late(session, *arguments):
    open(os.environ["ENDED"], "w").close()
    time.sleep(1)
    farewell(session, *arguments)

Session.farewell = say_late
main()
"""


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    """Exit code, output and error."""
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("run", "-d", *SLEEPS), 125, "is already in use"),
        (("logs", "wanted"), 1, "No such container: wanted"),
    ],
)
def test_a_name_that_is_given_back(mc: Runner, arguments: tuple[str, ...], code: int, said: str) -> None:
    mc.ok("create", *SLEEPS)
    found, out, err = ended(program(mc, VANISHES, *arguments))
    assert (found, out, err.count("\n")) == (code, "", 1), err
    assert said in err
    assert mc.ok("ps", "-aq") == ""


def test_two_restarts_of_one_with_rm(mc: Runner, tmp_path: Path) -> None:
    container = mc.ok("run", "-d", "--rm", *SLEEPS)
    pid = mc.pid(container)
    restart = program(mc, RESTARTED, "restart", "-t", "0", "wanted", GO=str(tmp_path / "go"))
    assert ended(restart) == (0, "wanted\n", "")
    assert mc.state(container) == "running 0"
    assert mc.pid(container) != pid
    mc.ok("rm", "-f", container)
    assert mc.host.look(set())["processes"] == []


def test_a_stop_of_what_is_paused_meanwhile(mc: Runner) -> None:
    """On cgroup v1 a frozen process does not even die of SIGKILL."""
    mc.ok("run", "-d", *SLEEPS)
    assert ended(program(mc, PAUSED, "stop", "-t", "1", "wanted")) == (0, "wanted\n", "")
    assert mc.state("wanted") == "exited 137"


@pytest.mark.parametrize("words", [("update", "--pids-limit", "50"), ("export", "-o", "file")], ids=" ".join)
def test_a_program_that_ends_meanwhile(mc: Runner, tmp_path: Path, words: tuple[str, ...]) -> None:
    """The command sees an ended container, as a moment later: it is no error of the user's."""
    mc.ok("run", "-d", *SLEEPS)
    words = tuple(word.replace("file", str(tmp_path / "file")) for word in words)
    code, _, err = ended(program(mc, ENDS, *words, "wanted"))
    assert (code, err) == (0, "")
    assert mc.state("wanted") == "exited 137"
    if words[0] == "update":
        assert mc.state("wanted", "{{.HostConfig.PidsLimit}}") == "50"


@pytest.mark.parametrize(("options", "code"), [((), 126), (("-d",), 1)])
def test_an_exec_in_what_ends(mc: Runner, options: tuple[str, ...], code: int) -> None:
    mc.ok("run", "-d", *SLEEPS)
    found, _, err = ended(program(mc, ENDS_BEFORE, "exec", *options, "wanted", "true"))
    assert (found, err.count("\n")) == (code, 1), err
    assert "the container has ended" in err


def test_a_removal_by_force_is_told_once(mc: Runner) -> None:
    """However often it has to look before the container is gone."""
    container = mc.ok("run", "-d", *SLEEPS)
    monitor = mc.monitor(container)
    events = ("events", "--since", "1h", "--until", "0s", "--format", "{{.Action}}")
    told = (*events, "--filter", f"container={container}", "--filter", "event=kill")
    mc.host.kill(monitor, signal.SIGSTOP)
    removal = mc.start("rm", "-f", container)
    until(lambda: mc.ok(*told) == "kill", "the program is killed")
    time.sleep(1)
    mc.host.kill(monitor, signal.SIGCONT)
    assert ended(removal) == (0, f"{container}\n", "")
    assert mc.ok(*told) == "kill"


def test_who_is_attached_learns_the_end_of_a_run_that_another_was_to_follow(
    mc: Runner, tmp_path: Path
) -> None:
    """Who stops a container that waits kills its monitor: not before that has told."""
    over = tmp_path / "ended"
    script = "echo said; while :; do sleep 0.05; done"
    words = ("--restart", "always", *NONE, "--name", "wanted", "busybox", "sh", "-c", script)
    run = program(mc, TOLD_LATE, "run", *words, ENDED=str(over))
    assert run.stdout is not None
    assert run.stdout.readline() == b"said\n"
    mc.host.kill(mc.pid("wanted"))
    until(over.exists, "the program has ended")
    mc.ok("stop", "wanted")
    assert ended(run) == (137, "", "")
    assert mc.state("wanted") == "exited 137"
    assert os.listdir(f"{mc.root}/containers/.names") == ["wanted"]
