"""Times of commands by hyperfine(1), in seconds."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Failed(Exception):
    """A command under measurement, or its preparation, did not succeed; the text says which and why."""


class Command:
    """What is measured: ``words``, inside ``wrapper`` words that are started once and not measured.

    ``prepare`` runs before each time and is not measured either.
    """

    __slots__ = ("environment", "prepare", "words", "wrapper")

    def __init__(
        self,
        words: Sequence[str],
        *,
        wrapper: Sequence[str] = (),
        environment: dict[str, str] | None = None,
        prepare: Sequence[str] = (),
    ) -> None:
        self.words = list(words)
        self.wrapper = list(wrapper)
        self.environment = environment or {}
        self.prepare = list(prepare)

    def run(self, *, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """Run it once, unmeasured."""
        return subprocess.run(
            [*self.wrapper, *self.words],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )

    def must_run(self) -> str:
        """Run it once; its output.  Raises Failed."""
        ran = self.run()
        if ran.returncode:
            raise Failed(f"{' '.join(self.words)}: {last_line(ran.stderr) or f'exit code {ran.returncode}'}")
        return ran.stdout

    def must_run_apart(self) -> None:
        """Run it once, for what leaves a process behind that would keep our pipes open.  Raises Failed."""
        words, null = [*self.wrapper, *self.words], subprocess.DEVNULL
        environment = {**os.environ, **self.environment}
        ran = subprocess.run(words, env=environment, stdin=null, stdout=null, stderr=null, check=False)
        if ran.returncode:
            raise Failed(f"{' '.join(self.words)}: exit code {ran.returncode}")


def last_line(text: str) -> str:
    """The last line that says something."""
    return (text.strip().splitlines() or [""])[-1]


def times(command: Command, runs: int, *, warmup: int = 1) -> list[float]:
    """Seconds that each of ``runs`` runs took.  Raises Failed."""
    with tempfile.NamedTemporaryFile(suffix=".json") as result:
        words = ["hyperfine", "--shell=none", "--style=none", "--warmup", str(warmup), "--runs", str(runs)]
        words += ["--export-json", result.name]
        if command.prepare:
            words += ["--prepare", quoted(command.prepare)]
        words.append(quoted(command.words))
        measured = Command(words, wrapper=command.wrapper, environment=command.environment).run(timeout=900)
        if measured.returncode:
            failed = command.run()
            reason = last_line(failed.stderr) or last_line(measured.stderr)
            raise Failed(f"{' '.join(command.words)}: {reason}")
        with open(result.name) as file:
            found: list[float] = json.load(file)["results"][0]["times"]
    return found


def alternating(
    commands: dict[str, Command], runs: int, *, rounds: int = 2, warmup: int = 1
) -> dict[str, float]:
    """The median of each, measured in turns, so that a machine that slows down slows all of them."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name] += times(command, max(2, runs // rounds), warmup=warmup)
    return {name: statistics.median(values) for name, values in taken.items()}


def library(bundle: str, root: str, runs: int) -> float:
    """The median of create-start-wait-delete by the library, in a process that is already running."""
    ran = Command([sys.executable, "-m", "bench.library", bundle, root, str(runs)]).must_run()
    return statistics.median(float(line) for line in ran.split())


def quoted(words: Sequence[str]) -> str:
    """``words`` as hyperfine splits them again."""
    import shlex

    return shlex.join(words)
