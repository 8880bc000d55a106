"""A container's life after `run`: each verb by itself, and a hundred lives in a row.

Each function gives the commands to be measured, by engine, with what has to be done before each time::

    exec      in a container that runs
    start     of one that has ended
    stop      of one that obeys SIGTERM, and ran for so long that its monitor rests
    rm        of one that was created
    ps -a     of many that were created
"""

from __future__ import annotations

import contextlib
import os
import sys
from concurrent.futures import ThreadPoolExecutor

from bench.measure import Command, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.peers import Engine

NAME = "bench-life"
SLEEPS = ("sleep", "3600")
OBEYS = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait $!; done")
RESTS_S = 3.5  # from the start of a container, until its monitor has nothing more to do
MAKERS = 4  # who make many containers at once
PROJECT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


@contextlib.contextmanager
def one(engines: Mapping[str, Engine], image: str, *program: str) -> Iterator[None]:
    """A container in each engine, created for the time of the ``with``."""
    try:
        for engine in engines.values():
            create(engine, NAME, image, *program).must_run()
        yield
    finally:
        for engine in engines.values():
            engine.command("rm", "-f", NAME).run()


def create(engine: Engine, name: str, image: str, *program: str) -> Command:
    """The command that makes a container."""
    return engine.command("create", "--name", name, "--network", "none", image, *program)


def executing(engines: Mapping[str, Engine]) -> dict[str, Command]:
    """`exec`, in containers that this starts."""
    for engine in engines.values():
        engine.command("start", NAME).must_run()
    return {name: engine.command("exec", NAME, "true") for name, engine in engines.items()}


def starting(engines: Mapping[str, Engine]) -> dict[str, Command]:
    """`start`, each time of a container that was killed and is over."""
    return {
        name: engine.command(
            "start",
            NAME,
            prepare=["sh", "-c", f"{_line(engine, 'kill', NAME)}; {_line(engine, 'wait', NAME)}"],
        )
        for name, engine in engines.items()
    }


def stopping(engines: Mapping[str, Engine]) -> dict[str, Command]:
    """`stop`, each time of a container whose monitor rests."""
    return {
        name: engine.command(
            "stop", NAME, prepare=["sh", "-c", f"{_line(engine, 'start', NAME)} && sleep {RESTS_S}"]
        )
        for name, engine in engines.items()
    }


def removing(engines: Mapping[str, Engine], image: str) -> dict[str, Command]:
    """`rm`, each time of a new container."""
    return {
        name: engine.command("rm", f"{NAME}-rm", prepare=create(engine, f"{NAME}-rm", image, "true").words)
        for name, engine in engines.items()
    }


@contextlib.contextmanager
def many(engines: Mapping[str, Engine], image: str, count: int) -> Iterator[dict[str, Command]]:
    """`ps -a`, beside ``count`` containers for the time of the ``with``."""
    names = [f"{NAME}-{number}" for number in range(count)]
    try:
        for engine in engines.values():
            making = [create(engine, name, image, "true") for name in names]
            with ThreadPoolExecutor(MAKERS) as pool:
                list(pool.map(Command.must_run, making))
        yield {name: engine.command("ps", "-a") for name, engine in engines.items()}
    finally:
        for engine in engines.values():
            engine.command("rm", "-f", *names).run(timeout=600)


def lives(engine: Engine, image: str, count: int, callers: int) -> float:
    """Containers per second, of ``count`` that run and are removed by ``callers`` at once.  Raises Failed."""
    run = engine.command("run", "--rm", "--network", "none", image, "true")
    words = [sys.executable, "-m", "bench.churn", str(count), str(callers), *run.words]
    environment = {**run.environment, "PYTHONPATH": PROJECT}
    taken = Command(words, wrapper=run.wrapper, environment=environment).must_run()
    return count / float(taken)


def _line(engine: Engine, *words: str) -> str:
    return quoted(engine.command(*words).words)
