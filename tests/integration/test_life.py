"""All verbs at once on the same few containers: no deadlock, no traceback, nothing left."""

from __future__ import annotations

import random
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess

    from tests.integration.runner import Runner

SECONDS = 6.0
AT_ONCE = 6
NAMES = ("one", "two", "three")
VERBS = (
    ("start",), ("stop", "-t", "0"), ("restart", "-t", "0"), ("kill",), ("pause",), ("unpause",),
    ("rename",), ("update", "--pids-limit", "50"), ("rm", "-f"), ("wait",), ("start", "-a"),
    ("exec", "-d"), ("ps", "-as"), ("container", "prune", "-f"), ("commit",),
)  # fmt: skip
MAKING = ("--network", "none", "busybox", "sh", "-c", "sleep 0.5")
REFUSALS = (
    "No such container", "is not running", "is already paused", "is not paused", "cannot start a paused",
    "is paused, unpause", "already in use", "same name as its current", "failed to start containers",
    "cannot exec", "its monitor was killed", "no such image", "has ended", "cannot pause", "cannot resume",
    "cannot kill", "cannot update", "stopped", "killed before it was ready",
)  # fmt: skip


def words(chance: random.Random) -> tuple[str, ...]:
    """One command."""
    name = chance.choice(NAMES)
    if chance.random() < 0.35:
        options = ("--rm",) if chance.random() < 0.5 else ()
        return ("run", "-d", "--name", name, *options, *MAKING)
    verb = chance.choice(VERBS)
    if verb[0] in ("ps", "container"):
        return verb
    rest = {"rename": (chance.choice(NAMES),), "exec": ("true",), "commit": ("image",)}.get(verb[0], ())
    return (*verb, name, *rest)


def keep_busy(
    mc: Runner, chance: random.Random, running: list[tuple[tuple[str, ...], subprocess.Popen[bytes], float]]
) -> int:
    """How many commands ended, each in time and with no error but those that must be."""
    done = 0
    until = time.monotonic() + SECONDS
    while running or time.monotonic() < until:
        while len(running) < AT_ONCE and time.monotonic() < until:
            arguments = words(chance)
            running.append((arguments, mc.start(*arguments), time.monotonic()))
        if time.monotonic() > until:
            mc("rm", "-f", *NAMES)  # who waits for a paused one would wait for ever
        for entry in list(running):
            arguments, process, began = entry
            if process.poll() is None:
                assert time.monotonic() - began < 60, f"hangs: {arguments}"
            else:
                running.remove(entry)
                done += 1
                _, err = process.communicate()
                for line in err.decode().splitlines():
                    assert any(known in line for known in REFUSALS), f"{arguments}: {err!r}"
        time.sleep(0.01)
    return done


def test_every_verb_beside_every_other(mc: Runner) -> None:
    seed = random.randrange(1 << 30)
    chance = random.Random(seed)
    running: list[tuple[tuple[str, ...], subprocess.Popen[bytes], float]] = []
    try:
        done = keep_busy(mc, chance, running)
    except AssertionError as error:
        raise AssertionError(f"seed {seed}: {error}") from None
    finally:
        for _, process, _ in running:  # else their zombies would keep the host from ending
            process.kill()
            process.communicate()
    assert done > 20
    mc("rm", "-f", *NAMES)
    assert mc.ok("ps", "-aq") == ""
